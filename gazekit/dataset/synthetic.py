"""Networks' own attention as a condition: masks by the rule that made people's, and as large."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.conditions.controls import number
from gazekit.conditions.regions import region_of_map
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.core.progress import track
from gazekit.core.types import Bits
from gazekit.dataset.reader import Dataset
from gazekit.shapes.packed import Regions, Size, grid_shape, packed, scaled_box, unpacked
from gazekit.shapes.patches import best_patches, random_patches
from gazekit.shapes.rectangles import Box, Boxes

Maps = npt.NDArray[np.float32]
_GRID = 64  # pixels of the longer side on which the best patches are looked for
_TINY = 1e-6  # of a map's highest value: every patch holds something


def open_synthetic(
    dataset: Dataset, run: str | Path, *, model: str | None = None, seed: int = 0, condition: str = "synthetic"
) -> Dataset:
    """Open a view of a dataset with a network's own attention as one more condition, from a run folder.

    Parameters
    ----------
    run : path
        The folder; ``synthetic/<model>/seed<k>[-<method>].npz`` in it has the network's maps and rectangles.
    model : str, optional
        Its name; not needed where there is one.
    seed : int
        Of the training.
    condition : str
        ``synthetic``, or with how attention was read: ``synthetic-gradcam``.

    Raises
    ------
    InputError
        No such file (what there is, is named), or the folder is of another dataset.
    ConfigError
        Several models, and none chosen.
    """
    run = Path(run)
    boxes, maps = read_attention(_find(run, model, seed, condition), len(dataset))
    config = run / "config.json"
    if config.is_file():
        made_of = json.loads(config.read_text()).get("dataset", {})
        if made_of.get("sha256") != dataset.sha256:
            raise InputError(
                f"{run} was trained on another dataset ({made_of.get('path', 'unknown')}) than {dataset.path}"
            )
    return with_attention(dataset, condition, boxes, maps)


def with_attention(dataset: Dataset, name: str, boxes: npt.ArrayLike, maps: Maps) -> Dataset:
    """Return a view with one more condition: a network's attention, by the rule and of the area of people's masks.

    Parameters
    ----------
    boxes : array_like
        (N, 1, 4), its rectangles, of the human masks' area: what is kept where those are rectangles.
    maps : (N, g, g), its maps, over the whole of each picture: where masks are patches, its best patches of their
        size; where they are regions, its highest pixels, as many.
    """
    if dataset.mask_kind == "rectangle":
        return dataset.with_rectangles(name, boxes)
    rows = track(range(len(dataset)), "masks of attention", len(dataset))
    human = dataset.masks("human")
    if isinstance(human, Regions):
        return dataset.with_regions(name, np.stack([_region(human.bits[i], dataset.size(i), maps[i]) for i in rows]))
    found = np.zeros(human.boxes.shape, dtype=np.int32)
    for i in rows:
        own: list[Box] = [(t, le, b, r) for t, le, b, r in dataset.rectangles(i, "human").tolist()]
        if own:
            rng = np.random.default_rng(number(name, dataset.ids[i], 0))
            found[i, : len(own)] = _patches(own, dataset.size(i), maps[i], rng)
    return dataset.with_rectangles(name, found)


def read_attention(path: Path, count: int) -> tuple[Boxes, Maps]:
    """Read rectangles (N, 1, 4) and maps (N, g, g) of a network's own attention to the N pictures of a dataset.

    Raises
    ------
    FormatError
        Not such a file, or one of another number of pictures.
    """
    try:
        with open(path, "rb") as file, np.load(file) as content:
            boxes, maps = content["rectangles"], content["maps"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} does not hold a network's rectangles and maps: {error}") from error
    if len(boxes) != count or len(maps) != count:
        raise FormatError(f"{path} has the attention to {len(boxes)} pictures; the dataset has {count}")
    return boxes, maps


def _region(human: Bits, size: Size, amap: Maps) -> Bits:
    count = int(unpacked(human, size).sum())
    return packed(region_of_map(amap, size, len(human), count), len(human)) if count else np.zeros_like(human)


def _patches(own: list[Box], size: Size, amap: Maps, rng: np.random.Generator) -> list[Box]:
    """Return the best patches of a map, as many and as large as people's; without room the last lie at random."""
    grid = grid_shape(size, _GRID)
    large = cv2.resize(amap, grid[::-1], interpolation=cv2.INTER_LINEAR)
    large = np.maximum(large, 0) + _TINY * float(amap.max())
    top, left, bottom, right = own[0]
    cells = (max(1, round((bottom - top) * grid[0] / size[0])), max(1, round((right - left) * grid[1] / size[1])))
    best = [scaled_box(box, grid, size) for box in best_patches(large, len(own), cells)]
    return best + (random_patches(size, own[len(best) :], rng, best) if len(best) < len(own) else [])


def _find(run: Path, model: str | None, seed: int, condition: str) -> Path:
    folder = run / "synthetic"
    there = sorted(str(file.relative_to(folder).with_suffix("")) for file in folder.glob("*/seed*.npz"))
    if not there:
        raise InputError(
            f"{run} has no network's own attention (synthetic/<model>/seed<k>.npz): train with the condition synthetic"
        )
    models = sorted({name.split("/")[0] for name in there})
    if model is None:
        if len(models) > 1:
            raise ConfigError(f"{run} has the attention of {', '.join(models)}: choose a model")
        model = models[0]
    path = folder / model / f"seed{seed}{condition.removeprefix('synthetic')}.npz"
    if not path.is_file():
        raise InputError(f"no such attention: {path}; there is {', '.join(there)}")
    return path
