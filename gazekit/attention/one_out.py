"""Each viewer of a picture judged by the map of all others, and by the centre, with what is shared computed once.

The numbers are those of `gazekit.attention.judging.Candidate`. The maps of people add up to everybody's, so that the
others' is everybody's less one; and an area under the ROC is a sum over pixels of how many fixations they outdo, which
counts for both kinds of negatives, so that nothing is sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gazekit.attention.judging import Density, Fixated, centre_density, dot, in_single, sorted_centre
from gazekit.attention.maps import gaussian_sides, on_picture
from gazekit.attention.viewings import Viewing
from gazekit.core.types import Floats, Index, Map

Scores = dict[str, float]
_ROUNDING = 1e-13  # of a map's highest value: less of it is left of a difference where nobody else looked


def judge_one_out(look: Viewing, elsewhere: Index) -> tuple[list[Scores], list[Scores]]:
    """Judge the map of all others, and the centre prior, by each viewer of a picture.

    Parameters
    ----------
    look : Viewing
        Two viewers or more.
    elsewhere : ndarray, shape (height * width,)
        How many fixations of other pictures lie on each pixel.

    Returns
    -------
    tuple of list
        The metrics of `gazekit.attention.judging.Candidate.judged`, a dict a viewer: of the others' map, of the centre.
    """
    viewers = _fixated(look)
    centre = _Centre(look.size, elsewhere)
    everybody = np.zeros(look.size)
    for viewer in viewers:
        everybody += viewer.map
    others = _Others(everybody, elsewhere.astype(np.float32).reshape(look.size))
    return [others.judged(viewer) for viewer in viewers], [centre.judged(viewer) for viewer in viewers]


def _fixated(look: Viewing) -> list[Fixated]:
    """Return where each viewer looked, with the map."""
    weight = look.weights
    columns, rows, _ = on_picture(look.x, look.y, None, look.size)
    inside = look.inside
    weighted = np.where(np.isfinite(weight[inside]), weight[inside], 0.0)
    down, across = gaussian_sides(rows, columns, look.size, look.sigma_px)
    down *= weighted[:, None]
    code = look.viewer[inside]
    result = []
    for name in look.participants:
        mine = np.flatnonzero(code == look.people.index(name))
        result.append(Fixated(rows[mine] * look.size[1] + columns[mine], down[mine].T @ across[mine]))
    return result


class _Others:
    """Everybody's map, to be judged by each viewer without what that viewer adds to it."""

    def __init__(self, everybody: Floats, elsewhere: Map) -> None:
        self._everybody, self._total = everybody, float(everybody.sum())
        self._least = _ROUNDING * float(everybody.max())
        self._elsewhere, self._count = elsewhere, float(elsewhere.sum(dtype=np.float64))
        self._rest = np.empty_like(everybody)

    def judged(self, viewer: Fixated) -> Scores:
        rest, total = np.subtract(self._everybody, viewer.map, out=self._rest), self._total - viewer.total
        values = in_single(rest, total)
        values *= values >= np.float32(self._least / total)  # nobody else looked there; what is left is rounding
        at = float(rest.ravel()[viewer.pixels].mean() / total)
        return Density(values).against(viewer, at) | self._areas(values, viewer)

    def _areas(self, values: Map, viewer: Fixated) -> Scores:
        """Return both areas under the ROC: the chance of a fixated value to be above another, half where equal."""
        fixated, times = np.unique(values.ravel()[viewer.pixels], return_counts=True)
        whole = np.uint8 if times.sum() < 128 else np.uint16
        outdone, above = np.zeros(values.shape, dtype=whole), np.empty(values.shape, dtype=bool)  # twice, by each pixel
        for value, count in zip(fixated, times.tolist(), strict=True):
            for compare in (np.greater_equal, np.greater):
                compare(values, value, out=above)
                outdone += above.view(np.uint8) if count == 1 else above * whole(count)
        made, places = len(viewer.pixels), len(viewer.distinct)
        negatives = values.size - places
        counts = outdone.astype(np.float32)
        alarms = float(np.einsum("ij->i", counts).sum(dtype=np.float64) - counts.ravel()[viewer.distinct].sum())
        elsewhere = dot(counts, self._elsewhere)
        return {
            "auc_judd": 1 - alarms / (2 * made * negatives) if negatives else float("nan"),
            "auc_shuffled": 1 - elsewhere / (2 * made * self._count),
        }


class _Centre:
    """The centre prior, to be judged by each viewer: its values are sorted once for all pictures of a size."""

    def __init__(self, size: tuple[int, int], elsewhere: Index) -> None:
        self._shown = centre_density(size)
        values, order = sorted_centre(size)
        self._place, self._first, self._last = _steps(size)
        self._running = np.concatenate([[0], np.cumsum(elsewhere[order])])
        self._pixels = len(values)

    def judged(self, viewer: Fixated) -> Scores:
        at = float(self._shown.values.ravel()[viewer.pixels].mean(dtype=np.float64))
        return self._shown.against(viewer, at) | self._areas(viewer)

    def _areas(self, viewer: Fixated) -> Scores:
        place, values = self._place[viewer.pixels], self._shown.values.ravel()
        own, others = values[viewer.pixels], values[viewer.distinct]
        above = self._pixels - (self._first[place] + self._last[place]) / 2  # equal ones count half
        above -= (others > own[:, None]).sum(axis=1) + (others == own[:, None]).sum(axis=1) / 2
        running = self._running
        outside = running[-1] - (running[self._first[place]] + running[self._last[place]]) / 2
        negatives = self._pixels - len(viewer.distinct)
        return {
            "auc_judd": 1 - float(above.mean()) / negatives if negatives else float("nan"),
            "auc_shuffled": 1 - float(outside.mean()) / float(running[-1]),
        }


@lru_cache(maxsize=8)
def _steps(size: tuple[int, int]) -> tuple[Index, Index, Index]:
    """Return each pixel's place among the sorted values of the centre prior, and where equal ones begin and end."""
    values, order = sorted_centre(size)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return place, np.searchsorted(values, values, side="left"), np.searchsorted(values, values, side="right")


def mean_scores(scores: Sequence[Scores]) -> Scores:
    """Return the mean of each metric, without those that are not defined."""
    table: npt.NDArray[np.float64] = np.array([list(row.values()) for row in scores])
    return {
        name: float(column[np.isfinite(column)].mean()) if np.isfinite(column).any() else float("nan")
        for name, column in zip(scores[0], table.T, strict=True)
    }
