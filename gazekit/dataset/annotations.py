"""Ratings, splits and controls of a dataset, from its tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.conditions.controls import condition_boxes
from gazekit.conditions.regions import write_regions
from gazekit.core.files import provenance
from gazekit.dataset.assemble import Remarks, Small
from gazekit.dataset.duplicates import components, near_pairs
from gazekit.dataset.layout import SCHEMA, write_columns, write_remarks
from gazekit.dataset.partitions import partition
from gazekit.dataset.splits import fixed, folds, split
from gazekit.histograms import moments
from gazekit.shapes.mask_spec import Kind


@dataclass(frozen=True)
class Plan:
    """Ratings, splits and controls: what a dataset holds beside its parts; see `build_dataset`."""

    columns: list[str]
    histograms: pd.DataFrame
    participants: list[str]
    conditions: tuple[str, ...]
    masks: Kind
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

    def attributes(self) -> dict[str, Any]:
        """Attributes of the file; parameters, and SHA-256 of the tables (a picture's own is in ``/image/sha256``)."""
        left_out = {"histograms", "participants", "remarks", "parameters", "inputs", "schemes", "groups", "columns"} | {
            "categories",
            "masks",
        }
        chosen = {name: value for name, value in vars(self).items() if name not in left_out}
        record = provenance(SCHEMA, self.parameters | chosen | {"schemes": sorted(self.schemes)})
        return {
            "scale": len(self.columns),
            "conditions": json.dumps(self.conditions),
            "participants": json.dumps(self.participants),
            "provenance": json.dumps(record | {"inputs": self.inputs}, sort_keys=True),
        }

    def write(self, file: h5py.File, small: Small) -> None:
        """Ratings, splits, masks of every condition, and remarks."""
        write_tables(file, small, self)


def write_tables(file: h5py.File, small: Small, plan: Plan) -> None:
    """Ratings, splits, masks of every condition, and remarks."""
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
    _write_masks(file.create_group("mask"), small, plan, group)
    twins = [(small.ids[b], "near-duplicate", f"looks almost as {small.ids[a]}") for a, b in pairs]
    few = [(small.ids[i], word, text) for i, words in enumerate(marks) for word, text in words]
    write_remarks(file, [*plan.remarks, *small.remarks, *few, *twins])


def _write_masks(masks: h5py.Group, small: Small, plan: Plan, group: npt.NDArray[np.int64]) -> None:
    masks.attrs["kind"] = plan.masks
    conditions = [name for name in plan.conditions if name != "original"]
    if plan.masks == "region" and conditions:
        write_regions(masks, conditions, small, group, plan.seed)
        return
    sizes = np.stack([small.columns["height"], small.columns["width"]], axis=1)
    for condition in conditions:
        boxes = condition_boxes(condition, small.columns["rectangle"], sizes, small.ids, group, plan.seed)
        masks.create_dataset(condition, data=boxes, dtype=np.int32)


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
