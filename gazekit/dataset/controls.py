"""The rectangles of every condition: people's, and controls of the same area."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gazekit.attention.masks import centre_rectangle, random_rectangle, transfer_rectangle
from gazekit.dataset.layout import Boxes

HUMAN = ("human", "human-removed", "centre", "shuffled", "random")
CONDITIONS = ("original", *HUMAN)
REMOVED = ("human-removed",)  # conditions that keep what lies outside their rectangles


def condition_boxes(
    condition: str,
    human: Boxes,
    sizes: npt.NDArray[np.int32],
    ids: Sequence[str],
    group: npt.NDArray[np.int64],
    seed: int,
) -> Boxes:
    """The rectangles of a condition for every picture, shape (N, k, 4); zeros where nobody looked.

    Parameters
    ----------
    human : (N, k, 4), people's rectangles.
    sizes : (N, 2), height and width of the pictures.
    ids : the pictures' names: what is random depends on seed and name, not on the order.
    group : (N,), pictures of one group never lend each other their rectangle (``shuffled``).
    """
    if condition in ("human", "human-removed"):
        return human
    lender = _lenders(human, ids, group, seed) if condition == "shuffled" else np.zeros(0, dtype=np.int64)
    result = np.zeros_like(human)
    for i in np.flatnonzero(_seen(human)).tolist():
        size = (int(sizes[i, 0]), int(sizes[i, 1]))
        rng = np.random.default_rng(_number(condition, ids[i], seed)) if condition == "random" else None
        for n, box in enumerate(human[i]):
            whole = (int(box[0]), int(box[1]), int(box[2]), int(box[3]))
            area = (whole[2] - whole[0]) * (whole[3] - whole[1])
            if not area:
                continue
            if condition == "centre":
                result[i, n] = centre_rectangle(size, area)
            elif rng is not None:
                result[i, n] = random_rectangle(size, whole, rng)
            else:
                j = int(lender[i])
                lent = human[j, n] if human[j, n].any() else human[j, 0]
                other = (int(lent[0]), int(lent[1]), int(lent[2]), int(lent[3]))
                result[i, n] = transfer_rectangle(other, (int(sizes[j, 0]), int(sizes[j, 1])), size, area)
    return result


def _lenders(human: Boxes, ids: Sequence[str], group: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.int64]:
    """Whose rectangle each picture borrows: the next on a seeded round of all, out of another group."""
    seen = np.flatnonzero(_seen(human))
    round_ = sorted(seen.tolist(), key=lambda i: (_number("shuffled", ids[i], seed), ids[i]))
    lender = np.arange(len(ids), dtype=np.int64)
    for n, i in enumerate(round_):
        others = (round_[(n + step) % len(round_)] for step in range(1, len(round_)))
        lender[i] = next((j for j in others if group[j] != group[i]), round_[(n + 1) % len(round_)])
    return lender


def _seen(human: Boxes) -> npt.NDArray[np.bool_]:
    return np.asarray(human.any(axis=(1, 2)))


def _number(what: str, image: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{what}/{image}".encode()).digest()[:8], "big")
