"""Pictures side by side: as they are, where people looked, and what each condition leaves of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention.drawing import heatmap, scanpath
from gazekit.attention.masks import apply_mask
from gazekit.report.pictures import Pixels, Shown, shown
from gazekit.report.words import CONDITIONS, condition


class Pictures(Protocol):
    """What the report needs of a dataset."""

    @property
    def ids(self) -> Sequence[str]:
        """The pictures' ids."""
        ...

    @property
    def conditions(self) -> Sequence[str]:
        """The conditions that have masks."""
        ...

    def picture(self, i: int) -> Pixels:
        """The pixels of a picture."""
        ...

    def mask(self, i: int, condition: str) -> npt.NDArray[np.bool_]:
        """What a condition keeps of it."""
        ...

    def human_map(self, i: int) -> npt.NDArray[np.float32]:
        """Where people looked, on a small grid."""
        ...


@dataclass(frozen=True)
class Example:
    """One picture in all its forms."""

    image: str
    score: str
    views: tuple[Shown, ...]


def example(data: Pictures, i: int, score: str, fixations: pd.DataFrame | None, conditions: Iterable[str]) -> Example:
    """A picture with its scanpaths, its heatmap and every condition's version."""
    image, rgb = str(data.ids[i]), data.picture(i)
    views = [shown(rgb, f"Picture {image}", "Picture")]
    if fixations is not None and (own := fixations[fixations["image"] == image].dropna(subset=["x_picture"])).size:
        path = scanpath(
            rgb, own["x_picture"], own["y_picture"], own["duration_ms"], viewer=_viewers(own), numbers=_alone(own)
        )
        views.append(shown(path, f"Scanpaths over picture {image}", "Scanpaths"))
    amap = data.human_map(i)
    if np.isfinite(amap).all() and amap.any():
        views.append(shown(heatmap(rgb, amap), f"Heatmap of human attention over picture {image}", "Heatmap"))
    for name in conditions:
        if name != "original" and name in data.conditions:
            masked = apply_mask(rgb, data.mask(i, name))
            views.append(shown(masked, f"Picture {image}, {CONDITIONS.get(name, (name, name))[1]}", condition(name)))
    return Example(image, score, tuple(views))


def spread(values: pd.Series, count: int) -> list[str]:
    """The pictures at evenly spread ranks of a score, from the highest to the lowest."""
    order = values.sort_values(ascending=False, kind="stable").index
    at = np.unique(np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(int))
    return [str(order[k]) for k in at]


def _viewers(fixations: pd.DataFrame) -> list[object] | None:
    return fixations["participant"].tolist() if "participant" in fixations else None


def _alone(fixations: pd.DataFrame) -> bool:
    return "participant" not in fixations or fixations["participant"].nunique() <= 2
