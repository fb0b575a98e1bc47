"""The operator's page open in Chromium while 1200 Hz are recorded: ``pytest -n 0 -s -m benchmark THIS``.

GAZEKIT_BENCH_SECONDS (180) makes it shorter; the page is closed halfway and opened again.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.capture.desk import Desk
from gazekit.capture.operator_page import OperatorPage
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import State
from gazekit.capture.session_setup import prepare_part, record_part
from gazekit.session import open_session
from gazekit.study import read_study
from tests.benchmarks.figures import record
from tests.needs import need

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(0)]
SECONDS = float(os.environ.get("GAZEKIT_BENCH_SECONDS", "180"))
COMMAND = "pytest -n 0 -s -m benchmark tests/benchmarks/test_operator_page.py"


def test_the_page_slows_nothing(make_study: Callable[..., Path], tmp_path: Path) -> None:
    need(shutil.which("chromium"), "chromium")
    from playwright.sync_api import sync_playwright

    study = read_study(make_study(rate=1200, duration=3000, pictures=max(2, round((SECONDS - 5) / 3.05))))
    desk, state, times = Desk(), State(), np.zeros(100_000, dtype=np.int64)
    part = prepare_part(study, "P01", tmp_path)

    def watch(recorder: Recorder, state: State) -> None:
        inner = recorder.put

        def put(stream: str, item: Any) -> None:
            before = time.perf_counter_ns()
            inner(stream, item)
            times[min((time.perf_counter_ns() - before) // 1000, 99_999)] += 1

        recorder.put = put  # type: ignore[method-assign]
        page.watch(recorder, state)

    def session() -> None:
        record_part(
            part, realtime=True, keep_journal=False, headless=True, state=state, stop=threading.Event(), watch=watch,
            desk=desk,
        )  # fmt: skip

    rates: list[float] = []
    with OperatorPage(desk, state, study.screen.screen()) as page, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        thread = threading.Thread(target=session)
        thread.start()
        while state.phase != "picture":  # no decision is wanted of the page
            time.sleep(0.05)
        tab.goto(page.link)
        half = time.monotonic() + SECONDS / 2
        while state.phase != "writing the session file" and thread.is_alive():
            tab.wait_for_timeout(1000)
            if (rate := tab.evaluate("document.body.dataset.hz")) is not None:
                rates.append(float(rate))
            if half and time.monotonic() > half:
                tab.close()
                tab, half = browser.new_page(viewport={"width": 1280, "height": 900}), 0.0
                tab.goto(page.link)
                tab.screenshot(path=tmp_path / "page.png")
        thread.join()
        browser.close()
    shown = open_session(part.session)
    sums = np.cumsum(times)
    p95 = int(np.searchsorted(sums, 0.95 * sums[-1])) + 1
    missing = int(shown.streams["gaps"]["missing"].sum())
    slowest = sorted(rates)[len(rates) // 20]
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(
        f"\ncallback p95 {p95} us, {missing} missing, page {np.median(rates):.1f} (p5 {slowest:.1f}) a second, {load}"
    )
    data = f"simulated tracker, 1200 Hz, {SECONDS:.0f} s, page closed and opened again halfway; {load}"
    value = f"callback p95 {p95} us, {missing} samples missing, page {np.median(rates):.1f} a second (p5 {slowest:.1f})"
    record(
        "capture", "operator's page open in Chromium", value, data=data, command=COMMAND,
        bar="p95 < 100 us, 0 missing, >= 10 a second", developed_on=False,
    )  # fmt: skip
    texts = shown.messages["text"].tolist()
    assert texts.count("the operator's page was opened") == texts.count("the operator's page was closed") + 1 == 2
    assert p95 < 100
    assert missing == 0
    assert np.median(rates) >= 10
