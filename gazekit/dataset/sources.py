"""Ratings and pictures of other people's collections: AVA, Photo.net, DPChallenge, and plain tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.core.files import existing_file
from gazekit.core.tables import read_table
from gazekit.dataset.layout import Remarks
from gazekit.histograms import moments, read_histograms
from gazekit.pictures import Picture
from survey.errors import SurveyError

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
class Layout:
    """A public list of ratings: a row a picture, separated by white space."""

    columns: int
    first: int  # column of the count of score 1, from 0
    scale: int
    what: str


LAYOUTS = {
    "ava": Layout(15, 2, 10, "index, image, 10 counts, two tags, challenge"),
    "dpchallenge": Layout(14, 4, 10, "index, image, number of ratings, mean, 10 counts"),
    "photonet": Layout(12, 5, 7, "index, image, number of ratings, mean, deviation, 7 counts"),
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


def read_list(path: str | Path, layout: str) -> tuple[pd.DataFrame, pd.DataFrame, Remarks]:
    """Read a public list of counts: all its rows, the histogram table of the good ones, remarks on the others."""
    path, shape = existing_file(path, "list of ratings"), LAYOUTS[layout]
    try:
        rows = pd.read_csv(path, sep=r"\s+", header=None, dtype=str, names=range(shape.columns), on_bad_lines="error")
    except (ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"{path} is not a list of {shape.what}: {error}") from error
    counts = rows.iloc[:, shape.first : shape.first + shape.scale].apply(pd.to_numeric, errors="coerce").to_numpy(float)
    with np.errstate(invalid="ignore"):
        good = np.isfinite(counts).all(axis=1) & (counts >= 0).all(axis=1) & (counts == np.floor(counts)).all(axis=1)
    good &= rows[1].notna().to_numpy() & ~rows[1].duplicated().to_numpy()
    if not good.any():
        raise FormatError(f"{path}: no row has {shape.what}; the first is {' '.join(map(str, rows.iloc[0].dropna()))}")
    remarks = [
        (str(image), "no ratings", f"line {n + 1} of {path.name} has no counts that can be used")
        for n, image in zip(np.flatnonzero(~good), rows[1][~good], strict=True)
    ]
    return rows, histogram_table(rows[1][good].tolist(), counts[good].astype(np.int64)), remarks


def histogram_table(images: Sequence[str], counts: np.ndarray) -> pd.DataFrame:
    """Return a histogram table (see `gazekit.histograms`) of counts, (n, K)."""
    table = pd.DataFrame({"image": list(images), "n": counts.sum(axis=1)})
    for k in range(counts.shape[1]):
        table[f"c{k + 1}"] = counts[:, k]
    table["mean"], table["std"] = moments(counts)
    return table.assign(flags="")


def read_ratings(path: str | Path, scale: int | None = None, min_ratings: int = 10) -> pd.DataFrame:
    """Read a histogram table from a CSV of counts (image, c1 .. cK), proportions with a total, or ratings one by one.

    Ratings one by one have the columns rater, image, score; they need the scale. Proportions have the columns
    c1 .. cK and c_total (KonIQ): their product must be whole numbers.
    """
    path = existing_file(path, "table of ratings")
    header = read_table(path, [], "table of ratings").columns
    if {"rater", "score"} <= set(header):
        return _aggregated(path, scale, min_ratings)
    table = _from_proportions(path) if "c_total" in header else read_histograms(path)
    return table


def read_mapping(path: str | Path, value: str) -> dict[str, str]:
    """Read a CSV with the columns image and ``value`` as a mapping."""
    table = read_table(path, ["image", value], f"table of image and {value}")
    return dict(zip(table["image"].astype(str), table[value].astype(str), strict=True))


def read_scheme(path: str | Path) -> dict[str, list[str]]:
    """Read a fixed list: a CSV with the columns image and split, whose values are train, validation and test."""
    lists: dict[str, list[str]] = {}
    for image, part in read_mapping(path, "split").items():
        lists.setdefault(part, []).append(image)
    return lists


def _aggregated(path: Path, scale: int | None, min_ratings: int) -> pd.DataFrame:
    from survey.aggregation import aggregate
    from survey.table_io import read_ratings as read_single

    if scale is None:
        raise ConfigError(
            f"{path} holds ratings one by one: say how many scores the scale has "
            "(--scale 10, or scale = 10 in the study file)"
        )
    try:
        return aggregate(read_single(path), scale=scale, min_ratings=min_ratings)
    except SurveyError as error:
        raise InputError(str(error)) from error


def _from_proportions(path: Path) -> pd.DataFrame:
    table = read_table(path, ["c_total"], "table of proportions")
    name = "image" if "image" in table.columns else "image_name"
    if name not in table.columns:
        raise FormatError(f"{path}: no column image (or image_name); it has {', '.join(map(str, table.columns))}")
    columns = sorted((c for c in map(str, table.columns) if re.fullmatch(r"c\d+", c)), key=lambda c: int(c[1:]))
    counts = table[columns].to_numpy(np.float64) * table[["c_total"]].to_numpy(np.float64)
    whole = np.rint(counts)
    if not np.isfinite(counts).all() or np.abs(counts - whole).max() > 0.01:
        raise FormatError(f"{path}: proportions times c_total must be whole numbers of ratings")
    return histogram_table(table[name].astype(str).tolist(), whole.astype(np.int64))


def _files(images: pd.Series, folder: Path) -> list[Picture]:
    if not folder.is_dir():
        raise InputError(f"no such folder of pictures: {folder}")
    there = {file.stem: file for file in sorted(folder.iterdir())}
    if not any(image in there for image in images):
        raise InputError(f"none of the {len(images)} rated pictures is in {folder}")
    return [Picture(image, there.get(image, folder / f"{image}.jpg")) for image in images]


def _read_ids(path: Path) -> list[str]:
    return path.read_text().split() if path.is_file() else []


def _by_tags(rows: pd.DataFrame, path: Path) -> dict[str, list[str]]:
    if not path.is_file():
        return {}
    numbers = {
        name.strip(): number for number, _, name in (line.partition(" ") for line in path.read_text().splitlines())
    }
    members = {}
    for category, tag in CATEGORIES.items():
        number = numbers.get(tag)
        if number is not None:
            members[category] = rows[1][(rows[12] == number) | (rows[13] == number)].tolist()
    return members
