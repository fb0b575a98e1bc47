"""The rectangles of every condition: people's, and controls of the same area."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from gazekit.core.types import Index
from gazekit.shapes.centre import centre_rectangle
from gazekit.shapes.packed import Size
from gazekit.shapes.patches import random_patches, transfer_patches
from gazekit.shapes.rectangles import Box, Boxes, random_rectangle, transfer_rectangle

HUMAN = ("human", "human-removed", "centre", "shuffled", "random")
CONDITIONS = ("original", *HUMAN)


def condition_boxes(
    condition: str, human: Boxes, sizes: npt.NDArray[np.int32], ids: Sequence[str], group: Index, seed: int
) -> Boxes:
    """The rectangles of a condition for every picture, shape (N, k, 4); zeros where nobody looked.

    Parameters
    ----------
    human : (N, k, 4), people's rectangles.
    sizes : (N, 2), height and width of the pictures.
    ids : the pictures' names: what is random depends on seed and name, not on the order.
    group : (N,), pictures of one group never lend each other their rectangles (``shuffled``).
    """
    if condition in ("human", "human-removed"):
        return human
    found = [_boxes(row) for row in human]
    counts = np.array([len(boxes) for boxes in found])
    lender = lenders(counts, ids, group, seed) if condition == "shuffled" else np.zeros(len(ids), dtype=np.int64)
    result = np.zeros_like(human)
    for i in np.flatnonzero(counts).tolist():
        j, rng = int(lender[i]), np.random.default_rng(number(condition, ids[i], seed))
        boxes = _control(condition, found[i], _size(sizes[i]), (found[j], _size(sizes[j])), rng)
        result[i, : len(boxes)] = boxes
    return result


def _boxes(row: npt.NDArray[np.int32]) -> list[Box]:
    return [(t, le, b, r) for t, le, b, r in row.tolist() if b > t and r > le]


def _size(row: npt.NDArray[np.int32]) -> Size:
    return int(row[0]), int(row[1])


def _control(
    condition: str, boxes: list[Box], size: Size, other: tuple[list[Box], Size], rng: np.random.Generator
) -> list[Box]:
    """A picture's rectangles in a control condition; the centre has one, of the area of all."""
    area = sum((bottom - top) * (right - left) for top, left, bottom, right in boxes)
    if condition == "centre":
        return [centre_rectangle(size, area)]
    if condition == "random":
        return [random_rectangle(size, boxes[0], rng)] if len(boxes) == 1 else random_patches(size, boxes, rng)
    lent, lent_size = other
    if len(boxes) == 1:
        return [transfer_rectangle(lent[0], lent_size, size, area)]
    return transfer_patches(boxes, lent, lent_size, size, rng)


def lenders(counts: npt.NDArray[np.integer], ids: Sequence[str], group: Index, seed: int) -> Index:
    """Whose mask each picture borrows: the next on a seeded round of all, out of another group.

    One that has as many rectangles (``counts``; 0 where nobody looked) goes before one that has fewer.
    """
    seen = np.flatnonzero(counts)
    round_ = sorted(seen.tolist(), key=lambda i: (number("shuffled", ids[i], seed), ids[i]))
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


def number(what: str, image: str, seed: int) -> int:
    """What seeds the random numbers of one picture."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{what}/{image}".encode()).digest()[:8], "big")
