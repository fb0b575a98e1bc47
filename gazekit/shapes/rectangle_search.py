"""The smallest rectangle that holds a share of a sum of Gaussians: searched at every pixel, without a map of them.

Branch and bound over the top, the left and the bottom edge. A node is a cell of pixels for each of them. None of its
boxes that has at most the area of a good box known already holds more than the outermost of them. Nodes that may hold
enough are halved, from coarse cells down to pixels, so that every box of the least area is left.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from gazekit.core.types import Floats, Index
from gazekit.shapes.gaussian_sum import Box, GaussianSum

Edges = tuple[Index, Index, Index, Index]  # top, left, bottom, right
_CELL = 8  # pixels of the grid on which coarse cells are looked up
_DIVISIONS = 24  # of the longer side, at most, in which the search begins
_NEAR = 24  # pixels about a coarse rectangle in which a better one is looked for
_MANY = 1500  # nodes at which one more good rectangle is looked for
_FAR = 96  # pixels between it and the others
_MOST = 200_000  # nodes at which the search is given up
_EQUAL = 1e-12  # masses this close are the same mass
_ROUNDING = 1e-14  # of a mass that was added up otherwise
_STEPS = {n: np.array(list(itertools.product(range(-n, n + 1), repeat=4))).T for n in (1, 2)}
_HALVES = np.array(list(itertools.product((0, 1), repeat=3))).T


def smallest_rectangle(mass: GaussianSum, share: float) -> Box | None:
    """Return the rectangle of `gazekit.shapes.rectangles.attended_rectangle`; None where too many are about as good."""
    search = _Search(mass, share - _EQUAL)
    cell = _CELL
    while max(mass.size) / cell > _DIVISIONS:
        cell *= 2
    corners = _Corners.of(mass, *(_edges(side, _CELL) for side in mass.size))
    search.area = _area(_coarse_box(corners, mass.size, cell, search.needed))
    nodes = _first_nodes(mass.size, cell)
    while True:
        edges = search.outermost(nodes, cell)
        if cell < _CELL:
            corners = _Corners.about(mass, edges)
        held = corners.masses(edges)
        enough = np.flatnonzero(held >= search.needed - _ROUNDING)
        nodes, held, boxes = nodes.take(enough, axis=1), held[enough], np.stack([edge[enough] for edge in edges])
        if cell == 1:
            return _narrowest(mass, boxes, held, search.needed)
        if 8 * len(held) > _MOST:
            return None
        many = len(held) > _MANY
        for _ in range(1 + many if cell == _CELL else int(many and cell < _CELL)):
            search.descend(boxes, held)
        cell //= 2
        nodes = (nodes[:, :, None] + cell * _HALVES[:, None]).reshape(3, -1)
        there = np.flatnonzero((nodes[2] >= nodes[0]) & (nodes[2] < mass.size[0]) & (nodes[1] < mass.size[1]))
        nodes = nodes if len(there) == nodes.shape[1] else nodes.take(there, axis=1)


def _first_nodes(size: tuple[int, int], cell: int) -> Index:
    """Return the upper, left and lower cells of all nodes: their first pixels, (3, n)."""
    tops, lefts = (np.arange(0, side, cell) for side in size)
    upper, lower = np.triu_indices(len(tops))
    return np.stack(
        [np.repeat(tops[upper], len(lefts)), np.tile(lefts, len(upper)), np.repeat(tops[lower], len(lefts))]
    )


@dataclass
class _Search:
    """What is known while the search goes on.

    Attributes
    ----------
    mass, needed : GaussianSum, float
        The map, and what a rectangle of it must hold.
    area : int
        Of the smallest rectangle so far.
    tried : list
        Rectangles that were reached pixel by pixel.
    """

    mass: GaussianSum
    needed: float
    area: int = 0
    tried: list[Index] = field(default_factory=list)

    def outermost(self, nodes: Index, cell: int) -> Edges:
        """Return the edges of the box around all boxes of each node that have at most the area."""
        (top, left, bottom), (height, width) = nodes, self.mass.size
        least = np.maximum(np.arange(height + cell) - cell + 2, 1)  # height, by the rows between the cells
        widest = self.area // least + (cell - 1)
        right = left + widest[bottom - top]
        right = right if cell < _CELL else (right + (cell - 1)) & -cell  # smaller cells have corners of their own
        return top, left, np.minimum(bottom + cell, height), np.minimum(right, width)

    def descend(self, boxes: Index, held: Floats) -> None:
        """Move the edges of the fullest box that is far from those tried before, pixel by pixel, until it is small."""
        far = np.ones(len(held), dtype=bool)
        for before in self.tried:
            far &= np.abs(boxes[:3] - before[:3, None]).sum(axis=0) > _FAR
        box = boxes[:, np.argmax(np.where(far, held, 0.0) if far.any() else held)]
        limit = np.array([*self.mass.size] * 2)
        low, high = np.maximum(box - _NEAR, 0)[:, None], np.minimum(box + _NEAR, limit)[:, None]
        corners = _Corners.about(self.mass, np.clip(box[:, None] + np.arange(-_NEAR, _NEAR + 1), low, high))
        for step in (4, 2, 1, 1, 1):
            before = box
            box = _smallest(corners, np.clip(box[:, None] + step * _STEPS[2], low, high), box, self.needed)
            if step == 1 and np.array_equal(box, before):
                break
        self.tried.append(box)
        self.area = min(self.area, _area(box))


@dataclass(frozen=True)
class _Corners:
    """Mass above and to the left of some rows and columns of corners between pixels."""

    table: Floats  # flat
    row_place: Index  # of each row of corners of the picture, in the table
    column_place: Index

    @classmethod
    def of(cls, mass: GaussianSum, rows: Index, columns: Index) -> _Corners:
        """Return the corners of some rows and columns."""
        places = [np.zeros(side + 1, dtype=np.int64) for side in mass.size]
        for place, edges in zip(places, (rows, columns), strict=True):
            place[edges] = np.arange(len(edges))
        return cls(mass.integral(rows, columns).ravel(), places[0] * len(columns), places[1])

    @classmethod
    def about(cls, mass: GaussianSum, boxes: Index | Edges) -> _Corners:
        """Return the corners of some boxes, (4, n)."""
        lines = []
        for side, first, last in zip(mass.size, boxes[:2], boxes[2:], strict=True):
            used = np.zeros(side + 1, dtype=bool)
            used[first] = True
            used[last] = True
            lines.append(np.flatnonzero(used))
        return cls.of(mass, *lines)

    def masses(self, boxes: Index | Edges) -> Floats:
        """Return what boxes hold, (n,)."""
        above, below = self.row_place[boxes[0]], self.row_place[boxes[2]]
        before, behind = self.column_place[boxes[1]], self.column_place[boxes[3]]
        held = self.table.take(below + behind)
        held -= self.table.take(above + behind)
        held -= self.table.take(below + before)
        held += self.table.take(above + before)
        return held


def _edges(side: int, step: int) -> Index:
    return np.unique(np.minimum(np.arange(0, side + step, step), side))


def _area(box: Index) -> int:
    return int((box[2] - box[0]) * (box[3] - box[1]))


def _coarse_box(corners: _Corners, size: tuple[int, int], step: int, needed: float) -> Index:
    """Return the smallest box of a grid that holds enough, its edges then moved by less and less."""
    rows, columns = (_edges(side, step) for side in size)
    (t, b), (le, r) = (np.triu_indices(len(edges), 1) for edges in (rows, columns))
    table = corners.table.take(corners.row_place[rows][:, None] + corners.column_place[columns])
    strips = table[b] - table[t]
    held = strips[:, r] - strips[:, le]
    areas = np.outer(rows[b] - rows[t], columns[r] - columns[le])
    i, j = divmod(int(np.argmin(np.where(held >= needed, areas, areas.max() + 1))), len(le))
    box, limit = np.array([rows[t[i]], columns[le[j]], rows[b[i]], columns[r[j]]]), np.array([*size] * 2)[:, None]
    while step > _CELL:
        step //= 2
        moved = box[:, None] + step * _STEPS[1]
        box = _smallest(corners, np.where(moved < limit, np.maximum(moved & -step, 0), limit), box, needed)
    return box


def _smallest(corners: _Corners, boxes: Index, box: Index, needed: float) -> Index:
    """Return the smallest of boxes that hold enough, the fullest of equals; or the box that is given."""
    areas = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1])
    chosen = np.flatnonzero((areas <= _area(box)) & (boxes[2] > boxes[0]) & (boxes[3] > boxes[1]))
    boxes = boxes[:, chosen]
    held = corners.masses(boxes)
    order = np.where(held >= needed, areas[chosen] - held, np.inf)
    best = int(np.argmin(order))
    return np.asarray(boxes[:, best]) if order[best] < np.inf else box


def _narrowest(mass: GaussianSum, boxes: Index, held: Floats, needed: float) -> Box:
    """Return the smallest of boxes that hold enough, their right edges moved in; of equals the one that holds most."""
    while True:
        narrower = boxes - np.array([[0], [0], [0], [1]])
        within = _Corners.about(mass, narrower).masses(narrower)
        enough = within >= needed - _ROUNDING
        if not enough.any():
            break
        boxes[:, enough], held[enough] = narrower[:, enough], within[enough]
    areas = (boxes[2] - boxes[0]) * (boxes[3] - boxes[1])
    least = np.flatnonzero(areas == areas.min())
    best = boxes[:, least[held[least] >= held[least].max() - _EQUAL]]
    top, left, bottom, right = min(best.T.tolist())
    return top, left, bottom, right
