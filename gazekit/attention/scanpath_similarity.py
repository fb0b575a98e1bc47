"""How alike two scanpaths are: MultiMatch, ScanMatch and how far apart in time; a ceiling of people and a floor.

MultiMatch: Jarodzka, Holmqvist and Nystrom 2010, without simplification, as the package multimatch-gaze computes it.
ScanMatch: Cristino, Mathot, Theeuwes and Gilchrist 2010, on a grid of regions and with durations as repeated letters.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention.viewings import Viewing
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.progress import track
from gazekit.core.types import Floats, Index

MULTIMATCH = ("shape", "direction", "length", "position", "duration")
MEASURES = (*MULTIMATCH, "scanmatch", "in_time")
PEOPLE, SHUFFLED = "two people, one picture", "two people, two pictures"
_REGIONS, _BIN_MS, _NEAR = (8, 12), 50.0, 3.5  # ScanMatch: rows and columns, a letter's time, regions that still gain
_LAG_MS = 500.0  # by which one may be later than the other, and still be with it
_FEWEST = 3  # fixations of a scanpath


@dataclass(frozen=True)
class Scanpath:
    """One person's fixations on a picture in order: pixels and milliseconds, (n,) each; and the picture's size."""

    x: Floats
    y: Floats
    duration_ms: Floats
    size: tuple[int, int]

    @classmethod
    def of(cls, viewing: Viewing) -> Scanpath:
        """Return the fixations on the picture of a viewing of one person."""
        on = viewing.counted
        x, y, duration = (np.asarray(c[on], dtype=np.float64) for c in (viewing.x, viewing.y, viewing.duration_ms))
        return cls(x, y, duration, viewing.size)

    def on(self, size: tuple[int, int]) -> Scanpath:
        """Return the scanpath scaled to a picture of another size."""
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        return replace(self, x=self.x * across, y=self.y * down, size=size)


def multimatch(first: Scanpath, second: Scanpath) -> dict[str, float]:
    """Compare two scanpaths by shape, direction, length, position and duration, each 0 to 1 (the same).

    Saccades are paired by the path of least vector difference; a number is the median over pairs.

    Returns
    -------
    dict
        The five numbers; NaN where a scanpath has fewer than three fixations.
    """
    if min(len(first.x), len(second.x)) < _FEWEST:
        return dict.fromkeys(MULTIMATCH, float("nan"))
    (ax, ay), (bx, by) = ((np.diff(path.x), np.diff(path.y)) for path in (first, second))
    vector = np.hypot(ax[:, None] - bx, ay[:, None] - by)
    i, j = _cheapest_path(vector)
    turn = np.abs(np.arctan2(ay, ax) % (2 * np.pi))[i] - np.abs(np.arctan2(by, bx) % (2 * np.pi))[j]
    turn = np.minimum(np.abs(turn), 2 * np.pi - np.abs(turn))
    diagonal = float(np.hypot(*first.size))
    longer = np.maximum(first.duration_ms[i], second.duration_ms[j])
    return {
        "shape": 1 - float(np.median(vector[i, j])) / (2 * diagonal),
        "direction": 1 - float(np.median(turn)) / np.pi,
        "length": 1 - float(np.median(np.abs(np.hypot(ax, ay)[i] - np.hypot(bx, by)[j]))) / diagonal,
        "position": 1 - float(np.median(np.hypot(first.x[i] - second.x[j], first.y[i] - second.y[j]))) / diagonal,
        "duration": 1 - float(np.median(np.abs(first.duration_ms[i] - second.duration_ms[j]) / longer)),
    }


def scanmatch(first: Scanpath, second: Scanpath) -> float:
    """Compare two scanpaths by the best alignment of the regions they visit, a letter each 50 ms: 1 is the same.

    A pair of letters gains 1 for one region, falling in a straight line to 0 at 3.5 regions and below beyond; a gap
    costs nothing. The sum is divided by that of the longer scanpath with itself.
    """
    (ar, ac), (br, bc) = (_letters(path) for path in (first, second))
    if not len(ar) or not len(br):
        return float("nan")
    gain = 1 - np.hypot(ar[:, None] - br, ac[:, None] - bc) / _NEAR
    best = np.zeros(len(br) + 1)
    for row in gain:
        paired = np.maximum(best[1:], best[:-1] + row)
        best = np.concatenate([[0.0], np.maximum.accumulate(paired)])
    return float(best[-1] / max(len(ar), len(br)))


def in_time(first: Scanpath, second: Scanpath) -> float:
    """Compare where two people look as time goes on: 1 is the same place at every time, 0 a diagonal apart.

    Places every 50 ms are paired by dynamic time warping within half a second (Sakoe and Chiba 1978): one may run ahead
    of the other by so much, not more. The mean distance of the pairs is divided by the picture's diagonal. Time is
    the sum of durations; what one looks longer than the other does not count.
    """
    places = [_every_bin(path) for path in (first, second)]
    n = min(map(len, places))
    if not n:
        return float("nan")
    (ax, ay), (bx, by) = (place[:n].T for place in places)
    distance = np.hypot(ax[:, None] - bx, ay[:, None] - by) / float(np.hypot(*first.size))
    distance[np.abs(np.subtract.outer(np.arange(n), np.arange(n))) > _LAG_MS / _BIN_MS] = np.inf
    i, j = _cheapest_path(distance)
    return 1 - float(distance[i, j].mean())


def model_scanpath(amap: npt.ArrayLike, look: Viewing, fixations: int, duration_ms: float) -> Scanpath:
    """Return the scanpath that a map would make: the highest place, then the highest of what is left, and so on.

    After each fixation what lies within two sigma of it is inhibited (winner takes all; Itti and Koch 2000).

    Parameters
    ----------
    amap : array_like
        A map of any size.
    look : Viewing
        Of the picture: its size and sigma.
    fixations, duration_ms : int, float
        How many, and how long each.
    """
    left = cv2.resize(np.asarray(amap, dtype=np.float32), look.size[::-1], interpolation=cv2.INTER_LINEAR)
    x, y = [], []
    for _ in range(fixations):
        row, column = divmod(int(np.argmax(left)), left.shape[1])
        x.append(column + 0.5)
        y.append(row + 0.5)
        cv2.circle(left, (column, row), max(1, round(2 * look.sigma_px)), -np.inf, cv2.FILLED)
    return Scanpath(np.array(x), np.array(y), np.full(fixations, duration_ms), look.size)


def compare_scanpaths(first: Scanpath, second: Scanpath) -> dict[str, float]:
    """Return all `MEASURES` of two scanpaths; the second is scaled to the picture of the first."""
    second = second.on(first.size)
    return multimatch(first, second) | {"scanmatch": scanmatch(first, second), "in_time": in_time(first, second)}


def scanpath_table(
    looks: Mapping[str, Viewing],
    maps: Mapping[str, Mapping[str, npt.ArrayLike]] | None = None,
    *,
    pairs: int = 30,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare people's scanpaths on one picture (the ceiling of any model), on two pictures (the floor), and models'.

    Parameters
    ----------
    looks : mapping
        Image id to `Viewing`; pictures with two viewers or more are taken, two pictures at least.
    maps : mapping, optional
        A model's name to its maps by image: their scanpaths (`model_scanpath`, as many fixations as people make, as
        long as theirs) are compared with those of everybody.
    pairs : int
        Of people at most for each picture, drawn at random.
    seed : int
        Of the draw.

    Returns
    -------
    DataFrame
        ``comparison``, ``measure``, ``value`` (mean over pictures), ``low``, ``high`` (95 %, bootstrap over pictures),
        ``pictures``.
    """
    paths = {image: _paths(look) for image, look in looks.items()}
    images = [image for image, found in paths.items() if len(found) > 1]
    if len(images) < 2:
        raise InputError(
            f"scanpaths of two people on two pictures or more are compared; found {counted(len(images), 'picture')}"
        )
    rng = np.random.default_rng(seed)
    rows = []
    for n, image in enumerate(track(images, "scanpaths", len(images))):
        for label, other in ((PEOPLE, image), (SHUFFLED, images[n - 1])):
            scores = pd.DataFrame([compare_scanpaths(a, b) for a, b in _pairs(paths, image, other, pairs, rng)])
            rows.append({"comparison": label, "image": image} | scores.mean().to_dict())
        people = list(paths[image].values())
        for name, of_model in (maps or {}).items():
            if image in of_model:
                count = round(float(np.median([len(path.x) for path in people])))
                lasted = float(np.mean(np.concatenate([path.duration_ms for path in people])))
                path = model_scanpath(of_model[image], looks[image], count, lasted)
                scores = pd.DataFrame([compare_scanpaths(person, path) for person in people])
                rows.append({"comparison": f"a person and {name}", "image": image} | scores.mean().to_dict())
    return _with_intervals(pd.DataFrame(rows), seed)


def _paths(look: Viewing) -> dict[str, Scanpath]:
    found = {name: Scanpath.of(look.of(name)) for name in look.participants}
    return {name: path for name, path in found.items() if len(path.x) >= _FEWEST}


def _pairs(
    paths: Mapping[str, Mapping[str, Scanpath]], image: str, other: str, most: int, rng: np.random.Generator
) -> Iterator[tuple[Scanpath, Scanpath]]:
    """Different people's scanpaths on two pictures, or on one."""
    people = [(a, b) for a, b in itertools.product(paths[image], paths[other]) if (a < b if image == other else a != b)]
    people = people or list(itertools.product(paths[image], paths[other]))
    for k in rng.permutation(len(people))[:most]:
        yield paths[image][people[k][0]], paths[other][people[k][1]]


def _with_intervals(table: pd.DataFrame, seed: int) -> pd.DataFrame:
    rows = []
    for label, part in table.groupby("comparison", sort=False):
        draws = np.random.default_rng(seed).integers(0, len(part), (2000, len(part)))
        for measure in MEASURES:
            values = part[measure].to_numpy(np.float64)
            low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
            rows.append([label, measure, values.mean(), low, high, len(part)])
    return pd.DataFrame(rows, columns=["comparison", "measure", "value", "low", "high", "pictures"])


def _cheapest_path(cost: Floats) -> tuple[Index, Index]:
    """Find the cheapest way from the first pair to the last, one step on in either scanpath or in both."""
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0.0
    for i, j in np.ndindex(*cost.shape):
        total[i + 1, j + 1] = cost[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    steps: Sequence[tuple[int, int]] = ((1, 1), (1, 0), (0, 1))
    i, j = cost.shape
    path = [(i - 1, j - 1)]
    while (i, j) != (1, 1):
        i, j = min(((i - di, j - dj) for di, dj in steps), key=lambda place: total[place])
        path.append((i - 1, j - 1))
    found = np.array(path[::-1], dtype=np.int64)
    return found[:, 0], found[:, 1]


def _every_bin(path: Scanpath) -> Floats:
    """Place at the middle of every 50 ms, (n, 2)."""
    ends = np.cumsum(path.duration_ms)
    middles = np.arange(_BIN_MS / 2, ends[-1] if len(ends) else 0, _BIN_MS)
    return np.stack([path.x, path.y], axis=1)[np.searchsorted(ends, middles)]


def _letters(path: Scanpath) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Row and column of the region of every 50 ms."""
    times = np.maximum(1, np.rint(path.duration_ms / _BIN_MS)).astype(np.int64)
    row = np.clip((path.y / path.size[0] * _REGIONS[0]).astype(np.int64), 0, _REGIONS[0] - 1)
    column = np.clip((path.x / path.size[1] * _REGIONS[1]).astype(np.int64), 0, _REGIONS[1] - 1)
    return np.repeat(row, times), np.repeat(column, times)
