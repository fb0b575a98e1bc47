"""Two-means clustering of many windows at once, and the weight of each switch between the clusters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gazekit.core.types import Bools, Floats, Index

_AT_ONCE = 1 << 20  # points clustered together: bounds the memory
_MOST_ROUNDS = 100
_ROUNDING = 1e-9
_STILL_PX = 1e-6  # a window that moves less holds nothing but the rounding of a filter


def switch_weights(
    copies: Sequence[tuple[int, tuple[Floats, ...]]],
    whole: Bools,
    width: int,
    step: int,
    seed: int,
) -> Floats:
    """Compute the mean weight of a switch at every sample over the windows that hold it; NaN where none does.

    Parameters
    ----------
    copies : sequence of (int, tuple of ndarray)
        Copies of the signal: the downsampling factor, and the columns x and y of n samples, already filtered.
    whole : ndarray of bool, shape (n,)
        Whether the window that begins at a sample can be used.
    width, step : int
        Width of the windows and the step between them, samples.
    seed : int
        Seed of the first centres; the same seed gives the same weights.

    Returns
    -------
    ndarray, shape (n,)
        0 where no window switches, 1 where every window switches there and nowhere else.
    """
    n = len(whole)
    starts = np.arange(0, max(n - width + 1, 0), step)
    starts = starts[whole[starts]]
    total, tested = np.zeros(n + 1), np.zeros(n + 1)
    np.add.at(tested, starts, 1)
    np.subtract.at(tested, starts + width, 1)
    for factor, columns in copies:
        rng = np.random.default_rng([seed, factor])
        at_once = max(1, _AT_ONCE * factor // width)
        for k in range(0, len(starts), at_once):
            _add_switches(total, columns, starts[k : k + at_once], width, factor, rng)
    tests = np.cumsum(tested[:n])
    weights: Floats = np.cumsum(total[:n]) / np.where(tests > 0, tests, np.nan)
    return weights


def two_means(x: Floats, y: Floats, rng: np.random.Generator) -> Bools:
    """Part the points of every window into two clusters, shapes (windows, points).

    The first centre is a random point, the second is drawn in proportion to the squared distance from it
    (k-means++); then Lloyd's rounds until nothing moves.
    """
    windows, points = x.shape
    rows = np.arange(windows)
    first = rng.integers(points, size=windows)
    ax, ay = x[rows, first], y[rows, first]
    far = np.cumsum((x - ax[:, None]) ** 2 + (y - ay[:, None]) ** 2, axis=1)
    second = (far < rng.random((windows, 1)) * far[:, -1:]).sum(axis=1).clip(max=points - 1)
    centres = np.stack([ax, ay, x[rows, second], y[rows, second]])
    member = np.zeros((windows, points), dtype=bool)
    active = rows
    sums = x.sum(axis=1), y.sum(axis=1)
    for _ in range(_MOST_ROUNDS):
        px, py = (x, y) if len(active) == windows else (x[active], y[active])
        ax, ay, bx, by = (c[:, None] for c in centres[:, active])
        apart = (bx - ax) ** 2 + (by - ay) ** 2
        middle = ((bx**2 - ax**2) + (by**2 - ay**2)) / 2 + _ROUNDING * apart  # a tie stays with the first
        nearer = (bx - ax) * px + (by - ay) * py > middle
        moved = (nearer != member[active]).any(axis=1)
        member[active] = nearer
        if not moved.any():
            break
        active, nearer, px, py = active[moved], nearer[moved], px[moved], py[moved]
        _move_centres(centres, active, nearer, px, py, sums)
    return member


def _move_centres(
    centres: Floats,
    active: Index,
    member: Bools,
    x: Floats,
    y: Floats,
    sums: tuple[Floats, Floats],
) -> None:
    """Move each centre to the mean of its cluster; an empty cluster keeps its centre."""
    points = member.shape[1]
    inside = member.sum(axis=1)
    for axis, (column, total) in enumerate(zip((x, y), sums, strict=True)):
        part = np.einsum("ij,ij->i", column, member)
        rest = total[active] - part
        old_a, old_b = centres[axis, active], centres[axis + 2, active]
        centres[axis, active] = np.where(inside < points, rest / np.maximum(points - inside, 1), old_a)
        centres[axis + 2, active] = np.where(inside > 0, part / np.maximum(inside, 1), old_b)


def _add_switches(
    total: Floats,
    columns: tuple[Floats, ...],
    starts: Index,
    width: int,
    factor: int,
    rng: np.random.Generator,
) -> None:
    """Add each window's switches, as steps whose running sum is the weight of every sample."""
    if not len(starts):
        return
    inside = np.arange(0, width, factor)
    x, y = (c[starts[:, None] + inside] for c in columns)
    member = two_means(x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True), rng)
    switch = member[:, 1:] != member[:, :-1]
    switch &= (np.maximum(np.ptp(x, axis=1), np.ptp(y, axis=1)) > _STILL_PX)[:, None]
    count = switch.sum(axis=1)
    window, place = np.nonzero(switch)
    weight = 1 / count[window]
    first = starts[window] + inside[place]
    n = len(total) - 1
    np.add.at(total, first, weight)
    np.subtract.at(total, np.minimum(first + factor, n), weight)
