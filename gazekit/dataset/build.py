"""From pictures, fixations and ratings to a dataset file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from gazekit.attention.fixation_io import on_pictures
from gazekit.conditions.controls import CONDITIONS, HUMAN
from gazekit.core.errors import ConfigError, InputError, unknown_name
from gazekit.dataset.annotations import Plan
from gazekit.dataset.assemble import publish
from gazekit.dataset.duplicates import DISTANCE
from gazekit.dataset.partitions import PARTITIONS
from gazekit.dataset.seen import by_picture, digest
from gazekit.dataset.shard_jobs import checked_target, make_parts
from gazekit.dataset.shards import PartJob, PartOptions
from gazekit.dataset.splits import check_folds, check_lists, checked_shares
from gazekit.histograms import count_columns
from gazekit.pictures import Picture
from gazekit.shapes.mask_spec import Kind, MaskSpec, ShareOf

MOST = 0.5  # of the picture that patches may cover
ONE_FILE, SHARD, PART = 1_000, 500, 64  # pictures: up to here one file; beyond, a shard; a step of the work


def build_dataset(
    pictures: Sequence[Picture],
    fixations: pd.DataFrame | None,
    histograms: pd.DataFrame,
    out: str | Path,
    *,
    mask: Kind = "rectangle",
    share: float = 0.7,
    share_of: ShareOf = "mass",
    patches: int = 3,
    patch_share: float = 0.2,
    sigma_deg: float = 1.0,
    sigma_px: float | None = None,
    weight: str = "duration",
    map_size: int = 64,
    conditions: Sequence[str] = CONDITIONS,
    cache: int | None = None,
    split: Sequence[float] = (0.8, 0.1, 0.1),
    folds: int = 0,
    schemes: Mapping[str, Mapping[str, Iterable[str]]] | None = None,
    partitions: Sequence[str] = (),
    categories: Mapping[str, Iterable[str]] | None = None,
    groups: Mapping[str, str] | None = None,
    near_duplicates: int | None = DISTANCE,
    seed: int = 0,
    scale: int | None = None,
    min_ratings: int = 10,
    min_viewers: int = 1,
    include_marked: bool = False,
    strict: bool = False,
    unknown: str = "raise",
    remarks: Iterable[tuple[str, str, str]] = (),
    shard: int | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    dry_run: bool = False,
) -> Path:
    """Join pictures, fixations and rating histograms to one dataset.

    The same input gives the same bytes, whatever the number of workers. A build that was stopped goes on where it
    was: finished parts lie in ``<out>.build`` until the dataset is whole.

    Parameters
    ----------
    pictures : as `gazekit.pictures.list_pictures` gives them.
    fixations : a fixation table (see `gazekit.dataset.seen.by_picture`), or None: then the one condition is
        ``original``.
    histograms : a histogram table (`gazekit.histograms`).
    out : the dataset file, customarily ``*.dataset.h5``. An existing one is replaced when the new one is whole.
    mask, share, share_of, patches, patch_share : what of people's attention a mask keeps, and all controls keep
        elsewhere; see `gazekit.shapes.mask_spec.MaskSpec`. Patches cover at most half of a picture.
    sigma_deg, sigma_px, weight, map_size : of the human map; see `by_picture` and `PartOptions`.
    cache : also keep every picture as a square of so many pixels, for fast training.
    split, seed : shares of train, validation and test, drawn stratified by mean score.
    folds : also the schemes ``fold1 .. foldk``.
    schemes : also fixed lists, ``{scheme: {"train": ids, "validation": ids, "test": ids}}``; with ``test`` alone the
        rest is dealt out to train and validation.
    partitions : also named partitions (`gazekit.dataset.partitions`): ava1, ava2, photonet.
    categories : category -> pictures, kept as ``dataset.category(name)``.
    groups : picture -> group (photographer, burst): never on two sides of a split.
    near_duplicates : bits of the 64-bit perceptual hash in which near-duplicates may differ; they form groups.
        None: not looked for.
    scale : number of buckets that the histograms must have.
    min_ratings, min_viewers : pictures with fewer are marked, and left out of splits unless ``include_marked``.
    strict : stop at the first picture that cannot be used, instead of naming it and going on.
    unknown : ratings of pictures that are not there: ``raise``, or ``remark`` and go on.
    remarks : (picture, remark, text), kept with those of the build.
    shard : pictures a shard; 0 for one file; by default one file up to 1,000 pictures, beyond that shards of 500.
    workers : processes on this machine.
    scheduler : address of a Dask scheduler (``tcp://...``) whose workers make the parts instead.
    dry_run : check the input and build nothing.

    Raises
    ------
    ConfigError : options that make no sense, K that is not ``scale``.
    InputError : ratings of unknown pictures, no picture that can be read, with ``strict`` any that cannot.
    """
    out, pictures = checked_target(out), sorted(pictures, key=lambda p: p.image)
    conditions = _conditions(conditions, fixations is not None)
    columns = count_columns(histograms)
    rule = _rule(mask, share, share_of, patches, patch_share)
    lists = {name: {part: list(ids) for part, ids in one.items()} for name, one in (schemes or {}).items()}
    _check(columns, partitions, pictures, scale, split, cache)
    _check_schemes(lists, folds, [p.image for p in pictures])
    fixations = None if fixations is None else on_pictures(fixations, pictures)
    seen, participants = ({}, []) if fixations is None else by_picture(fixations, sigma_deg, sigma_px)
    said = [*remarks, *_strangers(pictures, histograms, seen, unknown)]
    options = PartOptions(rule, weight, map_size if fixations is not None else 0, cache)
    size = shard if shard is not None else (0 if len(pictures) <= ONE_FILE else SHARD)
    step = size or PART
    jobs = [
        PartJob(chosen, {p.image: seen[p.image] for p in chosen if p.image in seen}, options)
        for chosen in (tuple(pictures[n : n + step]) for n in range(0, len(pictures), step))
    ]
    inputs = {"ratings": digest(histograms)} | ({} if fixations is None else {"fixations": digest(fixations)})
    plan = Plan(
        columns=columns,
        histograms=histograms,
        participants=participants,
        conditions=conditions,
        masks=rule.kind,
        shares=tuple(checked_shares(split).tolist()),
        folds=folds,
        schemes=lists,
        partitions=tuple(partitions),
        categories={name: list(ids) for name, ids in (categories or {}).items()},
        groups=dict(groups or {}),
        near_duplicates=near_duplicates,
        seed=seed,
        min_ratings=min_ratings,
        min_viewers=min_viewers if fixations is not None else 0,
        include_marked=include_marked,
        remarks=said,
        sharded=size > 0,
        parameters=rule.parameters()
        | {"weight": weight, "map_size": options.map_size, "cache": cache}
        | {"sigma_deg": sigma_deg, "sigma_px": sigma_px},
        inputs=inputs,
    )
    if dry_run:
        return out
    parts = make_parts(jobs, out, workers=workers, scheduler=scheduler, strict=strict)
    return publish(parts, out, plan.attributes(), plan.write, sharded=plan.sharded)


def _rule(mask: Kind, share: float, share_of: ShareOf, patches: int, patch_share: float) -> MaskSpec:
    rule = MaskSpec(mask, share, share_of, patches, patch_share)
    covered = patches * patch_share**2
    if mask == "patches" and covered > MOST + 1e-9:
        raise ConfigError(
            f"{patches} patches of {patch_share:g} of height and width cover {covered:.0%} of a picture; "
            f"at most {MOST:.0%} leaves room for controls elsewhere"
        )
    return rule


def _conditions(wanted: Sequence[str], fixated: bool) -> tuple[str, ...]:
    for name in wanted:
        if name not in CONDITIONS:
            raise unknown_name("condition", name, CONDITIONS)
    return tuple(name for name in CONDITIONS if name in wanted and (fixated or name not in HUMAN))


def _check(
    columns: list[str],
    partitions: Sequence[str],
    pictures: Sequence[Picture],
    scale: int | None,
    split: Sequence[float],
    cache: int | None,
) -> None:
    checked_shares(split)
    for name in partitions:
        if name not in PARTITIONS:
            raise unknown_name("partition", name, PARTITIONS)
    if scale is not None and len(columns) != scale:
        raise ConfigError(
            f"the ratings have {len(columns)} buckets (c1 .. c{len(columns)}); a scale of {scale} was expected"
        )
    if not pictures:
        raise InputError("a dataset needs at least one picture; the list is empty")
    if cache is not None and not 16 <= cache <= 4096:
        raise ConfigError(f"the cache's side must be 16 to 4096 pixels; found {cache}")


def _check_schemes(lists: Mapping[str, Mapping[str, Sequence[str]]], folds: int, ids: Sequence[str]) -> None:
    """What can be known of split schemes before the pictures are read."""
    if folds:
        check_folds(folds, len(ids))
    for name, one in lists.items():
        check_lists(name, one, ids)


def _strangers(
    pictures: Sequence[Picture], histograms: pd.DataFrame, seen: Mapping[str, object], unknown: str
) -> list[tuple[str, str, str]]:
    """Ratings and fixations of pictures that are not in the list."""
    known = {p.image for p in pictures}
    rated = [str(image) for image in histograms["image"] if str(image) not in known]
    if rated and (unknown == "raise" or len(rated) == len(histograms)):
        raise InputError(
            f"{len(rated)} of {len(histograms)} rated pictures are not in the list of pictures: {', '.join(rated[:10])}"
            f"{', ...' if len(rated) > 10 else ''}; the list has {len(known)}, as {min(known)}"
        )
    looked = sorted(set(seen) - known)
    if seen and len(looked) == len(seen):
        raise InputError(f"none of the fixations is on a picture of the list; they are on {', '.join(looked[:10])}")
    return [(image, "rated, no picture", "rated, but not in the list of pictures") for image in rated] + [
        (image, "looked at, no picture", "has fixations, but is not in the list of pictures") for image in looked
    ]
