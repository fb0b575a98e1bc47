"""What is to be trained: the runs of a grid, and what a process needs for one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gazekit.core.registration_log import opened_utc
from gazekit.core.types import Index
from gazekit.stats.comparison_folder import Run
from gazekit.training.cross_validation import ONE_SPLIT, Folds
from gazekit.training.recipe import Recipe

if TYPE_CHECKING:
    from gazekit.dataset import Dataset
    from gazekit.dataset.registered import RegisteredMark


@dataclass(frozen=True)
class Job:
    """What a process needs to train a run."""

    run: Run
    dataset: Path
    dataset_sha256: str
    out: Path
    recipe: Recipe
    threads: int
    scheme: str = "default"
    processes: int = 1
    folds: Folds = ONE_SPLIT
    registration: str = ""

    def indices(self, data: Dataset, split: str) -> Index:
        """Return the pictures of a split, of the run's fold where there are folds; of the first, the run's share."""
        if self.folds.folds:
            chosen = self.folds.indices(data, split, self.run)
        else:
            chosen = np.asarray(data.indices(split, self.scheme), dtype=np.int64)  # type: ignore[arg-type]
        return self._share_of(chosen) if split == "train" and self.run.share < 100 else chosen

    def _share_of(self, chosen: Index) -> Index:
        """Return the run's share of pictures; larger shares hold the smaller ones."""
        rng = np.random.default_rng([self.run.seed, self.run.repeat, self.run.fold])
        return np.sort(rng.permutation(chosen)[: max(2, round(len(chosen) * self.run.share / 100))])

    def sealed_by(self, data: Dataset) -> RegisteredMark | None:
        """Return the registration by which the run's scores are sealed; None where there is none, or it was opened."""
        mark = data.registered
        return None if mark is None or opened_utc(self.out, mark.id) else mark

    def identity(self, buckets: int) -> dict[str, Any]:
        """Return what results depend on: it is kept in every checkpoint and must agree when a run goes on."""
        return {
            "model": self.run.model,
            "condition": self.run.condition,
            "seed": self.run.seed,
            "buckets": buckets,
            "dataset": self.dataset_sha256,
            "scheme": self.scheme,
            "threads": self.threads,
            "processes": self.processes,
            **({"registration": self.registration} if self.registration else {}),
            **({"share": self.run.share} if self.run.share < 100 else {}),
            **({"fold": self.run.fold, "repeat": self.run.repeat, **asdict(self.folds)} if self.run.fold else {}),
            **self.recipe.result_options(),
        }
