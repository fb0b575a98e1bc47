"""Every picture predicted once by networks that never saw it: folds, and their predictions pooled in one table."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from gazekit.conditions import networks
from gazekit.core.errors import ConfigError
from gazekit.core.files import whole_file, write_text
from gazekit.core.tables import read_table, write_table
from gazekit.core.types import Index
from gazekit.stats.comparison_folder import Run

if TYPE_CHECKING:
    from gazekit.dataset import Dataset


@dataclass(frozen=True)
class Folds:
    """How pictures are dealt for cross-validation; 0 folds is one split of the dataset."""

    folds: int = 0
    repeats: int = 1

    def runs(self, runs: Iterable[Run]) -> list[Run]:
        """Return the runs that are trained for the given ones, a run a repeat and fold."""
        if not self.folds:
            return list(runs)
        numbers = list(itertools.product(range(1, self.repeats + 1), range(1, self.folds + 1)))
        return [replace(run, repeat=repeat, fold=fold) for run in runs for repeat, fold in numbers]

    def indices(self, data: Dataset, split: str, run: Run) -> Index:
        """Return the pictures of a split of the run's fold.

        The first repeat's folds are the dataset's own ``fold1 .. foldK`` where it has them; all others are dealt as
        those are, stratified by mean score and with whole groups.
        """
        codes = self._schemes(data, run.repeat)[f"fold{run.fold}"]
        return np.flatnonzero(codes == ("train", "validation", "test").index(split) + 1).astype(np.int64)

    def fold_of(self, data: Dataset, repeat: int = 1) -> Index:
        """Return the fold, from 1, in which each picture is tested; 0 for pictures that no split has."""
        schemes = self._schemes(data, repeat)
        numbers = range(1, self.folds + 1)
        return np.asarray(np.sum([(schemes[f"fold{k}"] == 3) * k for k in numbers], axis=0), dtype=np.int64)

    def _schemes(self, data: Dataset, repeat: int) -> dict[str, Any]:
        from gazekit.dataset.splits import folds

        names = [f"fold{k}" for k in range(1, self.folds + 1)]
        of_dataset = [name for name in data.schemes if name.startswith("fold") and name[4:].isdigit()]
        if repeat == 1 and set(of_dataset) == set(names):
            return {name: data.codes(name) for name in names}
        return folds(data.mean, data.groups, data.codes() > 0, self.folds, repeat - 1)


ONE_SPLIT = Folds()


def folds_of(cross_validate: int | None, repeats: int, scheme: str) -> Folds:
    """Check what was asked for; a `ConfigError` says what does not go together."""
    if cross_validate is None:
        if repeats != 1:
            raise ConfigError("--repeats deals the folds of --cross-validate anew; give that as well")
        return ONE_SPLIT
    if scheme != "default":
        raise ConfigError(f"--cross-validate tests on every picture, and --scheme {scheme} on some; give one of them")
    if cross_validate < 3 or repeats < 1:
        raise ConfigError(
            f"--cross-validate is {cross_validate} and --repeats {repeats}; 3 folds or more (one to test on, one for "
            "validation, one to train on) and 1 repeat or more are possible"
        )
    return Folds(folds=cross_validate, repeats=repeats)


def pool(out: Path, folds: Folds, data: Dataset, runs: Sequence[Run]) -> None:
    """Pool the out-of-fold predictions of every seed whose folds are all done: one table, a row a picture."""
    tested = np.flatnonzero(folds.fold_of(data))
    for whole in dict.fromkeys(run.pooled for run in runs):
        parts = [run for run in runs if run.pooled == whole]
        if whole.done(out) or not all(_predicted(part, out) for part in parts):
            continue
        tables = [read_table(part.folder(out) / "predictions.csv", ["image"]).assign(fold=part.fold) for part in parts]
        table = pd.concat(tables).set_index("image").loc[[data.ids[i] for i in tested]]
        table.insert(0, "fold", table.pop("fold"))
        write_table(table.reset_index(), whole.folder(out) / "predictions.csv")
        _pool_attention(out, whole, parts, folds.fold_of(data, whole.repeat))
        done = {
            "folds": {str(part.fold): json.loads((part.folder(out) / "done.json").read_text("utf-8")) for part in parts}
        }
        write_text(whole.folder(out) / "done.json", json.dumps(done, indent=1) + "\n")


def _predicted(part: Run, out: Path) -> bool:
    """Return whether a fold is done, and its predictions are not sealed."""
    return part.done(out) and (part.folder(out) / "predictions.csv").exists()


def _pool_attention(out: Path, whole: Run, parts: Sequence[Run], fold: Index) -> None:
    """Pool networks' own attention, each picture's by the network that was not trained on it."""
    from gazekit.training.synthetic import attention_file

    if whole.repeat > 1 or whole.condition not in networks():
        return
    files = [attention_file(out, part) for part in parts]
    pooled: dict[str, Any] = {}
    for part, file in zip(parts, files, strict=True):
        with np.load(file) as content:
            for name in ("rectangles", "maps"):
                values = content[name]
                pooled.setdefault(name, np.zeros_like(values))[fold == part.fold] = values[fold == part.fold]
    with whole_file(attention_file(out, whole)) as temporary, open(temporary, "wb") as target:
        np.savez(target, **pooled)
