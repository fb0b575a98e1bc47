"""Which pictures a model learns from, is tuned on and is judged by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gazekit.core.errors import ConfigError, unknown_name
from gazekit.dataset.layout import SPLITS

Codes = npt.NDArray[np.uint8]  # 0 left out, 1 train, 2 validation, 3 test
STRATUM = 10  # neighbours in mean score among which chance decides


def split(
    mean: npt.NDArray[np.float64],
    group: npt.NDArray[np.int64],
    usable: npt.NDArray[np.bool_],
    shares: Sequence[float] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Codes:
    """Draw train, validation and test, stratified by mean score; pictures of one group stay together.

    Groups are put in the order of their mean score, shuffled among neighbours, and each goes where most is missing.
    """
    codes = np.zeros(len(mean), dtype=np.uint8)
    members = np.flatnonzero(usable)
    codes[members] = deal(mean[members], group[members], checked_shares(shares), seed) + 1
    return codes


def folds(
    mean: npt.NDArray[np.float64],
    group: npt.NDArray[np.int64],
    usable: npt.NDArray[np.bool_],
    k: int,
    seed: int = 0,
) -> dict[str, Codes]:
    """Draw the schemes ``fold1 .. foldk``: each part is the test of one and the validation of another."""
    members = np.flatnonzero(usable)
    check_folds(k, len(np.unique(group[members])))
    part = deal(mean[members], group[members], np.full(k, 1 / k), seed)
    schemes = {}
    for test in range(k):
        codes = np.zeros(len(mean), dtype=np.uint8)
        codes[members] = np.where(part == test, 3, np.where(part == (test + 1) % k, 2, 1))
        schemes[f"fold{test + 1}"] = codes
    return schemes


def check_folds(k: int, most: int) -> None:
    """Refuse folds (ConfigError) where there are not as many groups of pictures."""
    if k < 3:
        raise ConfigError(f"folds must be 3 or more (one to train on, one for validation, one to test); found {k}")
    if k > most:
        raise ConfigError(f"{k} folds need as many usable pictures that are not of one group; there are {most}")


def check_lists(name: str, lists: Mapping[str, Iterable[str]], ids: Sequence[str]) -> None:
    """Refuse lists of other names, a picture in two of them, lists of unknown pictures (InputError, ConfigError)."""
    listed: set[str] = set()
    known = set(ids)
    for part, images in lists.items():
        if part not in SPLITS:
            raise unknown_name(f"part of the split {name!r}", part, SPLITS)
        here = known & set(images)
        if here & listed:
            twice = ", ".join(sorted(here & listed)[:10])
            raise ConfigError(f"the split {name!r} has pictures in more than one list: {twice}")
        listed |= here
    if not listed:
        raise ConfigError(f"none of the pictures that the split {name!r} lists is in this dataset")


def fixed(
    name: str,
    lists: Mapping[str, Iterable[str]],
    ids: Sequence[str],
    mean: npt.NDArray[np.float64],
    group: npt.NDArray[np.int64],
    usable: npt.NDArray[np.bool_],
    seed: int = 0,
) -> Codes:
    """Make a scheme of lists of ids under ``train``, ``validation`` and ``test``; ids that are not here are ignored.

    Where only ``test`` is listed, the other pictures are dealt out to train and validation (19 to 1), but for those of
    a group that has pictures in the test.

    Raises
    ------
    ConfigError
        A split of another name, a picture in two lists, or no listed picture that is here and usable.
    """
    check_lists(name, lists, ids)
    codes = np.zeros(len(ids), dtype=np.uint8)
    for part, images in lists.items():
        codes[np.isin(ids, list(images))] = SPLITS.index(part) + 1
    codes[~usable] = 0
    if set(lists) == {"test"}:
        free = usable & ~np.isin(group, group[codes == 3]) & (codes == 0)
        codes[free] = split(mean, group, free, (0.95, 0.05, 0.0), seed)[free]
    if not codes.any():
        raise ConfigError(f"none of the pictures that the split {name!r} lists is in this dataset and usable")
    return codes


def deal(
    mean: npt.NDArray[np.float64], group: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], seed: int
) -> npt.NDArray[np.int64]:
    """Deal pictures into parts of given shares: stratified by mean, whole groups, seeded; part numbers from 0."""
    if not len(mean):
        return np.zeros(0, dtype=np.uint8)
    _, which = np.unique(group, return_inverse=True)
    sizes = np.bincount(which)
    level = np.bincount(which, weights=mean) / sizes
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(sizes)), level))
    order = np.concatenate([rng.permutation(order[n : n + STRATUM]) for n in range(0, len(order), STRATUM)])
    part = np.zeros(len(sizes), dtype=np.int64)
    filled = np.zeros(len(shares))
    for g in order:
        missing = shares * (filled.sum() + sizes[g]) - filled
        part[g] = int(np.argmax(missing))
        filled[part[g]] += sizes[g]
    for empty in np.flatnonzero((filled == 0) & (shares > 0)):  # few pictures: one group is better than none
        fullest = np.flatnonzero(part == np.argmax(filled))
        if len(fullest) > 1:
            g = fullest[np.argmin(sizes[fullest])]
            filled[[part[g], empty]] += (-sizes[g], sizes[g])
            part[g] = empty
    return np.asarray(part[which])


def across(group: npt.NDArray[np.int64], codes: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Find the pictures of a test whose group is trained on too: of each its place, and that of one that is.

    Examples
    --------
    >>> across(np.array([7, 7, 8, 9]), np.array([1, 3, 3, 1], dtype=np.uint8))
    [(1, 0)]
    """
    trained = dict(zip(group[codes == 1].tolist(), np.flatnonzero(codes == 1).tolist(), strict=True))
    return [(int(n), trained[int(group[n])]) for n in np.flatnonzero(codes == 3) if int(group[n]) in trained]


def checked_shares(shares: Sequence[float]) -> npt.NDArray[np.float64]:
    """Return three shares for train, validation and test, made to sum to 1."""
    array = np.asarray(shares, dtype=np.float64)
    if array.shape != (3,) or not np.isfinite(array).all() or (array < 0).any() or array[0] <= 0:
        raise ConfigError(f"split needs three shares for train, validation and test, as 0.8,0.1,0.1; found {shares}")
    if (array <= 1).all() and (array % 1).any() and abs(array.sum() - 1) > 0.011:
        raise ConfigError(f"the shares of train, validation and test sum to {array.sum():g}, and not to 1")
    return np.asarray(array / array.sum())
