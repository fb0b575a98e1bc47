"""Masks of a condition for all pictures of a set, and who lends to whom."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from gazekit.conditions.condition import Condition, MaskTask, Source
from gazekit.core.types import Index
from gazekit.shapes.mask_spec import Kind
from gazekit.shapes.packed import Size
from gazekit.shapes.rectangles import Box, Boxes


def condition_boxes(
    condition: Condition,
    kind: Kind,
    human: Boxes,
    sizes: npt.NDArray[np.int32],
    ids: Sequence[str],
    group: Index,
    seed: int,
) -> Boxes:
    """Return the rectangles or patches of a condition for every picture, (N, k, 4); zeros where nobody looked.

    Parameters
    ----------
    condition : Condition
        Any but a network's.
    kind : str
        ``rectangle`` or ``patches``.
    human : ndarray, shape (N, k, 4)
        People's rectangles.
    sizes : ndarray, shape (N, 2)
        Height and width of the pictures.
    ids : sequence of str
        The pictures' names: what is random depends on seed and name, not on the order.
    group : ndarray, shape (N,)
        Pictures of one group never lend each other their rectangles.
    seed : int
        Of everything random.
    """
    people = [used_boxes(row) for row in human]
    counts = np.array([len(boxes) for boxes in people])
    result = np.zeros_like(human)
    another = condition.source is Source.ANOTHER
    lender = lenders(condition.name, counts, ids, group, seed) if another else np.arange(len(ids))
    for i in np.flatnonzero(counts).tolist():
        size, rng = _size(sizes[i]), picture_rng(condition.name, ids[i], seed)
        lent = people[lender[i]], _size(sizes[lender[i]])
        boxes = condition.boxes(kind, MaskTask(ids[i], size, area_of(people[i]), rng, people[i], lent=lent))
        result[i, : len(boxes)] = boxes
    return result


def used_boxes(row: npt.NDArray[np.integer]) -> list[Box]:
    """Return the boxes of a picture, without the unused ones, which are zero."""
    return [(t, le, b, r) for t, le, b, r in row.tolist() if b > t and r > le]


def area_of(boxes: Sequence[Box]) -> int:
    """Return how many pixels lie in boxes that are apart."""
    return sum((bottom - top) * (right - left) for top, left, bottom, right in boxes)


def _size(row: npt.NDArray[np.int32]) -> Size:
    return int(row[0]), int(row[1])


def lenders(name: str, counts: npt.NDArray[np.integer], ids: Sequence[str], group: Index, seed: int) -> Index:
    """Choose whose mask each picture borrows: the next on a seeded round of all, out of another group.

    One that has as many rectangles (``counts``; 0 where nobody looked) goes before one that has fewer.
    """
    looked_at = np.flatnonzero(counts)
    round_ = sorted(looked_at.tolist(), key=lambda i: (picture_seed(name, ids[i], seed), ids[i]))
    lender = np.arange(len(ids), dtype=np.int64)

    def others(n: int) -> Iterator[int]:
        return (round_[(n + step) % len(round_)] for step in range(1, len(round_)))

    for n, i in enumerate(round_):
        strangers = (j for j in others(n) if group[j] != group[i])
        first = next(strangers, round_[(n + 1) % len(round_)])
        if counts[first] < counts[i]:
            first = next((j for j in strangers if counts[j] >= counts[i]), first)
        lender[i] = first
    return lender


def picture_seed(condition: str, image: str, seed: int) -> int:
    """Return what seeds the random numbers of one picture in a condition."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{condition}/{image}".encode()).digest()[:8], "big")


def picture_rng(condition: str, image: str, seed: int) -> np.random.Generator:
    """Return the random numbers of one picture in a condition."""
    return np.random.default_rng(picture_seed(condition, image, seed))
