"""A tracker that falls silent without a word, sees nobody, or does not come back."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gazekit.capture import record
from gazekit.capture.desk import Desk
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import TRACKER_LOST, State
from gazekit.capture.session_setup import prepare_part, record_part
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.tracker import Put, TrackerGone
from gazekit.core.errors import TrackerError
from gazekit.screen import Screen
from gazekit.session import Session, open_session
from gazekit.session.samples import Block
from gazekit.study import Study, read_study
from tests.fixtures.hostile_trackers import BlindTracker, SilentTracker
from tests.fixtures.session_study import MakeStudy


def lost_at(session: Session) -> list[int]:
    lost = session.messages["text"].str.startswith("connection to the tracker lost")
    return [int(t) for t in session.messages["time_us"][lost]]


def when_picture(state: State, number: int, delay_s: float) -> None:
    while state.trial < number or state.phase != "picture":
        time.sleep(0.001)
    time.sleep(delay_s)


@pytest.mark.parametrize("delay_s", [0.0, 0.2, 0.45], ids=["cross", "picture", "end"])
def test_silence_is_noticed_and_the_picture_is_shown_again(
    make_study: MakeStudy, screen: Screen, tmp_path: Path, delay_s: float
) -> None:
    tracker = SilentTracker(screen)

    def disturb(recorder: Recorder, state: State) -> None:
        def work() -> None:
            when_picture(state, 2, delay_s)
            tracker.hush(0.6, until=lambda: state.phase == TRACKER_LOST)

        threading.Thread(target=work, daemon=True).start()

    study = read_study(make_study(duration=600, silence_ms=250))
    session = open_session(record(study, "P01", tmp_path, headless=True, tracker=tracker, watch=disturb))
    (silence,) = tracker.silences
    losses = lost_at(session)  # a busy machine may hold the tracker up besides: that is silence as well
    noticed = next(t for t in losses if t > silence[0])
    stamps = session.recording.system_time_us
    assert noticed - stamps[stamps < noticed].max() >= 250_000
    reason = session.messages.set_index("time_us")["text"][noticed]
    silent_ms = int(re.search(r"no sample for (\d+) ms", reason)[1])  # type: ignore[index]
    assert silent_ms >= 250
    assert silent_ms <= 300 or "of the picture" in reason  # by its own count; by the clock it is measured by hand
    assert session.messages["text"].tolist().count("connection to the tracker restored") == len(losses)
    assert sorted(session.stimuli["image"]) == ["p0.png", "p1.png", "p2.png", "p3.png"]
    for trial in session.trials():
        stamps = trial.recording.system_time_us
        assert np.diff(stamps, prepend=trial.onset_us, append=trial.offset_us).max() < 250_000
    assert len(session.validations) >= 2
    assert session.streams["gaps"]["missing"].max() > 100


def test_a_tracker_that_stays_silent_is_connected_again_until_the_experimenter_ends(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    tracker, stop, phases = SilentTracker(screen), threading.Event(), []

    def disturb(recorder: Recorder, state: State) -> None:
        def work() -> None:
            when_picture(state, 1, 0.1)
            tracker.silent = True
            while tracker.reconnections < 2:
                phases.append(state.phase)
                time.sleep(0.05)
            stop.set()

        threading.Thread(target=work, daemon=True).start()

    study = read_study(make_study(silence_ms=250))
    session = open_session(record(study, "P01", tmp_path, headless=True, tracker=tracker, watch=disturb, stop=stop))
    assert TRACKER_LOST in phases
    assert len(session.stimuli) == 0
    assert "the session was ended before its end" in session.messages["text"].iloc[-1]


def test_the_operator_ends_and_notes_while_the_tracker_is_lost(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    tracker, desk, state = SilentTracker(screen), Desk(), State()

    def disturb(recorder: Recorder, state: State) -> None:
        def work() -> None:
            when_picture(state, 1, 0.1)
            tracker.silent = True
            while state.phase != TRACKER_LOST:
                time.sleep(0.02)
            for kind in ("calibrate", "pause", "skip", "note", "end", "end"):
                desk.put(kind, "cable")

        threading.Thread(target=work, daemon=True).start()

    part = prepare_part(read_study(make_study(silence_ms=250)), "P01", tmp_path)
    recovered = record_part(
        part, realtime=True, keep_journal=False, headless=True, state=state, stop=threading.Event(), tracker=tracker,
        watch=disturb, desk=desk,
    )  # fmt: skip
    assert recovered.end["ended_by"] == "the operator"
    texts = open_session(recovered.session).messages["text"].tolist()
    assert "note of the operator: cable" in texts
    assert "pause (the operator)" not in texts


def test_a_session_without_any_valid_gaze_is_no_success(make_study: MakeStudy, screen: Screen, tmp_path: Path) -> None:
    tracker = BlindTracker(screen, set(range(-1, 99)))
    with pytest.raises(TrackerError, match=r"no valid gaze in it"):
        record(read_study(make_study()), "P01", tmp_path, realtime=False, tracker=tracker)
    assert len(open_session(tmp_path / "P01.gaze.h5").stimuli) == 4


def test_a_session_without_valid_gaze_on_any_picture_is_no_success(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    with pytest.raises(TrackerError, match=r"no valid gaze on any of its pictures"):
        record(read_study(make_study()), "P01", tmp_path, realtime=False, tracker=BlindTracker(screen, set(range(99))))


def test_partial_silence_is_said(make_study: MakeStudy, screen: Screen, tmp_path: Path) -> None:
    class HalfSilent(SimulatedTracker):
        """Loses the left eye on every picture, and delivers its openness never again after the first second."""

        def start(self, put: Put) -> None:
            gone: list[bool] = []

            def part(stream: str, item: Block) -> None:
                if stream == "gaze" and self.now_us() > 10_002_000_000:
                    item = item.copy()
                    item["left_valid"] = False
                if stream != "eye_openness" or len(gone) < 1:
                    put(stream, item)
                    gone.extend([True] * (stream == "eye_openness"))

            super().start(part)

    part = prepare_part(read_study(make_study(pictures=1)), "P01", tmp_path)
    recovered = record_part(
        part, realtime=False, keep_journal=False, headless=True, state=State(), stop=threading.Event(),
        tracker=HalfSilent(screen, 1, realtime=False),
    )  # fmt: skip
    texts = open_session(recovered.session).messages["text"].tolist()
    assert "picture p0.png: no valid gaze of the left eye" in texts
    assert any(f"of {recovered.samples} samples only" in line for line in recovered.sentences())


def test_pictures_with_too_little_gaze_are_shown_again_after_their_block(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    extra = "repeat_below = 0.5\norder = 'blocked'\nblock_size = 2\n[rating]"
    study = read_study(make_study(extra=extra))
    session = open_session(record(study, "P01", tmp_path, realtime=False, tracker=BlindTracker(screen, {0})))
    assert session.stimuli["order"].tolist() == [1, 0, 2, 3]
    assert session.stimuli["image"].is_unique
    assert all(session.stimuli["response"])
    assert all(trial.recording.left.valid.mean() > 0.5 for trial in session.trials())
    texts = session.messages["text"].tolist()
    again = session.stimuli["image"][1]
    assert f"picture {again}: 0 % valid gaze, asked for 50 %" in texts
    assert f"picture {again} is shown again" in texts


def test_a_replay_that_ends_says_that_it_does_not_come_back(make_study: MakeStudy, tmp_path: Path) -> None:
    path = record(read_study(make_study()), "P01", tmp_path / "first", realtime=False)
    study = make_study(kind="replay", tracker=f"file = '{path.as_posix()}'\nspeed = 1.0", duration=4000)
    with pytest.raises(TrackerError, match=r"P01\.gaze\.h5 has ended; nothing more can come of it"):
        record(read_study(study), "P02", tmp_path / "second")


class _RelapsingTracker(SilentTracker):
    """Goes silent in the first picture, and again whenever it is to be put right, so many times."""

    relapses = 0

    def restore(self) -> list[str]:
        if self.relapses:
            self.relapses -= 1
            raise TrackerGone("after the reconnection, frequency: the eye tracker answers ConnectionFailed")
        return ["frequency was 60.0; 300.0 is set again"]


def _short_study(make_study: MakeStudy) -> Study:
    path = make_study(pictures=1, duration=2000, silence_ms=1000)  # a busy machine is no silence
    text = path.read_text().replace("points = 5", "points = 0").replace("points = 4", "points = [[0.5, 0.5]]")
    path.write_text(text)
    return read_study(path)


def _silence_in_first_picture(tracker: SilentTracker) -> Callable[[Recorder, State], None]:
    def work(state: State) -> None:
        when_picture(state, 1, 0.1)
        tracker.hush(0.2, until=lambda: state.phase == TRACKER_LOST)

    return lambda recorder, state: threading.Thread(target=work, args=(state,), daemon=True).start()


def test_a_tracker_that_is_lost_again_while_it_is_put_right_is_waited_for_again(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    tracker = _RelapsingTracker(screen)
    tracker.relapses = 2
    study, watch = _short_study(make_study), _silence_in_first_picture(tracker)
    session = open_session(record(study, "P01", tmp_path, headless=True, tracker=tracker, watch=watch))
    texts = session.messages["text"].tolist()
    assert texts.count("connection to the tracker restored") == 3
    assert texts.count("after the reconnection: frequency was 60.0; 300.0 is set again") == 1
    assert len(session.validations) == 2
    assert len(session.stimuli) == 1


def test_a_tracker_that_is_lost_again_and_again_ends_the_session_with_a_message(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    tracker = _RelapsingTracker(screen)
    tracker.relapses = 99
    with pytest.raises(TrackerError, match=r"lost 5 times in a row \(after the reconnection.*go on with --resume"):
        record(
            _short_study(make_study), "P01", tmp_path, headless=True, tracker=tracker,
            watch=_silence_in_first_picture(tracker),
        )  # fmt: skip
    assert tracker.relapses == 99 - 4
