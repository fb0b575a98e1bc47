"""A network's own attention as a condition: its rectangle in every picture, as large as people's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.files import whole_file
from gazekit.stats.comparison_folder import Run
from gazekit.training.load_model import load_trained
from gazekit.training.loading import Reader, in_order
from gazekit.training.runs import SYNTHETIC, Job

if TYPE_CHECKING:
    from gazekit.dataset import Dataset

GRID = 32  # side of the maps that are kept
Boxes = npt.NDArray[np.integer[Any]]
Maps = npt.NDArray[np.float32]


def own_attention(dataset: Dataset, job: Job) -> tuple[Boxes, Maps]:
    """Return rectangles (N, 1, 4) and small maps (N, g, g) of a network's own attention.

    They are kept in ``synthetic/<model>/seed<k>[-<method>].npz``. The network is the one of the same name and seed that
    was trained on whole pictures. Its rectangle is the one of the human mask's area, to a pixel row, that holds most
    of its attention.
    """
    from gazekit.dataset.synthetic import read_attention

    path = attention_file(job.out, job.run)
    if path.exists():
        return read_attention(path, len(dataset.ids))
    maps = own_maps(dataset, job)
    boxes = np.array([[_box(dataset, i, maps[i])] for i in range(len(maps))], dtype=np.int64)
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, rectangles=boxes, maps=maps)
    return boxes, maps


def attention_file(out: Path, run: Run) -> Path:
    """Return where a network's own attention is kept."""
    method = run.condition.removeprefix("synthetic")  # "" or "-gradcam", ...
    folder = out / "synthetic" / run.model / f"fold{run.fold}" if run.fold else out / "synthetic" / run.model
    return folder / f"{run.seed_name}{method}.npz"


def own_maps(dataset: Dataset, job: Job) -> Maps:
    """Compute every picture's map, (N, GRID, GRID) of sum 1, by the job's network as trained on whole pictures."""
    from gazekit.models.attention import synthetic_attention
    from gazekit.models.pixels import normalised

    method: Any = SYNTHETIC[job.run.condition]
    trained = load_trained(replace(job.run, condition="original").folder(job.out))
    reader = Reader(dataset, "original", trained.look)
    maps = np.zeros((len(dataset.ids), GRID, GRID), dtype=np.float32)
    for batch in in_order(np.arange(len(maps)), 32, reader.shapes):
        views = np.stack([dataset.read(int(i), size=tuple(reader.shapes[i].tolist())) for i in batch])
        inputs = normalised(views, trained.network.mean, trained.network.std)  # type: ignore[arg-type]
        found = synthetic_attention(trained.network, inputs, method, size=(GRID, GRID))
        maps[batch] = found.detach().numpy()
    return maps


def _box(dataset: Dataset, i: int, small: Maps) -> tuple[int, int, int, int]:
    from gazekit.shapes.rectangles import rectangle_of_area

    human = dataset.mask(i, "human")
    if not human.any():  # nobody looked at it
        return 0, 0, 0, 0
    height, width = human.shape
    large = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return rectangle_of_area(np.maximum(large, 0), int(human.sum()))
