"""The partitions that the field compares on, drawn again by their rules.

AVA1, AVA2 : Mandal et al. (2021). AVA1 takes all pictures, 25,549 of 255,503 to test; AVA2 the highest and the lowest
    tenth by mean, on the same sides as in AVA1.
photonet : 15,000 / 1,000 / 1,200 of 17,200 (Zhang et al. 2019; the lists themselves were not published).

The standard AVA partition is a published list: give it as a fixed list (``gazekit.dataset.sources.read_ava`` does).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import unknown_name
from gazekit.dataset.splits import Codes, split

PARTITIONS = ("ava1", "ava2", "photonet")
TAIL = 0.1
_AVA1 = (0.9 - 25_549 / 255_503, 0.1, 25_549 / 255_503)  # validation comes out of the published training share
_PHOTONET = (15_000 / 17_200, 1_000 / 17_200, 1_200 / 17_200)


def partition(
    name: str,
    mean: npt.NDArray[np.float64],
    group: npt.NDArray[np.int64],
    usable: npt.NDArray[np.bool_],
    seed: int = 0,
) -> Codes:
    """Return the codes of a named partition (see `gazekit.dataset.splits`)."""
    if name not in PARTITIONS:
        raise unknown_name("partition", name, PARTITIONS)
    codes = split(mean, group, usable, _PHOTONET if name == "photonet" else _AVA1, seed)
    if name == "ava2":
        codes[~tails(mean, usable)] = 0
    return codes


def tails(mean: npt.NDArray[np.float64], usable: npt.NDArray[np.bool_], tail: float = TAIL) -> npt.NDArray[np.bool_]:
    """Return the usable pictures of the highest and the lowest means, a share ``tail`` each."""
    rows = np.flatnonzero(usable)
    order = rows[np.argsort(mean[rows], kind="stable")]
    count = round(tail * len(rows))
    chosen = np.zeros(len(mean), dtype=bool)
    chosen[order[:count]] = True
    chosen[order[len(order) - count :]] = True
    return chosen
