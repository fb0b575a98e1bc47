"""The words of a conclusion, which follow from the intervals and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from gazekit.conditions import conditions
from gazekit.core.counting import counted
from gazekit.stats.estimates import limits_of
from gazekit.stats.metrics import METRICS
from gazekit.stats.options import ComparisonOptions

_NO_CEILING = (
    "What could be reached is not known: hardly a test picture has two ratings, so that nothing tells how far raters "
    "agree."
)
# columns of paired.csv that are no figures
_WORDS = ("model", "model_b", "condition_a", "condition_b", "metric", "seeds", "family")


def conclusion(
    table: pd.DataFrame,
    paired: pd.DataFrame,
    options: ComparisonOptions,
    *,
    floors: Sequence[Mapping[str, Any]] = (),
    unfinished: Sequence[tuple[str, str, int]] = (),
    folds: int = 0,
    by_group: pd.DataFrame | None = None,
    over_networks: pd.DataFrame | None = None,
    ceiling: bool = True,
) -> dict[str, Any]:
    """Return sentences and the figures that they rest on.

    A difference is claimed when its corrected p over all comparisons of the metric is at most ``alpha`` and the 95 %
    interval leaves out 0; equivalence within a margin when the corrected p of its two one-sided tests is.

    Parameters
    ----------
    table, paired : pd.DataFrame
        Of `gazekit.stats.summary_table` and `gazekit.stats.paired`.
    options : ComparisonOptions
        What was asked for.
    floors : Sequence[Mapping[str, Any]]
        Of `gazekit.stats.paired.floor_differences`.
    unfinished : Sequence[tuple[str, str, int]]
        (model, condition, seed) that were left out.
    folds : int
        In how many folds every picture was tested once; 0 for one test split.
    by_group : pd.DataFrame, optional
        Of `gazekit.stats.groups`.
    over_networks : pd.DataFrame, optional
        The same as ``paired``, over all networks together: a family of its own.
    ceiling : bool
        Whether the ratings tell what a network could reach.

    Returns
    -------
    dict
        "sentences" (list of str), "primary", "alpha", "pictures", "seeds" (the most that a condition has),
        "floors", "unfinished", "claims" (a dict a comparison: model, a, b, seeds, value_a, value_b, difference,
        low, high, p_holm, claimed, ...).
    """
    metric, alpha = options.metric, options.alpha
    claims = _claims(paired, options)
    shared = [] if over_networks is None else _claims(over_networks, options)
    n = int(table.loc[table["level"] == "condition", "n"].iloc[0])
    trained = _seeds_of(table)
    alone = table.loc[table["level"] == "condition", "condition"].nunique() == 1
    tested = f"{n} test pictures" if not folds else f"{n} pictures, each tested once in {folds} folds"
    sentences = [_headline(claims, METRICS[metric].in_words, tested, trained, alone)]
    sentences += [*_caveats(unfinished, trained), *_out_of_reach(claims, n, options)]
    sentences += [] if ceiling else [_NO_CEILING]
    sentences += [_floor_sentence(model, floors) for model in dict.fromkeys(row["model"] for row in floors)]
    sentences += [] if by_group is None else [_group_sentence(row, options) for row in by_group.to_dict("records")]
    sentences += [_sentence(claim, n, options) for claim in claims]
    return {
        "sentences": sentences,
        "primary": metric,
        "alpha": alpha,
        "pictures": n,
        "seeds": max(trained),
        "floors": list(floors),
        "unfinished": [list(cell) for cell in unfinished],
        "claims": claims,
        **({"folds": folds} if folds else {}),
        **({"over_networks": shared} if shared else {}),
        **({"margin": options.margin} if options.margin is not None else {}),
    }


def _claims(paired: pd.DataFrame, options: ComparisonOptions) -> list[dict[str, Any]]:
    return [_claim(row, options.alpha) for _, row in paired[paired["metric"] == options.metric].iterrows()]


def _claim(row: pd.Series, alpha: float) -> dict[str, Any]:
    claimed = bool(row["p_holm"] <= alpha and (row["low"] > 0 or row["high"] < 0))
    figures = {str(key): float(value) for key, value in row.items() if key not in _WORDS}
    return {
        "model": row["model"],
        "a": row["condition_a"],
        "b": row["condition_b"],
        "metric": row["metric"],
        "seeds": int(row["seeds"]),
        **{key: value if np.isfinite(value) else None for key, value in figures.items()},
        "claimed": claimed,
        **({"model_b": row["model_b"]} if row.get("model_b") else {}),
        **({"family": int(row["family"])} if "family" in row else {}),
        **({"equivalent": bool(row["p_equivalence"] <= alpha)} if "p_equivalence" in row else {}),
        **({"not_inferior": bool(row["p_not_inferior"] <= alpha)} if "p_not_inferior" in row else {}),
    }


def _seeds_of(table: pd.DataFrame) -> list[int]:
    """Return how many seeds each model and condition has."""
    seeds = table[table["level"] == "seed"]
    return [int(count) for count in seeds.groupby(["model", "condition"]).size()]


def _headline(claims: list[dict[str, Any]], label: str, tested: str, trained: list[int], alone: bool) -> str:
    counts = [claim["seeds"] for claim in claims] or trained
    seeds = f"{min(counts)} to {max(counts)} seeds" if min(counts) < max(counts) else counted(counts[0], "seed")
    what = f"{label} on {tested}, {seeds}"
    if not claims:
        no_two = "no two conditions that were asked for have finished runs of the same seeds"
        return f"Nothing was compared: {'there is one condition only' if alone else no_two} ({what})."
    count = sum(claim["claimed"] for claim in claims)
    if not count:
        pictures = tested.partition(" ")[0]
        many = counted(len(claims), "comparison")
        return f"No difference between the conditions can be seen with {pictures} pictures ({what}; {many})."
    return f"{count} of {len(claims)} comparisons show a difference ({what})."


def _caveats(unfinished: Sequence[tuple[str, str, int]], trained: list[int]) -> list[str]:
    sentences = []
    if unfinished:
        cells: dict[str, list[str]] = {}
        for model, condition, seed in unfinished:
            cells.setdefault(f"{model} on {condition}", []).append(str(seed))
        named = "; ".join(f"{cell} (seed {', '.join(seeds)})" for cell, seeds in cells.items())
        sentences.append(f"Not finished and left out: {named}. Conditions are compared over the seeds that both have.")
    if min(trained) == 1:
        sentences.append(
            "Where there is one seed, the luck of training is not counted: another seed may say otherwise."
        )
    return sentences


def _out_of_reach(claims: Sequence[Mapping[str, Any]], pictures: int, options: ComparisonOptions) -> list[str]:
    """Say where a permutation test of so few swaps can claim nothing, whatever the difference."""
    families = Counter(claim.get("family", 0) for claim in claims)
    least = max(1 / (options.permutations + 1), 2.0 ** (1 - pictures)) * max(families.values(), default=0)
    if least <= options.alpha:
        return []
    more = "more pictures or fewer comparisons" if 2.0**pictures <= options.permutations else "more permutations"
    return [
        f"Nothing could be claimed here, however large: p is {min(least, 1):.2g} at least after correction for "
        f"{max(families.values())} comparisons. It takes {more}."
    ]


def _floor_sentence(model: str, floors: Sequence[Mapping[str, Any]]) -> str:
    own = [row for row in floors if row["model"] == model]
    better = [row["condition"] for row in own if row["high"] < 0]
    start = f"{model}: against a constant histogram (EMD, r = 2, of {own[0]['floor']:.4f})"
    if not better:
        return f"{start} no condition's predicted histograms can be called better."
    return f"{start} the histograms predicted from these conditions are better: {', '.join(better)}."


def _sentence(claim: Mapping[str, Any], n: int, options: ComparisonOptions) -> str:
    metric = METRICS[options.metric]
    a, b = claim["a"], claim["b"]
    if "model_b" in claim:
        a, b = f"{claim['model']} on {a}", f"{claim['model_b']} on {b}"
    start = "" if "model_b" in claim else f"{claim['model']}: "
    shown = (
        f"{claim['value_a']:.3f} against {claim['value_b']:.3f}, difference {claim['difference']:+.3f} "
        f"[{claim['low']:+.3f}, {claim['high']:+.3f}], p {_p(claim['p_holm'])} after Holm's correction"
    )
    between = f"{a} and {b}" if "model_b" in claim else f"{_name(a)} ({a}) and {_name(b)} ({b})"
    if claim["claimed"]:
        better = a if (claim["difference"] > 0) == metric.higher_is_better else b
        return (
            f"{start}between {between}, {better} gives the better {metric.in_words}: {shown}{_within(claim, options)}."
        )
    seen = _detectable(claim["detectable"], options.metric)
    stated = options.difference if options.difference is not None else options.margin
    if stated is not None:
        seen += f", and one of {stated:g} {_needed(claim['pictures_for_size'])}"
    if claim["low"] > 0 or claim["high"] < 0:
        seen += f"; the interval by itself leaves out 0, but p is not at most {options.alpha:g}"
    return (
        f"{start}between {between}, no difference in {metric.in_words} can be seen with {n} pictures: {shown}; "
        f"{seen}{_within(claim, options)}."
    )


def _group_sentence(row: Mapping[Any, Any], options: ComparisonOptions) -> str:
    """Say what a difference is for a group of raters, or whether it is another for two groups."""
    figures = f"{row['difference']:+.3f} [{row['low']:+.3f}, {row['high']:+.3f}]"
    start = f"{row['model']}: the difference between {row['condition_a']} and {row['condition_b']} for raters of"
    if not row["against"]:
        return f"{start} {row['group']} is {figures} ({row['n']} pictures)."
    told = (
        "is another" if row["p_holm"] <= options.alpha and row["low"] * row["high"] > 0 else "is not seen to be another"
    )
    p = f"p {_p(row['p_holm'])} after Holm's correction"
    return (
        f"{start} {row['group']} and {row['against']} {told}: {figures}, {p}, on {row['n']} pictures that both rated."
    )


def _within(claim: Mapping[str, Any], options: ComparisonOptions) -> str:
    """Return what is claimed about a margin, where there is one."""
    if options.margin is None:
        return ""
    if claim["equivalent"]:
        return f"; they are equivalent within {options.margin:g} (p {_p(claim['p_equivalence'])}, two one-sided tests)"
    if claim["not_inferior"]:
        p = _p(claim["p_not_inferior"])
        return f"; the first is not worse than the second by {options.margin:g} or more (p {p})"
    return f"; neither equivalence within {options.margin:g} nor that the first is not worse by it can be shown"


def _detectable(size: float | None, metric: str) -> str:
    least, most = limits_of(metric)
    if size is None:
        return "how large a true difference would be seen cannot be said, since these two do not vary"
    if size > most - least:
        return "with so few pictures and seeds not even the largest true difference would be seen 8 times in 10"
    return f"a true difference of {size:.3f} would be seen 8 times in 10"


def _needed(pictures: float | None) -> str:
    return "only with more seeds" if pictures is None else f"with {pictures:,.0f} test pictures"


def _name(condition: str) -> str:
    known = conditions()
    return known[condition].keeps if condition in known else condition


def _p(value: float) -> str:
    return "< .001" if value < 0.001 else f"= {value:.3f}"
