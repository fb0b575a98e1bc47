"""A network's own attention as a condition: its rectangle in every picture, as large as people's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gazekit.conditions import MaskTask, networks
from gazekit.conditions.making import picture_rng
from gazekit.core.files import whole_file
from gazekit.shapes.rectangles import Box
from gazekit.stats.comparison_folder import Run
from gazekit.training.load_model import load_trained
from gazekit.training.loading import Reader, in_order
from gazekit.training.runs import Job

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
    boxes = np.array([[_box(dataset, i, job.run.condition, maps[i])] for i in range(len(maps))], dtype=np.int64)
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, rectangles=boxes, maps=maps)
    return boxes, maps


def attention_file(out: Path, run: Run) -> Path:
    """Return where a network's own attention is kept."""
    folder = out / "synthetic" / run.model.replace(":", "-")
    folder = folder / f"fold{run.fold}" if run.fold else folder
    return folder / f"{run.seed_name}{networks()[run.condition].suffix()}.npz"


def own_maps(dataset: Dataset, job: Job) -> Maps:
    """Compute every picture's map, (N, GRID, GRID) of sum 1, by the job's network as trained on whole pictures."""
    from gazekit.models.attention import synthetic_attention
    from gazekit.models.pixels import normalised

    method: Any = networks()[job.run.condition].method
    trained = load_trained(replace(job.run, condition="original").folder(job.out), while_sealed=True)
    reader = Reader(dataset, "original", trained.look)
    maps = np.zeros((len(dataset.ids), GRID, GRID), dtype=np.float32)
    for batch in in_order(np.arange(len(maps)), 32, reader.shapes):
        views = np.stack([dataset.read(int(i), size=tuple(reader.shapes[i].tolist())) for i in batch])
        inputs = normalised(views, trained.network.mean, trained.network.std)  # type: ignore[arg-type]
        found = synthetic_attention(trained.network, inputs, method, size=(GRID, GRID))
        maps[batch] = found.detach().numpy()
    return maps


def _box(dataset: Dataset, i: int, condition: str, small: Maps) -> Box:
    area, image = int(dataset.mask(i, "human").sum()), dataset.ids[i]
    if not area:  # nobody looked at it
        return 0, 0, 0, 0
    return networks()[condition].rectangle(
        MaskTask(image, dataset.size(i), area, picture_rng(condition, image, 0), map=small)
    )
