"""Predicted attention from files: fitted to a table of fixations, written as people's attention is."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from gazekit.attention.drawing import heatmap, outline
from gazekit.attention.export import kept, write_picture
from gazekit.attention.fixation_io import on_pictures
from gazekit.attention.predicted_maps import write_list, write_maps
from gazekit.attention.viewings import Viewing, picture_sigmas, viewings
from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import file_names, provenance, sha256, sync_all, write_text
from gazekit.core.progress import track
from gazekit.core.tables import write_table
from gazekit.core.types import Map, Pixels
from gazekit.models.dense_features import Depths, dense_features
from gazekit.models.gaze_curve import check_curve, learning_curve
from gazekit.models.gaze_readout import (
    BACKBONE,
    LONGER,
    NOTHING,
    AttentionModel,
    Fitted,
    fit_readout,
    grid_of,
    looked_at,
    own_attention,
    picture_map,
)
from gazekit.models.gaze_worth import LONGEST, ModelWorth, worth_in_viewers
from gazekit.models.pixels import view_size
from gazekit.models.registry import create
from gazekit.models.weights import digest
from gazekit.pictures import Picture, read_picture
from gazekit.session.lock import alone
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.shapes.masks import apply_mask

PREDICTED_SCHEMA = "gazekit.predicted-attention/1"
Drawn = Literal["all", "maps", "nothing"]
_TOGETHER = 200  # pictures that wait for the disk together


def fit_attention_model(
    fixations: pd.DataFrame,
    pictures: Sequence[Picture],
    *,
    weights: str | Path | None,
    model: str = BACKBONE,
    longer: int = LONGER,
    folds: int = 10,
    sigma_px: float | None = None,
    seed: int = 0,
    maps: str | Path | None = None,
    curve: bool = False,
) -> AttentionModel:
    """Fit a model of where people look to a table of fixations.

    Parameters
    ----------
    fixations : DataFrame
        A fixation table.
    pictures : sequence of Picture
        As `gazekit.pictures.list_pictures` gives them; those that nobody looked at are left out.
    weights : str or Path or None
        Of the network: a file, or ``timm``; None leaves them random.
    model : str
        The frozen network, a convolutional one of timm.
    longer : int
        Longer side at which it sees pictures; pixels.
    folds : int
        Parts that the pictures are dealt to, for the ridge and for what it is worth.
    sigma_px : float, optional
        Sigma of people's maps; else 1 degree.
    seed : int
        Of the folds.
    maps : str or Path, optional
        Folder for the maps of the pictures that people looked at, each from a fit without it and those of its fold.
    curve : bool
        Also fit to fewer pictures and viewers: ``facts["curve"]`` (`gazekit.models.gaze_curve.learning_curve`).

    Returns
    -------
    AttentionModel
        Its ``facts`` hold the pictures, the ridge, where the weights are from, and what it is worth on pictures that
        each fit had not seen (`gazekit.models.gaze_worth.ModelWorth`).

    Raises
    ------
    InputError, FormatError
        Fewer than four pictures that people looked at and that can be read; a network or weights that do not fit.
    """
    network = create(model, 2, weights=weights).eval()
    table = on_pictures(fixations, pictures)
    named = set(table["image"])
    looked = [picture for picture in pictures if picture.image in named]
    picture_sigmas(table, sigma_px=sigma_px)  # what it lacks is said before the work
    if curve:
        counts = table.groupby("image")["participant"].nunique() if "participant" in table else table["image"] == ""
        check_curve({picture.image: int(counts.get(picture.image, 1)) for picture in looked})
    features, sizes = _features(network, _readable(looked), len(looked), longer)
    if not sizes:
        known, found = (", ".join(map(str, names[:3])) for names in ([p.image for p in pictures], sorted(named)))
        raise InputError(
            f"{counted(len(pictures), 'picture')} ({known}, ...), of which {len(looked)} are in the fixation "
            f"table ({found}, ...)"
            " and none can be read"
        )
    looks = viewings(table, sizes, sigma_px=sigma_px)
    content = {picture.image: sha256(picture.file) for picture in looked if picture.image in sizes}
    plain = AttentionModel(model, network, longer, NOTHING)
    attention = _fit(plain, features, looks, _Study(folds, seed, maps, curve, content, content))
    unreadable = [picture.image for picture in looked if picture.image not in sizes]
    beside = [*attention.facts["beside"], *sorted(sizes.keys() - looks.keys())]
    return replace(attention, facts={**attention.facts, "beside": beside, "unreadable": unreadable})


def fit_to_viewings(
    looks: Mapping[str, Viewing],
    pictures: Iterable[tuple[str, Pixels]],
    *,
    weights: str | Path | None,
    model: str = BACKBONE,
    longer: int = LONGER,
    folds: int = 10,
    seed: int = 0,
    maps: str | Path | None = None,
    curve: bool = False,
    content: Mapping[str, str] = MappingProxyType({}),
    groups: Mapping[str, Hashable] = MappingProxyType({}),
) -> AttentionModel:
    """Fit a model of where people look to viewings, as a dataset has them.

    Parameters
    ----------
    looks : mapping
        By picture: where people looked.
    pictures : iterable of tuple
        Id and pixels of each of these pictures, one after the other.
    weights, model, longer, folds, seed, maps, curve
        See `fit_attention_model`.
    content : mapping, optional
        By picture: the SHA-256 of its file, by which `write_predicted` knows it again.
    groups : mapping, optional
        By picture: equal for those that one fold has together; else each is its own.
    """
    if curve:
        check_curve({image: len(look.participants) for image, look in looks.items()})
    network = create(model, 2, weights=weights).eval()
    features, _ = _features(network, pictures, len(looks), longer)
    study = _Study(folds, seed, maps, curve, content, groups)
    return _fit(AttentionModel(model, network, longer, NOTHING), features, looks, study)


@dataclass(frozen=True)
class _Study:
    """What is asked of a fit, the pictures' SHA-256, and which of them stay together."""

    folds: int
    seed: int
    maps: str | Path | None
    curve: bool
    content: Mapping[str, str]
    groups: Mapping[str, Hashable]


def _fit(
    plain: AttentionModel, features: Mapping[str, Depths], looks: Mapping[str, Viewing], study: _Study
) -> AttentionModel:
    beside = [image for image, viewing in looks.items() if not viewing.inside.any()]
    looks = {image: viewing for image, viewing in looks.items() if image not in beside}
    numbers, different = pd.factorize(np.array([study.groups.get(image, image) for image in looks], dtype=object))
    folds, seed = min(study.folds, len(different)), study.seed
    fitted = fit_readout(
        [features[image] for image in looks],
        [looked_at(viewing, grid_of(features[image])) for image, viewing in looks.items()],
        folds=max(2, folds),
        seed=seed,
        groups=numbers.tolist(),
    )
    facts: dict[str, Any] = {"pictures": len(looks), "folds": folds, "ridge": fitted.ridge, "beside": beside}
    facts |= {"different": len(different), "weights": plain.network.weights_from}
    if study.maps is not None:
        grids = zip(looks.items(), fitted.maps, strict=True)
        seen = {image: picture_map(grid, viewing.size) for (image, viewing), grid in grids}
        write_maps(seen, study.maps, made_of=study.content)
    worth = _worth(looks, features, fitted, seed)
    facts |= {"images": list(looks), "sha256": [study.content.get(image, "") for image in looks]}
    facts |= {"worth": asdict(worth)} if worth else {}
    if study.curve:
        images = list(looks)
        few = {images[i]: looks[images[i]] for i in np.unique(numbers, return_index=True)[1]}  # of each group one
        facts["curve"] = learning_curve(features, few, folds=min(folds, 4), seed=seed).to_dict("records")
    return replace(plain, readout=fitted.readout, facts=facts)


def _readable(pictures: Sequence[Picture]) -> Iterator[tuple[str, Pixels]]:
    for picture in pictures:
        try:
            pixels = read_picture(picture.file)
        except (InputError, FormatError):
            continue  # who lists the pictures of a study says which cannot be read
        yield picture.image, pixels


def _features(
    network: Any, pictures: Iterable[tuple[str, Pixels]], count: int, longer: int
) -> tuple[dict[str, Depths], dict[str, tuple[int, int]]]:
    features, sizes = {}, {}
    for image, pixels in track(pictures, "features", count):
        (features[image],) = dense_features(network, [pixels], longer)
        sizes[image] = (pixels.shape[0], pixels.shape[1])
    return features, sizes


def _worth(
    looks: Mapping[str, Viewing], features: Mapping[str, Depths], fitted: Fitted, seed: int
) -> ModelWorth | None:
    def small(grids: Sequence[Any]) -> dict[str, Map]:
        return {
            image: picture_map(grid, view_size(viewing.size, min(LONGEST, max(viewing.size))))
            for (image, viewing), grid in zip(looks.items(), grids, strict=True)
        }

    if sum(len(viewing.participants) > 2 for viewing in looks.values()) < 2:
        return None
    own = small([own_attention(features[image]) for image in looks])
    return worth_in_viewers(looks, small(fitted.maps), small(fitted.centre), own, seed=seed)


def write_predicted(
    model: AttentionModel,
    pictures: Sequence[Picture],
    out: str | Path,
    rule: MaskSpec,
    *,
    draw: Drawn = "all",
    inputs: Mapping[str, str | Path] | None = None,
) -> pd.DataFrame:
    """Write maps, rectangles and masks of pictures as a model predicts them; goes on where it was stopped.

    In the folder ``out``: ``attention.csv`` (a row a picture: rectangle, share of mass and area, boxes as JSON, and
    whether the model was ``fitted_on`` the picture, known by its name or its content, so that it does not predict it),
    ``left-out.csv``, and as `gazekit.attention.export` does ``maps.csv`` and ``maps/``, which are what a dataset needs,
    and ``heatmaps/`` and ``masked/``. ``draw`` may be ``all``, ``maps`` or ``nothing`` of these pictures.

    Returns
    -------
    DataFrame
        The table of ``attention.csv``.

    Raises
    ------
    InputError
        None of the pictures can be read.
    """
    out, rows, faults = Path(out), [], []
    maps: list[tuple[str, str, bool, str]] = []
    names = file_names(picture.image for picture in pictures)
    seen = {*model.facts.get("images", ()), *model.facts.get("sha256", ())}
    with alone(out / "attention.csv"), _Log(out / "attention.part.jsonl", _identity(model, rule, draw)) as log:
        for picture in track(pictures, "predicted attention", len(pictures)):
            name, stamp = names[picture.image], _stamp(picture)
            if stamp not in log.rows:
                try:
                    log.add(stamp, _predicted(model, picture, read_picture(picture.file), rule, out, name, draw))
                except (InputError, FormatError) as error:
                    faults.append((picture.image, str(error)))
                    continue
            row = dict(log.rows[stamp])
            content = row.pop("sha256")
            rows.append(row | {"fitted_on": not seen.isdisjoint((picture.image, content))})
            maps.append((picture.image, f"maps/{name}.png", rows[-1]["fitted_on"], content))
    if not rows:
        log.path.unlink()
        raise InputError(
            f"none of {len(pictures)} pictures can be read" + (f"; the first: {faults[0][1]}" if faults else "")
        )
    table = pd.DataFrame(rows)
    write_table(pd.DataFrame(faults, columns=["image", "why"]), out / "left-out.csv")
    if draw != "nothing":
        write_list(maps, out)
    write_table(table, out / "attention.csv", provenance(PREDICTED_SCHEMA, rule.parameters(), inputs))
    log.path.unlink()
    return table


def _predicted(
    model: AttentionModel, picture: Picture, pixels: Pixels, rule: MaskSpec, out: Path, name: str, draw: Drawn
) -> dict[str, Any]:
    """Return a picture's row, with the SHA-256 of its file, after its pictures were written."""
    amap = model.map(pixels)
    row, mask = kept(amap, rule)
    if draw != "nothing":
        write_picture(out / "maps" / f"{name}.png", np.rint(amap / amap.max() * 65535).astype(np.uint16), sync=False)
    if draw == "all":
        box = (row["top"], row["left"], row["bottom"], row["right"])
        write_picture(out / "heatmaps" / f"{name}.jpg", outline(heatmap(pixels, amap), [box]), sync=False)
        write_picture(out / "masked" / f"{name}.png", apply_mask(pixels, mask), sync=False)
    return {"image": picture.image, "who": "predicted", **row, "sha256": sha256(picture.file)}


def _stamp(picture: Picture) -> str:
    """Tell a picture's file from one that took its place."""
    known = picture.file.stat() if picture.file.is_file() else None
    return f"{picture.image} {known.st_size} {known.st_mtime_ns}" if known else picture.image


def _identity(model: AttentionModel, rule: MaskSpec, draw: Drawn) -> str:
    """Return a digest of all that decides what is written of a picture."""
    readout = model.readout
    parts = {"weights": readout.weights, "means": readout.means, "scales": readout.scales, "centre": [readout.centre]}
    tensors = {f"{name}{n}": tensor for name, part in parts.items() for n, tensor in enumerate(part)}
    known = [digest(model.network.state_dict()), digest(tensors), readout.blur, model.longer, "sha256"]
    return json.dumps([*known, rule.parameters(), draw])


class _Log:
    """The rows that are done, by picture and file: those that a run of the same identity left, and further ones.

    A row is written when its pictures are on the disk.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self._waiting = path, list[str]()
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.is_file() else []
        same = lines[:1] == [identity + "\n"]
        whole = [line for line in lines[1:] if line.endswith("\n")] if same else []  # the last may have been cut off
        write_text(path, "".join([identity + "\n", *whole]))
        self.rows: dict[str, dict[str, Any]] = dict(map(json.loads, whole))

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *error: object) -> None:
        self._write()

    def add(self, stamp: str, row: dict[str, Any]) -> None:
        """Keep a row."""
        self.rows[stamp] = row
        self._waiting.append(json.dumps([stamp, row]) + "\n")
        if len(self._waiting) >= _TOGETHER:
            self._write()

    def _write(self) -> None:
        sync_all()
        with self.path.open("a", encoding="utf-8", newline="") as log:
            log.write("".join(self._waiting))
        self._waiting.clear()
