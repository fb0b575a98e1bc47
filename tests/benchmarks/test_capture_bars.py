"""The bars of capture. By hand: ``pytest -m benchmark tests/benchmarks/test_capture_bars.py -s``.

GAZEKIT_BENCH_KILLS and GAZEKIT_BENCH_SECONDS make them shorter, or spread them over runs with GAZEKIT_BENCH_SEED.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gazekit.capture import record
from gazekit.core.errors import OutputError
from gazekit.session import open_session
from gazekit.session.finalise import recover
from gazekit.session.samples import EYE_OPENNESS, SAMPLE, from_recording
from gazekit.study import read_study
from tests.benchmarks.figures import record as record_figure
from tests.fixtures import killing_sessions as killing
from tests.fixtures.journals import harm_many

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(0)]
KILLS = int(os.environ.get("GAZEKIT_BENCH_KILLS", "200"))
SECONDS = float(os.environ.get("GAZEKIT_BENCH_SECONDS", "600"))
COMMAND = "pytest -n 0 -s -m benchmark tests/benchmarks/test_capture_bars.py"
SEED = int(os.environ.get("GAZEKIT_BENCH_SEED", "1"))


def _load() -> str:
    return f"load {os.getloadavg()[1]:.0f} on {os.cpu_count()} cores"


def test_kill_at_random_moments(make_study: Callable[..., Path], tmp_path: Path) -> None:
    outcome = killing.kill_many(killing.short_study(make_study), tmp_path / "out", np.random.default_rng(SEED), KILLS)
    print(f"\nkills {outcome.sessions}; worst loss {outcome.worst_loss_ms:.1f} ms; {outcome.phases}")
    value = f"all {outcome.sessions} recover; worst loss {outcome.worst_loss_ms:.0f} ms; none doubled"
    record_figure(
        "capture", f"kill -9 at {KILLS} random moments", value, data=f"simulated tracker; {_load()}",
        command=f"{COMMAND} -k kill", bar="all",
    )  # fmt: skip
    assert outcome.sessions == KILLS
    assert outcome.worst_loss_ms <= 150


def test_a_thousand_harmed_files(tmp_path: Path) -> None:
    outcomes = harm_many(tmp_path, np.random.default_rng(SEED), 500)
    print(f"\n500 journals and 500 session files: {outcomes}")
    assert sum(outcomes.values()) == 1000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if not mount or os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    subprocess.run([mount, "-t", "tmpfs", "-o", "size=48m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_disk_full_at_fifty_points(make_study: Callable[..., Path], tmp_path: Path, small_disk: Path) -> None:
    study = make_study(duration=2000, rate=600, pictures=8)
    whole = from_recording(open_session(record(read_study(study), "P01", tmp_path / "whole", realtime=False)).recording)
    rng = np.random.default_rng(SEED)
    journal_size = len(whole) * (SAMPLE.itemsize + EYE_OPENNESS.itemsize)
    where = {"recording": 0, "file making": 0}
    ballast = small_disk / "ballast"
    for n, point in enumerate(rng.uniform(0.01, 1.4, 50)):
        out = small_disk / str(n)

        def fill(*_: object, leave: int = int(point * journal_size)) -> None:
            free = shutil.disk_usage(small_disk).free
            ballast.write_bytes(bytes(max(0, free - leave)))

        with pytest.raises(OutputError, match="cannot be written") as failure:
            record(read_study(study), "P01", out, realtime=False, watch=fill)
        where["recording" if "any more" in str(failure.value) else "file making"] += 1
        ballast.unlink()
        made = recover(out / "P01.gaze.journal")
        got = from_recording(open_session(made.session).recording)
        assert got.tobytes() == whole[: len(got)].tobytes()
        # all that fitted came back; the last batch, which did not fit, is what is missing
        assert len(got) >= min(point, 1.0) * len(whole) - 1200
        shutil.rmtree(out)
    print(f"\n50 full disks: {where}")
    record_figure(
        "capture", "disk full at 50 random points", "a clear message and all earlier samples, 50 of 50",
        data=f"simulated tracker; {_load()}", command=f"{COMMAND} -k disk", bar="50 of 50",
    )  # fmt: skip
    assert min(where.values()) > 5


def test_ten_minutes_at_1200_hz(make_study: Callable[..., Path], tmp_path: Path) -> None:
    """Binocular, eye openness, pictures in a window (dummy video), LSL to a consumer in another process."""
    pictures = max(1, round((SECONDS - 4) / 3.1))
    study = make_study(rate=1200, duration=3000, pictures=pictures, tracker="lsl_outlet = true")
    settings = tmp_path / "lsl.cfg"
    settings.write_text("[multicast]\nResolveScope = machine\n[lab]\nKnownPeers = {127.0.0.1}\n")
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "LSLAPICFG": str(settings)}
    consumer = subprocess.Popen([sys.executable, "-c", _CONSUMER], env=environment, stdout=subprocess.PIPE, text=True)
    script = Path(__file__).with_name("capture_ten_minutes.py")
    run = subprocess.run(
        [sys.executable, str(script), str(study), str(tmp_path / "out")],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    received, _ = consumer.communicate(timeout=60)
    assert run.returncode == 0, run.stderr
    figures = json.loads(run.stdout.splitlines()[-1]) | {"lsl_received": int(received), "load": os.getloadavg()}
    print("\n" + json.dumps(figures, indent=1))
    value = (
        f"{figures['samples']:,} samples, {figures['missing']} lost, {figures['out_of_order']} out of order; writer "
        f"{figures['writer_percent_of_core']:.1f} % of a core; callback p95 {figures['callback_p95_us']} us"
    )
    minutes = "10 minutes" if SECONDS == 600 else f"{SECONDS:g} s"
    record_figure(
        "capture", f"{minutes} at 1200 Hz, both eyes, pictures, LSL and the watchdog on", value,
        data=f"simulated tracker; load {figures['load'][1]:.0f} on {os.cpu_count()} cores", command=f"{COMMAND} -k ten",
        bar="0 lost; writer <= 25 %; p95 < 100 us",
    )  # fmt: skip
    assert figures["missing"] == figures["out_of_order"] == 0
    assert figures["writer_percent_of_core"] <= 25
    assert figures["memory_spread_mb"] <= 20
    assert figures["callback_p95_us"] < 100


_CONSUMER = """
import pylsl
from pylsl.util import LostError
stream = pylsl.StreamInlet(pylsl.resolve_byprop("name", "gazekit", timeout=60)[0], recover=False)
count = 0
try:
    while True:
        values, stamps = stream.pull_chunk(timeout=5.0, max_samples=120)
        count += len(stamps)
        if not stamps and count:
            break
except LostError:
    pass
print(count)
"""
