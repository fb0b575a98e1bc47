"""The recording that every stage speaks: binocular gaze as plain numpy columns."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.errors import InputError, unknown_name
from gazekit.core.types import Bools, Floats, Index
from gazekit.screen import Screen

EyeChoice = Literal["left", "right", "average", "strict"]
EYE_CHOICES = ("left", "right", "average", "strict")
HOLE_MS = 100.0  # a step without samples above this, and above three intervals, is a hole: nothing was recorded there
_TICK_US = 1000  # stamps in whole milliseconds may be shared by several samples
RATES_HZ = (30, 40, 50, 60, 75, 90, 100, 120, 125, 150, 180, 200, 240, 250, 300, 400, 500, 600, 1000, 1200, 1250, 2000)
LIMITS_HZ = (5.0, 5000.0)
_UNITS = (("milliseconds", 1e3), ("seconds", 1e6), ("nanoseconds", 1e-3), ("microseconds", 1.0))
_MANY = 100_000  # steps for a median
_ENOUGH = 50  # samples whose steps say which unit of time they are in
_OTHER_RATE = 0.1  # by which the rate may differ from the one that a file says
_BEATS = 64  # stamps in a window of a periodogram

_WIDTHS = {
    "gaze": 2,
    "gaze_mm": 3,
    "origin_mm": 3,
    "pupil_mm": None,
    "valid": None,
    "pupil_valid": None,
    "origin_valid": None,
}


@dataclass(frozen=True)
class Eye:
    """Hold what a tracker says of one eye, n samples. Missing is NaN.

    Attributes
    ----------
    gaze : ndarray, shape (n, 2)
        Gaze on the display area, (0, 0) top left to (1, 1) bottom right; gaze off the screen lies outside.
    gaze_mm, origin_mm : ndarray, shape (n, 3)
        The gaze point and the eye in the tracker's user coordinates, millimetres.
    pupil_mm : ndarray, shape (n,)
        Diameter of the pupil, millimetres.
    valid, pupil_valid, origin_valid : ndarray of bool, shape (n,)
        The tracker's own verdicts.
    """

    gaze: Floats
    gaze_mm: Floats
    origin_mm: Floats
    pupil_mm: Floats
    valid: Bools
    pupil_valid: Bools
    origin_valid: Bools

    @classmethod
    def from_gaze(
        cls,
        gaze: npt.ArrayLike,
        *,
        pupil_mm: npt.ArrayLike | None = None,
        origin_mm: npt.ArrayLike | None = None,
        gaze_mm: npt.ArrayLike | None = None,
        valid: npt.ArrayLike | None = None,
        pupil_valid: npt.ArrayLike | None = None,
        origin_valid: npt.ArrayLike | None = None,
    ) -> Eye:
        """Make an eye of which only the gaze need be known; verdicts that are not given follow from the numbers."""
        point = np.array(gaze, dtype=np.float64).reshape(-1, 2)
        n = len(point)
        pupil = _constant((n,), np.nan) if pupil_mm is None else np.array(pupil_mm, dtype=np.float64)
        origin = _constant((n, 3), np.nan) if origin_mm is None else np.array(origin_mm, dtype=np.float64)
        point_mm = _constant((n, 3), np.nan) if gaze_mm is None else np.array(gaze_mm, dtype=np.float64)
        return cls(
            gaze=point,
            gaze_mm=point_mm,
            origin_mm=origin,
            pupil_mm=pupil,
            valid=_verdict(valid, point),
            pupil_valid=_verdict(pupil_valid, pupil[:, None]),
            origin_valid=_verdict(origin_valid, origin),
        )

    @classmethod
    def missing(cls, n: int) -> Eye:
        """Make an eye that was not recorded: n samples of NaN, none valid."""
        none = _constant((n,), False)
        return cls(
            gaze=_constant((n, 2), np.nan),
            gaze_mm=_constant((n, 3), np.nan),
            origin_mm=_constant((n, 3), np.nan),
            pupil_mm=_constant((n,), np.nan),
            valid=none,
            pupil_valid=none,
            origin_valid=none,
        )

    def take(self, index: slice | Bools | Index) -> Eye:
        """Return the samples that an index selects."""
        return Eye(**{f.name: _part(getattr(self, f.name), index) for f in fields(self)})


@dataclass(frozen=True)
class GazeRecording:
    """Hold n binocular samples as delivered, in the order of delivery.

    Validated once, here, with all faults reported together. Time stamps need not increase: dropped and doubled
    samples and clocks that step back are what trackers deliver, and the stages that follow meet them.

    Attributes
    ----------
    device_time_us, system_time_us : ndarray of int64, shape (n,)
        Time stamps of the tracker's clock and of the host's, microseconds.
    left, right : Eye
        Both eyes; one that was not recorded is `Eye.missing`.
    openness_mm : ndarray, shape (n, 2), or None
        How far the left and the right lid are open, millimetres, NaN where not known; None where nobody measured it.

    Examples
    --------
    >>> import numpy as np
    >>> screen = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
    >>> time_us = np.arange(300) * 2000  # 500 Hz
    >>> recording = GazeRecording.from_pixels(time_us, np.full(300, 960.0), np.full(300, 540.0), screen)
    >>> len(recording), recording.rate_hz
    (300, 500.0)
    >>> recording.point()[0].tolist()
    [0.5, 0.5]
    """

    device_time_us: Index
    system_time_us: Index
    left: Eye
    right: Eye
    openness_mm: Floats | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise InputError("this is not a gaze recording: " + "; ".join(faults))

    def __len__(self) -> int:
        return len(self.device_time_us)

    @classmethod
    def from_pixels(
        cls,
        time_us: npt.ArrayLike,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        screen: Screen,
        *,
        pupil_mm: npt.ArrayLike | None = None,
    ) -> GazeRecording:
        """Make a recording of one eye, or of an average, from screen pixels; NaN where it was lost.

        The samples are kept as the left eye; the right is missing, so that ``left`` and ``average`` give them back.
        Exactly (0, 0) and (-1, -1), as trackers write for "none", are lost too.

        Parameters
        ----------
        time_us : array_like, shape (n,)
            Time stamps, microseconds.
        x, y : array_like, shape (n,)
            Gaze on the screen, pixels.
        screen : Screen
            The screen that the pixels belong to.
        pupil_mm : array_like, shape (n,), optional
            Diameter of the pupil, millimetres.

        Returns
        -------
        GazeRecording
            Both clocks have the same stamps.

        Raises
        ------
        InputError
            Columns of different lengths, or time stamps that are not finite.
        """
        time = np.asarray(time_us)
        if time.dtype.kind == "f":
            if not np.isfinite(time).all():
                raise InputError(f"time stamps must be finite microseconds; {int((~np.isfinite(time)).sum())} are not")
            time = np.round(time)
        time = time.astype(np.int64)
        x, y = np.atleast_1d(np.asarray(x, dtype=np.float64)), np.atleast_1d(np.asarray(y, dtype=np.float64))
        if not x.shape == y.shape == time.shape or time.ndim != 1:
            raise InputError(
                f"time, x and y must be columns of one length; found shapes {time.shape}, {x.shape}, {y.shape}"
            )
        lost = ~(np.isfinite(x) & np.isfinite(y))
        same = np.flatnonzero(x == y)
        lost[same[(x[same] == 0) | (x[same] == -1)]] = True
        gaze = np.empty((2, len(time))).T  # each column in one piece
        np.divide(x, screen.width_px, out=gaze[:, 0])
        np.divide(y, screen.height_px, out=gaze[:, 1])
        if lost.any():
            gaze[lost] = np.nan
        missing = Eye.missing(len(time))
        left = replace(missing, gaze=gaze, valid=~lost)
        if pupil_mm is not None:
            left = Eye.from_gaze(gaze, pupil_mm=pupil_mm, valid=~lost)
            return cls(time, time, left, missing)
        return cls._valid(time, time, left, missing)

    @classmethod
    def empty(cls) -> GazeRecording:
        """Make a recording of no samples."""
        none = np.empty(0, dtype=np.int64)
        return cls(none, none.copy(), Eye.missing(0), Eye.missing(0))

    def take(self, index: slice | Bools | Index) -> GazeRecording:
        """Return the samples that an index selects."""
        part = self._valid(
            self.device_time_us[index], self.system_time_us[index], self.left.take(index), self.right.take(index)
        )
        part.__dict__["openness_mm"] = None if self.openness_mm is None else self.openness_mm[index]
        return part

    def with_openness(self, table: pd.DataFrame) -> GazeRecording:
        """Add the openness of the eyes from a stream ``eye_openness``, by the stamps of the device clock.

        A sample whose stamp the stream does not have gets the row nearest in time, if it is less than an interval away.
        """
        stamps = table["device_time_us"].to_numpy(dtype=np.int64)
        columns = [
            np.where(table[f"{side}_valid"].to_numpy(dtype=bool), table[f"{side}_openness_mm"].to_numpy(float), np.nan)
            for side in ("left", "right")
        ]
        if not len(stamps) or not len(self):
            return self
        order = np.argsort(stamps, kind="stable")
        after = np.searchsorted(stamps[order], self.device_time_us).clip(max=len(order) - 1)
        before = (after - 1).clip(0)
        late = np.abs(stamps[order[after]] - self.device_time_us)
        early = np.abs(stamps[order[before]] - self.device_time_us)
        row = order[np.where(early < late, before, after)]
        near = np.minimum(early, late) < max(sampling_interval_us(self.device_time_us), 1.0)
        return replace(self, openness_mm=np.where(near[:, None], np.stack(columns, axis=1)[row], np.nan))

    @classmethod
    def _valid(cls, device_time_us: Index, system_time_us: Index, left: Eye, right: Eye) -> GazeRecording:
        """Make a recording of columns that are known to be valid, without looking at them again."""
        recording = object.__new__(cls)
        recording.__dict__.update(device_time_us=device_time_us, system_time_us=system_time_us, left=left, right=right)
        recording.__dict__["openness_mm"] = None
        return recording

    def between(self, onset_us: int, offset_us: int, *, clock: Literal["device", "system"] = "system") -> GazeRecording:
        """Return the samples with onset <= time < offset on one of the clocks."""
        time = self.device_time_us if clock == "device" else self.system_time_us
        return self.take((time >= onset_us) & (time < offset_us))

    def point(self, eye: EyeChoice = "average") -> Floats:
        """Return gaze on the display area, shape (n, 2), NaN where lost or not valid.

        ``average`` takes the mean of the valid eyes, ``strict`` only where both are valid.
        """
        return select_eye(_masked(self.left), _masked(self.right), eye)

    @property
    def rate_hz(self) -> float:
        """Nominal sampling rate of the device clock, see `sampling_interval_us`; NaN below two samples."""
        return 1e6 / sampling_interval_us(self.device_time_us)

    def stretches(self) -> list[slice]:
        """Return the runs of samples without a hole (see `HOLE_MS`) or a step back of the device clock."""
        steps = np.diff(self.device_time_us)
        torn = np.flatnonzero((steps > hole_us(sampling_interval_us(self.device_time_us))) | (steps < 0)) + 1
        edges = [0, *torn.tolist(), len(self)]
        return [slice(a, b) for a, b in itertools.pairwise(edges) if b > a]


def sampling_interval_us(time_us: Index, steps: Index | None = None) -> float:
    """Compute the nominal interval: recorded time over the samples that it had room for, snapped to a tracker's rate.

    Holes and steps back are no recorded time; a step that has room for several samples counts as that many. So stamps
    that are rounded (300 Hz as 3, 3, 4 ms) or jitter still give the rate. NaN where no stamp rises.
    """
    steps = np.diff(time_us) if steps is None else steps
    shortest, longest = (steps.min(), steps.max()) if len(steps) else (0, 0)
    if longest <= 0:
        return float("nan")
    total = float(time_us[-1] - time_us[0])
    if shortest > 0 and longest < 1.75 * shortest:
        return _snapped(total / len(steps))
    if shortest <= 0:
        interval = float(np.median(steps[steps > 0]))
        steps = steps[steps <= hole_us(interval)]
        if shared_stamps(steps):
            return _snapped(float(steps[steps >= 0].mean()))
        steps = steps[steps > 0]
        shortest, total = steps.min(), float(steps.sum())
    odd = steps[np.flatnonzero(steps >= math.ceil(1.75 * shortest))]
    others, total = len(steps) - len(odd), total - float(odd.sum())  # each of these is one interval
    interval = total / others if others > len(steps) // 2 else float(np.median(steps[:: 1 + len(steps) // _MANY]))
    if shortest < 0.25 * interval:  # stamps jitter: steps of next to nothing make up for those that are long by it
        odd, others, total = steps, 0, 0.0
    odd = odd[odd <= hole_us(interval)]
    for _ in range(3):
        count = others + np.where(odd < 0.25 * interval, 0, np.maximum(np.floor(odd / interval + 0.25), 1)).sum()
        interval = float((total + odd.sum()) / count)
    if len(odd) > _ENOUGH and np.abs(odd / interval - np.rint(odd / interval)).mean() > 0.06:
        interval = _beat(time_us, interval)
    return _snapped(interval)


def _beat(time_us: Index, interval_us: float) -> float:
    """Find the interval that jittering stamps keep to, though many are missing, near a first guess.

    Their periodogram, averaged over short windows (Bartlett 1950), has its peak at the rate, however many samples are
    missing; the first guess stays where no rate stands out.
    """
    starts = np.linspace(0, max(len(time_us) - _BEATS, 0), 40).astype(np.int64)
    windows = [np.asarray(time_us[start : start + _BEATS] - time_us[start], dtype=float) for start in starts]
    hertz = np.arange(0.75, 1.6, 0.004) / interval_us
    power = np.mean(
        [np.abs(np.exp(-2j * np.pi * hertz[:, None] * w[np.diff(w, prepend=-1) > 0]).mean(axis=1)) ** 2
         for w in windows], axis=0
    )  # fmt: skip
    peak = int(np.argmax(power))
    if not 0 < peak < len(hertz) - 1 or power[peak] < 2 / _BEATS:
        return interval_us
    before, at, after = power[peak - 1 : peak + 2]
    shift = 0.5 * (before - after) / (before - 2 * at + after)
    return float(1 / (hertz[peak] + shift * (hertz[1] - hertz[0])))


def shared_stamps(steps_us: Index) -> bool:
    """Tell whether steps of 0 come from stamps rounded to milliseconds, and not from samples that came twice.

    They do where more than one step in twenty is 0 and nearly all others are of one millisecond.
    """
    ticks = steps_us[steps_us > 0]
    zeros = int((steps_us == 0).sum())
    return zeros > max(10, 0.05 * len(steps_us)) and int((ticks == _TICK_US).sum()) > 0.95 * len(ticks)


def hole_us(interval_us: float) -> float:
    """Return the step between two stamps, microseconds, above which nothing was recorded in between."""
    return max(HOLE_MS * 1000, 3 * interval_us)


def rate_doubt(said_hz: float, rate_hz: float) -> str:
    """Say that a file does not have the rate that it gives itself; empty where it does, or one is not known.

    Examples
    --------
    >>> rate_doubt(500.0, 499.0), rate_doubt(float("nan"), 60.0)
    ('', '')
    """
    if not (said_hz > 0 and abs(rate_hz / said_hz - 1) > _OTHER_RATE):
        return ""
    return (
        f"the file says {said_hz:g} samples a second and has {rate_hz:.4g}: rows were left out of it, or its times are "
        "wrong"
    )


def check_rate(time_us: Index, steps: Index, interval_us: float | None = None) -> None:
    """Refuse time stamps that no eye tracker gives, which are in another unit than said.

    Raises
    ------
    InputError
        Fewer than 5 or more than 5,000 samples a second; the unit that would make sense is named.
    """
    if len(time_us) < _ENOUGH:
        return
    interval = sampling_interval_us(time_us, steps) if interval_us is None else interval_us
    crowded = steps.min() == 0 and np.median(steps) == 0 and steps.any()  # so small a unit that most are equal
    rate = 1e6 * len(steps) / steps.sum() if crowded else 1e6 / interval
    if LIMITS_HZ[0] <= rate <= LIMITS_HZ[1]:
        return
    check_order(steps)
    if not np.isfinite(rate):
        raise InputError(
            f"the time stamps of all {len(time_us)} samples are equal or fall; is their unit of time right?"
        )
    likely = [
        f"{unit} given as {other}"
        for unit, size in _UNITS
        for other, size_other in _UNITS
        if unit != other and 25 <= rate * size_other / size <= 2500
    ]
    raise InputError(
        f"the time stamps mean {rate:,.3g} samples a second, which no eye tracker takes (5 to 5,000): their unit of "
        f"time is wrong; they look like {' or '.join(likely) if likely else 'another unit'}"
    )


def check_order(steps: Index | Floats) -> None:
    """Refuse rows that are not in the order of time, whose steps say nothing of its unit.

    Raises
    ------
    InputError
        Every twentieth step, or more, runs back by more than a clock's jitter, half a sample.
    """
    if not (steps < 0).any():
        return
    forward = np.diff(np.unique(np.append(0, np.cumsum(steps))))
    jitter = 0.5 * float(np.median(forward)) if len(forward) else 0.0  # by which a clock may err
    back = int((steps < -jitter).sum())
    if back and back >= len(steps) / 20:
        raise InputError(
            f"time runs back at {back} of {len(steps) + 1} samples: the rows are not in the order of time; sort them "
            "by the time stamp within each recording, or export the recording again"
        )


def _snapped(interval_us: float) -> float:
    rate = min(RATES_HZ, key=lambda r: abs(r * interval_us - 1e6))
    return 1e6 / rate if abs(rate * interval_us - 1e6) <= 1e4 else interval_us


def select_eye(left: Floats, right: Floats, eye: EyeChoice) -> Floats:
    """Choose or average two eyes, shapes (n, k), NaN where missing: left, right, average of any, or strict average."""
    if eye not in EYE_CHOICES:
        raise unknown_name("eye", str(eye), EYE_CHOICES)
    if eye == "left":
        return left
    if eye == "right":
        return right
    both = (left + right) / 2
    if eye == "strict":
        return both
    return np.where(np.isnan(left), right, np.where(np.isnan(right), left, both))


def _constant(shape: tuple[int, ...], value: float) -> npt.NDArray[Any]:
    """Make a read-only column of one value that takes no memory: most recordings have such."""
    return np.broadcast_to(np.asarray(value), shape)


def _part(column: npt.NDArray[Any], index: slice | Bools | Index) -> npt.NDArray[Any]:
    """Take a part of a column; one that takes no memory still takes none."""
    if any(column.strides) or not len(column):
        return column[index]
    rows: Any = range(len(column)) if isinstance(index, slice) else np.empty(len(column), dtype=bool)
    count = len(rows[index])
    return _constant((count, *column.shape[1:]), column[(0,) * column.ndim])


def _verdict(verdicts: npt.ArrayLike | None, numbers: Floats) -> Bools:
    """Return the tracker's verdicts, or else where all numbers of a row, shape (n, k), are there."""
    if verdicts is not None:
        return np.array(verdicts, dtype=bool)
    if not any(numbers.strides):
        return np.full(len(numbers), bool(np.isfinite(numbers[:1]).all() and len(numbers)))
    present = np.isfinite(numbers[:, 0])
    for k in range(1, numbers.shape[1]):
        present &= np.isfinite(numbers[:, k])
    return present


def _masked(eye: Eye) -> Floats:
    return np.where(eye.valid[:, None], eye.gaze, np.nan)


def _faults(recording: GazeRecording) -> list[str]:
    n = len(recording.device_time_us)
    faults = []
    openness = recording.openness_mm
    if openness is not None and (openness.shape != (n, 2) or openness.dtype != np.float64):
        faults.append(f"openness_mm must be float64 of shape ({n}, 2), found {openness.dtype} {openness.shape}")
    for name in ("device_time_us", "system_time_us"):
        column = getattr(recording, name)
        if column.dtype != np.int64 or column.shape != (n,):
            faults.append(f"{name} must be int64 of shape ({n},), found {column.dtype} {column.shape}")
    for side in ("left", "right"):
        eye = getattr(recording, side)
        for name, width in _WIDTHS.items():
            column = getattr(eye, name)
            shape = (n,) if width is None else (n, width)
            dtype = np.dtype(bool if name.endswith("valid") else np.float64)
            if column.shape != shape or column.dtype != dtype:
                faults.append(f"{side}.{name} must be {dtype} of shape {shape}, found {column.dtype} {column.shape}")
            elif dtype == np.float64 and np.isinf(column if any(column.strides) else column[:1]).any():
                faults.append(f"{side}.{name} has {int(np.isinf(column).sum())} infinite values; missing is NaN")
    return faults
