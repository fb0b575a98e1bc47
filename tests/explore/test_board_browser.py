"""A lab assistant's and a reviewer's way through the pages, in a real browser."""

from __future__ import annotations

import re
import shlex
import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.events import session_fixations
from gazekit.explore import Material, load_material, serve
from gazekit.session import Session, open_session, write_session
from gazekit.session.exclusions import read_exclusions

PHONE = {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def without_gaze_on(session: Session, trials: int) -> Session:
    """Lose three of four samples of the first trials, under another name."""
    recording = session.recording
    lost = recording.system_time_us < session.trials()[trials].onset_us
    lost[::4] = False
    sides = {
        side: replace(eye, valid=eye.valid & ~lost)
        for side, eye in (("left", recording.left), ("right", recording.right))
    }
    return replace(session, participant="P03", recording=replace(recording, **sides))


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("browser") / "sessions"
    shutil.copytree("sample_data/sessions", folder, ignore=shutil.ignore_patterns(".explore"))
    bad = without_gaze_on(open_session(folder / "P01.gaze.h5"), trials=3)
    write_session(bad, folder / "P03.gaze.h5")
    return load_material([folder], pictures=Path("sample_data/pictures.csv").resolve())


@pytest.fixture(scope="module")
def links(shown: Material) -> list[str]:
    told: list[str] = []
    ready = threading.Event()

    def tell(link: str) -> None:
        told.append(link)
        ready.set()

    threading.Thread(target=serve, args=(shown,), kwargs={"ready": tell}, daemon=True).start()
    assert ready.wait(200)
    return told


def expect(locator: Any) -> Any:
    return pytest.importorskip("playwright.sync_api").expect(locator)


def faults(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page)
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found.response["violations"]]


def test_a_lab_assistant_finds_the_bad_session_looks_and_excludes(
    browser: Any, links: list[str], shown: Material
) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(links[-1])
    assert "token" not in page.url
    page.locator("select[name=sort_people]").select_option("worst first")
    page.wait_for_url("**/*sort_people=value*")
    page.locator("#cells[data-ready]").focus()
    assert page.locator("#cell").inner_text().startswith("P03, ")
    assert faults(page) == []
    assert page.locator("tbody tr").first.inner_text().split()[0] == "P03"
    for _ in range(6):
        if "better left out" in page.locator("#cell").inner_text():
            break
        page.keyboard.press("ArrowRight")
    image = page.locator("#cell").inner_text().removeprefix("P03, ").partition(":")[0]
    page.keyboard.press("Enter")
    page.wait_for_selector("#trial[data-ready]")
    assert image in page.locator("h1").inner_text()
    assert "better left out: loss_percent is" in page.locator("main").inner_text()
    assert faults(page) == []
    page.keyboard.press("Space")
    expect(page.locator("#now")).to_have_text(re.compile(r"[1-9]\d\d+ ms"))
    page.keyboard.press("Space")
    before = float(page.locator("#time").input_value())
    page.keyboard.press(".")
    assert 0 < float(page.locator("#time").input_value()) - before < 20
    trial = page.url
    page.keyboard.press("x")
    page.get_by_label("Reason").fill("the phone rang")
    page.get_by_role("button", name="Exclude").click()
    expect(page.get_by_role("status").first).to_contain_text("excluded: P03")
    assert faults(page) == []
    page.get_by_role("link", name="Trials").click()
    assert faults(page) == []
    page.goto(trial)
    expect(page.locator("main")).to_contain_text("the phone rang")
    entry = read_exclusions(shown.folder / "exclusions.toml")[0]
    assert (entry.participant, entry.image, entry.reason) == ("P03", image, "the phone rang")
    page.close()


def test_a_reviewer_changes_a_threshold_and_copies_the_command(
    browser: Any, links: list[str], shown: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = browser.new_context(**PHONE)
    page = context.new_page()
    page.goto(links[-1])
    page.wait_for_selector("#cells[data-ready]")
    assert faults(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    facts = next(facts for facts in shown.sessions if facts.participant == "P02")
    address = page.url.rstrip("/") + f"/trial/{facts.key}/2"
    page.goto(f"{address}?detector=ivt&beside.detector=idt")
    page.wait_for_selector("#trial[data-ready='1']")
    assert faults(page) == []
    summary = page.locator("form.detector dl").first
    usual = summary.inner_text()
    page.get_by_label("velocity_threshold_deg_s").first.fill("8")
    page.wait_for_selector("#trial[data-ready='2']")
    assert summary.inner_text() != usual
    assert "velocity_threshold_deg_s=8" in page.url
    page.get_by_text("Copy the command", exact=True).click()
    expect(page.locator("#command")).to_contain_text("_deg_s=8")
    command = page.locator("#command").inner_text()
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(gazekit, shlex.split(command)[1:]).exit_code == 0
    written = pd.read_csv("trial.csv")
    every = session_fixations(open_session(facts.file), "ivt", velocity_threshold_deg_s=8)
    expected = every[every["image"] == written["image"].iloc[0]]
    assert len(written) == len(expected) == page.locator("#fixations tr").count()
    assert f"fixations\n{len(expected)}" in summary.inner_text()
    context.close()
