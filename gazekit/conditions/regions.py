"""Regions as masks of every condition, written part by part so that memory stays flat."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import h5py
import numpy as np
import numpy.typing as npt

from gazekit.conditions.controls import lenders, number
from gazekit.core.types import Bits, Index, Mask
from gazekit.dataset.assemble import Small
from gazekit.dataset.layout import row_column
from gazekit.shapes.centre import centre_region
from gazekit.shapes.packed import Size, grid_shape, packed, unpacked
from gazekit.shapes.regions import region_of_area, shifted_region

Columns = dict[str, h5py.Dataset]


def write_regions(masks: h5py.Group, conditions: Sequence[str], small: Small, group: Index, seed: int) -> None:
    """Write the regions of every mask condition as packed bits, (N, side, ceil(side / 8)).

    Controls have exactly as many pixels of the grid as the human region: ``centre`` is an ellipse, ``random`` the
    human region moved on a torus, ``shuffled`` the region of another picture's map.
    """
    with h5py.File(small.parts[0], "r") as file:
        side = int(file["attention/region"].shape[1])
    columns = {name: region_column(masks, name, len(small.ids), side) for name in conditions if name != "human-removed"}
    if "human" in columns and "human-removed" in conditions:
        masks["human-removed"] = columns["human"]  # the same region: what is taken away
    elif "human-removed" in conditions:
        columns["human"] = region_column(masks, "human-removed", len(small.ids), side)
    counts = np.zeros(len(small.ids), dtype=np.int64)
    for part, first in zip(small.parts, small.first.tolist(), strict=False):
        with h5py.File(part, "r") as file:
            human = file["attention/region"][()]
        counts[first : first + len(human)] = _write_part(columns, human, first, small, seed)
    if "shuffled" in columns:
        lender = lenders((counts > 0).astype(np.int64), small.ids, group, seed)
        _write_borrowed(columns["shuffled"], lender, counts, small)
    masks.file.flush()  # chunks get their places now, whoever may still hold a column


def region_column(masks: h5py.Group, name: str, count: int, side: int) -> h5py.Dataset:
    """Room for the regions of a condition."""
    return row_column(masks, name, (count, side, -(-side // 8)), np.uint8)


def region_of_map(amap: npt.NDArray[np.float32], size: Size, side: int, count: int) -> Mask:
    """The region of a map of any shape, on the grid of a picture of a size, of ``count`` pixels of it."""
    height, width = grid_shape(size, side)
    large = cv2.resize(amap, (width, height), interpolation=cv2.INTER_LINEAR)
    return region_of_area(np.maximum(large, 0), count)


def _write_part(columns: Columns, human: Bits, first: int, small: Small, seed: int) -> list[int]:
    """Write the regions of a part's pictures and their controls that need no other picture; the regions' pixels."""
    blocks = {name: np.zeros_like(human) for name in ("centre", "random") if name in columns}
    counts = []
    for n, bits in enumerate(human):
        region = unpacked(bits, small.size(first + n))
        counts.append(int(region.sum()))
        for name in blocks if counts[-1] else ():
            blocks[name][n] = packed(_control(name, region, number(name, small.ids[first + n], seed)), len(bits))
    for condition, block in (blocks | {"human": human}).items():
        if condition in columns and len(human):
            columns[condition][first : first + len(human)] = block
    return counts


def _control(name: str, region: Mask, seed: int) -> Mask:
    if name == "centre":
        return centre_region((region.shape[0], region.shape[1]), int(region.sum()))
    return shifted_region(region, np.random.default_rng(seed))


def _write_borrowed(column: h5py.Dataset, lender: Index, counts: Index, small: Small) -> None:
    """Every picture's mask out of its lender's map; each part's maps are read once."""
    shapes = small.columns["shape"]
    order = np.argsort(lender, kind="stable")
    order = order[counts[order] > 0]
    places = np.searchsorted(lender[order], small.first)
    for part, first, start, end in zip(small.parts, small.first, places, places[1:], strict=False):
        with h5py.File(part, "r") as file:
            maps = file["attention/map"][()]
        for i in order[start:end].tolist():
            height, width = shapes[lender[i]]
            amap = maps[lender[i] - first, :height, :width]
            column[i] = packed(region_of_map(amap, small.size(i), column.shape[1], int(counts[i])), column.shape[1])
