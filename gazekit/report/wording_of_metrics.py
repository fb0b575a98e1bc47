"""What metrics and conditions are called, and how a number is written."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gazekit.conditions import conditions
from gazekit.shapes.mask_spec import Kind
from gazekit.stats import metrics as stats
from gazekit.stats.metrics import Metric

_MIXED = "a tenth of the centre bias is mixed into each map"  # `gazekit.attention.judging.SHARE`
METRICS = {
    **stats.METRICS,
    "accuracy": replace(stats.METRICS["accuracy"], label="Accuracy, %", digits=1, scale=100.0),
    "nss": Metric("NSS", True, "normalised scanpath saliency: mean z-score of the map at the fixations", digits=2),
    "auc_judd": Metric("AUC-Judd", True, "chance that a fixated pixel is above another one; a blind map has 0.5"),
    "auc_shuffled": Metric("AUC shuffled", True, "area under the ROC against the fixations of other pictures"),
    "cc": Metric("CC", True, "Pearson's correlation of the maps"),
    "sim": Metric("SIM", True, "mass that the maps share"),
    "kl": Metric(
        "KL",
        False,
        f"Kullback-Leibler divergence from the human map, nats; {_MIXED}",
        digits=2,
    ),
    "ig": Metric(
        "IG",
        True,
        f"information gain over the centre bias, bits per fixation; {_MIXED}",
        digits=2,
    ),
}


def metric(name: str) -> Metric:
    """Return what is known of a metric; one that is not known is written as it is called."""
    return METRICS.get(name, Metric(name, True, ""))


def condition(name: str) -> str:
    """Return a condition's name for people; of one that is not installed, the name as it is."""
    known = conditions()
    return known[name].label if name in known else name.replace("-", " ").capitalize()


def meaning(name: str, kind: Kind | None) -> str:
    """Return what a condition keeps, in words, where masks are of a kind; empty if the condition is not installed."""
    known = conditions()
    return known[name].meaning(kind) if name in known else ""


def finite(value: object) -> float | None:
    """Return the value as a number, where it is one and finite."""
    return float(value) if isinstance(value, (int, float, np.number)) and np.isfinite(value) else None


def number(value: object, digits: int = 3, *, signed: bool = False) -> str:
    """Return a number with fixed digits and a true minus sign; an en dash where there is none."""
    found = finite(value)
    return "–" if found is None else f"{found:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def interval(low: object, high: object, digits: int = 3, *, signed: bool = False) -> str:
    """Return a confidence interval in brackets, or nothing where there is none."""
    if finite(low) is None or finite(high) is None:
        return ""
    return f"[{number(low, digits, signed=signed)}, {number(high, digits, signed=signed)}]"


def p_value(value: object) -> str:
    """Return a p value with three digits, or as smaller than 0.001."""
    found = finite(value)
    return "< 0.001" if found is not None and 0 <= found < 0.001 else number(found)
