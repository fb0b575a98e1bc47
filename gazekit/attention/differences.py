"""Where two groups of people, or the same people in two conditions, look differently: maps, tested by clusters.

Maris and Oostenveld 2007: t is computed for every pixel, neighbours above a threshold form clusters, and a cluster's
summed t is compared with the largest that arises when people change groups at random, or each person's two conditions
change places. One test for each picture, which holds its level over all of its pixels; p is corrected by Holm's method
over pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
from scipy.special import stdtrit

from gazekit.attention.viewings import Viewing
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.progress import track
from gazekit.core.types import Bools, Floats, Map, Mask

LONGEST = 100  # pixels of the longer side of the maps that are compared
_FEWEST = 3  # people in a group
_FEWEST_PAIRS = 6  # people in two conditions: of fewer no change of places is as rare as 5 %


@dataclass(frozen=True)
class Cluster:
    """Pixels where one group looked more.

    Attributes
    ----------
    mask : ndarray of bool
        Its pixels, on the small map.
    mass : float
        Sum of t; positive where the first group looked more.
    p : float
        How often so large a cluster arises when people change groups at random.
    """

    mask: Mask
    mass: float
    p: float


@dataclass(frozen=True)
class GroupDifference:
    """The difference of two groups' mean maps of a picture, and its clusters, the largest first.

    Attributes
    ----------
    difference : ndarray of float32
        Of the mean densities, first less second group, on the small map.
    t : ndarray of float32
        For every pixel.
    clusters : list of Cluster
        With their p, uncorrected for the number of pictures.
    people : tuple of int
        In the two groups.
    """

    difference: Map
    t: Map
    clusters: list[Cluster]
    people: tuple[int, int]


def group_difference(
    look: Viewing, groups: Mapping[str, str], *, permutations: int = 499, alpha: float = 0.05, seed: int = 0
) -> GroupDifference:
    """Compare where two groups of people looked in a picture; every person counts alike.

    Parameters
    ----------
    look : Viewing
        What people looked at in the picture.
    groups : mapping
        Participant to group; two groups, others are left out. The first one by name is the first.
    permutations, seed : int
        How often people change groups at random.
    alpha : float
        Of the threshold above which pixels form clusters, two-sided.

    Raises
    ------
    InputError
        Not two groups of three people or more who looked at the picture.
    """
    small, (people, first) = look.scaled(LONGEST), compared_people(look, groups)
    sizes = int(first.sum()), int((~first).sum())
    maps = np.array([small.of(name).map().astype(np.float64).ravel() for name in people])
    threshold = float(stdtrit(len(people) - 2, 1 - alpha / 2))
    rng = np.random.default_rng(seed)
    shuffled = (_t_map(maps, rng.permutation(first)).reshape(small.size) for _ in range(permutations))
    t = _t_map(maps, first).reshape(small.size)
    difference = (maps[first].mean(axis=0) - maps[~first].mean(axis=0)).reshape(small.size)
    return GroupDifference(difference.astype(np.float32), t.astype(np.float32), _tested(t, shuffled, threshold), sizes)


def condition_difference(
    one: Viewing, two: Viewing, *, permutations: int = 499, alpha: float = 0.05, seed: int = 0
) -> GroupDifference:
    """Compare where the same people looked in a picture in two conditions; every person counts alike.

    Parameters
    ----------
    one, two : Viewing
        What people looked at in the picture in either condition; who did so in one alone is left out.
    permutations, seed : int
        How often people's conditions change places at random.
    alpha : float
        Of the threshold above which pixels form clusters, two-sided.

    Raises
    ------
    InputError
        Fewer than six people looked at the picture in both.
    """
    people = sorted(set(one.participants) & set(two.participants))
    if len(people) < _FEWEST_PAIRS:
        raise InputError(
            f"{one.image}: {_FEWEST_PAIRS} people or more in both conditions are compared; {len(people)} looked at it"
        )
    small = [look.scaled(LONGEST) for look in (one, two)]
    first, second = ([look.of(name).map().astype(np.float64).ravel() for name in people] for look in small)
    changes, size, n = np.array(first) - np.array(second), small[0].size, len(people)
    rng = np.random.default_rng(seed)
    shuffled = (_paired_t(changes * rng.choice([-1.0, 1.0], (n, 1))).reshape(size) for _ in range(permutations))
    t, difference = _paired_t(changes).reshape(size), changes.mean(axis=0).reshape(size)
    clusters = _tested(t, shuffled, float(stdtrit(n - 1, 1 - alpha / 2)))
    return GroupDifference(difference.astype(np.float32), t.astype(np.float32), clusters, (n, n))


def _tested(t: Floats, shuffled: Iterable[Floats], threshold: float) -> list[Cluster]:
    """Return the clusters of a map of t, each beside the largest ones of maps that chance makes."""
    largest = np.array([_largest(one, threshold) for one in shuffled])
    return [
        Cluster(mask, mass, float((1 + (largest >= abs(mass) - 1e-9).sum()) / (1 + len(largest))))
        for mask, mass in _clusters(t, threshold)
    ]


def compared_people(look: Viewing, groups: Mapping[str, str]) -> tuple[list[str], Bools]:
    """Return who looked at a picture and has a group, and who of them is in the first one.

    Raises
    ------
    InputError
        Not two groups of three people or more.
    """
    people, names = [name for name in look.participants if name in groups], sorted(set(groups.values()))
    sizes = {name: sum(groups[one] == name for one in people) for name in names}
    if len(names) != 2 or min(sizes.values()) < _FEWEST:
        found = ", ".join(f"{count} of {name}" for name, count in sizes.items()) or "none"
        raise InputError(
            f"{look.image}: two groups of {_FEWEST} people or more are compared; found "
            f"{counted(len(names), 'group')}, and among "
            f"those who looked at it {found}"
        )
    return people, np.array([groups[name] == names[0] for name in people], dtype=bool)


def difference_table(
    looks: Mapping[str, Viewing], groups: Mapping[str, str], *, permutations: int = 499, seed: int = 0
) -> tuple[pd.DataFrame, dict[str, GroupDifference]]:
    """Compare two groups on every picture that enough of both looked at.

    Returns
    -------
    DataFrame
        A row a picture, empty but for its name where too few people of either group looked at it: ``people_1``,
        ``people_2``, ``p`` of its largest cluster, ``p_holm`` over pictures, ``more`` (the
        group that looked more there), ``area`` (share of the picture) and its ``top``, ``left``, ``bottom``, ``right``
        in pixels.
    dict
        Image id to `GroupDifference`.

    Raises
    ------
    InputError
        No picture that three people or more of either group looked at.
    """
    chosen, untested = check_groups(looks, groups)
    names, found = sorted(set(groups.values())), {}
    for image in track(chosen, "differences", len(chosen)):
        found[image] = group_difference(looks[image], groups, permutations=permutations, seed=seed)
    return _table(found, looks, names, untested), found


def condition_table(
    first: Mapping[str, Viewing],
    second: Mapping[str, Viewing],
    names: tuple[str, str],
    *,
    permutations: int = 499,
    seed: int = 0,
) -> tuple[pd.DataFrame, dict[str, GroupDifference]]:
    """Compare two conditions of the same people on every picture that enough of them looked at in both.

    Parameters
    ----------
    first, second : mapping
        Image id to `Viewing`, in either condition.
    names : tuple of str
        Of the conditions.
    permutations, seed : int
        See `condition_difference`.

    Returns
    -------
    DataFrame, dict
        As `difference_table`.

    Raises
    ------
    InputError
        No picture that six people or more looked at in both.
    """
    found, faults = {}, {}
    for image in track(sorted(first.keys() | second.keys()), "differences", len(first.keys() | second.keys())):
        try:
            pair = first[image], second[image]
            found[image] = condition_difference(*pair, permutations=permutations, seed=seed)
        except KeyError:
            faults[image] = f"{image}: nobody looked at it in one of the conditions"
        except InputError as error:
            faults[image] = str(error)
    if not found:
        raise InputError(f"no picture can be compared between conditions; the first: {next(iter(faults.values()))}")
    return _table(found, first, list(names), list(faults)), found


def _table(
    found: Mapping[str, GroupDifference], looks: Mapping[str, Viewing], names: list[str], untested: list[str]
) -> pd.DataFrame:
    table = pd.DataFrame([{"image": image} | _row(one, looks[image], names) for image, one in found.items()])
    order = np.argsort(table["p"].to_numpy(), kind="stable")
    steps = np.maximum.accumulate(table["p"].to_numpy()[order] * np.arange(len(order), 0, -1))
    table.insert(4, "p_holm", pd.Series(np.minimum(steps, 1.0), index=table.index[order]))
    return pd.concat([table, pd.DataFrame({"image": untested})], ignore_index=True) if untested else table


def check_groups(looks: Mapping[str, Viewing], groups: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the pictures on which groups can be compared, and those that too few people of either looked at.

    Raises
    ------
    InputError
        There are none of the first kind.
    """
    faults = {}
    for image, look in looks.items():
        try:
            compared_people(look, groups)
        except InputError as error:
            faults[image] = str(error)
    if len(faults) == len(looks):
        first = next(iter(faults.values()), "nobody looked at any")
        raise InputError(f"no picture can be compared between groups; the first: {first}")
    return [image for image in looks if image not in faults], list(faults)


def difference_picture(found: GroupDifference, peak: float, *, level: float = 0.05) -> np.ndarray:
    """Draw a difference: red where the first group looked more, blue the second, sure clusters outlined.

    Parameters
    ----------
    found : GroupDifference
        Of a picture.
    peak : float
        The difference that has full colour: one for all pictures, so that they share a scale.
    level : float
        Of p.
    """
    share = np.clip(found.difference / peak, -1, 1)[..., None]
    warm, cold, white = (np.array(colour, dtype=np.float32) for colour in ((178, 24, 43), (33, 102, 172), (247,) * 3))
    rgb = np.where(share > 0, white + share * (warm - white), white - share * (cold - white)).round().astype(np.uint8)
    for cluster in found.clusters:
        if cluster.p <= level:
            lines, _ = cv2.findContours(cluster.mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(rgb, lines, -1, (0, 0, 0), 1)
    return np.asarray(rgb)


def _row(found: GroupDifference, look: Viewing, names: list[str]) -> dict[str, object]:
    row: dict[str, object] = {"people_1": found.people[0], "people_2": found.people[1]}
    if not found.clusters:
        return row | {"p": 1.0, "more": "", "area": 0.0, "top": 0, "left": 0, "bottom": 0, "right": 0}
    cluster = found.clusters[0]
    rows, columns = np.flatnonzero(cluster.mask.any(axis=1)), np.flatnonzero(cluster.mask.any(axis=0))
    down, across = (whole / small for whole, small in zip(look.size, cluster.mask.shape, strict=True))
    box = rows[0] * down, columns[0] * across, (rows[-1] + 1) * down, (columns[-1] + 1) * across
    edges = dict(zip(("top", "left", "bottom", "right"), (round(float(edge)) for edge in box), strict=True))
    more = names[0] if cluster.mass > 0 else names[1]
    return row | {"p": cluster.p, "more": more, "area": float(cluster.mask.mean())} | edges


def _t_map(maps: Floats, first: Bools) -> Floats:
    """Compute Student's t for every pixel, of two groups of one variance; 0 where nobody looked."""
    one, two = maps[first], maps[~first]
    pooled = (one.var(axis=0) * len(one) + two.var(axis=0) * len(two)) / (len(maps) - 2)
    error = np.sqrt(pooled * (1 / len(one) + 1 / len(two)))
    difference = one.mean(axis=0) - two.mean(axis=0)
    return np.asarray(np.divide(difference, error, out=np.zeros_like(difference), where=error > 0))


def _paired_t(changes: Floats) -> Floats:
    """Compute Student's t of people's changes for every pixel; 0 where nobody's map changes."""
    error = changes.std(axis=0, ddof=1) / np.sqrt(len(changes))
    mean = changes.mean(axis=0)
    return np.asarray(np.divide(mean, error, out=np.zeros_like(mean), where=error > 0))


def _clusters(t: Floats, threshold: float) -> list[tuple[Mask, float]]:
    """Find connected pixels above the threshold, of either sign, with their summed t; the largest first."""
    found = []
    for sign in (1, -1):
        count, labels = cv2.connectedComponents((sign * t > threshold).astype(np.uint8), connectivity=8)
        found += [(labels == k, float(t[labels == k].sum())) for k in range(1, count)]
    return sorted(found, key=lambda cluster: -abs(cluster[1]))


def _largest(t: Floats, threshold: float) -> float:
    masses = [0.0]
    for sign in (1, -1):
        count, labels = cv2.connectedComponents((sign * t > threshold).astype(np.uint8), connectivity=8)
        masses += np.abs(np.bincount(labels.ravel(), weights=t.ravel(), minlength=count)[1:]).tolist()
    return max(masses)
