"""From pictures, fixations and ratings to a dataset file."""

from __future__ import annotations

import hashlib
import itertools
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.attention.density import of_kind
from gazekit.attention.fixation_io import on_pictures
from gazekit.attention.predicted_maps import PredictedMap, read_maps
from gazekit.attention.viewings import Viewing, viewings
from gazekit.conditions import default_names, names_of_gaze, window_of
from gazekit.conditions.predicted import Predicted
from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, InputError, unknown_name
from gazekit.core.lasting import advice
from gazekit.dataset.annotations import Annotations
from gazekit.dataset.assemble import publish
from gazekit.dataset.layout import Remarks
from gazekit.dataset.partitions import PARTITIONS
from gazekit.dataset.shard_jobs import checked_target, make_parts
from gazekit.dataset.shards import PartJob, PartOptions
from gazekit.dataset.spec import DatasetSpec
from gazekit.dataset.splits import check_folds, check_lists
from gazekit.histograms import count_columns
from gazekit.pictures import Picture, match_names

_PREDICTED = Predicted.name
ONE_FILE, SHARD, PART = 1_000, 500, 64  # pictures: up to here one file; beyond, a shard; a step of the work


def build_dataset(
    pictures: Sequence[Picture],
    fixations: pd.DataFrame | None,
    ratings: pd.DataFrame,
    out: str | Path,
    spec: DatasetSpec | None = None,
    *,
    workers: int = 1,
    scheduler: str | None = None,
    dry_run: bool = False,
    predicted: Sequence[str | Path] = (),
) -> Path:
    """Join pictures, fixations and rating histograms to one dataset.

    The same input gives the same bytes, whatever the number of workers. A build that was stopped goes on where it
    was: finished parts lie in ``<out>.build`` until the dataset is whole.

    Parameters
    ----------
    pictures : sequence of Picture
        As `gazekit.pictures.list_pictures` gives them.
    fixations : DataFrame or None
        A fixation table: image, x_picture, y_picture (0-based pixels of the picture), duration_ms, participant, and
        x_deg where the spec gives sigma in degrees. None: then the one condition is ``original``.
    ratings : DataFrame
        A histogram table (`gazekit.histograms`).
    out : path
        The dataset file, customarily ``*.dataset.h5``. An existing one is replaced when the new one is whole.
    spec : DatasetSpec, optional
        Masks, maps, splits and what is left out.
    workers : int
        Processes on this machine.
    scheduler : str, optional
        Address of a Dask scheduler (``tcp://...``) whose workers make the parts instead.
    dry_run : bool
        Check the input and build nothing.
    predicted : sequence of str or Path
        Folders of predicted maps (`gazekit.attention.predicted_maps`), for the condition ``predicted``; of a picture
        that two of them have, the first one's is taken.

    Returns
    -------
    Path
        The dataset file.

    Raises
    ------
    ConfigError
        Options that do not fit the input: K that is not ``scale``, too many folds.
    InputError
        Ratings of unknown pictures, no picture that can be read, with ``strict`` any that cannot.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> import gazekit as gk
    >>> from skimage import data
    >>> pictures = gk.list_pictures(Path(data.__file__).parent / "rocket.jpg")
    >>> ratings = pd.DataFrame({"image": ["rocket.jpg"], "c1": [4], "c2": [8]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = gk.build_dataset(pictures, None, ratings, f"{folder}/rocket.dataset.h5", gk.DatasetSpec(seed=1))
    ...     gk.open_dataset(path)
    <Dataset rocket.dataset.h5: 1 picture, 2 buckets, original>
    """
    spec = spec or DatasetSpec()
    out, pictures = checked_target(out), sorted(pictures, key=lambda p: p.image)
    spec = _spec_named_as(pictures, spec)
    _check(spec, pictures, count_columns(ratings))
    fixations = None if fixations is None else on_pictures(fixations, pictures)
    looks, participants = ({}, []) if fixations is None else _viewings(fixations, spec)
    windows: dict[str, dict[str, Viewing | PredictedMap]] = {}
    windows |= {} if fixations is None else _windows(fixations, spec)
    if predicted or _PREDICTED in (spec.conditions or ()):
        windows[_PREDICTED] = _predicted(predicted, pictures, spec)
        spec = spec if _PREDICTED in (spec.conditions or ()) else _with_predicted(spec, fixations is not None)
    ratings = _named_as(pictures, ratings)
    remarks = [*spec.remarks, *_without_counterpart(pictures, ratings, looks, spec.strict)]
    options = PartOptions(spec.rule(), spec.map_size if fixations is not None else 0, spec.cache)
    size = spec.shard if spec.shard is not None else (0 if len(pictures) <= ONE_FILE else SHARD)
    step = size or PART
    jobs = [
        PartJob(
            chosen,
            {p.image: looks[p.image] for p in chosen if p.image in looks},
            options,
            {n: {p.image: v[p.image] for p in chosen if p.image in v} for n, v in windows.items()},
            shard=size > 0,
        )
        for chosen in (tuple(pictures[n : n + step]) for n in range(0, len(pictures), step))
    ]
    annotations = Annotations(
        spec=spec,
        ratings=ratings,
        conditions=_conditions(spec.conditions, fixations is not None),
        participants=participants,
        looked_at=fixations is not None,
        sharded=size > 0,
        remarks=remarks,
        inputs={"ratings": digest(ratings)} | ({} if fixations is None else {"fixations": digest(fixations)}),
    )
    if dry_run:
        return out
    parts = make_parts(jobs, out, workers=workers, scheduler=scheduler, strict=spec.strict)
    return publish(parts, out, annotations.attributes(), annotations.write, sharded=size > 0)


def digest(table: pd.DataFrame) -> str:
    """Return the SHA-256 of a table's content, for the provenance: column by column, name and values."""
    result = hashlib.sha256()
    for name in table.columns:
        column = table[name]
        result.update(f"{name}\n".encode())
        if pd.api.types.is_numeric_dtype(column.dtype) and column.dtype != object:
            result.update(np.ascontiguousarray(column.to_numpy(np.float64)).astype("<f8").tobytes())
        else:
            codes, values = pd.factorize(column.astype(str), sort=True)
            result.update("\n".join(values).encode() + codes.astype("<i8").tobytes())
    return result.hexdigest()


def _viewings(fixations: pd.DataFrame, spec: DatasetSpec) -> tuple[dict[str, Viewing], list[str]]:
    """Return the fixations on every picture, in the 32 bits that a dataset keeps, and the participants by code."""
    needed = ["image", "x_picture", "y_picture", "duration_ms", "participant"]
    missing = [name for name in needed if name not in fixations.columns]
    if missing:
        lacks, columns = ", ".join(missing), ", ".join(map(str, fixations.columns))
        raise InputError(f"the fixation table lacks {lacks}; it has {columns}{advice(missing)}")
    table = fixations[fixations["image"].notna() & (fixations["image"] != "")]
    table = table[np.isfinite(table[["x_picture", "y_picture"]].to_numpy(np.float64)).all(axis=1)]
    looks = viewings(table, sigma_deg=spec.sigma_deg, sigma_px=spec.sigma_px, weight=spec.weight)
    return of_kind(looks, spec.map), next(iter(looks.values())).people


def _windows(fixations: pd.DataFrame, spec: DatasetSpec) -> dict[str, dict[str, Viewing | PredictedMap]]:
    """Return the fixations on every picture in the window of time of each condition that has one."""
    found = {name: window_of(name) for name in spec.conditions or ()}
    return {
        name: dict(_viewings(window.chosen(fixations), spec)[0]) for name, window in found.items() if window is not None
    }


def _predicted(
    folders: Sequence[str | Path], pictures: Sequence[Picture], spec: DatasetSpec
) -> dict[str, Viewing | PredictedMap]:
    """Return the predicted map of every picture; one that lacks it is named where ``strict``, else left without."""
    if not folders:
        raise ConfigError("the condition predicted needs folders of predicted maps (predicted=, --predicted)")
    known = {p.image for p in pictures}
    maps = read_maps(folders, known)
    missing = sorted(known - set(maps))
    if missing and (spec.strict or len(missing) == len(known)):
        raise InputError(f"{len(missing)} of {len(known)} pictures have no predicted map: {', '.join(missing[:10])}")
    return dict(maps)


def _with_predicted(spec: DatasetSpec, looked_at: bool) -> DatasetSpec:
    wanted = spec.conditions or (default_names() if looked_at else ["original"])
    return spec.model_copy(update={"conditions": (*wanted, _PREDICTED)})


def _conditions(wanted: Sequence[str] | None, looked_at: bool) -> tuple[str, ...]:
    chosen = default_names() if wanted is None else wanted
    without_gaze = ("original", _PREDICTED)
    return tuple(name for name in names_of_gaze(chosen) if name in chosen and (looked_at or name in without_gaze))


def check_names(spec: DatasetSpec) -> None:
    """Refuse conditions and partitions that there are none of."""
    for kind, names, known in (
        ("condition", spec.conditions or (), names_of_gaze(spec.conditions or ())),
        ("partition", spec.partitions, PARTITIONS),
    ):
        for name in names:
            if name not in known:
                raise unknown_name(kind, name, known)


def _check(spec: DatasetSpec, pictures: Sequence[Picture], columns: Sequence[str]) -> None:
    """Refuse what cannot be built, before the pictures are read."""
    check_names(spec)
    if spec.scale is not None and len(columns) != spec.scale:
        raise ConfigError(
            f"the ratings have {counted(len(columns), 'bucket')} (c1 .. c{len(columns)}); a scale of "
            f"{spec.scale} was expected"
        )
    if not pictures:
        raise InputError("a dataset needs at least one picture; the list is empty")
    if spec.folds:
        check_folds(spec.folds, len(pictures))
    for name, lists in spec.schemes.items():
        check_lists(name, lists, [p.image for p in pictures])


def _named_as(pictures: Sequence[Picture], ratings: pd.DataFrame) -> pd.DataFrame:
    """Name the rated pictures as the list of pictures does: suffix, case and folder may differ."""
    if not ratings.filter(regex=r"^c\d+$").to_numpy().sum():
        raise InputError("there is not one rating: nothing to build a dataset of")
    renamed = _other_names(map(str, ratings["image"]), pictures)
    if not renamed:
        return ratings
    images = ratings["image"].astype(str).replace(renamed)
    if images.duplicated().any():
        raise InputError(f"two rows of ratings are of one picture: {', '.join(images[images.duplicated()].head(10))}")
    old, new = min(renamed.items())
    print(
        f"{counted(len(renamed), 'rated picture')} matched by name without suffix, such as {old} with {new}",
        file=sys.stderr,
    )
    return ratings.assign(image=images)


def _spec_named_as(pictures: Sequence[Picture], spec: DatasetSpec) -> DatasetSpec:
    """Name the pictures of groups, categories and fixed lists as the list of pictures does."""
    lists = [*spec.categories.values(), *(ids for scheme in spec.schemes.values() for ids in scheme.values())]
    renamed = _other_names(itertools.chain(spec.groups, *lists), pictures)
    if not renamed:
        return spec
    schemes = {
        name: {part: [renamed.get(image, image) for image in ids] for part, ids in scheme.items()}
        for name, scheme in spec.schemes.items()
    }
    categories = {name: [renamed.get(image, image) for image in ids] for name, ids in spec.categories.items()}
    groups = {renamed.get(image, image): group for image, group in spec.groups.items()}
    return spec.model_copy(update={"schemes": schemes, "categories": categories, "groups": groups})


def _other_names(names: Iterable[str], pictures: Sequence[Picture]) -> dict[str, str]:
    """Return the ids of pictures that are named otherwise: without suffix or folder, or in another case."""
    known = {p.image for p in pictures}
    names = set(names)
    matched = match_names(names, known) if names - known else {}
    return {name: image for name, image in matched.items() if name != image}


def _without_counterpart(
    pictures: Sequence[Picture], ratings: pd.DataFrame, looks: Mapping[str, Viewing], strict: bool
) -> Remarks:
    """Name ratings and fixations of pictures that are not in the list; refuse unrated pictures where ``strict``."""
    known, rated = {p.image for p in pictures}, list(map(str, ratings["image"]))
    lost = [image for image in rated if image not in known]
    unrated, elsewhere = sorted(known - set(rated)), sorted(set(looks) - known)
    for images, count, what, always in (
        (lost, len(rated), "rated pictures are not in the list of pictures", len(lost) == len(rated)),
        (unrated, len(known), "pictures have no ratings", False),
    ):
        if images and (strict or always):
            shown = ", ".join(images[:10]) + (", ..." if len(images) > 10 else "")
            raise InputError(f"{len(images)} of {count} {what}: {shown}; the list has {len(known)}, as {min(known)}")
    if looks and len(elsewhere) == len(looks):
        raise InputError(f"none of the fixations is on a picture of the list; they are on {', '.join(elsewhere[:10])}")
    return [
        *((image, "rated, no picture", "rated, but not in the list of pictures") for image in lost),
        *((image, "looked at, no picture", "has fixations, but is not in the list of pictures") for image in elsewhere),
    ]
