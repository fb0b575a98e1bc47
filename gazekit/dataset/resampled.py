"""A dataset's masks as other viewers would have made them: viewers are drawn again, with replacement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from gazekit.attention.density import of_kind
from gazekit.attention.viewings import Viewing
from gazekit.conditions import Condition, MaskTask, Source, condition
from gazekit.conditions.making import condition_boxes, lenders, picture_rng
from gazekit.core.errors import InputError
from gazekit.core.progress import track
from gazekit.core.types import Bits, Index, Map, Mask
from gazekit.dataset.reader import Dataset
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.shapes.packed import Rectangles, Regions, packed, unpacked
from gazekit.shapes.rectangles import Boxes


def with_resampled_viewers(dataset: Dataset, seed: int) -> Dataset:
    """Return a view of a dataset whose masks are those of viewers drawn again with replacement.

    A participant who is drawn twice counts twice in every picture. In a picture at which nobody looked who was drawn,
    its own viewers are drawn again. Controls have the areas of the new masks. What differs from seed to seed is then
    the sampling error of gaze too.

    Parameters
    ----------
    dataset : Dataset
        With fixations.
    seed : int
        Of the draw.

    Raises
    ------
    InputError
        No fixations, or conditions of windows of time, whose fixations are not kept apart.
    """
    if fault := resampling_fault(dataset):
        raise InputError(fault)
    found = [condition(name) for name in dataset.conditions if name != "original"]
    looks, rule = _drawn(dataset, seed), _rule(dataset.provenance["parameters"])
    made = _regions(dataset, looks, rule, found) if rule.kind == "region" else _boxes(dataset, looks, rule, found)
    return dataset.with_masks(made)


def resampling_fault(dataset: Dataset) -> str:
    """Say why a dataset's viewers cannot be drawn again; empty where they can."""
    sources = {name: condition(name).source for name in dataset.conditions}
    windows = [name for name, source in sources.items() if source in (Source.WINDOW, Source.NETWORK)]
    if not (dataset.viewers > 0).any():
        return f"{dataset.path}: nobody looked at any picture, so that no viewers can be drawn again"
    if windows:
        return f"{dataset.path}: viewers can be drawn again for masks of whole viewings, not of {', '.join(windows)}"
    return ""


def _drawn(dataset: Dataset, seed: int) -> dict[int, Viewing]:
    """Return the fixations on every picture that was looked at, of the viewers that were drawn."""
    rng = np.random.default_rng([seed, 19])
    people = len(dataset.participants)
    times = rng.multinomial(people, np.full(people, 1 / people))
    parameters: Mapping[str, Any] = dataset.provenance["parameters"]
    weight, looks = parameters.get("weight", "duration"), dict[int, Viewing]()
    for i in np.flatnonzero(dataset.viewers > 0).tolist():
        look = replace(dataset.viewing(i), weight=weight)
        on = look.counted
        again = times[look.viewer]
        if not again[on].any():
            viewers = np.unique(look.viewer[on])
            own = np.zeros(people, dtype=np.int64)
            np.add.at(own, picture_rng("viewers", look.image, seed).choice(viewers, len(viewers)), 1)
            again = own[look.viewer]
        looks[i] = look.take(np.repeat(np.arange(len(again)), again))
    return of_kind(looks, parameters.get("map", "gaussian"))


def _rule(parameters: Mapping[str, Any]) -> MaskSpec:
    names = ("share", "share_of", "patches", "patch_share", "grid")
    return MaskSpec(parameters["mask"], **{name: parameters[name] for name in names if name in parameters})


def _boxes(
    dataset: Dataset, looks: Mapping[int, Viewing], rule: MaskSpec, found: list[Condition]
) -> dict[str, Rectangles | Regions]:
    human: Boxes = np.zeros((len(dataset), rule.count, 4), dtype=np.int32)
    for i, look in track(looks.items(), "masks of drawn viewers", len(looks)):
        boxes = rule.boxes(look.closed_map())
        human[i, : len(boxes)] = boxes
    seed = int(dataset.provenance["parameters"]["seed"])
    made: dict[str, Rectangles | Regions] = {}
    for one in found:
        places = condition_boxes(one, rule.kind, human, dataset.sizes, dataset.ids, dataset.groups, seed)
        made[one.name] = Rectangles(places, one.outside, human)
    return made


def _regions(
    dataset: Dataset, looks: Mapping[int, Viewing], rule: MaskSpec, found: list[Condition]
) -> dict[str, Rectangles | Regions]:
    side, seed = rule.grid, int(dataset.provenance["parameters"]["seed"])
    people: Bits = np.zeros((len(dataset), side, -(-side // 8)), dtype=np.uint8)
    maps: dict[int, Map] = {}
    for i, look in track(looks.items(), "masks of drawn viewers", len(looks)):
        people[i] = packed(rule.region(look.closed_map()), side)
        maps[i] = look.scaled(dataset.map_size).map()
    counts = np.isin(np.arange(len(dataset)), list(looks)).astype(np.int64)
    made: dict[str, Rectangles | Regions] = {}
    for one in found:
        another = one.source is Source.ANOTHER
        own = np.arange(len(dataset))
        lender = lenders(one.name, counts, dataset.ids, dataset.groups, seed) if another else own
        made[one.name] = Regions(_regions_of(one, dataset, people, maps, lender, seed), one.outside)
    return made


def _regions_of(
    one: Condition, dataset: Dataset, people: Bits, maps: Mapping[int, Map], lender: Index, seed: int
) -> npt.NDArray[np.uint8]:
    bits = np.zeros_like(people)
    for i in maps:
        region: Mask = unpacked(people[i], dataset.size(i))
        rng, grid = picture_rng(one.name, dataset.ids[i], seed), (region.shape[0], region.shape[1])
        amap = maps[int(lender[i])]
        task = MaskTask(dataset.ids[i], dataset.size(i), int(region.sum()), rng, grid=grid, people=region, map=amap)
        bits[i] = packed(one.region(task), people.shape[1])
    return bits
