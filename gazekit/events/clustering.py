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
    starts: Sequence[Index],
    width: int,
    seed: int,
) -> Floats:
    """Compute the mean weight of a switch at every sample over the windows that hold it; NaN where none does.

    Parameters
    ----------
    copies : sequence of (int, tuple of ndarray)
        Copies of the signal: the downsampling factor, and the columns x and y of n samples, already filtered.
    whole : ndarray of bool, shape (n,)
        Whether the window that begins at a sample can be used.
    starts : sequence of ndarray of int64
        Where the windows of each stretch begin.
    width : int
        Width of the windows, samples.
    seed : int
        Seed of the first centres; the same seed gives the same weights, in a stretch whatever lies before it.

    Returns
    -------
    ndarray, shape (n,)
        0 where no window switches, 1 where every window switches there and nowhere else.
    """
    n = len(whole)
    begin = np.concatenate([*starts, np.empty(0, dtype=np.int64)])
    place = np.concatenate([*(np.arange(len(part)) for part in starts), np.empty(0, dtype=np.int64)])
    begin, place = begin[whole[begin]], place[whole[begin]]
    total, tested = np.zeros(n + 1), np.zeros(n + 1)
    np.add.at(tested, begin, 1)
    np.subtract.at(tested, begin + width, 1)
    for factor, columns in copies:
        draws = np.random.default_rng([seed, factor]).random((max(map(len, starts), default=0), 2))
        at_once = max(1, _AT_ONCE * factor // width)
        for k in range(0, len(begin), at_once):
            part = slice(k, k + at_once)
            _add_switches(total, columns, begin[part], width, factor, draws[place[part]])
    tests = np.cumsum(tested[:n])
    weights: Floats = np.cumsum(total[:n]) / np.where(tests > 0, tests, np.nan)
    return weights


def two_means(x: Floats, y: Floats, draws: Floats) -> Bools:
    """Part the points of every window into two clusters, shapes (windows, points).

    The first centre is a random point, the second is drawn in proportion to the squared distance from it (k-means++),
    by two numbers from 0 to 1 a window, shape (windows, 2); then Lloyd's rounds until nothing moves.
    """
    windows, points = x.shape
    rows = np.arange(windows)
    first = (draws[:, 0] * points).astype(np.int64)
    ax, ay = x[rows, first], y[rows, first]
    far = np.cumsum((x - ax[:, None]) ** 2 + (y - ay[:, None]) ** 2, axis=1)
    second = (far < draws[:, 1:] * far[:, -1:]).sum(axis=1).clip(max=points - 1)
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
    draws: Floats,
) -> None:
    """Add each window's switches, as steps whose running sum is the weight of every sample."""
    if not len(starts):
        return
    inside = np.arange(0, width, factor)
    x, y = (c[starts[:, None] + inside] for c in columns)
    member = two_means(x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True), draws)
    switch = member[:, 1:] != member[:, :-1]
    switch &= (np.maximum(np.ptp(x, axis=1), np.ptp(y, axis=1)) > _STILL_PX)[:, None]
    count = switch.sum(axis=1)
    window, place = np.nonzero(switch)
    weight = 1 / count[window]
    first = starts[window] + inside[place]
    n = len(total) - 1
    np.add.at(total, first, weight)
    np.subtract.at(total, np.minimum(first + factor, n), weight)
