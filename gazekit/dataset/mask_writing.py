"""Masks of every condition, written into a dataset; regions part by part, so that memory stays flat."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from gazekit.conditions import Condition, MaskTask, Source, condition
from gazekit.conditions.human import Human
from gazekit.conditions.making import condition_boxes, lenders, names_of_tries, picture_rng
from gazekit.core.types import Bits, Index
from gazekit.dataset.assemble import Small
from gazekit.dataset.detail_match import TRIES, Details
from gazekit.dataset.layout import joined_boxes, region_column, write_outside
from gazekit.shapes.mask_spec import Kind
from gazekit.shapes.packed import grid_shape, packed, unpacked

_OF_PARTS = (Source.WINDOW, Source.PREDICTED)  # whose masks the parts keep
Columns = dict[str, h5py.Dataset]


def write_masks(
    masks: h5py.Group,
    kind: Kind,
    names: Sequence[str],
    small: Small,
    group: Index,
    seed: int,
    details: Details | None = None,
) -> None:
    """Write the masks of all conditions but the whole picture: boxes (N, k, 4), or regions as packed bits.

    With ``details``, controls that may lie at several places show as much detail as people's mask.
    """
    masks.attrs["kind"], masks.attrs["fitted"] = kind, True
    wanted = [found for found in map(condition, names) if found.source is not Source.WHOLE]
    write_outside(masks, [found.name for found in wanted if found.outside])
    if kind == "region" and wanted:
        _write_regions(masks, wanted, small, group, seed, details)
        return
    sizes = np.stack([small.columns["height"], small.columns["width"]], axis=1)
    for found in wanted:
        if found.source in _OF_PARTS:
            masks.create_dataset(found.name, data=joined_boxes(_of_windows(found.name, small)), dtype=np.int32)
            continue
        human, nearest = small.columns["rectangle"], details.nearest_boxes if details else None
        boxes = condition_boxes(found, kind, human, sizes, small.ids, group, seed, nearest, TRIES)
        masks.create_dataset(found.name, data=boxes, dtype=np.int32)


def without_mask(names: Sequence[str], small: Small) -> dict[str, Index]:
    """Return which pictures have no mask in conditions that the parts keep: nobody looked so early, or no map."""
    kept = [name for name in names if condition(name).source in _OF_PARTS]
    empty = {
        name: [~blocks.reshape(len(blocks), -1).any(axis=1) for blocks in _of_windows(name, small)] for name in kept
    }
    return {name: np.flatnonzero(np.concatenate(parts)) for name, parts in empty.items()}


def _of_windows(name: str, small: Small) -> list[Any]:
    """Read what the parts keep for a condition of a window of time, or of predicted maps."""
    found = []
    for part in small.parts:
        with h5py.File(part, "r") as file:
            found.append(file[f"attention/window/{name}"][()])
    return found


def _write_regions(
    masks: h5py.Group,
    wanted: Sequence[Condition],
    small: Small,
    group: Index,
    seed: int,
    details: Details | None,
) -> None:
    with h5py.File(small.parts[0], "r") as file:
        side = int(file["attention/region"].shape[1])
    names = {found.name for found in wanted}
    made = sorted((f for f in wanted if f.same_mask not in names), key=lambda found: bool(found.same_mask))
    columns = {found.name: region_column(masks, found.name, len(small.ids), side) for found in made}
    for twin in (found for found in wanted if found not in made):
        masks[twin.name] = columns[twin.same_mask]  # the same region is not stored twice
    counts = np.zeros(len(small.ids), dtype=np.int64)
    # people's own go last, as in the first datasets: the order of writing decides the file's bytes
    here = sorted((f for f in made if f.source is Source.PEOPLE), key=lambda found: isinstance(found, Human))
    for part, first in zip(small.parts, small.first.tolist(), strict=False):
        with h5py.File(part, "r") as file:
            human = file["attention/region"][()]
        counts[first : first + len(human)] = _write_part(columns, here, human, first, small, seed, details)
    for found in made:
        if found.source in _OF_PARTS:
            columns[found.name][...] = np.concatenate(_of_windows(found.name, small))
        if found.source is Source.ANOTHER:
            _write_borrowed(columns[found.name], _Borrowing(found, small, counts, group, seed), details)
    masks.file.flush()  # chunks get their places now, whoever may still hold a column


def _write_part(
    columns: Columns,
    here: Sequence[Condition],
    human: Bits,
    first: int,
    small: Small,
    seed: int,
    details: Details | None,
) -> list[int]:
    """Write what a part's pictures keep in conditions that need no other picture; return the pixels of people's."""
    blocks = {found.name: np.zeros_like(human) for found in here}
    counts = []
    for n, bits in enumerate(human):
        image, size = small.ids[first + n], small.size(first + n)
        people = unpacked(bits, size)
        counts.append(int(people.sum()))
        for found in here if counts[-1] else ():
            made = []
            for name in names_of_tries(found, TRIES if details else 1):
                rng = picture_rng(name, image, seed)
                task = MaskTask(image, size, counts[-1], rng, grid=grid_shape(size, len(bits)), people=people)
                made.append(found.region(task))
            best = details.nearest_region(first + n, people, made) if details and len(made) > 1 else 0
            blocks[found.name][n] = packed(made[best], len(bits))
    for name, block in blocks.items() if len(human) else ():
        columns[name][first : first + len(human)] = block
    return counts


def _write_borrowed(column: h5py.Dataset, borrowing: _Borrowing, details: Details | None) -> None:
    """Write every picture's mask out of its lender's map; with ``details`` out of several, of which one is taken.

    These are held for the pictures of one part at a time.
    """
    small, looked_at, side = borrowing.small, np.flatnonzero(borrowing.counts), column.shape[1]
    tries = names_of_tries(borrowing.condition, TRIES if details else 1)
    if details is None or len(tries) == 1:
        for i, bits in borrowing.masks(tries[0], looked_at, side):
            column[i] = bits
        return
    for part, (first, end) in zip(small.parts, itertools.pairwise(small.first.tolist()), strict=True):
        chosen = looked_at[np.searchsorted(looked_at, first) : np.searchsorted(looked_at, end)]
        made: dict[int, list[Bits]] = {i: [] for i in chosen.tolist()}
        for name in tries:
            for i, bits in borrowing.masks(name, chosen, side):
                made[i].append(bits)
        with h5py.File(part, "r") as file:
            human = file["attention/region"][()]
        for i, several in made.items():
            regions = [unpacked(bits, small.size(i)) for bits in several]
            column[i] = several[details.nearest_region(i, unpacked(human[i - first], small.size(i)), regions)]


@dataclass(frozen=True)
class _Borrowing:
    """Regions that a condition cuts out of other pictures' maps.

    Attributes
    ----------
    condition, small : Condition, Small
        What they are of.
    counts : ndarray, shape (N,)
        Pixels of people's region in each picture, 0 where nobody looked.
    group, seed : ndarray, int
        As for `gazekit.conditions.making.lenders`.
    """

    condition: Condition
    small: Small
    counts: Index
    group: Index
    seed: int

    def masks(self, name: str, chosen: Index, side: int) -> Iterator[tuple[int, Bits]]:
        """Yield pictures and their packed regions; each part's maps are read once. ``name`` seeds who lends."""
        small, shapes = self.small, self.small.columns["shape"]
        lender = lenders(name, (self.counts > 0).astype(np.int64), small.ids, self.group, self.seed)
        order = chosen[np.argsort(lender[chosen], kind="stable")]
        places = np.searchsorted(lender[order], small.first)
        for part, first, start, end in zip(small.parts, small.first, places, places[1:], strict=False):
            if start == end:
                continue
            with h5py.File(part, "r") as file:
                maps = file["attention/map"][()]
            for i in order[start:end].tolist():
                height, width = shapes[lender[i]]
                amap, image, size = maps[lender[i] - first, :height, :width], small.ids[i], small.size(i)
                rng = picture_rng(name, image, self.seed)
                task = MaskTask(image, size, int(self.counts[i]), rng, grid=grid_shape(size, side), map=amap)
                yield i, packed(self.condition.region(task), side)
