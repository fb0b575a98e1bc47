"""Checks of what a recording is made of: whether its numbers can be gaze on that screen at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.types import Bools, Floats
from gazekit.events.labels import runs
from gazekit.events.samples import HOLE_ROWS, Samples, prepare
from gazekit.gaze import Eye, GazeRecording, rate_doubt, sampling_interval_us
from gazekit.screen import Screen

Severity = Literal["note", "warning", "error"]
_FEWEST = 50  # samples with gaze that a check needs
_OFF_SCREEN = (0.2, 0.5)  # of the samples: a warning, an error
_STUCK_MS, _STUCK_WHOLE_MS, _STUCK_SHARE = 100.0, 1000.0, 0.01
_MARKER_DEG, _FEWEST_JUMPS, _MARKER_SHARE = 2.0, 5, 0.005
_CORNER = (0.1, 0.45)  # of the screen, from its top left: an error, a warning
_PUPIL_MM = (1.5, 9.0)
_OPPOSITE = 0.5  # correlation
_NARROW, _WIDE = 0.005, 0.2  # of the screen, between 1 and 99 % of the gaze
_OTHER_SIZE = 0.1  # of the screen; 0.2 % in recordings of Tobii TX300
_FAR = 5.0  # screens from its middle
_APART_DEG = 5.0  # at the median; 0.5 to 1.3 in recordings of Tobii TX300 and Spectrum


@dataclass(frozen=True)
class Finding:
    """Hold what a check found.

    Attributes
    ----------
    check : str
        Name of the check.
    severity : {"note", "warning", "error"}
        An error means that the numbers cannot be used as they are.
    text : str
        What was found and what may be the reason.
    """

    check: str
    severity: Severity
    text: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.text}"


def check_recording(
    recording: GazeRecording, screen: Screen, targets: pd.DataFrame | None = None, said_hz: float = float("nan")
) -> list[Finding]:
    """Check constant columns, coordinates, eyes, pupils, stuck samples, holes and the clock of a recording.

    Parameters
    ----------
    recording : GazeRecording
        The gaze.
    screen : Screen
        Its sizes decide what lies on it.
    targets : DataFrame, optional
        Where people were asked to look, as for `data_quality`: without it an image that is upside down can only be
        told from gaze points in millimetres.
    said_hz : float
        The rate that the tracker or the file gives itself, samples a second.

    Returns
    -------
    list of Finding
        Empty where nothing is remarkable.
    """
    findings = [Finding("screen size", "warning", text) for text in screen.doubts()]
    recording, far = _without_far_eye(recording)
    findings += far
    samples = prepare(recording, screen, off_screen_deg=90.0)
    for side, eye in (("left", recording.left), ("right", recording.right)):
        x, y = (np.where(eye.valid, eye.gaze[:, k], np.nan) for k in range(2))
        if np.isfinite(x).sum() >= _FEWEST:
            findings += [*_constant(x, y, side), *_coordinates(x, y, screen, side), *_upside_down(eye, side)]
            findings += [*_narrow(x, y, screen, side), *_other_screen(eye, screen, side)]
        findings += _pupil(eye, side)
    known = ~samples.lost
    if len(recording) and not known.any():
        findings.append(Finding("no gaze", "error", f"none of the {_samples(len(recording))} has gaze"))
    if known.sum() >= _FEWEST:
        findings += [*_off_screen(samples, known), *_stuck(samples, known), *_marker(samples, known)]
        findings += _mirrored_targets(samples, targets)
    findings += _opposed_eyes(recording) or _apart(recording, screen)
    return [*findings, *_swapped(recording), *_rate(recording, said_hz), *_holes(samples), *_clock(samples)]


def worst(findings: list[Finding]) -> Severity | None:
    """Return the worst severity of findings; None of none."""
    order: tuple[Severity, ...] = ("error", "warning", "note")
    return next((severity for severity in order if any(f.severity == severity for f in findings)), None)


def _without_far_eye(recording: GazeRecording) -> tuple[GazeRecording, list[Finding]]:
    """Leave out points far off the screen of one eye while the other looks at it: they mark gaze that was lost."""
    eyes = {"left": recording.left, "right": recording.right}
    far = {side: eye.valid & (np.abs(eye.gaze - 0.5) > _FAR).any(axis=1) for side, eye in eyes.items()}
    share = {side: far[side].sum() / max(eye.valid.sum(), 1) for side, eye in eyes.items()}
    for side, other in (("left", "right"), ("right", "left")):
        eye = eyes[side]
        if eyes[other].valid.sum() >= _FEWEST and share[side] >= _OFF_SCREEN[0] > share[other]:
            text = (
                f"{share[side]:.0%} of the points of the {side} eye lie more than {_FAR:g} screens away: do they mark "
                "gaze that was lost?"
            )
            rest = replace(eye, valid=eye.valid & ~far[side])
            finding = Finding("lost gaze", "warning", text)
            return replace(
                recording,
                left=rest if side == "left" else eyes["left"],
                right=rest if side == "right" else eyes["right"],
            ), [finding]
    return recording, []


def _constant(x: Floats, y: Floats, side: str) -> list[Finding]:
    still = [name for name, column in (("x", x), ("y", y)) if np.nanmax(column) - np.nanmin(column) < 1e-9]
    if not still:
        return []
    text = f"gaze of the {side} eye never moves along {' and '.join(still)}: is the column the right one?"
    return [Finding("constant column", "warning", text)]


def _coordinates(x: Floats, y: Floats, screen: Screen, side: str) -> list[Finding]:
    """Tell shares of the screen read as pixels, an origin in the middle, and pixels that count from 1."""
    px, py = x[np.isfinite(x)] * screen.width_px, y[np.isfinite(y)] * screen.height_px
    if np.abs(np.concatenate([px, py])).max() <= 2.0:
        text = f"all gaze of the {side} eye lies in the first two pixels: shares of the screen (0 to 1) read as pixels?"
        return [Finding("coordinates", "error", text)]
    middle = [
        abs(np.median(p)) < 0.15 * size and p.min() < -0.1 * size
        for p, size in ((px, screen.width_px), (py, screen.height_px))
    ]
    if all(middle):
        text = f"gaze of the {side} eye lies about the top left corner: coordinates from the middle of the screen?"
        return [Finding("coordinates", "error", text)]
    near = max(np.quantile(np.abs(px), 0.99) / screen.width_px, np.quantile(np.abs(py), 0.99) / screen.height_px)
    if near < _CORNER[0] and min(px.min(), py.min()) < 0:
        text = (
            f"gaze of the {side} eye lies within {near:.0%} of the screen about its top left corner: degrees read as "
        )
        return [Finding("coordinates", "error", text + "pixels?")]
    reach = max(np.quantile(px, 0.99) / screen.width_px, np.quantile(py, 0.99) / screen.height_px)
    if 0 <= reach < _CORNER[1] and min(px.min(), py.min()) >= 0:
        severity: Severity = "error" if reach < _CORNER[0] else "warning"
        text = (
            f"gaze of the {side} eye stays within {reach:.0%} of the screen from its top left: millimetres or degrees "
        )
        return [Finding("coordinates", severity, text + "read as pixels, or a smaller screen?")]
    whole = np.abs(px - np.round(px)).max() < 1e-6 and np.abs(py - np.round(py)).max() < 1e-6
    if whole and (px.max(), py.max()) >= (screen.width_px, screen.height_px) and min(px.min(), py.min()) >= 1:
        text = f"whole pixels of the {side} eye run from 1 to the screen's size: they count from 1, not from 0"
        return [Finding("coordinates", "warning", text)]
    return []


def _upside_down(eye: Eye, side: str) -> list[Finding]:
    """Compare with the tracker's own points in millimetres, whose y runs upward."""
    both = eye.valid & np.isfinite(eye.gaze_mm[:, 1]) & np.isfinite(eye.gaze[:, 1])
    if both.sum() < _FEWEST or not np.ptp(eye.gaze_mm[both, 1]) or not np.ptp(eye.gaze[both, 1]):
        return []
    if np.corrcoef(eye.gaze[both, 1], eye.gaze_mm[both, 1])[0, 1] < _OPPOSITE:
        return []
    return [Finding("upside down", "error", f"y of the {side} eye rises where its millimetres rise: it is upside down")]


def _narrow(x: Floats, y: Floats, screen: Screen, side: str) -> list[Finding]:
    """Find an axis that is no gaze beside the other: the same numbers in both, or hardly any change in one."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = x[known], y[known]
    if len(x) < _FEWEST or not (np.ptp(x) and np.ptp(y)):
        return []
    if np.allclose(x * screen.width_px, y * screen.height_px, rtol=0, atol=1e-6) or (x == y).all():
        text = f"x and y of the {side} eye are the same numbers: is one column taken for both?"
        return [Finding("coordinates", "error", text)]
    across, down = (float(np.subtract(*np.quantile(column, (0.99, 0.01)))) for column in (x, y))
    if min(across, down) >= _NARROW or max(across, down) < _WIDE:
        return []
    axis, other = ("x", "y") if across < down else ("y", "x")
    text = (
        f"{axis} of the {side} eye stays within {min(across, down):.1%} of the screen while {other} runs over "
        f"{max(across, down):.0%}: is the column the right one?"
    )
    return [Finding("constant column", "warning", text)]


def _other_screen(eye: Eye, screen: Screen, side: str) -> list[Finding]:
    """Compare the screen's size with the tracker's own points in millimetres."""
    both = eye.valid & np.isfinite(eye.gaze_mm).all(axis=1) & np.isfinite(eye.gaze).all(axis=1)
    gaze = eye.gaze[both]
    if len(gaze) < _FEWEST or min(np.ptp(gaze, axis=0)) < _WIDE:
        return []
    shares = np.column_stack([gaze, np.ones(len(gaze))])
    sides, *_ = np.linalg.lstsq(shares, eye.gaze_mm[both], rcond=None)
    spread = np.abs(eye.gaze_mm[both] - shares @ sides).max()
    width, height = np.linalg.norm(sides[:2], axis=1)
    apart = max(abs(width / screen.width_mm - 1), abs(height / screen.height_mm - 1))
    if spread > _OTHER_SIZE * screen.width_mm or apart <= _OTHER_SIZE:
        return []
    text = (
        f"the points of the {side} eye in millimetres are those of a screen of {width:.0f} x {height:.0f} mm, not of "
        f"{screen.width_mm:g} x {screen.height_mm:g} mm: degrees are wrong where the size of the screen is"
    )
    return [Finding("screen size", "warning", text)]


def _opposed_eyes(recording: GazeRecording) -> list[Finding]:
    """Compare the eyes, which look at one place: neither axis of one may fall where that of the other rises."""
    findings = []
    left, right = recording.left, recording.right
    for axis, name, how in ((0, "x", "mirrored"), (1, "y", "upside down")):
        both = left.valid & right.valid & np.isfinite(left.gaze[:, axis]) & np.isfinite(right.gaze[:, axis])
        a, b = left.gaze[both, axis], right.gaze[both, axis]
        if both.sum() >= _FEWEST and np.ptp(a) and np.ptp(b) and np.corrcoef(a, b)[0, 1] < -_OPPOSITE:
            text = f"{name} of the left eye falls where that of the right eye rises: one of them is {how}"
            findings.append(Finding("upside down", "error", text))
    return findings


def _apart(recording: GazeRecording, screen: Screen) -> list[Finding]:
    """Compare where the eyes look, which is one place on the screen."""
    left, right = recording.left, recording.right
    steps = (left.gaze - right.gaze)[left.valid & right.valid] * (screen.width_mm, screen.height_mm)
    apart_mm = np.hypot(*steps.T)
    if len(apart_mm) < _FEWEST or (deg := float(np.degrees(np.median(apart_mm) / screen.distance_mm))) <= _APART_DEG:
        return []
    text = (
        f"the eyes look {deg:.1f} degrees apart at the median: a column of another eye, recording or unit, a "
        "calibration that failed, or a squint?"
    )
    return [Finding("eyes apart", "warning", text)]


def _mirrored_targets(samples: Samples, targets: pd.DataFrame | None) -> list[Finding]:
    if targets is None or len(targets) < 3:
        return []
    findings = []
    for axis, gaze in (("x", samples.pixels[0]), ("y", samples.pixels[1])):
        pairs = []
        for target in targets.itertuples():
            inside = (samples.stamp_us >= target.onset_us) & (samples.stamp_us < target.offset_us) & ~samples.lost
            if inside.any():
                pairs.append((float(np.median(gaze[inside])), float(getattr(target, f"{axis}_px"))))
        columns = np.array(pairs).reshape(-1, 2).T
        if len(pairs) >= 3 and np.ptp(columns, axis=1).all() and np.corrcoef(columns)[0, 1] < -_OPPOSITE:
            how = "upside down" if axis == "y" else "mirrored"
            text = f"{axis} of gaze falls where that of the targets rises: it is {how}"
            findings.append(Finding("upside down", "error", text))
    return findings


def _off_screen(samples: Samples, known: Bools) -> list[Finding]:
    x, y = (column[known] for column in samples.pixels)
    above = y < 0
    off = (x < 0) | (x >= samples.screen.width_px) | above | (y >= samples.screen.height_px)
    share = float(off.mean())
    if share < _OFF_SCREEN[0]:
        return []
    hint = "; y may run upward or from the middle" if above.mean() > 0.8 * share else "; is the screen's size right?"
    severity: Severity = "error" if share >= _OFF_SCREEN[1] else "warning"
    return [Finding("off the screen", severity, f"{share:.0%} of the gaze lies off the screen{hint}")]


def _stuck(samples: Samples, known: Bools) -> list[Finding]:
    """Find gaze that does not move at all; columns of whole pixels do that by themselves, though not for a second."""
    x, y = samples.pixels
    whole = np.abs(x[known] - np.round(x[known])) < 1e-6
    least_ms = _STUCK_MS if whole.mean() <= 0.9 else _STUCK_WHOLE_MS
    first, last = runs((np.diff(x) == 0) & (np.diff(y) == 0))
    length = last - first + 1
    long = length * samples.interval_us >= least_ms * 1000
    share = float(length[long].sum() / max(known.sum(), 1))
    if share < _STUCK_SHARE:
        return []
    severity: Severity = "error" if share > _OFF_SCREEN[1] else "warning"
    text = f"{share:.0%} of the samples repeat the one before for {least_ms:g} ms and longer: the tracker was stuck"
    return [Finding("stuck samples", severity, text)]


def _marker(samples: Samples, known: Bools) -> list[Finding]:
    """Find one point that gaze jumps to and from again and again: what a tracker writes where it lost the eye."""
    places = np.stack([column[known] for column in samples.pixels], axis=1)
    points, of_point, count = np.unique(places, axis=0, return_inverse=True, return_counts=True)
    often = int(np.argmax(count))
    there = of_point.ravel() == often
    jumps = np.hypot(*np.diff(places, axis=0).T) > _MARKER_DEG * samples.screen.pixels_per_degree
    arrivals = int((there[1:] & ~there[:-1] & jumps).sum())
    if arrivals < _FEWEST_JUMPS or count[often] < _MARKER_SHARE * len(places):
        return []
    x, y = points[often]
    text = f"{count[often] / len(places):.1%} of the gaze lies at exactly ({x:g}, {y:g}), to and from which it jumps "
    return [Finding("lost gaze", "warning", text + f"{arrivals} times: does that mark gaze that was lost?")]


def _pupil(eye: Eye, side: str) -> list[Finding]:
    pupil = eye.pupil_mm[eye.pupil_valid & np.isfinite(eye.pupil_mm)]
    if len(pupil) < _FEWEST:
        return []
    middle = float(np.median(pupil))
    if _PUPIL_MM[0] <= middle <= _PUPIL_MM[1]:
        return []
    return [Finding("pupil", "warning", f"the {side} pupil is {middle:.3g} mm wide, which no pupil is: another unit?")]


def _swapped(recording: GazeRecording) -> list[Finding]:
    """Compare where the eyes are: x runs to the person's right."""
    apart = recording.left.origin_mm[:, 0] - recording.right.origin_mm[:, 0]
    apart = apart[np.isfinite(apart)]
    if len(apart) < _FEWEST or np.median(apart) <= 0:
        return []
    text = f"the left eye is {np.median(apart):.0f} mm to the right of the right eye: the eyes are swapped"
    return [Finding("swapped eyes", "warning", text)]


def _rate(recording: GazeRecording, said_hz: float) -> list[Finding]:
    text = rate_doubt(said_hz, 1e6 / sampling_interval_us(recording.system_time_us))
    return [Finding("rate", "warning", text)] if text else []


def _holes(samples: Samples) -> list[Finding]:
    holes = samples.timed_holes
    if not len(holes):
        return []
    lasting = (samples.stamp_us[holes + HOLE_ROWS] - samples.stamp_us[holes - 1]) * 1e-6
    count = f"{len(lasting)} holes" if len(lasting) > 1 else "1 hole"
    text = f"{count} without samples, {lasting.sum():.3g} s in all, the longest {lasting.max():.3g} s"
    return [Finding("holes", "note", text)]


def _samples(count: int) -> str:
    return counted(count, "sample")


def _clock(samples: Samples) -> list[Finding]:
    clock, findings = samples.clock, []
    if clock.doubled:
        findings.append(
            Finding("clock", "note", f"{_samples(clock.doubled)} with the stamp of the one before, left out")
        )
    if clock.spread:
        findings.append(
            Finding(
                "clock",
                "note",
                f"{counted(clock.spread, 'sample shared', 'samples shared')} a rounded stamp and were set apart",
            )
        )
    if clock.wild:
        text = f"{_samples(clock.wild)} with a stamp that contradicts the others, left out"
        findings.append(Finding("clock", "warning", text))
    if clock.steps_back:
        times = "once" if clock.steps_back == 1 else f"{clock.steps_back} times"
        text = f"the clock was set back {times}; what follows was shifted behind what was before"
        findings.append(Finding("clock", "warning", text))
    return findings
