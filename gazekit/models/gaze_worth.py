"""What predicted attention is worth: how many people who look would predict the others as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.attention.saliency import nss
from gazekit.attention.viewings import Viewing
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.types import Floats, Map

DRAWS = 4  # groups of viewers a picture and size
LONGEST = 200  # pixels of the longer side on which maps are compared
MOST = 6  # viewers
BLURS = (0.7, 1.0, 1.4)  # of the customary sigma, and
SHARES = (0.1, 0.25, 0.5)  # of the centre bias, of which those that predict best are taken for people's map


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, over resamples of the pictures."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class ModelWorth:
    """How well maps predict where people look, beside what people say of each other.

    Attributes
    ----------
    pictures : int
        With enough viewers to be judged on.
    nss, nss_centre, nss_other, nss_network : Estimate
        Normalised scanpath saliency of the maps, of the centre bias, of another picture's predicted map, and of the
        network's own attention.
    viewers : Estimate
        How many people's fixations predict the others' as well; 0 is the centre bias. At the end of the curve, it is a
        lower bound.
    curve : tuple of float
        NSS of the map of 1, 2, ... people at the fixations of the others.
    bits : Estimate
        Information gain of the maps over the centre bias, bits a fixation.
    people_bits : float
        Information gain of all other people's map, mixed with the centre bias as predicts best.
    explained : Estimate
        ``bits`` as a share of ``people_bits``.
    """

    pictures: int
    nss: Estimate
    nss_centre: Estimate
    nss_other: Estimate
    nss_network: Estimate
    viewers: Estimate
    curve: tuple[float, ...]
    bits: Estimate
    people_bits: float
    explained: Estimate


def worth_in_viewers(
    viewings: Mapping[str, Viewing],
    maps: Mapping[str, Map],
    centre: Mapping[str, Map],
    own: Mapping[str, Map] | None = None,
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> ModelWorth:
    """Judge maps by the fixations of people, on the pictures that three people or more looked at.

    Parameters
    ----------
    viewings : mapping
        By picture: where people looked.
    maps, centre : mapping
        By picture: the maps to judge, and those of the centre bias; of any size.
    own : mapping, optional
        By picture: the network's own attention; else it is not known, and its NSS is that of the centre bias.
    seed : int
        Of who is drawn, and of the resamples.
    resamples : int
        Of the pictures.

    Raises
    ------
    InputError
        Fewer than two pictures with three viewers or more.
    """
    judged = {image: viewing.scaled(LONGEST) for image, viewing in viewings.items() if image in maps}
    judged = {image: viewing for image, viewing in judged.items() if len(viewing.participants) > 2}
    if len(judged) < 2:
        raise InputError(
            f"{counted(len(judged), 'picture')} with 3 viewers or more; 2 are needed to say what maps are worth"
        )
    most = min(MOST, *(len(viewing.participants) - 1 for viewing in judged.values()))
    rng, names = np.random.default_rng(seed), list(judged)
    rows = []
    for k, image in enumerate(names):
        viewing = judged[image]
        other = names[(k + 1 + int(rng.integers(len(names) - 1))) % len(names)]
        scores = [
            _nss(source[image_of], viewing)
            for source, image_of in ((maps, image), (centre, image), (maps, other), (own or centre, image))
        ]
        people = _Crowd(viewing)
        scores += [people.nss(count, rng) for count in range(1, most + 1)]
        rows.append([*scores, _bits(maps[image], centre[image], viewing), *people.bits(centre[image])])
    table = np.array(rows)
    picks = rng.integers(len(table), size=(resamples, len(table)))
    return _summary(table, most, np.stack([table[pick].mean(0) for pick in picks]))


def _summary(table: Floats, most: int, resampled: Floats) -> ModelWorth:
    means = table.mean(0)
    mixtures = slice(5 + most, None)
    best = 5 + most + int(means[mixtures].argmax())

    def estimate(of: npt.NDArray[np.floating], value: float) -> Estimate:
        low, high = np.percentile(of, [2.5, 97.5])
        return Estimate(float(value), float(low), float(high))

    viewers = [_viewers(row, most) for row in resampled]
    bits, people = 4 + most, means[best]
    return ModelWorth(
        pictures=len(table),
        nss=estimate(resampled[:, 0], means[0]),
        nss_centre=estimate(resampled[:, 1], means[1]),
        nss_other=estimate(resampled[:, 2], means[2]),
        nss_network=estimate(resampled[:, 3], means[3]),
        viewers=estimate(np.array(viewers), _viewers(means, most)),
        curve=tuple(float(value) for value in means[4 : 4 + most]),
        bits=estimate(resampled[:, bits], means[bits]),
        people_bits=float(people),
        explained=estimate(resampled[:, bits] / resampled[:, best], means[bits] / people),
    )


def _viewers(row: Floats, most: int) -> float:
    """Return where the NSS of the maps lies on the curve of people's, which begins with the centre bias at 0."""
    curve = np.maximum.accumulate(np.array([row[1], *row[4 : 4 + most]]))
    return float(np.interp(row[0], curve, np.arange(most + 1)))


def _nss(amap: Map, viewing: Viewing) -> float:
    inside = viewing.inside
    return nss(_sized(amap, viewing.size), viewing.x[inside], viewing.y[inside])


class _Crowd:
    """What the viewers of a picture say of each other: a map each, of which those of groups are sums."""

    def __init__(self, viewing: Viewing) -> None:
        self.size, names = viewing.size, viewing.participants
        inside = viewing.inside
        self.every = max(1, int(inside.sum()))
        look = viewing.take(inside)
        person = {viewing.people.index(name): n for n, name in enumerate(names)}
        self.who = np.array([person.get(int(code), -1) for code in look.viewer])
        self.at = look.y.astype(np.int64) * self.size[1] + look.x.astype(np.int64)
        alone = [look.of(name) for name in names]
        self.maps = {
            factor: np.stack([replace(one, sigma_px=one.sigma_px * factor).unscaled_map().ravel() for one in alone])
            for factor in BLURS
        }

    def nss(self, count: int, rng: np.random.Generator) -> float:
        """Return the NSS of the map of so many people at the others' fixations, the mean of a few draws."""
        maps, scores = self.maps[1.0], []
        for _ in range(DRAWS):
            drawn = rng.permutation(len(maps))[:count]
            amap = maps[drawn].sum(0)
            scores.append((amap[self.at[~np.isin(self.who, drawn)]].mean() - amap.mean()) / amap.std())
        return float(np.mean(scores))

    def bits(self, centre: Map) -> list[float]:
        """Return the gain of the others' map over the centre bias, at several blurs and shares of the centre bias."""
        known = self.who >= 0
        at, who = self.at[known], self.who[known]
        least = 1e-9 / (self.size[0] * self.size[1])
        prior = _sized(centre, self.size).ravel()[at].astype(np.float64)
        before, gains = np.log2(np.maximum(prior, least)), []
        for maps in self.maps.values():
            mass = maps.sum(1)
            crowd = (maps.sum(0)[at] - maps[who, at]) / (mass.sum() - mass[who])
            for share in SHARES:
                mixed = (1 - share) * crowd + share * prior
                gains.append(float((np.log2(np.maximum(mixed, least)) - before).sum()) / self.every)
        return gains


def _bits(amap: Map, centre: Map, viewing: Viewing) -> float:
    return float(np.mean(_log2_at(amap, viewing) - _log2_at(centre, viewing)))


def _log2_at(amap: Map, viewing: Viewing) -> Floats:
    inside = viewing.inside
    density = np.maximum(_sized(amap, viewing.size), 1e-9 / amap.size)
    return np.asarray(np.log2(density[viewing.y[inside].astype(int), viewing.x[inside].astype(int)]))


def _sized(amap: Map, size: tuple[int, int]) -> Map:
    if amap.shape == size:
        return amap
    how = cv2.INTER_AREA if amap.size > size[0] * size[1] else cv2.INTER_LINEAR
    large = np.maximum(cv2.resize(amap, size[::-1], interpolation=how), 0)
    return np.asarray(large / large.sum(), dtype=np.float32)
