"""Datasets out of datasets: some of the pictures of one, or all of several."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gazekit.conditions import conditions as known_conditions
from gazekit.core.checksum import sealed_file
from gazekit.core.errors import ConfigError, InputError
from gazekit.core.files import provenance
from gazekit.core.progress import track
from gazekit.core.types import Index
from gazekit.dataset.assemble import Small, publish
from gazekit.dataset.build import ONE_FILE, SHARD
from gazekit.dataset.digests import check_pictures, digest_of_row, write_row_digests
from gazekit.dataset.duplicates import DISTANCE, components, near_pairs
from gazekit.dataset.layout import (
    ATTENTION,
    PART,
    REMARKS,
    SCHEMA,
    joined_boxes,
    region_column,
    row_column,
    write_columns,
    write_outside,
    write_remarks,
)
from gazekit.dataset.reader import Dataset
from gazekit.dataset.registered import refuse_registered
from gazekit.dataset.shard_jobs import checked_target, work_folder
from gazekit.dataset.shards import write_fixations
from gazekit.dataset.splits import split
from gazekit.shapes.mask_spec import Kind
from gazekit.shapes.packed import Rectangles

Table = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _Source:
    dataset: Dataset
    rows: Index


def subset(dataset: Dataset, indices: npt.ArrayLike, out: str | Path, *, shard: int | None = None) -> Path:
    """Write a dataset of some pictures of another: their bytes, masks, ratings and places in every split as they were.

    Raises
    ------
    InputError
        No picture chosen, a number that is out of range.
    """
    refuse_registered(dataset, "a part of it")
    rows = np.unique(np.asarray(indices, dtype=np.int64))
    if not len(rows) or rows[0] < 0 or rows[-1] >= len(dataset):
        raise InputError(f"choose 1 to {len(dataset)} pictures, numbered 0 to {len(dataset) - 1}; found {len(rows)}")
    source = _Source(dataset, rows)
    schemes = {name: dataset.codes(name)[rows] for name in dataset.schemes}

    def tables(file: h5py.File, small: Small) -> None:
        _write_tables(file, [source], schemes, dataset.groups[rows])

    parameters = {"subset_of": dataset.sha256, "pictures": len(rows)}
    return _compose([source], Path(out), tables, parameters, shard)


def merge(
    datasets: Sequence[Dataset],
    out: str | Path,
    *,
    split_shares: Sequence[float] = (0.8, 0.1, 0.1),
    near_duplicates: int | None = DISTANCE,
    seed: int = 0,
    shard: int | None = None,
) -> Path:
    """Write one dataset of several: bytes, masks and ratings as they were; the default split is drawn anew.

    It is drawn over all together, so that near-duplicates in two of them do not come to lie on both sides. Conditions
    and other split schemes are kept where all have them; categories always.

    Raises
    ------
    InputError
        Fewer than two, scales that differ, a picture id in two of them, maps on different grids, masks of different
        kinds.
    """
    if len(datasets) < 2:
        raise InputError(f"merging needs two datasets or more; found {len(datasets)}")
    _check_compatible(datasets)
    sources = [_Source(dataset, np.arange(len(dataset))) for dataset in datasets]
    shared = [n for n in datasets[0].schemes if all(n in d.schemes for d in datasets) and n != "default"]

    def tables(file: h5py.File, small: Small) -> None:
        group = _joined_groups(datasets, small, near_duplicates)
        usable = np.concatenate([d.codes("default") > 0 for d in datasets])
        mean = np.concatenate([d.mean for d in datasets])
        schemes = {"default": split(mean, group, usable, split_shares, seed)}
        schemes |= {name: np.concatenate([d.codes(name) for d in datasets]) for name in shared}
        _write_tables(file, sources, schemes, group)

    parameters = {"merged_from": [dataset.sha256 for dataset in datasets], "seed": seed}
    return _compose(sources, Path(out), tables, parameters, shard)


def _check_compatible(datasets: Sequence[Dataset]) -> None:
    for dataset in datasets:
        refuse_registered(dataset, "a merged dataset")
    scales = {dataset.path.name: dataset.scale for dataset in datasets}
    if len(set(scales.values())) > 1:
        raise InputError("the datasets have different scales: " + ", ".join(f"{n}: {k}" for n, k in scales.items()))
    grids = {dataset.map_size for dataset in datasets if dataset.map_size}
    if len(grids) > 1:
        raise InputError(f"the datasets' human maps lie on grids of different size: {sorted(grids)} pixels")
    kinds = _kinds(datasets)
    if len(kinds) > 1:
        raise InputError(f"the datasets' masks are made of different things: {', '.join(kinds)}; build them alike")
    home: dict[str, str] = {}
    twice = []
    for dataset in datasets:
        twice += [f"{i} (in {home[i]} and {dataset.path.name})" for i in dataset.ids if i in home]
        home |= dict.fromkeys(dataset.ids, dataset.path.name)
    if twice:
        raise InputError(f"{len(twice)} picture ids stand in two datasets: {', '.join(twice[:10])}")


def _joined_groups(datasets: Sequence[Dataset], small: Small, near_duplicates: int | None) -> Index:
    names = {
        image: f"{n}/{group}"
        for n, dataset in enumerate(datasets)
        for image, group in zip(dataset.ids, dataset.groups.tolist(), strict=True)
    }
    pairs = [] if near_duplicates is None else near_pairs(small.columns["phash"], near_duplicates)
    return components(small.ids, names, pairs)


def _compose(
    sources: Sequence[_Source],
    out: Path,
    tables: Callable[[h5py.File, Small], None],
    parameters: dict[str, Any],
    shard: int | None,
) -> Path:
    total = sum(len(source.rows) for source in sources)
    size = shard if shard is not None else (0 if total <= ONE_FILE else SHARD)
    step = size or SHARD
    people = sorted({name for source in sources for name in source.dataset.participants})
    chunks = [(s, s.rows[n : n + step]) for s in sources for n in range(0, len(s.rows), step)]
    folder = work_folder(checked_target(out))
    caches = set.intersection(*(set(source.dataset.caches) for source in sources))
    parts = []
    for n, (source, rows) in enumerate(track(chunks, "copying", len(chunks))):
        parts.append(folder / f"{n:05d}.h5")
        _copy_part(_Source(source.dataset, rows), parts[-1], people, caches)
    attributes = {
        "scale": sources[0].dataset.scale,
        "conditions": json.dumps(_conditions(sources)),
        "participants": json.dumps(people),
        "provenance": json.dumps(provenance(SCHEMA, parameters), sort_keys=True),
    }
    return publish(parts, out, attributes, tables, sharded=size > 0)


def _conditions(sources: Sequence[_Source]) -> list[str]:
    return [c for c in sources[0].dataset.conditions if all(c in source.dataset.conditions for source in sources)]


def _copy_part(source: _Source, target: Path, people: list[str], caches: set[int]) -> None:
    """Copy some rows of a dataset to a part file, picture by picture."""
    dataset, rows = source.dataset, source.rows
    with sealed_file(target, check=check_pictures) as file:
        file.attrs["schema"] = PART
        table = dataset.image_table(rows)
        ends = np.concatenate([[0], np.cumsum([len(dataset.encoded(i)) for i in rows])]).astype(np.int64)
        encoded = file.create_dataset("image/encoded", (int(ends[-1]),), dtype=np.uint8)
        large = _make_room(file, dataset, len(rows), caches)
        digests: dict[str, list[np.uint64]] = {name: [] for name in large}
        for n, i in enumerate(rows.tolist()):
            encoded[ends[n] : ends[n + 1]] = np.frombuffer(dataset.encoded(i), dtype=np.uint8)
            for name, column in large.items():
                column[n] = stored = dataset.stored(i, name)
                digests[name].append(digest_of_row(stored))
        file.flush()
        write_row_digests(file, digests)
        attention = {name: table.pop(name) for name in ATTENTION}
        write_columns(file["image"], offset=ends, **table)
        write_columns(file.require_group("attention"), **attention)
        code = np.array([people.index(name) for name in dataset.participants], dtype=np.int32)
        looks = [dataset.viewing(i) for i in rows.tolist()]
        write_fixations(file.create_group("fixation"), [replace(v, viewer=code[v.viewer]) for v in looks])
        write_remarks(file, [])


def _make_room(file: h5py.File, dataset: Dataset, count: int, caches: set[int]) -> dict[str, h5py.Dataset]:
    large = {}
    for size in sorted(caches):
        large[f"pixels/{size}"] = row_column(file, f"pixels/{size}", (count, size, size, 3), np.uint8, packed=False)
    if dataset.map_size:
        square = (count, dataset.map_size, dataset.map_size)
        large["attention/map"] = row_column(file, "attention/map", square, np.float32, shuffle=True)
    return large


def _write_tables(file: h5py.File, sources: Sequence[_Source], schemes: Table, group: Index) -> None:
    ratings = [source.dataset.rating_table(source.rows) for source in sources]
    flags = [flag for rating in ratings for flag in rating.pop("flags")]
    columns = {name: np.concatenate([rating[name] for rating in ratings]) for name in ratings[0]}
    write_columns(file.create_group("rating"), **columns, flags=flags)
    write_columns(file.create_group("split"), **schemes)
    file.create_dataset("image/group", data=group, dtype=np.int64)
    _write_masks(file.create_group("mask"), sources)
    names = sorted({name for source in sources for name in source.dataset.categories})
    write_columns(file.create_group("category"), **{name: _members(sources, name) for name in names})
    write_remarks(file, [row for source in sources for row in _remarks(source)])


def _write_masks(masks: h5py.Group, sources: Sequence[_Source]) -> None:
    conditions = [name for name in _conditions(sources) if name != "original"]
    masks.attrs["kind"], known = _kinds([source.dataset for source in sources])[0], known_conditions()
    if all(source.dataset.fitted for source in sources):
        masks.attrs["fitted"] = True
    write_outside(masks, [name for name in conditions if sources[0].dataset.masks(name).removed])
    for condition in conditions:
        masks_of = [source.dataset.masks(condition) for source in sources]
        if isinstance(masks_of[0], Rectangles):
            boxes = joined_boxes([stored.boxes[s.rows] for stored, s in zip(masks_of, sources, strict=True)])  # type: ignore[union-attr]
            masks.create_dataset(condition, data=boxes, dtype=np.int32)
        elif condition in known and known[condition].same_mask in (*masks,):
            masks[condition] = masks[known[condition].same_mask]
        else:
            rows = [(stored, int(i)) for stored, s in zip(masks_of, sources, strict=True) for i in s.rows]
            column = region_column(masks, condition, len(rows), masks_of[0].bits.shape[1])
            for n, (stored, i) in enumerate(rows):
                column[n] = stored.bits[i]  # type: ignore[union-attr]


def _kinds(datasets: Sequence[Dataset]) -> list[Kind]:
    """Return what the masks are made of in those that have any."""
    return sorted({d.mask_kind for d in datasets if len(d.conditions) > 1}) or [datasets[0].mask_kind]


def _members(sources: Sequence[_Source], name: str) -> npt.NDArray[np.bool_]:
    return np.concatenate(
        [
            np.isin(source.rows, source.dataset.category(name) if name in source.dataset.categories else [])
            for source in sources
        ]
    )


def _remarks(source: _Source) -> list[tuple[str, str, str]]:
    images = {source.dataset.ids[i] for i in source.rows}
    table = source.dataset.remarks[list(REMARKS)]
    return [(str(a), str(b), str(c)) for a, b, c in table.itertuples(index=False, name=None) if a in images]


def chosen(
    dataset: Dataset,
    *,
    images: Sequence[str] | None = None,
    split_name: str | None = None,
    scheme: str = "default",
    category: str | None = None,
    min_ratings: int = 0,
) -> Index:
    """Return the numbers of the pictures that satisfy all that is asked.

    Raises
    ------
    InputError
        An unknown picture, split, scheme or category.
    ConfigError
        None is left.
    """
    keep = dataset.counts.sum(axis=1) >= min_ratings
    if images is not None:
        keep &= np.isin(np.arange(len(dataset)), [dataset.index(image) for image in images])
    if split_name is not None:
        keep &= np.isin(np.arange(len(dataset)), dataset.indices(split_name, scheme))  # type: ignore[arg-type]
    if category is not None:
        keep &= np.isin(np.arange(len(dataset)), dataset.category(category))
    if not keep.any():
        raise ConfigError(f"no picture of {dataset.path} is all of that")
    return np.flatnonzero(keep).astype(np.int64)
