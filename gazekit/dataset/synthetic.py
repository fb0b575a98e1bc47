"""Networks' own attention as a condition: masks by the rule that made people's, and as large."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from gazekit.conditions import MaskTask, Network, networks
from gazekit.conditions.making import area_of, picture_rng, used_boxes
from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.core.progress import track
from gazekit.dataset.reader import Dataset
from gazekit.shapes.packed import Regions, grid_shape, packed, unpacked
from gazekit.shapes.rectangles import Boxes

Maps = npt.NDArray[np.float32]


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
        made_of = json.loads(config.read_text("utf-8")).get("dataset", {})
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
    human, network = dataset.masks("human"), networks().get(name, Network())
    if isinstance(human, Regions):
        bits = np.stack([np.asarray(human.bits[i]) for i in range(len(dataset))])
        for i in rows:
            image, size, people = dataset.ids[i], dataset.size(i), unpacked(bits[i], dataset.size(i))
            grid, rng = grid_shape(size, len(bits[i])), picture_rng(name, image, 0)
            task = MaskTask(image, size, int(people.sum()), rng, grid=grid, people=people, map=maps[i])
            bits[i] = packed(network.region(task), len(bits[i])) if people.any() else 0
        return dataset.with_regions(name, bits)
    patches = np.zeros(human.boxes.shape, dtype=np.int32)
    for i in rows:
        image, size, boxes = dataset.ids[i], dataset.size(i), used_boxes(human.boxes[i])
        task = MaskTask(image, size, area_of(boxes), picture_rng(name, image, 0), boxes, map=maps[i])
        patches[i, : len(boxes)] = network.patches(task) if boxes else []
    return dataset.with_rectangles(name, patches)


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


def _find(run: Path, model: str | None, seed: int, condition: str) -> Path:
    folder = run / "synthetic"
    there = sorted(file.relative_to(folder).with_suffix("").as_posix() for file in folder.glob("*/seed*.npz"))
    if not there:
        raise InputError(
            f"{run} has no network's own attention (synthetic/<model>/seed<k>.npz): train with the condition synthetic"
        )
    models = sorted({name.split("/")[0] for name in there})
    if model is None:
        if len(models) > 1:
            raise ConfigError(f"{run} has the attention of {', '.join(models)}: choose a model")
        model = models[0]
    path = folder / model / f"seed{seed}{networks()[condition].suffix()}.npz"
    if not path.is_file():
        raise InputError(f"no such attention: {path}; there is {', '.join(there)}")
    return path
