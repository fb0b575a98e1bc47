"""Ratings, splits and controls of a dataset, from its tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import pandas as pd

from gazekit.conditions import Source, condition
from gazekit.core.counting import counted
from gazekit.core.files import provenance
from gazekit.core.types import Bools, Floats, Index
from gazekit.dataset.assemble import Small
from gazekit.dataset.detail_match import Details
from gazekit.dataset.duplicates import components, near_pairs
from gazekit.dataset.layout import SCHEMA, Remarks, write_columns, write_remarks
from gazekit.dataset.mask_writing import without_mask, write_masks
from gazekit.dataset.partitions import partition
from gazekit.dataset.spec import DatasetSpec
from gazekit.dataset.splits import Codes, checked_shares, fixed, folds, split
from gazekit.histograms import count_columns, moments
from gazekit.session.excluding import RECORD

NO_MASK = "no mask"  # the remark on a picture that lacks one in a condition


@dataclass(frozen=True)
class Annotations:
    """What a dataset holds beside its pictures and maps: ratings, splits, masks of every condition."""

    spec: DatasetSpec
    ratings: pd.DataFrame
    conditions: tuple[str, ...]
    participants: list[str]
    looked_at: bool  # there are fixations
    sharded: bool
    remarks: Remarks
    inputs: dict[str, str]  # SHA-256 of the tables; a picture's own is in ``/image/sha256``

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the file."""
        spec = self.spec
        parameters = spec.rule().parameters() | {
            "cache": spec.cache,
            "conditions": self.conditions,
            "folds": spec.folds,
            "include_marked": spec.include_marked,
            **({"map": spec.map} if spec.map != "gaussian" else {}),
            "map_size": spec.map_size if self.looked_at else 0,
            **({"match": spec.match} if spec.match != "area" else {}),
            "min_ratings": spec.min_ratings,
            "min_viewers": self.min_viewers,
            "near_duplicates": spec.near_duplicates,
            "partitions": spec.partitions,
            "schemes": sorted(spec.schemes),
            "seed": spec.seed,
            "sharded": self.sharded,
            "shares": checked_shares(spec.split).tolist(),
            "sigma_deg": spec.sigma_deg,
            "sigma_px": spec.sigma_px,
            "weight": spec.weight,
            **({RECORD: spec.excluded} if spec.excluded else {}),
        }
        return {
            "scale": len(count_columns(self.ratings)),
            "conditions": json.dumps(self.conditions),
            "participants": json.dumps(self.participants),
            "provenance": json.dumps(provenance(SCHEMA, parameters) | {"inputs": self.inputs}, sort_keys=True),
        }

    @property
    def min_viewers(self) -> int:
        """How many viewers a picture needs to be in a split."""
        return self.spec.min_viewers if self.looked_at else 0

    def write(self, file: h5py.File, small: Small) -> None:
        """Write ratings, splits, masks of every condition, and remarks."""
        counts = self._counts(small.ids)
        n = counts.sum(axis=1)
        mean, std = moments(counts)
        spec = self.spec
        pairs = [] if spec.near_duplicates is None else near_pairs(small.columns["phash"], spec.near_duplicates)
        group = components(small.ids, spec.groups, pairs)
        marks = self._marks(n, small)
        flags = self._flags(small.ids)
        write_columns(file.create_group("rating"), counts=counts, n=n, mean=mean, std=std, flags=flags)
        usable = (n > 0) & np.array([not reasons for reasons in marks])
        if spec.include_marked:
            lacking = np.array([any(word == NO_MASK for word, _ in reasons) for reasons in marks])
            usable = (n > 0) & ~lacking & ((small.columns["viewers"] > 0) | (self.min_viewers == 0))
        write_columns(file.create_group("split"), **_schemes(spec, small.ids, mean, group, usable))
        members = {name: np.isin(small.ids, list(ids)) for name, ids in sorted(spec.categories.items())}
        write_columns(file.create_group("category"), **members)
        file.create_dataset("image/group", data=group, dtype=np.int64)
        details = Details(small) if spec.match == "detail" else None
        write_masks(file.create_group("mask"), spec.mask, self.conditions, small, group, spec.seed, details)
        twins = [(small.ids[b], "near-duplicate", f"looks almost as {small.ids[a]}") for a, b in pairs]
        few = [(small.ids[i], word, text) for i, reasons in enumerate(marks) for word, text in reasons]
        write_remarks(file, [*self.remarks, *small.remarks, *few, *twins])

    def _counts(self, ids: Sequence[str]) -> Index:
        table = self.ratings.set_index(self.ratings["image"].astype(str))[count_columns(self.ratings)]
        return np.asarray(table.reindex(list(ids), fill_value=0).to_numpy(np.int64))

    def _flags(self, ids: Sequence[str]) -> list[str]:
        """Return the flags of the ratings themselves."""
        if "flags" not in self.ratings:
            return [""] * len(ids)
        flags = self.ratings["flags"].fillna("").astype(str)
        by_image = dict(zip(self.ratings["image"].astype(str), flags, strict=True))
        return [by_image.get(image, "") for image in ids]

    def _marks(self, ratings: Index, small: Small) -> list[list[tuple[str, str]]]:
        """Return for each picture why it is marked: (remark, text)."""
        marks = []
        for rated, looked in zip(ratings.tolist(), small.columns["viewers"].tolist(), strict=True):
            reasons = []
            if rated < self.spec.min_ratings or rated == 0:
                reasons.append(("few ratings", f"{counted(rated, 'rating')}; {self.spec.min_ratings} were asked for"))
            if looked < self.min_viewers:
                reasons.append(("few viewers", f"{counted(looked, 'viewer')}; {self.min_viewers} were asked for"))
            marks.append(reasons)
        for name, rows in without_mask(self.conditions, small).items():
            for i in rows.tolist():
                if small.columns["viewers"][i] or not self.looked_at or condition(name).source is Source.PREDICTED:
                    marks[i].append((NO_MASK, f"nothing to make the mask of {name} of"))
        return marks


def _schemes(spec: DatasetSpec, ids: Sequence[str], mean: Floats, group: Index, usable: Bools) -> dict[str, Codes]:
    """Draw every split scheme that the spec asks for, the default first."""
    schemes = {"default": split(mean, group, usable, spec.split, spec.seed)}
    schemes |= folds(mean, group, usable, spec.folds, spec.seed) if spec.folds else {}
    schemes |= {name: partition(name, mean, group, usable, spec.seed) for name in spec.partitions}
    return schemes | {
        name: fixed(name, lists, ids, mean, group, usable, spec.seed) for name, lists in spec.schemes.items()
    }
