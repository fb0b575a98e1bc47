"""The arrays that every detector reads: increasing time, holes that nothing reaches over, artefacts taken out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gazekit.core.errors import unknown_name
from gazekit.core.types import Bools, Floats, Index
from gazekit.events.clock import Timeline, timeline
from gazekit.gaze import EYE_CHOICES, Eye, EyeChoice, GazeRecording, hole_us
from gazekit.screen import Screen

OFF_SCREEN_DEG = 20.0
Axes = tuple[Floats, ...]  # x and y, shape (n,) each
AT_ONCE = 1 << 14  # samples whose intermediate columns stay in the cache
HOLE_ROWS = 2  # without gaze, in place of a hole
WIDER_US = 3_600_000_000  # each hole is this much longer for the detectors, so that no limit in time reaches over it
_MANY_PIECES = 1000
_SHORTEST_US = 200.0  # no tracker is faster
_ROUNDING = 0.02  # of an interval, by which stamps in whole microseconds may miss a limit


@dataclass(frozen=True)
class Samples:
    """Hold a recording as detectors read it: n rows with time that rises by about one interval a row.

    Where the tracker left out samples there are rows without gaze; where it left out more than a hole (see
    `gazekit.gaze.HOLE_MS`) there are two, and the time of the detectors jumps by an hour.

    Attributes
    ----------
    source : GazeRecording
        The samples that are used, as delivered.
    rows : _Rows or None
        Where rows are put in for what was not delivered.
    screen : Screen
        Every degree comes from it.
    choice : {"left", "right", "average", "strict"}
        Which eye: one of them, the average of any valid eye, or the average where both are valid.
    looks : (_Look, _Look)
        Gaze of the left and the right eye on the display area, of the samples that are used.
    time_us : ndarray of int64, shape (n,)
        Time for the detectors, microseconds, strictly increasing: the stamps, with wider holes.
    holes : ndarray of int64, shape (h,)
        The first row of each hole, and of each tear of the clock.
    clock : Timeline
        What was wrong with the stamps.
    """

    source: GazeRecording
    rows: _Rows | None
    screen: Screen
    choice: EyeChoice
    looks: tuple[_Look, _Look]
    time_us: Index
    holes: Index
    clock: Timeline

    def __len__(self) -> int:
        return len(self.time_us)

    @property
    def interval_us(self) -> float:
        """Nominal sampling interval, microseconds; NaN below two samples."""
        return self.clock.interval_us

    @cached_property
    def recording(self) -> GazeRecording:
        """The rows; where nothing was delivered a neighbour's numbers, which are never usable."""
        rows = self.rows
        if rows is None:
            return self.source
        left, right = (
            Eye(**{field.name: rows.spaced(getattr(side, field.name)) for field in fields(side)})
            for side in (self.source.left, self.source.right)
        )
        return GazeRecording(
            rows.spaced(self.source.device_time_us), rows.spaced(self.source.system_time_us), left, right
        )

    @cached_property
    def index(self) -> Index:
        """Where each row stands in the recording as delivered; -1 where nothing was delivered, shape (n,)."""
        if self.rows is None:
            return self.clock.index
        index = self.rows.spaced(self.clock.index)
        index[self.rows.added] = -1
        return index

    @cached_property
    def stamp_us(self) -> Index:
        """Time stamps of the device clock, repaired, microseconds, shape (n,)."""
        if not len(self.holes):
            return self.time_us
        stamp = self.time_us.copy()
        for part, wider in _later(self.holes, len(stamp)):
            stamp[part] -= wider
        return stamp

    def stamps(self, row: Index) -> Index:
        """Return the time stamps of rows."""
        if not len(self.holes):
            return self.time_us[row]
        return self.time_us[row] - np.searchsorted(self.holes + 1, row, "right") * WIDER_US

    @cached_property
    def usable(self) -> tuple[Bools, Bools]:
        """Where the left and the right eye have a gaze point that can be used, shape (n,) each."""
        left, right = (self.spaced(look.usable, False) for look in self.looks)
        return left, right

    @cached_property
    def display(self) -> tuple[Axes | None, Axes | None]:
        """Gaze of the left and the right eye on the display area, two columns (n,) each, NaN where it cannot be used.

        None of an eye that was never seen.
        """
        left, right = (
            None if look.axes is None else tuple(self.spaced(column, np.nan) for column in look.axes)
            for look in self.looks
        )
        return left, right

    @cached_property
    def point(self) -> Axes:
        """Gaze of the chosen eye on the display area of the samples that are used, without rows put in; NaN if lost."""
        left, right = self.looks
        return blend(left.axes, right.axes, self.choice, len(self.clock.index))

    @cached_property
    def pixels(self) -> tuple[Floats, Floats]:
        """Gaze of the chosen eye on the screen, two columns (n,) of pixels; NaN where lost."""
        x, y = (self.spaced(column, np.nan) for column in self.point)
        return x * self.screen.width_px, y * self.screen.height_px

    @cached_property
    def degrees(self) -> tuple[Floats, Floats]:
        """Gaze of the chosen eye as Fick angles from the screen's centre, two columns (n,) of degrees, y down."""
        return self.converted(self.point, self.screen.display_to_degrees)

    @cached_property
    def lost(self) -> Bools:
        """Whether the chosen eye has no gaze, shape (n,)."""
        left, right = (look.usable for look in self.looks)
        if self.choice in ("left", "right"):
            usable = left if self.choice == "left" else right
        else:
            usable = left & right if self.choice == "strict" else left | right
        return ~self.spaced(usable, False)

    def spaced(self, column: np.ndarray[Any, Any], fill: float) -> np.ndarray[Any, Any]:
        """Return a column of the samples that are used with rows for what is missing, which hold ``fill``."""
        if self.rows is None:
            return column
        whole = self.rows.spaced(column)
        whole[self.rows.added] = fill
        return whole

    def converted(self, columns: Axes, convert: Callable[[Floats, Floats], Axes]) -> tuple[Floats, Floats]:
        """Convert two columns of the samples that are used, in pieces that stay in the cache; rows put in are NaN."""
        rows = self.rows
        if rows is not None and len(rows.before) > _MANY_PIECES:
            columns, rows = tuple(self.spaced(column, np.nan) for column in columns), None
        x, y = np.empty(len(self)), np.empty(len(self))
        if rows is not None:
            x[rows.added] = y[rows.added] = np.nan
        for source, target in _pieces(len(columns[0]), rows):
            x[target], y[target] = convert(columns[0][source], columns[1][source])
        return x, y

    def sample(self, row: Index) -> Index:
        """Return which of the samples that are used rows are; of rows that were put in, the one before."""
        return row if self.rows is None else row - np.searchsorted(self.rows.added, row, "right")

    @cached_property
    def delivered(self) -> Bools:
        """Whether the tracker delivered a sample, with gaze or without, shape (n,)."""
        delivered = np.ones(len(self), dtype=bool)
        if self.rows is not None:
            delivered[self.rows.added] = False
        return delivered

    @cached_property
    def within(self) -> Bools:
        """Whether a row lies within a stretch, and not in a hole, shape (n,)."""
        inside = np.ones(len(self), dtype=bool)
        for row in range(HOLE_ROWS):
            inside[self.holes + row] = False
        return inside

    @cached_property
    def timed_holes(self) -> Index:
        """The holes whose length is known, shape (h,): not those where the clock was set back."""
        lasting = self.stamp_us[self.holes + HOLE_ROWS] - self.stamp_us[self.holes - 1]
        return self.holes[lasting > hole_us(self.interval_us)]

    @cached_property
    def stretches(self) -> tuple[Index, Index]:
        """First and last row of each stretch between holes."""
        first = np.append(0, self.holes + HOLE_ROWS) if len(self) else np.empty(0, dtype=np.int64)
        return first, np.append(self.holes, len(self))[: len(first)] - 1

    def room(self, inside: Bools) -> int:
        """Count the samples that the recorded time of rows has room for.

        These are the rows, without those put in where stamps that jitter only seem to leave samples out.
        """
        rows = np.flatnonzero(inside & self.within)
        if self.rows is None or len(rows) < 2:
            return len(rows)
        steps = np.diff(self.time_us[rows])
        steps = steps[self.stretch_of(rows[1:]) == self.stretch_of(rows[:-1])]
        timed = round(float(steps.sum()) / self.interval_us) + len(rows) - len(steps)
        return min(len(rows), max(timed, int(self.delivered[rows].sum())))

    def stretch_of(self, row: Index) -> Index:
        """Return the number of the stretch that rows lie in."""
        return np.searchsorted(self.holes, row, "right")

    def with_eye(self, eye: EyeChoice) -> Samples:
        """Return the same rows with another choice of the eye."""
        return replace(self, choice=eye)

    def last_us(self, onset: Index, offset: Index) -> Floats:
        """Return how long events from one row to another last, microseconds: last - first + one interval."""
        interval = self.interval_us if np.isfinite(self.interval_us) else 0.0
        return np.asarray(self.time_us[offset] - self.time_us[onset] + interval, dtype=np.float64)

    def shorter(self, onset: Index, offset: Index, limit_ms: float) -> Bools:
        """Tell which events are shorter than a limit in milliseconds."""
        rounding = _ROUNDING * self.interval_us if np.isfinite(self.interval_us) else 0.0
        return np.asarray(self.last_us(onset, offset) < limit_ms * 1000 - rounding)

    def between_us(self, offset: Index, onset: Index) -> Floats:
        """Return the time from the end of events, one interval after their last sample, to the onset of others."""
        return -self.last_us(onset, offset)


def prepare(
    recording: GazeRecording, screen: Screen, *, eye: EyeChoice = "average", off_screen_deg: float = OFF_SCREEN_DEG
) -> Samples:
    """Prepare the samples to detect in: stamps that increase, rows for what is missing, artefacts lost, the eye chosen.

    Lost is what the tracker says is not valid, NaN, a gaze of exactly (0, 0) on the display area (what trackers write
    for "none"), and gaze further than ``off_screen_deg`` outside the screen, where no tracker is calibrated.

    Raises
    ------
    InputError
        Unknown eye, or time stamps in a wrong unit.
    """
    if eye not in EYE_CHOICES:
        raise unknown_name("eye", str(eye), EYE_CHOICES)
    clock = timeline(recording.device_time_us)
    if len(clock.index) < len(recording):
        first, last = (int(clock.index[0]), int(clock.index[-1])) if len(clock.index) else (0, -1)
        in_one_piece = last - first + 1 == len(clock.index)
        recording = recording.take(slice(first, last + 1) if in_one_piece else clock.index)
    time, holes = clock.stamp_us, np.empty(0, dtype=np.int64)
    steps = np.diff(time)
    left, right = (_look(side, screen, off_screen_deg) for side in (recording.left, recording.right))
    rows = None
    if len(steps) and (len(clock.torn) or steps.max() >= 1.75 * clock.interval_us):
        rows = _missing_rows(steps, clock.interval_us, clock.torn - 1)
        time, holes = rows.times(time), rows.holes
    return Samples(recording, rows, screen, eye, (left, right), time, holes, clock)


class _Look(NamedTuple):
    """Hold where an eye's gaze can be used, and its columns on the display area, NaN elsewhere; None if never seen."""

    usable: Bools
    axes: Axes | None


def _pieces(n: int, rows: _Rows | None) -> Iterator[tuple[slice, slice]]:
    """Yield pieces of n samples and where they lie among the rows, none longer than `AT_ONCE`."""
    edges = [0, *((rows.before + 1).tolist() if rows else ()), n]
    later = [0, *(np.cumsum(rows.missing).tolist() if rows else ())]
    for (first, last), by in zip(itertools.pairwise(edges), later, strict=True):
        for start in range(first, last, AT_ONCE):
            stop = min(start + AT_ONCE, last)
            yield slice(start, stop), slice(start + by, stop + by)


def _later(holes: Index, n: int) -> Iterator[tuple[slice, int]]:
    """Yield the rows after each hole up to the next one, and how much later the detectors' time is there."""
    for rank, (first, last) in enumerate(itertools.pairwise([*(holes + 1).tolist(), n]), 1):
        yield slice(first, last), rank * WIDER_US


@dataclass(frozen=True)
class _Rows:
    """Hold where rows are to be put in.

    Attributes
    ----------
    before : ndarray of int64, shape (t,)
        The samples behind which rows are missing.
    missing : ndarray of int64, shape (t,)
        How many.
    added : ndarray of int64
        Where those rows stand afterwards.
    later_us : ndarray of int64
        How much later than the sample before each of them is.
    holes : ndarray of int64
        Where the first row of each hole stands.
    """

    before: Index
    missing: Index
    added: Index
    later_us: Index
    holes: Index

    def times(self, stamp_us: Index) -> Index:
        """Put rows in, each with its time, and let the time after holes jump."""
        time = self.spaced(stamp_us)
        time[self.added] += self.later_us
        for part, jump in _later(self.holes, len(time)):
            time[part] += jump
        return time

    def spaced(self, column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Put rows in, as repetitions of the one before; a column that takes no memory still takes none."""
        if not any(column.strides):
            return np.broadcast_to(column[:1], (len(column) + len(self.added), *column.shape[1:]))
        if len(self.before) > _MANY_PIECES:
            repeats = np.ones(len(column), dtype=np.int64)
            repeats[self.before] += self.missing
            return np.repeat(column, repeats, axis=0)
        whole = np.empty((len(column) + len(self.added), *column.shape[1:]), dtype=column.dtype)
        edges = [0, *(self.before + 1).tolist(), len(column)]
        later = [0, *np.cumsum(self.missing).tolist()]
        for (first, last), by in zip(itertools.pairwise(edges), later, strict=True):
            whole[first + by : last + by] = column[first:last]
        whole[self.added] = np.repeat(column[self.before], self.missing, axis=0)
        return whole


def _missing_rows(steps: Index, interval_us: float, torn: Index) -> _Rows:
    """Find where samples are missing between stamps: a row for each, and two for a hole or where the clock is torn."""
    interval = max(interval_us, _SHORTEST_US)
    before = np.union1d(np.flatnonzero(steps >= math.ceil(1.75 * interval)), torn)
    hole = (steps[before] > hole_us(interval_us)) | np.isin(before, torn)
    missing = np.where(hole, HOLE_ROWS, np.floor(steps[before] / interval + 0.25).astype(np.int64) - 1)
    added_before = np.cumsum(missing) - missing
    place = np.arange(missing.sum()) - np.repeat(added_before, missing) + 1
    share = place / np.repeat(missing + 1, missing)
    return _Rows(
        before,
        missing,
        np.repeat(before + added_before, missing) + place,
        np.round(np.repeat(steps[before], missing) * share).astype(np.int64),
        (before + added_before + 1)[hole],
    )


def event_times(samples: Samples, onset: Index, offset: Index) -> tuple[Index, Index]:
    """Return when events begin and end, device clock: an end is one interval after the last sample."""
    if not len(onset):
        return samples.stamps(onset), samples.stamps(offset)
    begin = samples.stamps(onset)
    end = begin + np.round(samples.last_us(onset, offset)).astype(np.int64)
    end[:-1] = np.minimum(end[:-1], begin[1:])  # stamps that jitter must not make events overlap
    return begin, end


def masked_axes(points: Floats, usable: Bools) -> tuple[Floats, ...] | None:
    """Return the columns of (n, k) points with NaN where an eye was not usable; None where it never was."""
    if not usable.any():
        return None
    if usable.all():
        return tuple(np.ascontiguousarray(points[:, k]) for k in range(points.shape[1]))
    return tuple(np.where(usable, points[:, k], np.nan) for k in range(points.shape[1]))


def blend(
    left: Sequence[Floats] | None, right: Sequence[Floats] | None, choice: EyeChoice, n: int, axes: int = 2
) -> tuple[Floats, ...]:
    """Return the columns of the chosen eye from those of both; None is an eye that was never seen."""
    if choice in ("left", "right"):
        chosen = left if choice == "left" else right
        return _nothing(n, axes) if chosen is None else tuple(chosen)
    if left is None or right is None:
        chosen = None if choice == "strict" else (right if left is None else left)
        return _nothing(n, axes) if chosen is None else tuple(chosen)
    both = tuple((a + b) / 2 for a, b in zip(left, right, strict=True))
    if choice == "strict":
        return both
    no_left, no_right = np.isnan(left[0]), np.isnan(right[0])
    return tuple(np.where(no_left, b, np.where(no_right, a, m)) for a, b, m in zip(left, right, both, strict=True))


def _nothing(n: int, axes: int) -> tuple[Floats, ...]:
    return tuple(np.full(n, np.nan) for _ in range(axes))


def _look(eye: Eye, screen: Screen, off_screen_deg: float) -> _Look:
    usable = eye.valid.copy()
    if not usable.any():
        return _Look(usable, None)
    margin = np.tan(np.radians(off_screen_deg)) * screen.distance_mm if off_screen_deg < 90 else np.inf
    columns = tuple(np.ascontiguousarray(eye.gaze[:, k]) for k in range(2))
    for column, size_mm in zip(columns, (screen.width_mm, screen.height_mm), strict=True):
        reach = margin / size_mm
        if np.fmin.reduce(column) < -reach or np.fmax.reduce(column) > 1 + reach:
            usable &= (column >= -reach) & (column <= 1 + reach)
    none = np.flatnonzero(columns[0] == 0)
    usable[none[columns[1][none] == 0]] = False
    for column in columns:
        usable &= column == column  # all that is no NaN
    if not usable.any():
        return _Look(usable, None)
    gone = np.flatnonzero(~usable)
    if not all(np.isnan(column[gone]).all() for column in columns):
        columns = tuple(column.copy() for column in columns)
        for column in columns:
            column[gone] = np.nan
    return _Look(usable, columns)
