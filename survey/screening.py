"""Which raters cannot be relied on: the value of each rule, and what leaving a rater out changes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.errors import ConfigError
from gazekit.core.types import Floats
from survey.p910 import MODERATE, joint_estimate
from survey.ratings import Ratings, from_table, settle_duplicates

MIN_RATINGS = 8  # a rater with fewer is not judged by the scores
MIN_REPEATS = 3
MIN_SHARED = 12  # pictures that two raters must share to look like one person
MOST_RATERS = 4000  # that are compared with each other
EXCLUDING = ("attention", "straight-lining", "too fast", "correlation", "inconsistency")
COLUMNS = ["rater", "rule", "value", "limit", "action", "ratings", "effect"]


@dataclass(frozen=True)
class Limits:
    """Where each rule draws its line."""

    failed_checks: float = 1 / 3  # share of the attention checks
    same_answer: float = 0.9  # share of the commonest score
    seconds: float = 0.5  # median time a picture
    correlation: float = 0.5  # with the mean of the others, as a share of the median rater's
    inconsistency: float = 3.5  # robust z of the joint estimate's inconsistency
    duplicates: float = 0.9  # share of the pictures rated by two raters on which they agree exactly
    repeats: float = 0.3  # mean difference to oneself on repeated pictures, as a share of the scale
    no_input: float = 0.5  # share of the ratings without a key, press or click of a person's device
    gold: float = 1 / 3  # share of the pairs of known order that are put the wrong way round


@dataclass(frozen=True)
class ScreeningFinding:
    """A rule's value for each rater (NaN: not judged), and its limit."""

    value: Floats
    limit: float
    bad: np.ndarray


def screen(
    table: pd.DataFrame,
    *,
    scale: int = 10,
    limits: Limits = Limits(),
    exclude_by: Collection[str] = EXCLUDING,
    gold: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Screen the raters of a set of ratings.

    Rules: ``attention`` (share of attention checks failed), ``straight-lining`` (share of the commonest score),
    ``too fast`` (median time a picture, by the server's clock where it is known), ``correlation`` (upper 95 % bound of
    Pearson's r with the mean of the other raters on the same pictures, against half of the median rater's r),
    ``bt500`` (ITU-R BT.500-15: ratings far off, to both sides), ``inconsistency`` (robust z of the rater's
    inconsistency in the joint estimate of ITU-T P.910), ``duplicates`` (share of exact agreement with the most similar
    rater: perhaps one person twice), ``repeats`` (mean difference to oneself on hidden repeats), ``gold`` (share of
    pairs of pictures of known order that are put the wrong way round), ``no input`` (share of the ratings that came
    without a key, press or click of a person's device: a script's). The last four exclude only where they are named.

    Parameters
    ----------
    table : DataFrame
        Columns rater, image, score; kind, expected and time_ms where they are known.
    scale : int
        Scores are 1 to this.
    limits : Limits
        Where each rule draws its line.
    exclude_by : collection of str
        Rules that exclude; the others only report. BT.500 rejects good raters and misses random ones, so it
        reports unless it is named here.

    gold : collection of pairs of str
        Pictures of known order, the better one first.

    Returns
    -------
    DataFrame
        A row for each rater and rule that the rater broke: value, limit, action (``excluded`` or ``reported``),
        ratings (how many), effect (mean absolute change, in points, of the pictures' means without this rater).

    Raises
    ------
    ConfigError
        A rule is not known.
    """
    unknown = sorted(set(exclude_by) - set(RULES))
    if unknown:
        raise ConfigError(f"unknown rules {', '.join(unknown)}; known: {', '.join(RULES)}")
    ratings, _ = settle_duplicates(from_table(table, scale=scale))
    votes = np.bincount(ratings.rater)
    change = effect(ratings)
    rows = []
    for rule, judge in RULES.items():
        finding = _gold(table, ratings, limits, gold) if rule == "gold" else judge(table, ratings, limits)
        action = "excluded" if rule in exclude_by else "reported"
        for k in np.flatnonzero(finding.bad):
            rows.append((ratings.raters[k], rule, finding.value[k], finding.limit, action, int(votes[k]), change[k]))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["rater", "rule"], ignore_index=True)


def without(table: pd.DataFrame, screening: pd.DataFrame) -> pd.DataFrame:
    """Leave out the ratings of the raters that a screening excluded."""
    excluded = set(screening.loc[screening["action"] == "excluded", "rater"].astype(str))
    return table[~table["rater"].astype(str).isin(excluded)]


def effect(ratings: Ratings) -> Floats:
    """Compute by rater how far the means of the rater's pictures move without that rater (mean absolute change)."""
    votes = np.bincount(ratings.image)[ratings.image]
    with np.errstate(invalid="ignore"):
        mean = (np.bincount(ratings.image, ratings.score) / np.bincount(ratings.image))[ratings.image]
        change = np.abs(ratings.score - mean) / (votes - 1)  # |mean - mean without| exactly; NaN where nobody is left
        known = np.isfinite(change)
        total = np.bincount(ratings.rater[known], change[known], minlength=len(ratings.raters))
        return np.asarray(total / np.bincount(ratings.rater[known], minlength=len(ratings.raters)))


def _attention(table: pd.DataFrame, ratings: Ratings, limits: Limits) -> ScreeningFinding:
    value = np.full(len(ratings.raters), np.nan)
    if {"kind", "expected"} <= set(table.columns):
        checks = table[(table["kind"] == "check").to_numpy()]
        failed = checks["score"].astype(float) != checks["expected"].astype(float)
        share = failed.groupby(checks["rater"].astype(str)).mean()
        value = share.reindex([str(name) for name in ratings.raters]).to_numpy(np.float64)
    return _above(value, limits.failed_checks)


def _straight(_table: pd.DataFrame, ratings: Ratings, limits: Limits) -> ScreeningFinding:
    whole = np.rint(ratings.score).astype(np.int64)
    top = int(whole.max()) + 1
    counts = np.bincount(ratings.rater * np.int64(top) + whole, minlength=len(ratings.raters) * top)
    counts = counts.reshape(-1, top)
    n = counts.sum(axis=1)
    value = np.where(n >= MIN_RATINGS, counts.max(axis=1) / n, np.nan)
    return _above(value, limits.same_answer, equal=True)


def _fast(table: pd.DataFrame, ratings: Ratings, limits: Limits) -> ScreeningFinding:
    value = np.full(len(ratings.raters), np.nan)
    if "time_ms" in table.columns:
        main = table[(table["kind"] == "main").to_numpy()] if "kind" in table.columns else table
        seconds = pd.to_numeric(main["time_ms"], errors="coerce").astype(float) / 1000
        if "server_ms" in table.columns:  # what the browser says is a claim
            seconds = (pd.to_numeric(main["server_ms"], errors="coerce").astype(float) / 1000).fillna(seconds)
        medians = seconds.groupby(main["rater"].astype(str)).median()
        value = medians.reindex([str(name) for name in ratings.raters]).to_numpy(np.float64)
    return _below(value, limits.seconds)


def _correlation(_table: pd.DataFrame, ratings: Ratings, limits: Limits) -> ScreeningFinding:
    sums, votes = np.bincount(ratings.image, ratings.score), np.bincount(ratings.image)
    shared = ratings.keep(votes[ratings.image] > 1)
    others = (sums[shared.image] - shared.score) / (votes[shared.image] - 1)
    group, raters = shared.rater, len(ratings.raters)
    n = np.bincount(group, minlength=raters)
    with np.errstate(invalid="ignore", divide="ignore"):
        x = shared.score - (np.bincount(group, shared.score, minlength=raters) / n)[group]
        y = others - (np.bincount(group, others, minlength=raters) / n)[group]
        spread = np.sqrt(np.bincount(group, x**2, minlength=raters) * np.bincount(group, y**2, minlength=raters))
        value = np.bincount(group, x * y, minlength=raters) / spread
        value = np.where((n >= MIN_RATINGS) & (spread > 0), np.clip(value, -0.999, 0.999), np.nan)
        upper = np.tanh(np.arctanh(value) + 1.645 / np.sqrt(n - 3))  # few ratings say little
    typical = float(np.median(value[np.isfinite(value)])) if np.isfinite(value).any() else 0.0
    return _below(upper, limits.correlation * typical)


def _bt500(_table: pd.DataFrame, ratings: Ratings, _limits: Limits) -> ScreeningFinding:
    """Apply ITU-R BT.500-15 A1-2.3.1: over 5 % of the ratings outside, and not all of them to one side."""
    n = np.bincount(ratings.image)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(ratings.image, ratings.score) / n
        off = ratings.score - mean[ratings.image]
        second = np.bincount(ratings.image, off**2) / n
        kurtosis = np.bincount(ratings.image, off**4) / n / second**2
        sd = np.sqrt(second * n / (n - 1))
    normal = (kurtosis >= 2) & (kurtosis <= 4)
    reach = np.where(normal, 2.0, np.sqrt(20.0)) * sd
    above = np.bincount(ratings.rater, (off > 0) & (off >= reach[ratings.image]))
    below = np.bincount(ratings.rater, (off < 0) & (-off >= reach[ratings.image]))
    outside = above + below
    share = outside / np.bincount(ratings.rater)
    return ScreeningFinding(share, 0.05, (share > 0.05) & (np.abs(above - below) < 0.3 * outside))


def _inconsistency(_table: pd.DataFrame, ratings: Ratings, limits: Limits) -> ScreeningFinding:
    n = np.bincount(ratings.rater)
    spread = np.where(n >= MIN_RATINGS, joint_estimate(ratings, prior=MODERATE, tolerance=1e-6).inconsistency, np.nan)
    middle = float(np.nanmedian(spread)) if np.isfinite(spread).any() else 0.0
    robust = 1.4826 * float(np.nanmedian(np.abs(spread - middle))) if np.isfinite(spread).any() else 0.0
    return _above((spread - middle) / max(robust, 1e-6), limits.inconsistency)


def _duplicates(_table: pd.DataFrame, ratings: Ratings, limits: Limits) -> ScreeningFinding:
    """Compare every two raters; who gives one answer to most pictures agrees by that alone and is not judged."""
    from scipy import sparse

    raters = len(ratings.raters)
    highest = np.full(raters, np.nan)
    if raters > MOST_RATERS:
        return _above(highest, limits.duplicates)
    shape = (raters, len(ratings.images))
    same = sparse.csr_array((raters, raters))
    largest = np.zeros(raters)
    for score in np.unique(ratings.score):
        chosen = ratings.score == score
        gave = sparse.csr_array((np.ones(chosen.sum()), (ratings.rater[chosen], ratings.image[chosen])), shape=shape)
        same = same + gave @ gave.T
        largest = np.maximum(largest, gave.sum(axis=1))
    rated = sparse.csr_array((np.ones(ratings.n), (ratings.rater, ratings.image)), shape=shape)
    shared = (rated @ rated.T).toarray()
    np.fill_diagonal(shared, 0)
    enough = shared >= MIN_SHARED
    agreement = np.divide(same.toarray(), shared, out=np.full_like(shared, np.nan), where=enough)
    judged = enough.any(axis=1) & (largest < 0.7 * rated.sum(axis=1))
    highest[judged] = np.nanmax(agreement[judged], axis=1)
    return _above(highest, limits.duplicates, equal=True)


def _repeats(table: pd.DataFrame, ratings: Ratings, limits: Limits) -> ScreeningFinding:
    value = np.full(len(ratings.raters), np.nan)
    if "kind" in table.columns and (table["kind"] == "repeat").any():
        both = table[table["kind"] == "main"].merge(table[table["kind"] == "repeat"], on=["rater", "image"])
        change = (both["score_x"].astype(float) - both["score_y"].astype(float)).abs()
        each = change.groupby(both["rater"].astype(str))
        reach = max(float(ratings.score.max() - ratings.score.min()), 1.0)
        mean = (each.mean() / reach).where(each.size() >= MIN_REPEATS)
        value = mean.reindex([str(name) for name in ratings.raters]).to_numpy(np.float64)
    return _above(value, limits.repeats)


def _gold(
    table: pd.DataFrame, ratings: Ratings, limits: Limits, pairs: Collection[tuple[str, str]]
) -> ScreeningFinding:
    """Compare the scores of pictures whose order is known (kinds main and gold); equal scores are half wrong."""
    wrong, judged = np.zeros(len(ratings.raters)), np.zeros(len(ratings.raters))
    if pairs:
        counted = table[table["kind"].isin(("main", "gold"))] if "kind" in table.columns else table
        named = counted[counted["image"].isin({name for pair in pairs for name in pair})]
        scores = named.groupby(["image", named["rater"].astype(str)], observed=True)["score"].first().astype(float)
    place = pd.Index([str(name) for name in ratings.raters])
    for better, worse in pairs:
        if not {better, worse} <= set(scores.index.unique("image")):
            continue
        both = pd.concat([scores[better], scores[worse]], axis=1, join="inner")
        rows = place.get_indexer(both.index)
        first, second = both.to_numpy()[rows >= 0].T
        judged[rows[rows >= 0]] += 1
        wrong[rows[rows >= 0]] += (first < second) + 0.5 * (first == second)
    wrong[judged < MIN_REPEATS] = np.nan
    return _above(wrong / judged, limits.gold)


def _no_input(table: pd.DataFrame, ratings: Ratings, limits: Limits) -> ScreeningFinding:
    main = table[(table["kind"] == "main").to_numpy()] if "kind" in table.columns else table
    return _above(without_input(main, pd.Index([str(name) for name in ratings.raters])), limits.no_input)


def without_input(main: pd.DataFrame, raters: pd.Index[Any]) -> Floats:
    """Compute the share of each rater's ratings that came without an input; NaN for few, or without traces."""
    if "inputs" not in main.columns:
        return np.full(len(raters), np.nan)
    known = main[main["inputs"].notna()]
    groups = (known["inputs"].astype(float) == 0).groupby(known["rater"].astype(str))
    share = groups.mean().where(groups.size() >= MIN_RATINGS)
    return np.asarray(share.reindex(raters).to_numpy(np.float64))


def _above(value: Floats, limit: float, *, equal: bool = False) -> ScreeningFinding:
    return ScreeningFinding(value, limit, value >= limit if equal else value > limit)


def _below(value: Floats, limit: float) -> ScreeningFinding:
    return ScreeningFinding(value, limit, value < limit)


RULES: dict[str, Callable[[pd.DataFrame, Ratings, Limits], ScreeningFinding]] = {
    "attention": _attention,
    "straight-lining": _straight,
    "too fast": _fast,
    "correlation": _correlation,
    "bt500": _bt500,
    "inconsistency": _inconsistency,
    "duplicates": _duplicates,
    "repeats": _repeats,
    "no input": _no_input,
    "gold": lambda table, ratings, limits: _gold(table, ratings, limits, ()),
}
