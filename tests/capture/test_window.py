"""The participant's window under the dummy driver, with real pygame events; the operator's view."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psutil
import pygame
import pytest
from rich.console import Console

from gazekit.capture import drawing, record
from gazekit.capture.calibration import error_vectors
from gazekit.capture.display import PauseAsked, Viewing
from gazekit.capture.item_settings import RatingSection
from gazekit.capture.items import item_in
from gazekit.capture.operator import Operator
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import State
from gazekit.capture.session_setup import prepare_part, record_part
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.window import Window
from gazekit.core.errors import ConfigError
from gazekit.screen import Screen
from gazekit.session import Calibration, CalibrationPoint, open_session
from gazekit.session.journal import JournalWriter
from gazekit.session.samples import empty_samples
from gazekit.study import Study, read_study
from tests.fixtures.journals import HEADER

MakeStudy = Callable[..., Path]


@pytest.fixture
def window(make_study: MakeStudy) -> Iterator[Window]:
    study = read_study(make_study())
    opened = Window(study, SimulatedTracker(study.screen.screen(), 1))
    yield opened
    opened.close()


def press(character: str) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=ord(character), unicode=character))


def click(x: float, y: float) -> None:
    pygame.event.post(pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(int(x), int(y))))


@pytest.mark.parametrize(("key", "score"), [("1", "1"), ("7", "7"), ("0", "10")])
def test_a_score_is_given_by_key(window: Window, key: str, score: str) -> None:
    press("x")
    press(key)
    given = window.ask(item_in(RatingSection().as_answer(), "en"))
    assert (given.answer, given.by) == (score, "key")


def test_points_of_a_calibration_are_chosen_to_be_done_again(window: Window) -> None:
    press("2")
    press("1")
    press("1")
    click(0.9 * 1920, 0.9 * 1080)
    press(" ")
    assert window.review(a_calibration(), 1, 3) == [(0.1, 0.1), (0.9, 0.9)]


def a_calibration() -> Calibration:
    def point(x: float, y: float) -> CalibrationPoint:
        left = np.array([[x + 0.01, y], [x + 0.03, y], [5.0, 5.0]])
        return CalibrationPoint((x, y), left, left, np.array([True, True, False]), np.zeros(3, bool))

    return Calibration(0, "success", (point(0.5, 0.5), point(0.1, 0.1), point(0.9, 0.9)))


def test_error_vectors_are_means_over_the_samples_used(screen: Screen) -> None:
    table = error_vectors(a_calibration(), screen)
    left = table[table["eye"] == "left"]
    np.testing.assert_allclose(left["dx"], 0.02)
    np.testing.assert_allclose(left["error_deg"], 0.02 * 1920 / screen.pixels_per_degree)
    assert table[table["eye"] == "right"]["error_deg"].isna().all()


def test_escape_pauses_whatever_is_on_the_screen(window: Window) -> None:
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, unicode="\x1b"))
    with pytest.raises(PauseAsked):
        window.pause("A break.")


def test_what_blocks_is_done_beside_the_screen_and_its_error_comes_back(window: Window) -> None:
    def fail() -> None:
        raise OSError("the tracker coughs")

    assert window.while_busy(lambda: threading.current_thread().name) == "tracker at work"
    with pytest.raises(OSError, match="coughs"):
        window.while_busy(fail)


def test_a_display_of_another_size_is_refused_in_full_screen(make_study: MakeStudy) -> None:
    study = read_study(make_study())
    full = study.presentation.model_copy(update={"fullscreen": True})
    other = study.screen.model_copy(update={"width_px": 111})
    wrong: Study = study.model_copy(update={"presentation": full, "screen": other})
    with pytest.raises(ConfigError, match=r"pixels, \[screen\] says 111 x 1080"):
        Window(wrong, SimulatedTracker(other.screen(), 1))


def test_the_operator_sees_rate_loss_gaze_head_and_notices(make_study: MakeStudy, tmp_path: Path) -> None:
    operator = Operator(State(), quiet=True)
    seen: list[str] = []

    def watch(recorder: Recorder, st: State) -> None:
        operator.watch(recorder, st)

        def look() -> None:
            while st.phase != "writing the session file":
                if st.phase == "picture":
                    console = Console(width=110, record=True, file=io.StringIO())
                    console.print(operator.panel())
                    seen.append(console.export_text())
                stop.wait(0.1)

        stop = threading.Event()
        threading.Thread(target=look, daemon=True).start()

    record(read_study(make_study(pictures=3, duration=600)), "P07", tmp_path, headless=True, watch=watch)
    for part in ("P07 · picture", "of 3", " Hz", "data loss", "validation: left", "Escape: pause and ask"):
        assert part in seen[-1]
    assert any("mm away" in view for view in seen)  # not while the simulated eyes blink
    assert any("●" in view or "l" in view.split("gaze")[1][:1500] for view in seen)


@pytest.mark.parametrize(
    ("gaze", "eyes", "field", "head"),
    [
        (None, None, "", "..."),
        ((0.5, 0.5), None, "l", "eyes not found"),
        ((1.5, 0.5), (-30.0, 4.0, 620.0), "", "620 mm away, -30 mm across, +4 mm up"),
        ((np.nan, np.nan), None, "", "eyes not found"),
    ],
    ids=["before the first sample", "no eyes", "beside the screen", "lost"],
)
def test_the_operator_sees_what_there_is(
    tmp_path: Path,
    gaze: tuple[float, float] | None,
    eyes: tuple[float, float, float] | None,
    field: str,
    head: str,
) -> None:
    recorder = Recorder(JournalWriter(tmp_path / "P01.gaze.journal", HEADER), SimulatedTracker.converters, 300.0)
    if gaze is not None:
        rows = empty_samples(1)
        rows["left_gaze"] = gaze
        rows["left_origin_mm"] = np.nan if eyes is None else eyes
        recorder.put("gaze", rows)
        recorder.flush()
    operator = Operator(State(link=lambda: "http://127.0.0.1/abc", participant="P01"), quiet=True)
    operator.watch(recorder, State(link=lambda: "http://127.0.0.1/abc"))
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(operator.panel())
    view = console.export_text()
    recorder.close({})
    assert head in view
    assert "operator's page (each link works once): http://127.0.0.1/abc" in view
    drawn = [line[4:50] for line in view.splitlines()[2:14]]
    assert "".join(drawn).replace(" ", "") == field


def test_a_refresh_that_is_reported_as_0_is_measured(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    """A display that says nothing of itself and flips every 10 ms runs at 100 Hz, whatever is usual."""
    monkeypatch.setattr(pygame.display, "get_current_refresh_rate", lambda: 0)
    monkeypatch.setattr(window, "_flip", itertools.count(0, 10_000).__next__)
    facts = window.prepare([])
    assert facts["refresh_reported_hz"] == 0
    assert not facts["flips_follow_refresh"]
    assert facts["probe_median_ms"] == 10
    assert window._frame_us == 10_000
    for step in (100, 90_000):  # at once, or slower than any display: nobody's
        monkeypatch.setattr(window, "_flip", itertools.count(0, step).__next__)
        window.prepare([])
        assert window._frame_us == 10_000


def test_a_closed_window_leaves_no_memory_behind(make_study: MakeStudy) -> None:
    """A surface of 8 MB stayed behind with every session: hundreds in one process took gigabytes."""
    study, process, memory = read_study(make_study()), psutil.Process(), []
    for _ in range(8):
        window = Window(study, SimulatedTracker(study.screen.screen(), 1))
        window.show_blank()
        window.close()
        memory.append(process.memory_info().rss / 1e6)
    assert memory[-1] - memory[1] < 20


def test_measured_flips_are_kept(make_study: MakeStudy, tmp_path: Path) -> None:
    session = open_session(record(read_study(make_study(pictures=1)), "P01", tmp_path))
    display: Any = session.display
    assert display["driver"] == "dummy"
    assert 5 < display["flip_median_ms"] < 100  # a busy machine
    assert display["flips_missed"] >= 0
    assert "probe_median_ms" in display


@pytest.mark.parametrize(
    ("background", "expected"), [((128, 128, 128), 25), ((20, 20, 30), 235), ((255, 255, 255), 25), ((90, 0, 0), 235)]
)
def test_ink_stands_out_from_the_background(window: Window, background: tuple[int, int, int], expected: int) -> None:
    from gazekit.capture import drawing

    surface = pygame.display.get_surface()
    surface.fill(background)
    assert drawing.ink(surface) == (expected,) * 3


def test_the_pointer_is_there_only_where_it_answers(window: Window) -> None:
    shown: list[bool] = []
    window.tick = lambda: shown.append(pygame.mouse.get_visible())
    window.show_cross()
    window.wait_until(window._tracker.now_us() + 40_000)
    assert shown
    assert not any(shown)
    shown.clear()
    threading.Timer(0.15, press, "7").start()
    window.ask(item_in(RatingSection().as_answer(), "en"))
    assert shown
    assert all(shown)
    assert not pygame.mouse.get_visible()


def test_a_window_that_nobody_sees_or_that_loses_the_focus_is_in_the_file(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    def distract(recorder: Recorder, state: State) -> None:
        def work() -> None:
            while state.phase != "picture":
                stop.wait(0.01)
            pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))

        stop = threading.Event()
        threading.Thread(target=work, daemon=True).start()

    session = open_session(record(read_study(make_study(pictures=2)), "P01", tmp_path, watch=distract))
    texts = session.messages["text"].tolist()
    assert "the window is on the driver 'dummy': nobody can see it" in texts
    assert "the window lost the focus" in texts


def test_the_alarm_is_red_and_escape_is_heeded_after_the_device_has_answered(window: Window) -> None:
    window.alarm("The eye tracker does not answer.")
    red, green, _ = pygame.display.get_surface().get_at((3, 3))[:3]
    assert red > 2 * green
    done: list[str] = []

    def collect() -> None:
        stop.wait(0.3)
        done.append("collected")

    stop = threading.Event()
    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, unicode="\x1b"))
    with pytest.raises(PauseAsked):
        window.while_busy(collect)
    assert done == ["collected"]


def test_points_that_gave_no_data_are_shown_and_chosen(window: Window) -> None:
    press(" ")
    assert window.review(a_calibration(), 3, 3, [(0.1, 0.9)]) == [(0.1, 0.9)]


def test_the_timing_of_every_picture_is_in_the_file(make_study: MakeStudy, tmp_path: Path) -> None:
    session = open_session(record(read_study(make_study(pictures=3, duration=300)), "P01", tmp_path))
    timing = session.stimuli
    assert len(timing) == 3
    assert (timing["intended_offset_us"] - timing["onset_us"] == 300_000).all()
    assert (timing["onset_us"] - timing["intended_onset_us"] > -20_000).all()
    assert (timing["frames_missed"] >= 0).all()
    assert (timing["swap_us"] >= 0).all()


def test_escape_pauses_asks_and_the_picture_is_shown_again(make_study: MakeStudy, tmp_path: Path) -> None:
    def escape(recorder: Recorder, state: State) -> None:
        def work() -> None:
            while state.phase != "picture":
                stop.wait(0.01)
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE, unicode="\x1b"))

        stop = threading.Event()
        threading.Thread(target=work, daemon=True).start()

    path = make_study(pictures=2, duration=500)
    path.write_text(path.read_text().replace("points = 5", "points = 0").replace("points = 4", "points = 0"))
    session = open_session(record(read_study(path), "P01", tmp_path, watch=escape))
    texts = session.messages["text"].tolist()
    assert texts.index("pause (Escape)") < texts.index("the session goes on")  # a simulated person takes the first key
    assert len(session.stimuli) == 2
    assert session.provenance["end"]["complete"] is True


def test_the_end_is_asked_for_twice_at_the_window(make_study: MakeStudy, tmp_path: Path) -> None:
    def end(recorder: Recorder, state: State) -> None:
        def work() -> None:
            for phase, keys in (("picture", "\x1b"), ("paused", "en"), ("paused", "ey")):
                while state.phase != phase:
                    stop.wait(0.01)
                for key in keys:
                    stop.wait(0.4)
                    pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=ord(key), unicode=key))

        stop = threading.Event()
        threading.Thread(target=work, daemon=True).start()

    path = make_study(pictures=2, duration=3000)
    path.write_text(path.read_text().replace("points = 5", "points = 0").replace("points = 4", "points = 0"))
    study = read_study(path)
    by_hand = study.tracker.model_copy(update={"answers": "by hand"})
    part = prepare_part(study.model_copy(update={"tracker": by_hand}), "P01", tmp_path)
    options: dict[str, Any] = {"realtime": True, "keep_journal": False, "headless": False}
    recovered = record_part(part, state=State(), stop=threading.Event(), watch=end, **options)
    assert recovered.end["complete"] is False
    assert recovered.end["ended_by"] == "Escape"


ASKED_BESIDE = """
[[pages]]
picture = "pictures/p0.png"
text = "Look at this one."
[[pages]]
picture = "pictures/p0.png"
[[answers]]
name = "liked"
text = "Do you like it?"
kind = "choice"
choices = ["yes", "no"]
when = "while"
[[answers]]
name = "sure"
text = "How sure are you?"
low = 1
high = 5
when = "while"
"""


def test_what_is_asked_while_a_picture_is_shown_is_answered_at_its_foot(make_study: MakeStudy, tmp_path: Path) -> None:
    path = make_study(pictures=1, duration=4000, extra=ASKED_BESIDE)
    path.write_text(path.read_text().replace("points = 5", "points = 0").replace("points = 4", "points = 0"))
    shown = open_session(record(read_study(path), "P01", tmp_path)).stimuli.iloc[0]
    assert shown["answer_liked"] in ("yes", "no")
    assert shown["answer_sure"] in list("12345")
    assert shown["ended_by"] == "time"
    assert shown["answer_liked_ms"] > 0


def test_answers_at_the_foot_are_taken_until_the_picture_ends(window: Window) -> None:
    """The first is given by key; the second is still open when the time is over."""
    items = tuple(item_in(RatingSection().as_answer().model_copy(update={"name": name}), "en") for name in "ab")
    window._answers = None
    now = window._tracker.now_us()
    press("7")
    viewed = window.wait_for_end(Viewing(now, now + 400_000, items=items))
    assert viewed.ended_by == "time"
    assert [(name, given.answer, given.by) for name, given in viewed.answers.items()] == [("a", "7", "key")]
    assert window._tracker.now_us() >= now + 380_000


def test_chosen_points_are_framed_and_an_eye_without_samples_has_no_vector(window: Window) -> None:
    surface, targets = pygame.display.get_surface(), [(0.25, 0.5), (0.75, 0.5)]
    rows = [(0.25, 0.5, "left", 0.01, 0.01, 0.4, 9), (0.75, 0.5, "left", 0.01, 0.01, np.nan, 0)]
    errors = pd.DataFrame(rows, columns=["x", "y", "eye", "dx", "dy", "error_deg", "samples"])
    pictures = []
    for drawn, chosen in ((errors, set()), (errors, {0}), (errors.iloc[:1], set())):
        surface.fill((120, 120, 120))
        drawing.review(surface, drawn, targets, chosen, "attempt 1", window._look)
        pictures.append(pygame.surfarray.array3d(surface).astype(int))
    plain, framed, measured = pictures
    box = drawing.target_boxes(surface, targets)[0]
    changed = np.argwhere((plain != framed).any(axis=2))
    assert len(changed)
    assert changed.min(axis=0).tolist() == [box.left, box.top]
    np.testing.assert_array_equal(plain, measured)


def test_all_points_of_a_calibration_are_done_again_by_one_key(window: Window) -> None:
    press("r")
    assert window.review(a_calibration(), 1, 3) == [(0.5, 0.5), (0.1, 0.1), (0.9, 0.9)]


def test_a_display_that_is_not_there_is_refused(make_study: MakeStudy) -> None:
    study = read_study(make_study(extra="display = 3"))
    with pytest.raises(ConfigError, match=r"\[presentation\] display = 3, but there are 1: 0 to 0"):
        Window(study, SimulatedTracker(study.screen.screen(), 1))


def test_a_button_box_that_is_not_plugged_in_is_said(make_study: MakeStudy) -> None:
    study = read_study(make_study(extra="viewing = 'self-paced'\nend_by = ['button', 'key']\nleast_ms = 0"))
    window = Window(study, SimulatedTracker(study.screen.screen(), 1))
    try:
        window.prepare([])
        assert any("'button', and no button box is plugged in" in notice for notice in window.notices)
    finally:
        window.close()
