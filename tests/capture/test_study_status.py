"""How far a study is, and what to look at before a session."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pygame
import pytest
from click.testing import CliRunner

from gazekit.capture.checklist import checklist
from gazekit.capture.desk import Desk
from gazekit.capture.desktop import Desktop, look_at_desktop
from gazekit.capture.session_loop import State
from gazekit.capture.session_setup import prepare_part, record_part
from gazekit.capture.study_status import study_status
from gazekit.capture.titta import MODULES
from gazekit.cli import gazekit
from gazekit.events.settings import QualitySection
from gazekit.machine import inspect_machine
from gazekit.screen import Screen
from gazekit.study import Study, read_study
from tests.fixtures.fake_titta import FakeTitta
from tests.fixtures.session_study import MakeStudy
from tests.fixtures.stopping_tracker import StoppingTracker

DESIGN = """
[[factors]]
name = "group"
levels = ["a", "b"]
[design]
people = 1
viewers = 2
"""


def record_with_note(study: Study, participant: str, folder: Path, note: str = "", seconds: float = 0) -> None:
    desk, screen = Desk(), study.screen.screen()
    if note:
        desk.put("note", note)
    tracker = StoppingTracker(screen, seconds) if seconds else None
    record_part(
        prepare_part(study, participant, folder), realtime=False, keep_journal=False, headless=True, state=State(),
        stop=tracker.stop_event if tracker else threading.Event(), tracker=tracker, desk=desk,
    )  # fmt: skip


@pytest.fixture
def study(make_study: MakeStudy) -> Study:
    return read_study(make_study(pictures=3, duration=1000, extra=DESIGN))


def test_participants_pictures_and_what_is_needed(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "out"
    record_with_note(study, "P01", out, "left early for the bus")
    record_with_note(study, "P02", out, seconds=6.0)
    found = study_status(study, out, QualitySection(max_accuracy_deg=9, max_rms_s2s_deg=9))
    people = found.participants.set_index("participant")
    assert people["complete"].to_dict() == {"P01": True, "P02": False}
    assert people["notes"]["P01"] == "left early for the bus"
    assert people["ended_by"]["P02"] == "a signal"
    assert sorted(people["group"]) == ["a", "b"]
    assert set(people["quality"]) <= {"pass", "fail"}
    assert found.pictures["viewers"].sum() == 3 + int(people["done"]["P02"])
    assert (found.pictures["good_viewers"] <= found.pictures["viewers"]).all()
    other = people["group"]["P02"]
    assert f"group={other}: 0 of 1 people (complete, quality not failed)" in found.needed
    assert any(line.endswith("1 of 2 good viewers") for line in found.needed)
    assert "not complete: P02 (gazekit record --resume)" in found.needed
    strict = study_status(study, out, QualitySection(max_loss_percent=0, max_accuracy_deg=0.01))
    assert set(strict.participants["quality"]) == {"fail"}
    assert strict.pictures["good_viewers"].sum() == 0


def test_an_empty_folder_has_all_pictures_and_all_needs(study: Study, tmp_path: Path) -> None:
    found = study_status(study, tmp_path / "nothing")
    assert found.participants.empty
    assert found.pictures["viewers"].tolist() == [0, 0, 0]
    assert len(found.needed) == 5


def test_the_checklist_names_what_is_wrong(study: Study, tmp_path: Path) -> None:
    items = {item.name: item for item in checklist(study, tmp_path)}
    assert list(items) == ["study", "disk", "journals", "backup", "tracker", "display", "screen", "fonts"]
    assert items["study"].state == items["journals"].state == items["fonts"].state == "good"
    assert items["tracker"].state == "look"  # simulated
    assert "nobody can see it" in items["display"].words
    (tmp_path / "P09.gaze.journal").write_bytes(b"x")
    record = study.record.model_copy(update={"backup": Path("usb")})
    other = study.model_copy(update={"record": record})
    other._file = study.file
    items = {item.name: item for item in checklist(other, tmp_path)}
    assert "P09.gaze.journal" in items["journals"].words
    assert items["backup"].state == "bad"


def test_the_checklist_names_what_a_lab_machine_lacks(make_study: MakeStudy, tmp_path: Path) -> None:
    path = make_study(extra=f"display = 3\n[record]\nbackup = '{tmp_path.as_posix()}'")
    items = {item.name: item for item in checklist(read_study(path), tmp_path)}
    assert items["backup"].state == "good"
    assert f"GB free in {tmp_path}" in items["backup"].words
    assert (items["display"].state, items["display"].words) == ("bad", "[presentation] display = 3: there are 1")
    path.write_text(path.read_text().replace('"simulated"', '"lsl"').replace("rate_hz = 120", "serial = 'none-such'"))
    items = {item.name: item for item in checklist(read_study(path), tmp_path)}
    assert items["tracker"].state == "bad"
    assert "no lsl tracker is there" in items["tracker"].words


def test_a_display_that_is_open_stays_open_under_the_checklist(study: Study, tmp_path: Path) -> None:
    pygame.display.init()
    try:
        checklist(study, tmp_path)
        inspect_machine(tmp_path)
        assert pygame.display.get_init()
    finally:
        pygame.display.quit()


def test_what_a_library_prints_while_displays_are_looked_for_is_told_in_their_line(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    really_init = pygame.display.init

    def init_aloud() -> None:
        os.write(2, b"error: XDG_RUNTIME_DIR is invalid or not set\n")  # as Wayland's does
        really_init()

    monkeypatch.setattr("pygame.display.init", init_aloud)
    (display,) = (part for part in inspect_machine(tmp_path) if part.name == "display")
    assert display.state == "doubt"
    assert "no screen was found (said while looking: error: XDG_RUNTIME_DIR is invalid or not set)" in display.text
    assert "a session needs a screen" in display.remedy
    checklist(study, tmp_path)
    assert "XDG_RUNTIME_DIR" not in capfd.readouterr().err


def test_a_display_that_cannot_be_opened_is_said(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "none-such")
    items = {item.name: item for item in checklist(study, tmp_path)}
    assert items["display"].state == "bad"
    assert "no display can be opened: none-such not available" in items["display"].words
    (display,) = (part for part in inspect_machine(tmp_path) if part.name == "display")
    assert (display.state, display.text) == ("missing", "none-such not available")
    assert "a session needs a screen" in display.remedy


def test_a_design_without_numbers_needs_nothing_more(make_study: MakeStudy, tmp_path: Path) -> None:
    assert study_status(read_study(make_study()), tmp_path / "nothing").needed == []


def test_the_command_says_it_in_a_table_and_as_json(study: Study, tmp_path: Path, screen: Screen) -> None:
    out = tmp_path / "out"
    record_with_note(study, "P01", out, "coughs")
    arguments = ["study", "status", str(study.file), "--sessions", str(out)]
    run = CliRunner().invoke(gazekit, arguments)
    assert run.exit_code == 0, run.output
    for words in ("P01 note: coughs", "good_viewers", "still needed", "before a session", "look  backup"):
        assert words in run.output
    content = json.loads(CliRunner().invoke(gazekit, [*arguments, "--json", "--no-quality"]).stdout)
    assert content["participants"][0]["steps"] == 3
    assert content["participants"][0]["quality"] == ""
    assert [row["good_viewers"] for row in content["pictures"]] == [1, 1, 1]
    assert len(content["checklist"]) == 8


def test_a_place_that_holds_no_sessions_is_said(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n")
    for name in ("nowhere", "table.csv"):
        run = CliRunner().invoke(gazekit, ["study", "status", str(tmp_path / name)])
        assert "neither a folder of sessions nor a study file" in str(run.exception)
    run = CliRunner().invoke(gazekit, ["study", "status", str(tmp_path)])
    assert run.output == f"no session in {tmp_path} yet\n"


def test_nothing_stands_before_the_json(study: Study, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "gazekit",
        "study",
        "status",
        str(study.file),
        "--sessions",
        str(tmp_path),
        "--json",
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)["participants"] == []


@pytest.mark.parametrize(
    ("driver", "size", "state", "words"),
    [
        ("x11", (1920, 1080), "good", "1920 x 1080 pixels at 60 Hz (x11)"),
        ("x11", (1280, 720), "bad", "1280 x 720 pixels at 60 Hz (x11); [screen] says 1920 x 1080"),
        ("offscreen", (1920, 1080), "look", "1920 x 1080 pixels at 60 Hz (offscreen): nobody can see it"),
    ],
)
def test_the_display_is_compared_with_the_study(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    driver: str,
    size: tuple[int, int],
    state: str,
    words: str,
) -> None:
    monkeypatch.setattr("gazekit.capture.desktop.look_at_desktop", lambda: Desktop(driver, [size], [60]))
    items = {item.name: item for item in checklist(study, tmp_path)}
    assert (items["display"].state, items["display"].words) == (state, words)


@pytest.mark.parametrize(
    ("serial", "state", "words"),
    [
        ("TPS-1", "good", "Spectrum TPS-1 at tet-tcp://10.0.0.1"),
        ("TPS-2", "bad", "no tobii tracker is there; found TPS-1; is it on, is its cable in?"),
    ],
)
def test_the_tracker_is_the_one_that_the_study_names(
    make_study: MakeStudy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serial: str, state: str, words: str
) -> None:
    monkeypatch.setitem(sys.modules, "tobii_research", None)
    for name in MODULES.values():
        monkeypatch.setitem(sys.modules, name, FakeTitta())  # type: ignore[arg-type]
    study = read_study(make_study(kind="tobii", tracker=f"serial = '{serial}'"))
    items = {item.name: item for item in checklist(study, tmp_path)}
    assert (items["tracker"].state, items["tracker"].words) == (state, words)


def test_a_text_that_no_font_has_is_found_before_the_session(make_study: MakeStudy, tmp_path: Path) -> None:
    study = read_study(make_study(extra='[[pages]]\nplace = "start"\ntext = "coral \U0010fffd"\n'))
    items = {item.name: item for item in checklist(study, tmp_path)}
    assert items["fonts"].state == "bad"
    assert "no font of this machine has" in items["fonts"].words


def test_displays_are_found_where_standard_error_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stderr__", None)
    desktop = look_at_desktop()
    assert desktop.driver == "dummy"
    assert desktop.said == ()
