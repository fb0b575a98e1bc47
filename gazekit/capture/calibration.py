"""Calibration and validation: targets, attempts, the gate."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.capture.display import Display
from gazekit.capture.recorder import Recorder
from gazekit.capture.settings import CalibrationSection, ValidationSection
from gazekit.capture.simulation.scanpath import TargetScene
from gazekit.capture.tracker import Calibrator, Tracker
from gazekit.core.counting import counted
from gazekit.core.errors import InputError, TrackerError
from gazekit.core.files import existing_file
from gazekit.events import data_quality
from gazekit.screen import Screen
from gazekit.session import Calibration, Validation, open_session
from gazekit.session.samples import SAMPLE, Block, to_recording

Point = tuple[float, float]

_LAYOUTS: dict[int, list[Point]] = {
    0: [],
    4: [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)],
    5: [(0.5, 0.5), (0.1, 0.1), (0.9, 0.1), (0.1, 0.9), (0.9, 0.9)],
    9: [(x, y) for y in (0.1, 0.5, 0.9) for x in (0.1, 0.5, 0.9)],
}
_VALIDATION: dict[int, list[Point]] = {
    0: [],
    4: _LAYOUTS[4],
    5: [(0.5, 0.5), *_LAYOUTS[4]],
    9: [(x, y) for y in (0.2, 0.5, 0.8) for x in (0.2, 0.5, 0.8)],
}


def calibration_points(points: int | list[Point]) -> list[Point]:
    """Return the targets of a calibration on the display area."""
    return list(points) if isinstance(points, list) else _LAYOUTS[points]


def validation_points(points: int | list[Point]) -> list[Point]:
    """Return the targets of a validation; the built-in ones lie apart from those of the calibration."""
    return list(points) if isinstance(points, list) else _VALIDATION[points]


def calibrate(
    tracker: Tracker,
    display: Display,
    recorder: Recorder,
    section: CalibrationSection,
    screen: Screen,
    review: Callable[..., list[Point]] | None = None,
) -> Calibration | None:
    """Calibrate, at most ``section.attempts`` times; every attempt is kept. None where there is nothing to do.

    ``review`` decides which points are to be done again, in place of `Display.review`.

    Raises
    ------
    TrackerError
        No attempt succeeded.
    """
    points = calibration_points(section.points)
    if section.reuse is not None:
        tracker.apply(saved_calibration(section.reuse))
        recorder.message(tracker.now_us(), f"calibration applied from {section.reuse.name}")
        return None
    calibrator = tracker.calibrator(section.eyes) if points else None
    if calibrator is None:
        return None
    try:
        calibration = _attempts(
            calibrator, tracker, display, recorder, section, screen, points, review or display.review
        )
    except BaseException:
        with contextlib.suppress(TrackerError):  # the first error is the one to be said
            calibrator.leave()
        raise
    calibrator.leave()
    return calibration


def _attempts(
    calibrator: Calibrator,
    tracker: Tracker,
    display: Display,
    recorder: Recorder,
    section: CalibrationSection,
    screen: Screen,
    points: list[Point],
    review: Callable[..., list[Point]],
) -> Calibration:
    """Collect, compute, look; then the points that are to be done again, until all are content."""
    todo = points
    failed: list[Point] = []
    for attempt in range(1, section.attempts + 1):
        failed = [point for point in failed if point not in todo]
        for x, y in todo:
            if not _collect(calibrator, tracker, display, section, screen, (x, y)):
                recorder.message(tracker.now_us(), f"calibration target ({x:g}, {y:g}): no data in two tries")
                failed.append((x, y))
        calibration = display.while_busy(calibrator.compute)
        recorder.event(calibration)
        if calibration.status != "success":
            todo = points
        else:
            todo = review(calibration, attempt, section.attempts, failed)
            if not todo:
                return calibration
        for x, y in todo:
            if (x, y) not in failed:
                calibrator.discard(x, y)
    if calibration.status == "success":
        raise TrackerError(
            f"{counted(len(todo), 'calibration point was', 'calibration points were')} still to be done again "
            f"after {counted(section.attempts, 'attempt')}; raise "
            "[calibration] attempts, or take them out of the choice, then start again with --resume"
        )
    raise TrackerError(
        f"the calibration failed {section.attempts} times. Check the position of the head and reflections in "
        "glasses, then start again with --resume"
    )


def _collect(
    calibrator: Calibrator,
    tracker: Tracker,
    display: Display,
    section: CalibrationSection,
    screen: Screen,
    point: Point,
) -> bool:
    """Show a target and collect, once more where the tracker did not get enough; return whether it did."""
    x, y = point
    tracker.watch(TargetScene(x * screen.width_px, y * screen.height_px))
    display.show_target(x, y, section.dwell_ms)
    collected = display.while_busy(partial(calibrator.collect, x, y))
    if not collected:
        with contextlib.suppress(TrackerError):  # there may be nothing to discard
            calibrator.discard(x, y)
        collected = display.while_busy(partial(calibrator.collect, x, y))
    display.wait_until(tracker.now_us() + 1000 * section.dwell_ms // 3)
    return collected


def error_vectors(calibration: Calibration, screen: Screen) -> pd.DataFrame:
    """Mean error of the samples that a calibration used, a row a point and eye.

    Columns: x, y (the target on the display area), eye, dx, dy (display area), error_deg, samples; NaN where an eye
    has no sample at a point.
    """
    rows = []
    for point in calibration.points:
        for eye in ("left", "right"):
            used = getattr(point, eye)[getattr(point, f"{eye}_used")]
            dx, dy = used.mean(axis=0) - point.target if len(used) else (np.nan, np.nan)
            error = np.hypot(dx * screen.width_px, dy * screen.height_px) / screen.pixels_per_degree
            rows.append((*point.target, eye, dx, dy, float(error), len(used)))
    return pd.DataFrame(rows, columns=["x", "y", "eye", "dx", "dy", "error_deg", "samples"])


def saved_calibration(path: Path) -> bytes:
    """Read the tracker's calibration from a session file (its last success), or from a file that holds nothing else.

    Raises
    ------
    InputError
        No such file, or a session without a calibration.
    """
    existing_file(path, "saved calibration")
    if not path.name.endswith(".gaze.h5"):
        return path.read_bytes()
    blobs = [c.blob for c in open_session(path).calibrations if c.status == "success" and c.blob]
    if not blobs:
        raise InputError(f"{path} holds no calibration that the tracker could take again")
    return blobs[-1]


def validate(
    tracker: Tracker, display: Display, recorder: Recorder, section: ValidationSection, screen: Screen
) -> Validation | None:
    """Accuracy, precision and loss at targets of their own; whether the gate is passed by every eye that is seen."""
    points = validation_points(section.points)
    if not points:
        return None
    windows = []
    with recorder.tapped() as tap:
        for x, y in points:
            tracker.watch(TargetScene(x * screen.width_px, y * screen.height_px))
            onset = display.show_target(x, y, section.dwell_ms)
            display.wait_until(onset + 1000 * section.dwell_ms)
            windows.append((onset, tracker.now_us()))
        recorder.flush()
        block = np.concatenate(tap) if tap else np.empty(0, dtype=SAMPLE)
    table = data_quality(to_recording(block), screen, _targets(points, windows, block, screen))
    validation = Validation(tracker.now_us(), table, _passed(table, section.gate_deg))
    recorder.event(validation)
    return validation


def _targets(points: list[Point], windows: list[tuple[int, int]], block: Block, screen: Screen) -> pd.DataFrame:
    """Return what was to be looked at and when, on the device's clock."""
    system, device = block["system_time_us"], block["device_time_us"]
    rows = []
    for n, ((x, y), (onset, offset)) in enumerate(zip(points, windows, strict=True)):
        inside = device[(system >= onset) & (system < offset)]
        first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
        rows.append((f"t{n + 1}", first, last, x * screen.width_px, y * screen.height_px))
    return pd.DataFrame(rows, columns=["target", "onset_us", "offset_us", "x_px", "y_px"])


def _passed(table: pd.DataFrame, gate_deg: float | None) -> bool | None:
    """Whether the mean gaze of each eye that was seen is near enough to the targets (trueness); None without a gate."""
    if gate_deg is None:
        return None
    overall = table[(table["target"] == "") & table["eye"].isin(["left", "right"])]["trueness_deg"].dropna()
    return bool(len(overall) and (overall <= gate_deg).all())


def in_words(table: pd.DataFrame) -> str:
    """Accuracy, precision and loss of both eyes over all targets, for the operator."""
    overall = table[(table["target"] == "") & table["eye"].isin(["left", "right"])]
    return "; ".join(
        f"{row.eye} {row.trueness_deg:.2f} deg from the target (trueness), RMS {row.rms_s2s_deg:.2f}, "
        f"STD {row.std_deg:.2f}, {row.loss_percent:.0f} % lost"
        for row in overall.itertuples()
    )
