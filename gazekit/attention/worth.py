"""What a map is worth in viewers: how many people's map tells as well where the others looked; and how maps grow.

The score is NSS at the fixations of people who had no part in a map, averaged over people and pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, stdtrit

from gazekit.attention.judging import SHARE
from gazekit.attention.viewings import Viewing, viewings
from gazekit.core.errors import InputError
from gazekit.core.progress import track
from gazekit.core.time_windows import TimeWindow, has_onsets
from gazekit.core.types import Floats, Index
from gazekit.shapes.centre import centre_prior

LONGEST = 200  # pixels of the longer side at which maps are judged
TIMES_MS = (100, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 5000)
FIRST = (1, 2, 3, 4, 5, 7, 10, 15, 20)
CENTRE, WHOLE = "centre prior", "whole viewing"


@dataclass(frozen=True)
class Worth:
    """A number of viewers with its 95 % interval (bootstrap over pictures), and the score: mean NSS.

    Infinite where a map is better than all viewers but one.
    """

    viewers: float
    low: float
    high: float
    score: float
    pictures: int


@dataclass(frozen=True)
class Panel:
    """Scores of k viewers' maps at the others' fixations, (pictures, K), and the pictures' viewings, made smaller."""

    looks: dict[str, Viewing]
    scores: Floats

    def worth(self, maps: Mapping[str, npt.ArrayLike], *, resamples: int = 2000, seed: int = 0) -> Worth:
        """Return what maps are worth: they are judged by every viewer of their pictures.

        Parameters
        ----------
        maps : mapping
            Image id to a map of any size; pictures without one are left out.
        resamples, seed : int
            Of the interval.

        Raises
        ------
        InputError
            No picture has a map.
        """
        return self.worth_of_scores(
            {image: score_of(look, maps[image]) for image, look in self.looks.items() if image in maps}, resamples, seed
        )

    def worth_of_scores(self, scores: Mapping[str, float], resamples: int = 2000, seed: int = 0) -> Worth:
        """Return what a mean NSS for each picture is worth."""
        rows = [n for n, image in enumerate(self.looks) if image in scores]
        if not rows:
            raise InputError("none of the maps is of a picture that people looked at")
        values = np.array([scores[image] for image in self.looks if image in scores])
        curve = self.scores[rows]
        draws = np.random.default_rng(seed).integers(0, len(rows), (resamples, len(rows)))
        drawn = [_inverted(curve[draw].mean(axis=0), float(values[draw].mean())) for draw in draws]
        tail = _tail(len(rows))
        low, high = np.quantile(drawn, [tail, 1 - tail], method="closest_observation")
        whole = _inverted(curve.mean(axis=0), float(values.mean()))
        return Worth(whole, float(low), float(high), float(values.mean()), len(rows))


def panel(looks: Mapping[str, Viewing], *, draws: int = 1, seed: int = 0) -> Panel:
    """Judge the maps of 1, 2, ... viewers by the viewer that is left out, for every picture.

    Parameters
    ----------
    looks : mapping
        Image id to `Viewing`; pictures with three viewers or more are taken.
    draws : int
        Of k viewers, for each viewer that is left out.
    seed : int
        Of the draws.
    """
    several = {image: look.scaled(LONGEST) for image, look in looks.items() if len(look.participants) > 2}
    if not several:
        raise InputError("what a map is worth in viewers needs pictures with three viewers or more")
    most, rng = min(len(look.participants) for look in several.values()) - 1, np.random.default_rng(seed)
    scores = np.zeros((len(several), most))
    for row, look in zip(scores, track(several.values(), "viewers' maps", len(several)), strict=True):
        people = look.participants
        maps = np.array([look.of(name).unscaled_map().ravel() for name in people])
        at = np.array([maps[:, _pixels(look.of(name))].mean(axis=1) for name in people])
        means, products = maps.mean(axis=1), maps @ maps.T / maps.shape[1]
        for left_out in np.repeat(np.arange(len(people)), draws):
            order = rng.permutation(np.delete(np.arange(len(people)), left_out))[:most]
            mean = np.cumsum(means[order])  # of the sums of 1, 2, ... maps, as the next two
            square = products[np.ix_(order, order)].cumsum(axis=0).cumsum(axis=1).diagonal()
            deviation = np.sqrt(np.maximum(square - mean**2, 0))
            above = np.cumsum(at[left_out, order]) - mean
            row += np.divide(above, deviation, out=np.zeros(most), where=deviation > 0)
        row /= len(people) * draws
    return Panel(several, scores)


def growth_table(
    fixations: pd.DataFrame,
    sizes: Mapping[str, tuple[int, int]],
    *,
    sigma_deg: float = 1.0,
    sigma_px: float | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Say how much of the whole map the first t ms hold, or the first n fixations where the table has no times.

    The map of all other viewers' first fixations is judged by the whole viewing of the viewer that is left out.

    Returns
    -------
    DataFrame
        ``part`` (the floor, the window, the ceiling), ``value`` (mean NSS), ``low``, ``high`` (95 %, bootstrap over
        pictures), ``share`` of the way from floor to ceiling of the same pictures, ``viewers`` (what it is worth),
        ``ig`` (information gain over the centre prior, bits per fixation, of maps mixed with a tenth of it),
        ``ig_low``, ``ig_high``, ``ig_share``, ``pictures`` (those that two people or more looked at so early; where
        there are none, the rest is empty).
    """
    whole = viewings(fixations, sizes, sigma_deg=sigma_deg, sigma_px=sigma_px)
    viewers = panel({image: look for image, look in whole.items() if len(look.participants) > 2}, seed=seed)
    windows = [TimeWindow(0, t) for t in TIMES_MS] if has_onsets(fixations) else [TimeWindow(first=n) for n in FIRST]
    scores: dict[str, dict[str, tuple[float, float]]] = {
        CENTRE: {i: (score_of(v, centre_prior(v.size)), 0.0) for i, v in viewers.looks.items()}
    }
    for window in windows:
        inside = window.inside(fixations) & fixations["image"].isin(list(whole)) & fixations["x_picture"].notna()
        early = viewings(fixations[inside], sizes, sigma_deg=sigma_deg, sigma_px=sigma_px) if inside.any() else {}
        scores[str(window)] = _left_out_scores(viewers.looks, early)
    scores[WHOLE] = _left_out_scores(viewers.looks, whole)
    rows: list[list[object]] = []
    for part, found in scores.items():
        if not found:
            rows.append([part, *[np.nan] * 9, 0])
            continue
        floor, ceiling = (np.mean([scores[name][i] for i in found], axis=0) for name in (CENTRE, WHOLE))
        values = np.array(list(found.values()))  # NSS and IG
        means = values[np.random.default_rng(seed).integers(0, len(values), (2000, len(values)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975], axis=0)
        mean, share = values.mean(axis=0), (values.mean(axis=0) - floor) / (ceiling - floor)
        worth = viewers.worth_of_scores({image: score for image, (score, _) in found.items()}, 200, seed).viewers
        rows.append([part, mean[0], low[0], high[0], share[0], worth, mean[1], low[1], high[1], share[1], len(values)])
    names = ["part", "value", "low", "high", "share", "viewers", "ig", "ig_low", "ig_high", "ig_share", "pictures"]
    return pd.DataFrame(rows, columns=names)


def score_of(look: Viewing, amap: npt.ArrayLike) -> float:
    """Return the mean NSS of a map of any size over the viewers of a picture."""
    large = cv2.resize(np.asarray(amap, dtype=np.float32), look.size[::-1], interpolation=cv2.INTER_LINEAR)
    flat = large.astype(np.float64).ravel()
    return float(np.mean([_nss(flat, _pixels(look.of(name))) for name in look.participants]))


def _tail(pictures: int) -> float:
    """Return the share of resamples beyond either end of a 95 % interval.

    Resamples of few pictures vary too little; the interval is wider by Student's t and n / (n - 1) (Hesterberg 2015,
    the expanded percentile interval).
    """
    if pictures < 2:
        return 0.025
    return float(ndtr(stdtrit(pictures - 1, 0.025) * np.sqrt(pictures / (pictures - 1))))


def nss_of(look: Viewing, amap: Floats) -> float:
    """Return the NSS of a map at the fixations of a viewing of its size."""
    return _nss(amap.ravel(), _pixels(look))


def _left_out_scores(looks: Mapping[str, Viewing], early: Mapping[str, Viewing]) -> dict[str, tuple[float, float]]:
    """Mean NSS and IG of all others' early map at each viewer's own fixations, where others looked so early."""
    scores = {}
    for image, look in looks.items():
        part = early[image].scaled(LONGEST) if image in early else None
        if part is None or len(part.participants) < 2:
            continue
        maps = {name: part.of(name).unscaled_map().ravel() for name in part.participants}
        everybody = np.sum(list(maps.values()), axis=0)
        nothing = np.zeros_like(everybody)
        centre, each = centre_prior(look.size).astype(np.float64).ravel(), []
        for name in look.participants:
            rest, pixels = np.maximum(everybody - maps.get(name, nothing), 0), _pixels(look.of(name))
            each.append((_nss(rest, pixels), _gain(rest, centre, pixels)))
        nss, gain = np.mean(each, axis=0)
        scores[image] = float(nss), float(gain)
    return scores


def _gain(flat: Floats, centre: Floats, pixels: Index) -> float:
    """Return the information gain over the centre prior, bits per fixation; 0 of a map of nothing."""
    total = flat.sum()
    mixed = (1 - SHARE) * flat[pixels] / total + SHARE * centre[pixels] if total > 0 else centre[pixels]
    return float(np.log2(mixed / centre[pixels]).mean())


def _pixels(look: Viewing) -> Index:
    on = look.counted
    return look.y[on].astype(np.int64) * look.size[1] + look.x[on].astype(np.int64)


def _nss(flat: Floats, pixels: Index) -> float:
    deviation = float(flat.std())
    return float((flat[pixels].mean() - flat.mean()) / deviation) if deviation > 0 else 0.0


def _inverted(curve: Floats, score: float) -> float:
    """Return the number of viewers with a score, by a straight line over 1 / k; below one viewer in proportion."""
    rising = np.maximum.accumulate(curve)
    if score > rising[-1]:
        return float("inf")
    if score <= rising[0]:
        return max(0.0, float(score / rising[0])) if rising[0] > 0 else 0.0
    k = int(np.searchsorted(rising, score))  # rising[k - 1] < score <= rising[k], of k and k + 1 viewers
    share = (score - rising[k - 1]) / (rising[k] - rising[k - 1])
    return float(1 / (1 / k + share * (1 / (k + 1) - 1 / k)))
