"""Joining the parts of a dataset: ratings, splits and controls, in one file or as an index over shards."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.dataset.controls import condition_boxes
from gazekit.dataset.duplicates import components, near_pairs
from gazekit.dataset.layout import SCHEMA, read_remarks, read_text, write_columns, write_remarks
from gazekit.dataset.partitions import partition
from gazekit.dataset.parts import check_part
from gazekit.dataset.seal import check_seal, read_seal, sealed_file
from gazekit.dataset.splits import fixed, folds, split
from gazekit.files import provenance
from gazekit.histograms import moments

Remarks = list[tuple[str, str, str]]
_COPY = 1 << 23  # bytes at a time


@dataclass(frozen=True)
class Plan:
    """What the joined dataset holds beside its parts; see `build_dataset`."""

    columns: list[str]
    histograms: pd.DataFrame
    participants: list[str]
    conditions: tuple[str, ...]
    shares: tuple[float, ...]
    folds: int
    schemes: dict[str, dict[str, list[str]]]
    partitions: tuple[str, ...]
    categories: dict[str, list[str]]
    groups: dict[str, str]
    near_duplicates: int | None
    seed: int
    min_ratings: int
    min_viewers: int
    include_marked: bool
    remarks: Remarks
    sharded: bool
    parameters: dict[str, Any]
    inputs: dict[str, str]

    def provenance(self) -> str:
        """As JSON: parameters, and SHA-256 of the tables (each picture's own stands in ``/image/sha256``)."""
        left_out = {"histograms", "participants", "remarks", "parameters", "inputs", "schemes", "groups", "columns"} | {
            "categories"
        }
        chosen = {name: value for name, value in vars(self).items() if name not in left_out}
        record = provenance(SCHEMA, self.parameters | chosen | {"schemes": sorted(self.schemes)})
        return json.dumps(record | {"inputs": self.inputs}, sort_keys=True)


@dataclass(frozen=True)
class Small:
    """The small columns of all parts together."""

    ids: list[str]
    notes: list[str]
    columns: dict[str, npt.NDArray[Any]]  # sha256 width height phash shape rectangle viewers
    bytes: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]  # the first picture of each part, and the number of pictures
    remarks: Remarks


_IMAGE = ("sha256", "width", "height", "phash")
_ATTENTION = ("shape", "rectangle", "viewers")


def publish(parts: Sequence[Path], plan: Plan, out: Path) -> Path:
    """Write the dataset from its parts, and remove the work folder."""
    small = read_small(parts)
    shards = _place_shards(parts, out) if plan.sharded else []
    with sealed_file(out, check=_check_index if plan.sharded else check_part) as file:
        file.attrs.update({"schema": SCHEMA, "scale": len(plan.columns), "provenance": plan.provenance()})
        file.attrs["conditions"] = json.dumps(plan.conditions)
        file.attrs["participants"] = json.dumps(plan.participants)
        _write_images(file, small)
        if plan.sharded:
            digests = np.array([read_seal(part) for part in parts], dtype="S64")
            write_columns(file.create_group("shard"), name=shards, sha256=digests, first=small.first)
        else:
            _copy_large(file, parts, small)
        write_tables(file, small, plan)
    if plan.sharded:
        _remove_other_shards(out, shards)
    shutil.rmtree(parts[0].parent, ignore_errors=True)
    return out


def _check_index(path: Path) -> None:
    check_seal(path)


def read_small(parts: Sequence[Path]) -> Small:
    """The small columns of parts, one after the other."""
    ids: list[str] = []
    notes: list[str] = []
    remarks: Remarks = []
    gathered: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in (*_IMAGE, *_ATTENTION, "bytes")}
    first = [0]
    for part in parts:
        with h5py.File(part, "r") as file:
            ids += read_text(file["image/id"])
            notes += read_text(file["image/notes"])
            remarks += [tuple(row) for row in read_remarks(file).itertuples(index=False, name=None)]
            for name in _IMAGE:
                gathered[name].append(file[f"image/{name}"][()])
            for name in _ATTENTION:
                gathered[name].append(file[f"attention/{name}"][()])
            gathered["bytes"].append(np.diff(file["image/offset"][()]))
        first.append(len(ids))
    columns = {name: np.concatenate(arrays) for name, arrays in gathered.items()}
    return Small(ids, notes, columns, columns.pop("bytes"), np.array(first, dtype=np.int64), remarks)


def write_tables(file: h5py.File, small: Small, plan: Plan) -> None:
    """Ratings, splits, rectangles of every condition, and remarks."""
    counts = _counts(small.ids, plan)
    n = counts.sum(axis=1)
    mean, std = moments(counts)
    pairs = [] if plan.near_duplicates is None else near_pairs(small.columns["phash"], plan.near_duplicates)
    group = components(small.ids, plan.groups, pairs)
    flags, marks = _flags(small, n, plan)
    write_columns(file.create_group("rating"), counts=counts, n=n, mean=mean, std=std, flags=flags)
    usable = (n > 0) & np.array([not words for words in marks])
    if plan.include_marked:
        usable = (n > 0) & ((small.columns["viewers"] > 0) | (plan.min_viewers == 0))
    schemes = {"default": split(mean, group, usable, plan.shares, plan.seed)}
    schemes |= folds(mean, group, usable, plan.folds, plan.seed) if plan.folds else {}
    schemes |= {name: partition(name, mean, group, usable, plan.seed) for name in plan.partitions}
    schemes |= {
        name: fixed(name, lists, small.ids, mean, group, usable, plan.seed) for name, lists in plan.schemes.items()
    }
    write_columns(file.create_group("split"), **schemes)
    members = {name: np.isin(small.ids, list(ids)) for name, ids in sorted(plan.categories.items())}
    write_columns(file.create_group("category"), **members)
    file.create_dataset("image/group", data=group, dtype=np.int64)
    sizes = np.stack([small.columns["height"], small.columns["width"]], axis=1)
    masks = file.create_group("mask")
    for condition in plan.conditions:
        if condition != "original":
            boxes = condition_boxes(condition, small.columns["rectangle"], sizes, small.ids, group, plan.seed)
            masks.create_dataset(condition, data=boxes, dtype=np.int32)
    twins = [(small.ids[b], "near-duplicate", f"looks almost as {small.ids[a]}") for a, b in pairs]
    few = [(small.ids[i], word, text) for i, words in enumerate(marks) for word, text in words]
    write_remarks(file, [*plan.remarks, *small.remarks, *few, *twins])


def _counts(ids: Sequence[str], plan: Plan) -> npt.NDArray[np.int64]:
    table = plan.histograms.set_index(plan.histograms["image"].astype(str))[plan.columns]
    return np.asarray(table.reindex(list(ids), fill_value=0).to_numpy(np.int64))


def _flags(small: Small, n: npt.NDArray[np.int64], plan: Plan) -> tuple[list[str], list[list[tuple[str, str]]]]:
    """The ratings' own flags, and for each picture why it is marked."""
    given: dict[str, str] = {}
    if "flags" in plan.histograms:
        given = dict(
            zip(plan.histograms["image"].astype(str), plan.histograms["flags"].fillna("").astype(str), strict=True)
        )
    marks: list[list[tuple[str, str]]] = []
    for ratings, viewers in zip(n.tolist(), small.columns["viewers"].tolist(), strict=True):
        words = []
        if ratings < plan.min_ratings or ratings == 0:
            words.append(("few ratings", f"{ratings} ratings; {plan.min_ratings} were asked for"))
        if viewers < plan.min_viewers:
            words.append(("few viewers", f"{viewers} viewers; {plan.min_viewers} were asked for"))
        marks.append(words)
    return [given.get(image, "") for image in small.ids], marks


def _write_images(file: h5py.File, small: Small) -> None:
    write_columns(
        file.create_group("image"), id=small.ids, notes=small.notes, **{name: small.columns[name] for name in _IMAGE}
    )
    write_columns(file.create_group("attention"), **{name: small.columns[name] for name in _ATTENTION})


def _copy_large(file: h5py.File, parts: Sequence[Path], small: Small) -> None:
    """Bytes, pixels, maps and fixations of the parts, piece by piece, into one file."""
    offset = np.concatenate([[0], np.cumsum(small.bytes)]).astype(np.int64)
    encoded = file.create_dataset("image/encoded", (int(offset[-1]),), dtype=np.uint8)
    file.create_dataset("image/offset", data=offset, dtype=np.int64)
    ends = [np.zeros(1, dtype=np.int64)]
    for n, part in enumerate(parts):
        rows = slice(int(small.first[n]), int(small.first[n + 1]))
        with h5py.File(part, "r") as source:
            start, size = int(offset[rows.start]), int(offset[rows.stop] - offset[rows.start])
            for at in range(0, size, _COPY):
                end = min(at + _COPY, size)
                encoded[start + at : start + end] = source["image/encoded"][at:end]
            for name in _large(source):
                _copy_rows(file, source[name], name, rows, len(small.ids))
            ends.append(source["fixation/offset"][1:] + ends[-1][-1])
            for name in ("x", "y", "duration_ms", "viewer"):
                _append(file, f"fixation/{name}", source[f"fixation/{name}"][()])
    file.create_dataset("fixation/offset", data=np.concatenate(ends), dtype=np.int64)


def _large(source: h5py.File) -> list[str]:
    return [f"pixels/{size}" for size in source.get("pixels", ())] + (
        ["attention/map"] if "map" in source["attention"] else []
    )


def _copy_rows(file: h5py.File, source: h5py.Dataset, name: str, rows: slice, total: int) -> None:
    if name not in file:
        file.create_dataset(
            name,
            (total, *source.shape[1:]),
            dtype=source.dtype,
            chunks=(1, *source.shape[1:]),
            compression=source.compression,
            shuffle=source.shuffle,
        )
    for n in range(len(source)):
        file[name][rows.start + n] = source[n]


def _append(file: h5py.File, name: str, values: npt.NDArray[Any]) -> None:
    if name not in file:
        file.create_dataset(name, (0,), dtype=values.dtype, maxshape=(None,), chunks=(1 << 14,))
    column = file[name]
    column.resize(len(column) + len(values), axis=0)
    if len(values):
        column[-len(values) :] = values


def shard_folder(out: Path) -> Path:
    """Where the shards of an index lie: a folder beside it."""
    return out.with_name(f"{out.name}.shards")


def _place_shards(parts: Sequence[Path], out: Path) -> list[str]:
    """Copies of the parts (links where the disk can) under names made of their content."""
    folder = shard_folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for n, part in enumerate(parts):
        name = f"{n:05d}-{read_seal(part)[:16]}.h5"
        if not (folder / name).exists():
            try:
                os.link(part, folder / name)
            except OSError:
                temporary = folder / f".{name}.part"
                shutil.copyfile(part, temporary)
                os.replace(temporary, folder / name)
        names.append(name)
    return names


def _remove_other_shards(out: Path, names: Sequence[str]) -> None:
    for stale in set(shard_folder(out).iterdir()) - {shard_folder(out) / name for name in names}:
        stale.unlink()
