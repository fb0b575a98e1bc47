"""Points of a calibration that give no data: shown, offered again, and never dropped in silence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.capture.calibration import calibrate, saved_calibration
from gazekit.capture.display import NoDisplay
from gazekit.capture.recorder import Recorder
from gazekit.capture.settings import CalibrationSection
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.tracker import Calibrator
from gazekit.core.errors import InputError, TrackerError
from gazekit.screen import Screen
from gazekit.session import Calibration, open_session, write_session
from gazekit.session.finalise import recover
from gazekit.session.journal import JournalWriter
from tests.fixtures.journals import HEADER

HIDDEN = (0.8, 0.8)
SECTION = CalibrationSection(points=[(0.2, 0.2), HIDDEN], attempts=3, dwell_ms=10)


class HalfBlindTracker(SimulatedTracker):
    """Gets no data at one of the targets, so many times."""

    blind = 99

    def calibrator(self, eyes: str) -> Calibrator | None:
        calibrator = super().calibrator(eyes)
        assert calibrator is not None
        collect = calibrator.collect

        def refused(x: float, y: float) -> bool:
            self.blind -= (x, y) == HIDDEN
            return collect(x, y) if (x, y) != HIDDEN or self.blind < 0 else False

        calibrator.collect = refused  # type: ignore[method-assign]
        return calibrator


class Reviews:
    """An experimenter who does those points again that gave no data, and keeps what was shown."""

    def __init__(self, content_after: int) -> None:
        self.shown: list[tuple[int, list[tuple[float, float]]]] = []
        self._content_after = content_after

    def __call__(self, calibration: Calibration, attempt: int, attempts: int, failed: Any = ()) -> Any:
        self.shown.append((attempt, list(failed)))
        return [] if attempt >= self._content_after else list(failed)


def messages_of(recorder: Recorder) -> list[str]:
    recorder.close({})
    return list(open_session(recover(recorder.journal.path).session).messages["text"])


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    return Recorder(JournalWriter(tmp_path / "P01.gaze.journal", HEADER), SimulatedTracker.converters, 300.0)


def run(tracker: SimulatedTracker, recorder: Recorder, review: Reviews, screen: Screen) -> Calibration | None:
    tracker.start(recorder.put)
    display = NoDisplay(tracker, np.random.default_rng(0))
    return calibrate(tracker, display, recorder, SECTION, screen, review)


def test_points_without_data_are_offered_after_every_attempt_and_the_last(recorder: Recorder, screen: Screen) -> None:
    review = Reviews(content_after=3)
    calibration = run(HalfBlindTracker(screen, 1, realtime=False), recorder, review, screen)
    assert calibration is not None
    assert [point.target for point in calibration.points] == [(0.2, 0.2)]
    assert review.shown == [(1, [HIDDEN]), (2, [HIDDEN]), (3, [HIDDEN])]
    assert messages_of(recorder).count("calibration target (0.8, 0.8): no data in two tries") == 3


def test_a_point_that_gives_data_later_is_offered_no_more(recorder: Recorder, screen: Screen) -> None:
    tracker, review = HalfBlindTracker(screen, 1, realtime=False), Reviews(content_after=3)
    tracker.blind = 2
    calibration = run(tracker, recorder, review, screen)
    assert calibration is not None
    assert len(calibration.points) == 2
    assert review.shown == [(1, [HIDDEN]), (2, [])]


def test_points_that_are_still_to_be_done_after_the_last_attempt_are_said(recorder: Recorder, screen: Screen) -> None:
    with pytest.raises(TrackerError, match=r"1 calibration point was still to be done again after 3 attempts"):
        run(HalfBlindTracker(screen, 1, realtime=False), recorder, Reviews(content_after=99), screen)


class FailingTracker(SimulatedTracker):
    """Cannot compute a calibration, so many times."""

    failures = 99
    discarded: list[tuple[float, float]]

    def calibrator(self, eyes: str) -> Calibrator | None:
        calibrator = super().calibrator(eyes)
        assert calibrator is not None
        compute, discard, self.discarded = calibrator.compute, calibrator.discard, []

        def fail() -> Calibration:
            self.failures -= 1
            return compute() if self.failures < 0 else Calibration(self.now_us(), "failure")

        def note(x: float, y: float) -> None:
            self.discarded.append((x, y))
            discard(x, y)

        calibrator.compute, calibrator.discard = fail, note  # type: ignore[method-assign]
        return calibrator


def test_a_calibration_that_fails_is_made_again_with_all_its_points(recorder: Recorder, screen: Screen) -> None:
    tracker, review = FailingTracker(screen, 1, realtime=False), Reviews(content_after=1)
    tracker.failures = 2
    calibration = run(tracker, recorder, review, screen)
    assert calibration is not None
    assert (calibration.status, len(calibration.points)) == ("success", 2)
    assert tracker.discarded == 2 * [(0.2, 0.2), HIDDEN]
    assert len(review.shown) == 1, "nobody is asked about a calibration that failed"


def test_a_calibration_that_fails_to_the_last_ends_with_what_to_look_at(recorder: Recorder, screen: Screen) -> None:
    with pytest.raises(TrackerError, match=r"the calibration failed 3 times. Check the position of the head"):
        run(FailingTracker(screen, 1, realtime=False), recorder, Reviews(content_after=1), screen)
    recorder.close({})
    session = open_session(recover(recorder.journal.path).session)
    assert [calibration.status for calibration in session.calibrations] == ["failure"] * 3


def test_what_holds_no_calibration_cannot_be_reused(full_session: Any, tmp_path: Path, screen: Screen) -> None:
    (tmp_path / "saved.bin").write_bytes(b"of the maker's own program")
    assert saved_calibration(tmp_path / "saved.bin") == b"of the maker's own program"
    with pytest.raises(InputError, match="not saved from a simulated tracker"):
        SimulatedTracker(screen, 1, realtime=False).apply(saved_calibration(tmp_path / "saved.bin"))
    write_session(full_session, tmp_path / "P01.gaze.h5")
    assert saved_calibration(tmp_path / "P01.gaze.h5") == full_session.calibrations[0].blob
    failed = replace(full_session, calibrations=full_session.calibrations[1:])
    write_session(failed, tmp_path / "P02.gaze.h5")
    with pytest.raises(InputError, match=r"P02\.gaze\.h5 holds no calibration that the tracker could take again"):
        saved_calibration(tmp_path / "P02.gaze.h5")
