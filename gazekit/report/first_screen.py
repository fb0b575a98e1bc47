"""What the report says first: the answer in one sentence, and how much it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gazekit.conditions import condition as condition_of
from gazekit.conditions import references
from gazekit.core.counting import counted
from gazekit.report.wording_of_metrics import interval, metric, number, p_value
from gazekit.stats.comparison_folder import Comparison
from gazekit.stats.contrasts import ALL_NETWORKS

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

_COUNTED = 2000  # pictures; of more, counting fixations takes longer than the report


def answer(comparison: Comparison) -> str:
    """Return one sentence that answers whether people's attention helps, for all networks; empty if nothing was asked.

    It is drawn from the claim over all networks where there are several, else from the only one's.
    """
    words = comparison.conclusion
    asked = set(references()[:2])
    claims = [claim for claim in words.get("claims", ()) if {claim.get("a"), claim.get("b")} == asked]
    claims = [claim for claim in claims if "model_b" not in claim and "difference" in claim]
    gates = [claim for claim in claims if claim["model"] == ALL_NETWORKS]  # of a primary contrast
    claims = [claim for claim in claims if claim["model"] != ALL_NETWORKS]
    overall = gates or [claim for claim in words.get("over_networks", ()) if {claim["a"], claim["b"]} == asked]
    if not claims:
        return ""
    claim, count = (overall or claims)[0], len({one["model"] for one in claims})
    name = metric(str(words.get("primary", "srcc")))
    sign = name.scale if claim["a"] == references()[0] else -name.scale
    low, high = sorted((sign * claim["low"], sign * claim["high"]))
    value, between = number(sign * claim["difference"], name.digits, signed=True), (low, high, name.digits)
    p = p_value(claim["p_holm"])
    p = p if p.startswith("<") else f"= {p}"
    figures = f"{value} {interval(*between, signed=True)} in {name.label}, p {p}"
    every = "both" if count == 2 else f"all {count}"
    who = f"Over {every} networks, seeing" if overall else f"For {claims[0]['model']}, seeing"
    who = who if claim.get("registered", True) else f"Exploratory, not registered: {who[0].lower()}{who[1:]}"
    what = f"{who} {condition_of(references()[0]).keeps} instead of {condition_of(references()[1]).keeps}"
    if claim["claimed"]:
        helps = (sign * claim["difference"] > 0) == name.higher_is_better
        return f"{what} {'helps' if helps else 'makes it worse'}: {figures}."
    if claim.get("equivalent"):
        return f"{what} makes no difference of {words['margin']:g} or more: {figures}."
    return f"{what} makes no difference that can be seen with these pictures: {figures}."


def facts(comparison: Comparison, data: Dataset | None) -> list[tuple[str, str]]:
    """Return how many people, ratings, pictures and fixations there are, and how pictures were split."""
    rows: list[tuple[str, str]] = []
    if data is not None:
        ratings = data.counts.sum(axis=1)
        rows.append(("Pictures", f"{len(data):,}, of which {int((data.viewers > 0).sum()):,} were looked at"))
        if len(data.participants):
            looked = np.flatnonzero(data.viewers)
            fixations = f" with {sum(len(data.fixations_of(int(i))) for i in looked):,} fixations"
            people = f"{len(data.participants):,}, {data.viewers.sum() / max(1, len(looked)):.3g} for a picture"
            rows.append(("People", people + (fixations if len(looked) <= _COUNTED else "")))
        rows.append(("Ratings", f"{int(ratings.sum()):,} on a scale of {data.scale}"))
    rows.append(("Tested on", _tested(comparison)))
    return rows + _registered(comparison.conclusion.get("registration", {}))


def _registered(terms: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what was registered before any score was seen, and what departs from it."""
    if not terms:
        return []
    rows = [("Registered", f"{terms['registered_utc']} as {terms['id']}; scores opened {terms['opened_utc']}")]
    rows += [("Hypothesis", text) for text in terms["hypotheses"]]
    rows += [("Excluded", text) for text in terms["exclusions"]]
    return rows + [("Departs from it", text) for text in terms["departures"]]


def _tested(comparison: Comparison) -> str:
    truth: Any = comparison.truth
    split: Mapping[str, int] = truth["split"].value_counts().to_dict() if "split" in truth else {}
    if comparison.conclusion.get("folds"):
        return (
            f"every one of {split.get('test', 0):,} pictures once, in {counted(comparison.conclusion['folds'], 'fold')}"
        )
    others = {"train": "to train on", "validation": "for validation"}
    return ", ".join(
        [f"{split.get('test', 0):,} pictures", *(f"{split[k]:,} {v}" for k, v in others.items() if k in split)]
    )
