"""What is to be trained: the runs of a grid, and what a process needs for one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazekit.stats.comparison_folder import Run
from gazekit.training.recipe import Recipe

SYNTHETIC = {
    "synthetic": "auto",
    "synthetic-masks": "masks",
    "synthetic-excitation": "excitation",
    "synthetic-gradcam": "gradcam",
}  # conditions of a network's own attention, and how it is read


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
            **self.recipe.result_options(),
        }
