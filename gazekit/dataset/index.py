"""The small columns of a dataset, as they come from its file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gazekit.core.long_texts import text_of
from gazekit.dataset.layout import ATTENTION, fitted, kept_outside, name_of, read_text
from gazekit.shapes.mask_spec import Kind
from gazekit.shapes.packed import Rectangles
from gazekit.shapes.rectangles import Boxes


@dataclass(frozen=True)
class Tables:
    """The small columns, read once a process."""

    ids: list[str]
    notes: list[str]
    image: dict[str, npt.NDArray[Any]]
    rating: dict[str, npt.NDArray[Any]]
    split: dict[str, npt.NDArray[np.uint8]]
    masks: Kind
    mask: dict[str, Rectangles | None]  # None: regions, which are read when they are needed
    people: Boxes | None  # people's rectangles, where masks of their area are to have as many pixels at every size
    outside: tuple[str, ...]  # conditions that keep what lies outside of their masks
    first: npt.NDArray[np.int64]
    shards: list[Path]


def shard_files(file: h5py.File, path: Path) -> list[tuple[Path, str]]:
    """Return the shards of an index, and the digest that each must have; none for a dataset in one file."""
    if "shard" not in file:
        return []
    folder = path.with_name(f"{path.name}.shards")
    digests = [digest.decode() for digest in file["shard/sha256"][()]]
    return [(folder / name, digest) for name, digest in zip(read_text(file["shard/name"]), digests, strict=True)]


def read_tables(file: h5py.File, path: Path) -> Tables:
    """Read the small columns of an opened dataset file."""
    image = {name: file[f"image/{name}"][()] for name in ("sha256", "width", "height", "phash", "group")}
    image |= {name: file[f"attention/{name}"][()] for name in ATTENTION if name in file["attention"]}
    if "sigma_px" not in image:
        image["sigma_px"] = _sigma_of_the_first(file, np.maximum(image["height"], image["width"]))
    outside, people = kept_outside(file["mask"]), image["rectangle"] if fitted(file["mask"]) else None
    conditions = [name for name in json.loads(text_of(file, "conditions")) if name != "original"]
    return Tables(
        ids=read_text(file["image/id"]),
        notes=read_text(file["image/notes"]),
        image=image,
        rating={name: file[f"rating/{name}"][()] for name in ("counts", "n", "mean", "std")},
        split={
            name_of(name): file[f"split/{name}"][()]
            for name in sorted(file["split"], key=lambda n: (n != "default", n))
        },
        masks=file["mask"].attrs.get("kind", "rectangle"),  # the first datasets had no other
        mask={name: _rectangles(file, name, people, name in outside) for name in conditions},
        people=people,
        outside=outside,
        first=file["shard/first"][()] if "shard" in file else np.zeros(1, dtype=np.int64),
        shards=[shard for shard, _ in shard_files(file, path)],
    )


def _sigma_of_the_first(file: h5py.File, longest: npt.NDArray[np.int32]) -> npt.NDArray[np.float32]:
    """Return sigma of the first datasets. They kept it only if given; else it is 24 pixels of 800, as in OSIE."""
    sigma_px = json.loads(text_of(file, "provenance"))["parameters"].get("sigma_px")
    sigma: npt.NDArray[np.float32] = np.where(sigma_px is None, longest / 32, sigma_px or 0.0).astype(np.float32)
    return sigma


def _rectangles(file: h5py.File, condition: str, people: Boxes | None, outside: bool) -> Rectangles | None:
    column = file[f"mask/{condition}"]
    return None if column.dtype == np.uint8 else Rectangles(column[()], outside, people)
