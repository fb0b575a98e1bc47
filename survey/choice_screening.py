"""Which raters cannot be relied on, where pictures are compared: the rules of `survey.screening` for choices."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.errors import ConfigError
from gazekit.core.types import Floats
from survey.choice_scores import MOST_PICTURES, Comparisons, bradley_terry, comparisons
from survey.screening import COLUMNS, EXCLUDING, MIN_RATINGS, MIN_REPEATS, Limits, without_input

USUAL_LIMITS = Limits()
OTHERWISE = 0.4  # share of hidden repeats that are answered in another way; who does not look: 0.5 of pairs
CHOICE_RULES = ("attention", "straight-lining", "too fast", "correlation", "repeats", "gold", "no input")


def screen_choices(
    choices: pd.DataFrame,
    *,
    limits: Limits = USUAL_LIMITS,
    exclude_by: Collection[str] = EXCLUDING,
    gold: Collection[tuple[str, str]] = (),
) -> pd.DataFrame:
    """Screen the raters of a table of choices (`survey.rating_export.export_choices`).

    Rules: ``attention`` (share of attention checks failed), ``straight-lining`` (share of the commonest position),
    ``too fast`` (median time, by the server's clock where it is known), ``correlation`` (upper 95 % bound of the share
    of choices that agree with the scores of all raters, against half of what the median rater is above 1/2),
    ``repeats`` (share of hidden repeats with another best picture), ``gold`` (share of the pairs of known order that
    are put the wrong way round), ``no input`` (as there). The last three exclude only where they are named.

    Parameters
    ----------
    choices : DataFrame
        Columns rater, kind, picture1, picture2 ..., best and, where they are known, worst, score, expected, time_ms.
    limits : Limits
        Where each rule draws its line.
    exclude_by : collection of str
        Rules that exclude; the others only report.
    gold : collection of pairs of str
        Pictures of known order, the better one first.

    Returns
    -------
    DataFrame
        As `survey.screening.screen` gives it; ``effect`` is the mean absolute change of the scores without this rater,
        in logits, to first order.

    Raises
    ------
    ConfigError
        A rule is not known.
    """
    unknown = sorted(set(exclude_by) - set(CHOICE_RULES) - set(EXCLUDING))
    if unknown:
        raise ConfigError(f"rules {', '.join(unknown)} are not for comparisons; those are {', '.join(CHOICE_RULES)}")
    choices = choices.assign(rater=choices["rater"].astype(str))  # numbers are names too
    data = comparisons(choices)
    names = pd.Index(sorted(set(choices["rater"])))
    main = choices[choices["kind"] == "main"]
    votes = main.groupby("rater").size().reindex(names, fill_value=0).to_numpy()
    agreement, bound, effect = _agreement(data, names)
    judged = {
        "attention": (_attention(choices, names), limits.failed_checks, 1),
        "straight-lining": (_positions(main, names), limits.same_answer, 1),
        "too fast": (_seconds(main, names), limits.seconds, -1),
        "correlation": (agreement, bound, -1),
        "repeats": (_repeats(choices, names), OTHERWISE, 1),
        "no input": (without_input(main, names), limits.no_input, 1),
        "gold": (_gold(choices, names, gold), limits.gold, 1),
    }
    rows = []
    for rule, (value, limit, side) in judged.items():
        action = "excluded" if rule in exclude_by else "reported"
        with np.errstate(invalid="ignore"):
            bad = side * value > side * limit
        for k in np.flatnonzero(bad):
            rows.append((names[k], rule, value[k], limit, action, int(votes[k]), effect[k]))
    return pd.DataFrame(rows, columns=COLUMNS).sort_values(["rater", "rule"], ignore_index=True)


def _agreement(data: Comparisons, names: pd.Index[Any]) -> tuple[Floats, float, Floats]:
    if len(data.images) > MOST_PICTURES:
        return np.full(len(names), np.nan), np.nan, np.full(len(names), np.nan)
    strength, _ = bradley_terry(data)
    raters = len(data.raters)
    n = np.bincount(data.rater, minlength=raters)
    agrees = np.bincount(data.rater, strength[data.winner] > strength[data.loser], minlength=raters)
    share = np.where(n >= MIN_RATINGS, agrees / np.maximum(n, 1), np.nan)
    upper = share + 1.645 * np.sqrt(0.25 / np.maximum(n, 1))  # few choices say little
    typical = float(np.nanmedian(share)) if np.isfinite(share).any() else 0.5
    surprise = 1 / (1 + np.exp(strength[data.winner] - strength[data.loser]))
    pull = np.bincount(data.rater, surprise, minlength=raters) / np.maximum(len(data.winner) / len(data.images), 1)
    place = names.get_indexer(data.raters)
    value, effect = np.full(len(names), np.nan), np.zeros(len(names))
    value[place], effect[place] = upper, pull / len(data.images)
    return value, 0.5 + max(typical - 0.5, 0.0) / 2, effect


def _by_rater(values: pd.Series[Any], raters: pd.Series[Any], names: pd.Index[Any], least: int = 1) -> Floats:
    groups = values.astype(float).groupby(raters.astype(str).to_numpy())
    return np.asarray(groups.mean().where(groups.size() >= least).reindex(names).to_numpy(np.float64))


def _attention(choices: pd.DataFrame, names: pd.Index[Any]) -> Floats:
    checks = choices[choices["kind"] == "check"]
    if checks.empty:
        return np.full(len(names), np.nan)
    return _by_rater(checks["score"].astype(float) != checks["expected"].astype(float), checks["rater"], names)


def _positions(main: pd.DataFrame, names: pd.Index[Any]) -> Floats:
    if "score" not in main.columns:
        return np.full(len(names), np.nan)
    table = main.groupby(["rater", "score"]).size()
    total = main.groupby("rater").size()
    share = table.groupby(level="rater").max() / total
    return np.asarray(share.where(total >= MIN_RATINGS).reindex(names).to_numpy(np.float64))


def _seconds(main: pd.DataFrame, names: pd.Index[Any]) -> Floats:
    column = next((name for name in ("server_ms", "time_ms") if name in main.columns), None)
    if column is None:
        return np.full(len(names), np.nan)
    median = (main[column].astype(float) / 1000).groupby(main["rater"].astype(str)).median()
    return np.asarray(median.reindex(names).to_numpy(np.float64))


def _repeats(choices: pd.DataFrame, names: pd.Index[Any]) -> Floats:
    pictures = [str(name) for name in choices.columns if str(name).startswith("picture")]
    together = choices[pictures].fillna("").apply(lambda row: tuple(sorted(row)), axis=1)
    table = choices.assign(together=together)[["rater", "kind", "together", "best"]]
    both = table[table["kind"] == "main"].merge(table[table["kind"] == "repeat"], on=["rater", "together"])
    if both.empty:
        return np.full(len(names), np.nan)
    return _by_rater(both["best_x"] != both["best_y"], both["rater"], names, MIN_REPEATS)


def _gold(choices: pd.DataFrame, names: pd.Index[Any], gold: Collection[tuple[str, str]]) -> Floats:
    wrong, raters = [], []
    try:
        data = comparisons(choices, ("main", "gold"))
    except ValueError:
        return np.full(len(names), np.nan)
    place = {str(name): k for k, name in enumerate(data.images)}
    for better, worse in gold:
        first, second = place.get(better, -1), place.get(worse, -1)
        for won, lost, answer in ((first, second, 0.0), (second, first, 1.0)):
            hits = data.rater[(data.winner == won) & (data.loser == lost)]
            wrong += [answer] * len(hits)
            raters += data.raters[hits].tolist()
    if not wrong:
        return np.full(len(names), np.nan)
    return _by_rater(pd.Series(wrong), pd.Series(raters), names, MIN_REPEATS)
