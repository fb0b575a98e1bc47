"""What is to be trained: the cells of a grid, and what a process needs for one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gazekit.training.recipe import Recipe

SYNTHETIC = {
    "synthetic": "auto",
    "synthetic-masks": "masks",
    "synthetic-excitation": "excitation",
    "synthetic-gradcam": "gradcam",
}  # conditions of a network's own attention, and how it is read


@dataclass(frozen=True)
class Cell:
    """A model, a condition and a seed."""

    model: str
    condition: str
    seed: int

    def folder(self, out: Path) -> Path:
        """Where the cell's files are."""
        return out / "runs" / self.model / self.condition / f"seed{self.seed}"

    def done(self, out: Path) -> bool:
        """Whether it is trained and tested."""
        return (self.folder(out) / "done.json").exists()

    def __str__(self) -> str:
        return f"{self.model} / {self.condition} / seed {self.seed}"


@dataclass(frozen=True)
class Job:
    """What a process needs to train a cell."""

    cell: Cell
    dataset: Path
    dataset_sha256: str
    out: Path
    recipe: Recipe
    threads: int
    scheme: str = "default"
    processes: int = 1

    def identity(self, buckets: int) -> dict[str, Any]:
        """What results depend on: it is kept in every checkpoint and must agree when a run goes on."""
        return {
            "model": self.cell.model,
            "condition": self.cell.condition,
            "seed": self.cell.seed,
            "buckets": buckets,
            "dataset": self.dataset_sha256,
            "scheme": self.scheme,
            "threads": self.threads,
            "processes": self.processes,
            **self.recipe.result_options(),
        }
