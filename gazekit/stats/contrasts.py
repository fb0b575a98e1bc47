"""Which models and conditions are compared with which, and in what order they are tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gazekit.conditions import references
from gazekit.core.errors import InputError, unknown_name
from gazekit.stats.predictions import Predictions

ALL_NETWORKS = "all networks"


@dataclass(frozen=True)
class Contrast:
    """A model on a condition against a model, mostly the same one, on another.

    Attributes
    ----------
    family : int
        A family is tested only where everything in the families before it is claimed.
    """

    model_a: str
    condition_a: str
    model_b: str
    condition_b: str
    family: int = 0

    @property
    def sides(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Return the model and condition of either side."""
        return (self.model_a, self.condition_a), (self.model_b, self.condition_b)


def contrasts_of(
    predictions: Predictions,
    pairs: Sequence[tuple[str, str]] | None = None,
    primary: tuple[str, str] | None = None,
) -> list[Contrast]:
    """Return what is to be compared: pairs that have finished runs of the same seeds.

    Parameters
    ----------
    predictions : Predictions
        What there is.
    pairs : sequence of (str, str), optional
        Each side a condition, of every model, or MODEL:CONDITION; else ``human`` with every other condition and every
        other one with ``original``.
    primary : (str, str), optional
        The contrast that is tested first: over all networks, then for each of them, then all other pairs. With
        MODEL:CONDITION that of the models named.

    Raises
    ------
    InputError
        An unknown model or condition, a pair of a thing with itself, or a primary contrast without finished runs.
    """
    contrasts = []
    for model in predictions.models:
        conditions = [condition for name, condition in predictions.predicted if name == model]
        wanted = default_pairs(conditions) if pairs is None else [*pairs]
        contrasts += [_contrast(predictions, model, a, b) for a, b in ([primary] if primary else []) + wanted]
    contrasts = _once([one for one in contrasts if _common(predictions, one)])
    if primary is None:
        return contrasts
    of_primary = {frozenset(_contrast(predictions, model, *primary).sides) for model in predictions.models}
    first = [one for one in contrasts if frozenset(one.sides) in of_primary]
    if not first:
        raise InputError(
            f"the primary contrast {primary[0]} {primary[1]} has no finished runs of the same seeds, and what stands "
            "behind it cannot be claimed; train on, or compare without it"
        )
    shared = len(first) > 1 and set(primary) <= set(predictions.conditions)
    families = [Contrast(ALL_NETWORKS, primary[0], ALL_NETWORKS, primary[1])] if shared else []
    families += [_in_family(one, len(families)) for one in first]
    last = families[-1].family + 1 if families else 0
    return families + [_in_family(one, last) for one in contrasts if one not in first]


def over_networks(
    predictions: Predictions,
    pairs: Sequence[tuple[str, str]] | None = None,
    primary: tuple[str, str] | None = None,
) -> list[Contrast]:
    """Return the contrasts of the first reference (people's attention) with others, over all networks together.

    A primary contrast is tested before all others here as well.
    """
    shared = [c for c in predictions.conditions if all((m, c) in predictions.predicted for m in predictions.models)]
    if len(predictions.models) < 2:
        return []
    wanted = default_pairs(shared) if pairs is None else [pair for pair in pairs if set(pair) <= set(shared)]
    if primary is not None and set(primary) <= set(shared):
        wanted = [primary, *(pair for pair in wanted if set(pair) != set(primary))]
    return [
        Contrast(ALL_NETWORKS, a, ALL_NETWORKS, b, int(primary is not None and {a, b} != set(primary)))
        for a, b in wanted
        if references()[0] in (a, b)
    ]


def default_pairs(conditions: Sequence[str]) -> list[tuple[str, str]]:
    """Return human attention with every other condition, then the others with whole pictures."""
    there = [name for name in references() if name in conditions]
    others = [name for name in conditions if name not in there]
    pairs = [(there[0], name) for name in there[1:]]
    for reference in there:
        pairs += [(reference, name) if reference == references()[0] else (name, reference) for name in others]
    return pairs


def _contrast(predictions: Predictions, model: str, a: str, b: str) -> Contrast:
    sides: list[tuple[str, str]] = []
    for text in (a, b):
        named, _, condition = text.rpartition(":")
        if named and named not in predictions.models:
            raise unknown_name("model", named, predictions.models)
        if condition not in predictions.conditions:
            raise unknown_name("condition", condition, predictions.conditions)
        sides.append((named or model, condition))
    if sides[0] == sides[1]:
        raise InputError(f"a pair is of two different conditions; found {a} and {b}")
    return Contrast(*sides[0], *sides[1])


def _common(predictions: Predictions, contrast: Contrast) -> bool:
    """Return whether both sides have finished runs of the same seeds."""
    a, b = (predictions.predicted.get(side, {}) for side in contrast.sides)
    return bool(a.keys() & b.keys())


def _once(contrasts: Sequence[Contrast]) -> list[Contrast]:
    """Return every contrast once, whichever way round."""
    first: dict[frozenset[tuple[str, str]], Contrast] = {}
    for contrast in contrasts:
        first.setdefault(frozenset(contrast.sides), contrast)
    return list(first.values())


def _in_family(contrast: Contrast, family: int) -> Contrast:
    return Contrast(contrast.model_a, contrast.condition_a, contrast.model_b, contrast.condition_b, family)
