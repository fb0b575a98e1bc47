"""Masks of a condition for all pictures of a set, and who lends to whom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence

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
    nearest: Callable[[int, list[Box], list[Sequence[Box]]], int] | None = None,
    tries: int = 1,
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
    nearest : callable, optional
        Which of several places it takes: is given a picture's number, people's boxes and those of every try.
    tries : int
        Places that are made for ``nearest`` to choose from, where the condition can have several.
    """
    people = [used_boxes(row) for row in human]
    counts = np.array([len(boxes) for boxes in people])
    result = np.zeros_like(human)
    another = condition.source is Source.ANOTHER
    names = names_of_tries(condition, tries if nearest else 1)
    lender = [lenders(name, counts, ids, group, seed) if another else np.arange(len(ids)) for name in names]
    for i in np.flatnonzero(counts).tolist():
        made = []
        for name, lends in zip(names, lender, strict=True):
            rng, lent = picture_rng(name, ids[i], seed), (people[lends[i]], _size(sizes[lends[i]]))
            task = MaskTask(ids[i], _size(sizes[i]), area_of(people[i]), rng, people[i], lent=lent)
            made.append(condition.boxes(kind, task))
        boxes = made[nearest(i, people[i], made) if nearest and len(made) > 1 else 0]
        result[i, : len(boxes)] = boxes
    return result


def names_of_tries(condition: Condition, tries: int) -> list[str]:
    """Return what seeds each place that a condition may take: its name, and others where it has several places."""
    several = condition.movable and tries > 1
    return [condition.name, *(f"{condition.name}#{n}" for n in range(1, tries))] if several else [condition.name]


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
