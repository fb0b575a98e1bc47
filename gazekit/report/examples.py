"""Pictures side by side: as they are, where people and networks looked, and what each condition leaves of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention.drawing import heatmap, scanpath
from gazekit.core.errors import FormatError
from gazekit.report.pictures import LONGEST, Shown, shown
from gazekit.report.wording_of_metrics import condition, meaning
from gazekit.shapes.masks import apply_mask

if TYPE_CHECKING:
    from gazekit.dataset import Dataset


@dataclass(frozen=True)
class Example:
    """One picture in all its forms."""

    image: str
    score: str
    views: tuple[Shown, ...]


@dataclass(frozen=True)
class OwnAttention:
    """A network's own attention to the N pictures of a dataset."""

    model: str
    maps: npt.NDArray[np.float32]  # (N, h, w)
    masked: Dataset  # with the condition "synthetic"


def own_attention(folder: Path, data: Dataset) -> list[OwnAttention]:
    """Return each network's attention, of the first seed whose maps of this dataset the folder keeps."""
    from gazekit.dataset.synthetic import read_attention, with_attention

    found: dict[str, OwnAttention] = {}
    for name, _, path in sorted(_kept(folder)):
        if name in found:
            continue
        with suppress(FormatError):  # it is of another dataset
            boxes, maps = read_attention(path, len(data))
            found[name] = OwnAttention(name, maps, with_attention(data, "synthetic", boxes, maps))
    return list(found.values())


def _kept(folder: Path) -> Iterator[tuple[str, int, Path]]:
    """Yield every network whose attention is kept, with how it was read, its seed and the file."""
    for path in folder.glob("synthetic/*/seed*.npz"):
        if named := re.fullmatch(r"seed(\d+)(?:-(.+))?", path.stem):
            seed, method = named.groups()
            yield path.parent.name + (f" ({method})" if method else ""), int(seed), path


def example(
    data: Dataset,
    i: int,
    score: str,
    fixations: pd.DataFrame | None = None,
    networks: Sequence[OwnAttention] = (),
) -> Example:
    """Return a picture with its scanpaths, the heatmaps of people and networks, and every condition's version.

    Parameters
    ----------
    i : int
        Number of the picture in the dataset.
    score : str
        What is said of it beside its name.
    fixations : pd.DataFrame, optional
        A fixation table to take the scanpaths from; by default the dataset's own.
    """
    image, rgb = str(data.ids[i]), data.picture(i)
    views = [shown(rgb, f"Picture {image}", "Picture")]
    if data.viewers[i]:
        own = data.fixations_of(i) if fixations is None else fixations[fixations["image"] == image]
        views += [shown(_scanpath(rgb, own), f"Scanpaths over {image}", "Scanpaths")] if len(own) else []
        views.append(shown(heatmap(rgb, data.human_map(i)), f"Human attention to {image}", "Human heatmap"))
        for name in data.conditions:
            if name != "original":
                text = f"{image}: {meaning(name, data.mask_kind) or name}"
                views.append(shown(apply_mask(rgb, data.mask(i, name)), text, condition(name)))
    for network in networks:
        amap = np.maximum(network.maps[i], 0)
        views.append(
            shown(heatmap(rgb, amap), f"Attention of {network.model} to {image}", f"Heatmap of {network.model}")
        )
        kept = f"{image}: the part that {network.model} attends to is kept, same area"
        views.append(shown(apply_mask(rgb, network.masked.mask(i, "synthetic")), kept, f"Attention of {network.model}"))
    return Example(image, score, tuple(views))


def spread(values: Mapping[str, float], count: int) -> list[str]:
    """Return the pictures at evenly spread ranks of a score, from the highest to the lowest."""
    order = sorted(values, key=lambda image: -values[image])
    at = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))
    return [order[k] for k in at]


def _scanpath(rgb: npt.NDArray[np.uint8], own: pd.DataFrame) -> npt.NDArray[np.uint8]:
    scale = max(1.0, LONGEST / max(rgb.shape[:2]))  # thin lines on a small picture could not be seen
    large = np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    x, y = own["x_picture"] * scale, own["y_picture"] * scale
    people = own["participant"].tolist() if "participant" in own else None
    few = people is None or len(set(people)) < 3
    return scanpath(large, x, y, own["duration_ms"], viewer=people, numbers=few)
