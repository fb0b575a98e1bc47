"""Pictures that a network is tested on and has seen: copies across a split, weights that were trained on them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gazekit.core.counting import counted
from gazekit.core.types import Bools
from gazekit.dataset.splits import across
from gazekit.stats.comparison_folder import Run
from gazekit.training.cross_validation import Folds

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

SHOWN = 5


def leaks(data: Dataset, scheme: str, folds: Folds, weights: Iterable[str]) -> list[str]:
    """Say which pictures of the test a network learns from, or has learnt from before.

    Parameters
    ----------
    data : Dataset
        What is trained on.
    scheme : str
        Its split.
    folds : Folds
        Or its folds, in which groups always stay together.
    weights : iterable of str
        Files of weights to start from; those of other makers say nothing of their pictures.
    """
    said = [] if folds.folds else [*_across(data, scheme)]
    tested = folds.fold_of(data) > 0 if folds.folds else data.codes(scheme) == 3
    for file in weights:
        seen = _seen(data, _identity(Path(file))) & tested
        if seen.any():
            said.append(
                f"{file} was trained on {counted(int(seen.sum()), 'picture')} of the {int(tested.sum())} that are "
                f"tested here, as {', '.join(_named(data, np.flatnonzero(seen)))}: its scores are no test"
            )
    return said


def _across(data: Dataset, scheme: str) -> list[str]:
    pairs = across(data.groups, data.codes(scheme))
    if not len(pairs):
        return []
    shown = [f"{data.ids[tested]} (with {data.ids[trained]})" for tested, trained in pairs[:SHOWN]]
    return [
        f"the split {scheme!r} tests on {counted(len(pairs), 'picture')} of a group, or copies, of pictures that are "
        f"trained on: {', '.join(shown)}{' ...' if len(pairs) > SHOWN else ''}"
    ]


def _named(data: Dataset, places: Any) -> list[str]:
    return [data.ids[place] for place in places[:SHOWN]]


def _identity(path: Path) -> dict[str, Any]:
    """Return what a checkpoint says of its training; nothing of weights of other makers."""
    from gazekit.models.weights import read_content

    if path.suffix.lower() not in (".pt", ".pth") or not path.is_file():
        return {}
    content = read_content(path)
    identity = content.get("identity") if isinstance(content, dict) else None
    return identity if isinstance(identity, dict) else {}


def _seen(data: Dataset, identity: dict[str, Any]) -> Bools:
    """Return the pictures of this dataset that a network learnt from, or was stopped by, (N,)."""
    none = np.zeros(len(data), dtype=bool)
    if identity.get("dataset") != data.sha256:
        return none
    if "fold" in identity:
        run = Run(identity["model"], identity["condition"], identity["seed"], identity["repeat"], identity["fold"])
        dealt = Folds(identity["folds"], identity["repeats"])
        seen = none.copy()
        for split in ("train", "validation"):
            seen[dealt.indices(data, split, run)] = True
        return seen
    known = identity.get("scheme") in data.schemes
    return np.asarray(np.isin(data.codes(identity["scheme"]), (1, 2))) if known else none
