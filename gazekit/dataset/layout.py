"""The dataset file's names, and small tables in HDF5."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import numpy.typing as npt

from gazekit.shapes.rectangles import Boxes

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = "gazekit.dataset/1"
PART = "gazekit.dataset.shard/3"
SPLITS = ("train", "validation", "test")  # coded 1, 2, 3; 0 is none of them
ATTENTION = ("shape", "rectangle", "viewers", "sigma_px")  # small columns of what people looked at
REMARKS = ("image", "remark", "text")
Remarks = list[tuple[str, str, str]]  # rows of those
OUTSIDE = ("human-removed",)  # kept outside of its mask; the first datasets do not say it


def write_columns(group: h5py.Group, /, **columns: npt.NDArray[Any] | Sequence[str]) -> None:
    """Write columns of one length; sequences of text become UTF-8 strings."""
    for name, values in columns.items():
        if isinstance(values, np.ndarray):
            group.create_dataset(stored_name(name), data=values, dtype=values.dtype)
        else:
            group.create_dataset(stored_name(name), data=list(values), dtype=h5py.string_dtype())


def stored_name(name: str) -> str:
    """Return the name of a category or split as HDF5 takes it: a slash would be a folder, a point the folder itself.

    Examples
    --------
    >>> stored_name("indoor/outdoor"), name_of(stored_name("indoor/outdoor"))
    ('indoor%2Foutdoor', 'indoor/outdoor')
    """
    if "/" not in name and "%2" not in name and name.strip("."):
        return name
    return name.replace("%", "%25").replace("/", "%2F").replace(".", "%2E")


def name_of(stored: str) -> str:
    """Return the name that was stored."""
    return stored.replace("%2F", "/").replace("%2E", ".").replace("%25", "%") if "%2" in stored else stored


def joined_boxes(boxes: Sequence[Boxes]) -> Boxes:
    """Join rectangles of several sets: as many a picture as in the set that has most; unused ones are zero."""
    most = max(part.shape[1] for part in boxes)
    return np.concatenate([np.pad(part, ((0, 0), (0, most - part.shape[1]), (0, 0))) for part in boxes])


def row_column(
    group: h5py.Group,
    name: str,
    shape: tuple[int, ...],
    kind: npt.DTypeLike,
    *,
    packed: bool = True,
    shuffle: bool = False,
    longest: bool = False,
) -> h5py.Dataset:
    """Make room for a column of which a row is read at a time: a chunk a row.

    ``packed`` by gzip: LZF is faster, but its output depends on what was in memory before. ``longest`` says that the
    column may be cut later.
    """
    how = {"compression": "gzip", "compression_opts": 1, "shuffle": shuffle} if packed else {}
    return group.create_dataset(
        name, shape, dtype=kind, chunks=(1, *shape[1:]), maxshape=shape if longest else None, **how
    )


def region_column(masks: h5py.Group, name: str, count: int, side: int) -> h5py.Dataset:
    """Make room for the regions of a condition, (N, side, ceil(side / 8))."""
    return row_column(masks, name, (count, side, -(-side // 8)), np.uint8)


def write_outside(masks: h5py.Group, names: Sequence[str]) -> None:
    """Say which conditions keep what lies outside of their masks, where the first datasets would not have had them."""
    if set(names) - set(OUTSIDE):
        masks.attrs["outside"] = list(names)


def fitted(masks: h5py.Group) -> bool:
    """Say whether masks of one area are to have as many pixels at every size, as in datasets since 0.2."""
    return bool(masks.attrs.get("fitted", False))


def kept_outside(masks: h5py.Group) -> tuple[str, ...]:
    """List the conditions of a dataset that keep what lies outside of their masks."""
    return tuple(map(str, masks.attrs.get("outside", OUTSIDE)))


def read_text(dataset: h5py.Dataset) -> list[str]:
    """Read a column of text."""
    return [value.decode() for value in dataset[()]]


def write_remarks(file: h5py.File, remarks: Iterable[tuple[str, str, str]]) -> None:
    """Write what is to be said of single pictures: (image, remark, text), in the order given."""
    rows = list(remarks)
    write_columns(file.create_group("remark"), **{name: [row[i] for row in rows] for i, name in enumerate(REMARKS)})


def read_remarks(file: h5py.File) -> pd.DataFrame:
    """Read what was said of single pictures; columns image, remark, text."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(read_text(file[f"remark/{name}"]), dtype=object) for name in REMARKS})
