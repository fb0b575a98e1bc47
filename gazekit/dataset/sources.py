"""Other people's collections, AVA and Photo.net, and lists of groups, categories and splits."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.tables import read_table
from gazekit.dataset.layout import Remarks
from gazekit.dataset.rating_formats import read_list
from gazekit.pictures import Picture

CATEGORIES = {  # Zhang et al. (2019): name of AVA's list -> AVA's tag
    "animal": "Animals",
    "architecture": "Architecture",
    "cityscape": "Cityscape",
    "floral": "Floral",
    "fooddrink": "Food and Drink",
    "landscape": "Landscape",
    "portrait": "Portraiture",
    "stilllife": "Still Life",
}


@dataclass(frozen=True)
class Collection:
    """What `build_dataset` needs of a collection."""

    pictures: list[Picture]
    histograms: pd.DataFrame
    schemes: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    categories: dict[str, list[str]] = field(default_factory=dict)
    remarks: Remarks = field(default_factory=list)
    partitions: tuple[str, ...] = ()


def read_ava(folder: str | Path, pictures: str | Path) -> Collection:
    """Read AVA: ``AVA.txt`` and, where they are there, ``tags.txt`` and ``aesthetics_image_lists`` in one folder.

    Gives the partitions AVA1 and AVA2, the standard partition (``ava``: the published test list, the rest is for
    training and validation), and the eight categories (by the published lists, else by tags).
    """
    folder = Path(folder)
    rows, histograms, remarks = read_list(folder / "AVA.txt", "ava")
    known = set(histograms["image"])
    lists = folder / "aesthetics_image_lists"
    test = _read_ids(lists / "generic_test.jpgl")
    by_list = {
        name: [i for part in ("train", "test") for i in _read_ids(lists / f"{name}_{part}.jpgl")] for name in CATEGORIES
    }
    return Collection(
        pictures=_files(histograms["image"], Path(pictures)),
        histograms=histograms,
        schemes={"ava": {"test": [image for image in test if image in known]}} if test else {},
        categories=by_list if any(by_list.values()) else _by_tags(rows, folder / "tags.txt"),
        remarks=remarks,
        partitions=("ava1", "ava2"),
    )


def read_photonet(table: str | Path, pictures: str | Path) -> Collection:
    """Read Photo.net's list of counts 1..7; pictures without a distribution (counts of -1) are named and left out."""
    _, histograms, remarks = read_list(table, "photonet")
    return Collection(
        pictures=_files(histograms["image"], Path(pictures)),
        histograms=histograms,
        remarks=remarks,
        partitions=("photonet",),
    )


def read_mapping(path: str | Path, value: str) -> dict[str, str]:
    """Read a CSV with the columns image and ``value`` as a mapping; a picture has one value."""
    pairs = read_pairs(path, value)
    mapping = dict(pairs)
    twice = sorted({image for image, found in pairs if mapping[image] != found})
    if twice:
        raise InputError(f"{path}: a picture has one {value}; with several stand {', '.join(twice[:10])}")
    return mapping


def read_pairs(path: str | Path, value: str) -> list[tuple[str, str]]:
    """Read a CSV with the columns image and ``value`` as pairs; rows that lack one are told and left out."""
    table = read_table(path, ["image", value], f"table of image and {value}")[["image", value]]
    empty = table.isna().any(axis=1)
    if empty.any():
        print(f"{path}: {counted(int(empty.sum()), 'row has', 'rows have')} no {value}, left out", file=sys.stderr)
    return [(str(image), str(found)) for image, found in table[~empty].drop_duplicates().to_numpy()]


def read_scheme(path: str | Path) -> dict[str, list[str]]:
    """Read a fixed list: a CSV with the columns image and split, whose values are train, validation and test."""
    lists: dict[str, list[str]] = {}
    for image, part in read_mapping(path, "split").items():
        lists.setdefault(part, []).append(image)
    return lists


def _files(images: pd.Series, folder: Path) -> list[Picture]:
    if not folder.is_dir():
        raise InputError(f"no such folder of pictures: {folder}")
    there = {file.stem: file for file in sorted(folder.iterdir())}
    if not any(image in there for image in images):
        raise InputError(f"none of the {len(images)} rated pictures is in {folder}")
    return [Picture(image, there.get(image, folder / f"{image}.jpg")) for image in images]


def _read_ids(path: Path) -> list[str]:
    return path.read_text("utf-8").split() if path.is_file() else []


def _by_tags(rows: list[list[str]], path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        return {}
    numbers = {
        name.strip(): number
        for number, _, name in (line.partition(" ") for line in path.read_text("utf-8").splitlines())
    }
    members = {}
    for category, tag in CATEGORIES.items():
        number = numbers.get(tag)
        if number is not None:
            members[category] = [fields[1] for fields in rows if number in fields[12:14]]
    return members
