"""Tobii's I-VT fixation filter (Olsen 2012), stage by stage in its order."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from gazekit.core.errors import unknown_name
from gazekit.core.types import Bools, Floats, Index, Labels
from gazekit.events.angles import Point, View, angle_deg, cut, products, square_of_angle, views
from gazekit.events.gaps import fill_gaps
from gazekit.events.labels import FIXATION, LOST, SACCADE, UNCLASSIFIED, Events, runs
from gazekit.events.samples import AT_ONCE, Samples, blend
from gazekit.events.velocity import window_half
from gazekit.gaze import EyeChoice

NoiseReduction = Literal["off", "average", "median"]
_NOISE = ("off", "average", "median")
_RIGHT_ANGLE = 1.57
_ROUNDING = 1e-9  # a computed angle may miss a boundary by the last digits; the boundary itself counts as reached


def ivt(
    samples: Samples,
    *,
    max_gap_ms: float = 75.0,
    noise_reduction: NoiseReduction = "off",
    noise_window_samples: int = 3,
    velocity_window_ms: float = 20.0,
    velocity_threshold_deg_s: float = 30.0,
    merge_time_ms: float = 75.0,
    merge_angle_deg: float = 0.5,
    min_duration_ms: float = 60.0,
) -> Events:
    """Find fixations by a velocity threshold: the Tobii I-VT filter with its published parameters.

    The stages: gaps *shorter than* ``max_gap_ms`` filled on a line, each eye by itself (0 turns it off); the eye
    chosen; noise reduced; velocity; a sample at *or above* the threshold is a saccade, below it fixation, without a
    velocity unclassified; neighbouring fixations *at most* ``merge_time_ms`` and ``merge_angle_deg`` apart merged
    (0 ms turns it off); fixations *shorter than* ``min_duration_ms`` made unclassified.

    Parameters
    ----------
    samples : Samples
        The prepared recording.
    max_gap_ms : float
        Gaps shorter than this are filled.
    noise_reduction : {"off", "average", "median"}
        Moving average or median over ``noise_window_samples``.
    noise_window_samples : int
        Its width, an odd number of samples.
    velocity_window_ms : float
        Time between the first and the last sample of the velocity's window, see `classify`.
    velocity_threshold_deg_s : float
        A sample as fast as this is a saccade.
    merge_time_ms, merge_angle_deg : float
        Fixations at most so far apart in time and angle are merged.
    min_duration_ms : float
        A shorter fixation is unclassified.

    Returns
    -------
    Events
        Fixations and saccades.

    References
    ----------
    Olsen, A. (2012). The Tobii I-VT fixation filter: algorithm description. Tobii Technology.
    """
    view = select_view(samples, max_gap_ms)
    point = reduce_noise(view.point, noise_reduction, noise_window_samples)
    labels = classify(
        samples.time_us,
        point,
        view.eye,
        samples.interval_us,
        velocity_window_ms,
        max_gap_ms,
        velocity_threshold_deg_s,
    )
    onset, offset = runs(labels == FIXATION)
    merged = merge(samples, point, view.eye, onset, offset, merge_time_ms, merge_angle_deg)
    return _settle(samples, labels, onset, *merged, min_duration_ms)


def select_view(samples: Samples, max_gap_ms: float) -> View:
    """Fill the gaps of each eye, then choose the eye."""
    left, right = (_filled(samples.time_us, v, max_gap_ms) for v in views(samples))
    n = len(samples)
    point = blend(None if left is None else left.point, None if right is None else right.point, samples.choice, n, 3)
    eye = _eye_position(left, right, samples.choice)
    return View((point[0], point[1], point[2]), eye)


def reduce_noise(point: Point, method: NoiseReduction, window_samples: int) -> Point:
    """Average or take the median over an odd number of samples; the window shrinks evenly towards gaps and edges."""
    if method not in _NOISE:
        raise unknown_name("noise reduction", method, _NOISE)
    half = window_samples // 2
    if method == "off" or half == 0:
        return point
    x, y, z = (c if len(c) != len(point[0]) else _moving(c, half, method) for c in point)
    return x, y, z


def classify(
    time_us: Index,
    point: Point,
    eye: Point,
    interval_us: float,
    window_ms: float,
    max_gap_ms: float,
    threshold_deg_s: float,
) -> Labels:
    """Tell saccade, as fast as the threshold, from fixation by the angular speed at every sample, shape (n,).

    Speed is the angle between the first and the last sample of a window centred on each sample, seen from the eye at
    the middle sample, over the time between them. The window has an odd number of samples, at least three, as near to
    ``window_ms`` as the sampling interval allows. Unclassified where either end is missing, or where so much time
    passed between them (the window and a gap too long to fill) that the samples in between were never delivered.
    """
    n = len(time_us)
    labels = np.zeros(n, dtype=np.int8)
    half = window_half(interval_us, window_ms)
    longest = 2 * half * interval_us + max(max_gap_ms * 1000, 2 * interval_us)
    limit = np.radians(threshold_deg_s) * (1 - _ROUNDING) * 1e-6
    for start in range(half, n - half, AT_ONCE):
        middle = slice(start, min(start + AT_ONCE, n - half))
        first, last = (slice(middle.start + way, middle.stop + way) for way in (-half, half))
        elapsed = time_us[last] - time_us[first]
        cross, dot = products(cut(eye, middle), cut(point, first), cut(point, last))
        part = labels[middle]
        part[cross == cross] = FIXATION  # all that is no NaN
        part[_as_far(cross, dot, elapsed, limit, longest)] = SACCADE
        part[elapsed > longest] = UNCLASSIFIED
    labels[np.isnan(point[0])] = LOST
    return labels


def _as_far(cross_square: Floats, dot: Floats, elapsed_us: Index, limit: float, longest_us: float) -> Bools:
    """Tell where the angle of two products is as large as the limit, radians a microsecond, by their tangents.

    Over a longer time than ``longest_us`` nobody asks.
    """
    usual = int(elapsed_us[len(elapsed_us) // 2])
    others = np.flatnonzero((elapsed_us != usual) & (elapsed_us <= longest_us))
    if len(others) < len(elapsed_us) // 8 and limit * usual < _RIGHT_ANGLE:
        square = dot * dot
        square *= np.tan(limit * usual) ** 2
        far: Bools = cross_square >= square
        far |= dot <= 0
    else:
        far, others = np.zeros(len(dot), dtype=bool), np.arange(len(dot))
    if len(others):
        far[others] = square_of_angle(cross_square[others], dot[others]) >= (limit * elapsed_us[others]) ** 2
    return far


def merge(
    samples: Samples,
    point: Point,
    eye: Point,
    onset: Index,
    offset: Index,
    max_time_ms: float,
    max_angle_deg: float,
) -> tuple[Index, Index]:
    """Join neighbouring fixations that are near in time and in space, from the first to the last.

    The time runs from the end of one, an interval after its last sample, to the onset of the next; the angle is
    between their centres (of a joined one: of all its samples), seen from the mean of the eye's positions there.
    """
    if len(onset) < 2 or max_time_ms <= 0:
        return onset, offset
    near = samples.between_us(offset[:-1], onset[1:]) <= max_time_ms * 1000 * (1 + _ROUNDING)
    if not near.any():
        return onset, offset
    sums, counts = _sums(point, onset, offset)
    between = _eye_between(eye, offset[:-1], onset[1:])
    limit = max_angle_deg * (1 + _ROUNDING)
    centres = sums / counts[:, None]
    apart = angle_deg(*(_columns(points) for points in (between, centres[:-1], centres[1:])))
    keep, last = np.ones(len(onset), dtype=bool), offset.copy()
    for first in np.flatnonzero(near & (apart <= limit)).tolist():  # from each pair on, as long as more join
        if not keep[first + 1]:
            continue
        head = int(np.flatnonzero(keep[: first + 1])[-1]) if not keep[first] else first
        total, count, k = sums[head : first + 1].sum(axis=0), counts[head : first + 1].sum(), first + 1
        while k < len(onset) and near[k - 1] and _angle(between[k - 1], total / count, centres[k]) <= limit:
            total, count, last[head], keep[k] = total + sums[k], count + counts[k], offset[k], False
            k += 1
    return onset[keep], last[keep]


def _columns(points: Floats) -> Point:
    return points[:, 0], points[:, 1], points[:, 2]


def _filled(time_us: Index, view: View | None, max_gap_ms: float) -> View | None:
    if view is None or max_gap_ms <= 0:
        return view
    n = len(time_us)
    moving = tuple(c for c in view.point if len(c) == n)
    filled = iter(fill_gaps(time_us, moving, max_gap_ms))
    x, y, z = (next(filled) if len(c) == n else c for c in view.point)
    return View((x, y, z), view.eye)


def _eye_position(left: View | None, right: View | None, choice: EyeChoice) -> Point:
    """Return where the chosen eye is; of an average the mean of both, even where one is lost."""
    if choice == "left" or right is None:
        chosen = left
    elif choice == "right" or left is None:
        chosen = right
    else:
        x, y, z = ((a + b) / 2 for a, b in zip(left.eye, right.eye, strict=True))
        return x, y, z
    none = np.full(1, np.nan)
    return (none, none, none) if chosen is None else chosen.eye


def _moving(column: Floats, half: int, method: NoiseReduction) -> Floats:
    centre = np.mean if method == "average" else np.median
    out = column.copy()
    open_ = np.isfinite(column)
    for reach in range(half, 0, -1):
        if len(column) <= 2 * reach:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(column, 2 * reach + 1)
        middle = slice(reach, len(column) - reach)
        whole = open_[middle] & np.isfinite(windows).all(axis=1)
        where = np.flatnonzero(whole)
        out[where + reach] = centre(windows[where], axis=1)
        open_[where + reach] = False
    return out


def _settle(
    samples: Samples, labels: Labels, begins: Index, onset: Index, offset: Index, min_duration_ms: float
) -> Events:
    """Paint fixations over what was merged away between their parts, which begin; short ones become unclassified."""
    short = samples.shorter(onset, offset, min_duration_ms)
    merged = np.diff(np.append(np.searchsorted(begins, onset), len(begins))) > 1
    for which, label in ((merged, FIXATION), (short, UNCLASSIFIED)):
        for first, last in zip(onset[which].tolist(), offset[which].tolist(), strict=True):
            part = labels[first : last + 1]
            part[part != LOST] = label
    return Events(labels, onset[~short], offset[~short])


def _sums(point: Point, onset: Index, offset: Index) -> tuple[Floats, Floats]:
    """Return the sum of the points of each fixation, shape (k, 3), and how many."""
    counts = (offset - onset + 1).astype(np.float64)
    edges = np.stack([onset, offset + 1], axis=1).ravel()
    edges = edges if edges[-1] < len(point[0]) else edges[:-1]
    columns = [np.add.reduceat(c, edges)[::2] if len(c) > 1 else c[0] * counts for c in point]
    return np.stack(columns, axis=1), counts


def _eye_between(eye: Point, before: Index, after: Index) -> Floats:
    columns = [np.full(len(before), c[0]) if len(c) == 1 else (c[before] + c[after]) / 2 for c in eye]
    return np.stack(columns, axis=1)


def _angle(eye: Floats, a: Floats, b: Floats) -> float:
    """Compute `angle_deg` of single points in plain numbers: ten times as fast for one."""
    (ux, uy, uz), (vx, vy, vz) = (a - eye).tolist(), (b - eye).tolist()
    cross = math.hypot(uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx)
    return math.degrees(math.atan2(cross, ux * vx + uy * vy + uz * vz))
