"""Datasets for other tools: a folder of pictures with tables, or WebDataset archives; masked pictures as files."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention.drawing import sheet
from gazekit.core.errors import ConfigError, OutputError, unknown_name
from gazekit.core.files import file_names, whole_file, whole_folder
from gazekit.core.progress import track
from gazekit.core.tables import write_table
from gazekit.core.types import Mask, Pixels
from gazekit.dataset.layout import SPLITS
from gazekit.dataset.rating_formats import histogram_table
from gazekit.dataset.reader import Dataset
from gazekit.shapes.masks import apply_mask, check_look

KINDS = {
    b"\xff\xd8\xff": "jpg",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\0": "tif",
    b"MM\0*": "tif",
    b"RIFF": "webp",
}
_JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]


@dataclass(frozen=True)
class MaskStyle:
    """What a masked picture looks like; see `gazekit.shapes.masks.apply_mask`.

    Raises
    ------
    InputError
        An unknown fill, a negative edge.
    """

    fill: str = "black"
    soft_px: float = 0.0

    def __post_init__(self) -> None:
        check_look(self.fill, self.soft_px)


def export_folder(
    dataset: Dataset,
    out: str | Path,
    indices: npt.ArrayLike | None = None,
    *,
    conditions: Sequence[str] = (),
    look: MaskStyle = MaskStyle(),
) -> Path:
    """Write a folder of ``pictures/`` as they were, with tables and masks that `gazekit build-dataset` reads.

    ``pictures.csv`` says which file is which picture: an id that cannot be a file name gets another one, and no two
    get the same. Beside it are ``ratings.csv``, ``splits.csv``, ``fixations.csv`` and ``rectangles.csv``, or where
    masks are regions ``masks/<condition>/*.png``: white is kept. Masked pictures of the ``conditions`` go to
    ``masked/<condition>``. The folder is there when it is whole.

    Raises
    ------
    InputError
        An unknown condition.
    OutputError
        There is such a folder already, or it cannot be written.
    """
    rows = _rows(dataset, indices)
    masks_of = [name for name in conditions if name != "original"]
    _check_conditions(dataset, masks_of or ["original"])
    images = [dataset.ids[i] for i in rows]
    names = file_names(images)
    with whole_folder(out) as folder:
        (folder / "pictures").mkdir()
        for i in track(rows, "writing", len(rows)):
            (folder / "pictures" / names[dataset.ids[i]]).write_bytes(dataset.encoded(i))
        files = [f"pictures/{names[image]}" for image in images]
        write_table(pd.DataFrame({"image": images, "file": files}), folder / "pictures.csv")
        write_table(histogram_table(images, dataset.counts[rows]), folder / "ratings.csv", dataset.provenance)
        write_table(pd.DataFrame({"image": images} | _split_names(dataset, rows)), folder / "splits.csv")
        if dataset.mask_kind == "region":
            _write_masks(dataset, folder / "masks", rows)
        else:
            write_table(_rectangles(dataset, rows), folder / "rectangles.csv")
        if masks_of:
            export_images(dataset, folder / "masked", rows, conditions=masks_of, look=look)
        if dataset.map_size:
            tables = [dataset.fixations_of(i).assign(image=dataset.ids[i]) for i in rows]
            write_table(pd.concat(tables, ignore_index=True), folder / "fixations.csv")
    return Path(out)


def export_webdataset(
    dataset: Dataset,
    out: str | Path,
    indices: npt.ArrayLike | None = None,
    *,
    conditions: Sequence[str] = ("original",),
    look: MaskStyle = MaskStyle(),
    per_tar: int = 1000,
) -> list[Path]:
    """Write tar archives in WebDataset's layout: files of one sample share their name up to the first dot.

    A sample is the original bytes (``000007.jpg``), a masked picture for each other condition
    (``000007.human.png``; where masks are regions, its mask too: ``000007.human.mask.png``) and ``000007.json``: image,
    counts, mean, std, size, viewers, split, rectangles. A picture that nobody looked at has no masked pictures.

    Parameters
    ----------
    out : path
        ``name.tar`` gives ``name-000000.tar``, ``name-000001.tar``, ... of ``per_tar`` samples.
    """
    out, rows = Path(out), _rows(dataset, indices)
    _check_conditions(dataset, conditions)
    if per_tar < 1:
        raise ConfigError(f"per_tar must be 1 or more; found {per_tar}")
    written: list[Path] = []
    chunks = [rows[n : n + per_tar] for n in range(0, len(rows), per_tar)]
    for n, chunk in enumerate(chunks):
        target = out.with_name(f"{out.stem}-{n:06d}.tar")
        with whole_file(target) as temporary, tarfile.open(temporary, "w", format=tarfile.USTAR_FORMAT) as archive:
            for i in track(chunk, target.name, len(chunk)):
                for name, content in _sample(dataset, i, conditions, look):
                    entry = tarfile.TarInfo(f"{i:06d}.{name}")
                    entry.size = len(content)
                    archive.addfile(entry, io.BytesIO(content))
        written.append(target)
    return written


def export_images(
    dataset: Dataset,
    out: str | Path,
    indices: npt.ArrayLike | None = None,
    *,
    conditions: Sequence[str] = ("human",),
    look: MaskStyle = MaskStyle(),
    kind: str = "png",
    size: int | None = None,
    workers: int = 1,
) -> list[Path]:
    """Write masked pictures as files, ``<out>/<condition>/<picture>.png`` (or .jpg), in the pictures' own size.

    Pictures that nobody looked at have no masks, and are left out. A condition's folder is there when it is whole.

    Parameters
    ----------
    size : int, optional
        Write squares of so many pixels instead, as a network sees them.
    workers : int
        Threads.

    Raises
    ------
    InputError
        An unknown condition or picture format.
    OutputError
        There is such a folder already, or it cannot be written.
    """
    rows = _rows(dataset, indices)
    _check_conditions(dataset, conditions)
    if kind not in ("png", "jpg"):
        raise unknown_name("picture format", kind, ("png", "jpg"))
    names = _stems(dataset, rows)
    folders: dict[str, Path] = {}

    def write(job: tuple[str, int]) -> Path:
        condition, i = job
        name = f"{names[i]}.{kind}"
        (folders[condition] / name).write_bytes(encode(masked(dataset, i, condition, look, size), kind))
        return Path(out) / condition / name

    jobs = [(c, i) for c in dict.fromkeys(conditions) for i in rows if dataset.has_mask(i, c)]
    with ExitStack() as whole, ThreadPoolExecutor(workers) as pool:
        folders |= {c: whole.enter_context(whole_folder(Path(out) / c)) for c in dict.fromkeys(conditions)}
        return list(track(pool.map(write, jobs), "writing", len(jobs)))


def masked(dataset: Dataset, i: int, condition: str, look: MaskStyle = MaskStyle(), size: int | None = None) -> Pixels:
    """Return a picture of a condition, in its own size or as a square."""
    if size is not None:
        return dataset.read(i, condition, size, look.fill, look.soft_px)
    pixels = dataset.picture(i)
    if condition == "original":
        return pixels
    return apply_mask(pixels, dataset.mask(i, condition), look.fill, look.soft_px)


def pairs_sheet(
    dataset: Dataset,
    indices: Sequence[int],
    conditions: Sequence[str] = ("human",),
    *,
    look: MaskStyle = MaskStyle(),
    tile: int = 240,
) -> Pixels:
    """Draw originals beside their masked versions on one sheet: a row a picture."""
    shown = ["original", *(c for c in conditions if c != "original")]
    _check_conditions(dataset, shown)
    rows = [[masked(dataset, i, condition, look) for condition in shown] for i in indices]
    return sheet(rows, names=[dataset.ids[i] for i in indices], columns=shown, tile=tile)


def encode(pixels: Pixels, kind: str) -> bytes:
    """Encode a picture as PNG or JPEG."""
    done, data = cv2.imencode(f".{kind}", np.ascontiguousarray(pixels[..., ::-1]), _JPEG if kind == "jpg" else [])
    if not done:
        raise OutputError(f"a picture of {pixels.shape} could not be written as {kind}")
    return bytes(data)


def _sample(dataset: Dataset, i: int, conditions: Sequence[str], look: MaskStyle) -> Iterator[tuple[str, bytes]]:
    encoded = dataset.encoded(i)
    if "original" in conditions:
        yield next((kind for start, kind in KINDS.items() if encoded.startswith(start)), "img"), encoded
    regions = dataset.mask_kind == "region"
    for condition in conditions:
        if condition != "original" and dataset.has_mask(i, condition):
            yield f"{condition}.png", encode(masked(dataset, i, condition, look), "png")
            if regions:
                yield f"{condition}.mask.png", _mask_file(dataset.mask(i, condition))
    height, width = dataset.size(i)
    facts: dict[str, Any] = {
        "image": dataset.ids[i],
        "counts": dataset.counts[i].tolist(),
        "mean": float(dataset.mean[i]) if dataset.counts[i].any() else None,
        "std": float(dataset.std[i]) if dataset.counts[i].any() else None,
        "width": width,
        "height": height,
        "viewers": int(dataset.viewers[i]),
        "split": {name: ["", *SPLITS][int(dataset.codes(name)[i])] for name in dataset.schemes},
    }
    if not regions:
        facts["rectangles"] = {c: dataset.rectangles(i, c).tolist() for c in dataset.conditions if c != "original"}
    yield "json", json.dumps(facts, sort_keys=True).encode()


def _write_masks(dataset: Dataset, out: Path, rows: Sequence[int]) -> None:
    names = _stems(dataset, rows)
    for condition in dataset.conditions[1:]:
        (out / condition).mkdir(parents=True)
        there = [i for i in rows if dataset.has_mask(i, condition)]
        for i in track(there, f"masks {condition}", len(there)):
            (out / condition / f"{names[i]}.png").write_bytes(_mask_file(dataset.mask(i, condition)))


def _mask_file(mask: Mask) -> bytes:
    """Encode a mask as PNG of one bit a pixel: white is kept."""
    _, data = cv2.imencode(".png", mask.astype(np.uint8) * np.uint8(255), [cv2.IMWRITE_PNG_BILEVEL, 1])
    return bytes(data)


def _stems(dataset: Dataset, rows: Sequence[int]) -> dict[int, str]:
    """Return each picture's file name without suffix; with it where a.jpg and a.png are to stay apart."""
    names = file_names(dataset.ids[i] for i in rows)
    stems = {i: Path(names[dataset.ids[i]]).stem for i in rows}
    alike = Counter(stem.casefold() for stem in stems.values())
    return {i: stem if alike[stem.casefold()] == 1 else names[dataset.ids[i]] for i, stem in stems.items()}


def _rows(dataset: Dataset, indices: npt.ArrayLike | None) -> list[int]:
    return list(range(len(dataset))) if indices is None else [int(i) for i in np.asarray(indices)]


def _check_conditions(dataset: Dataset, conditions: Sequence[str]) -> None:
    if not conditions:
        raise ConfigError("name at least one condition")
    for condition in conditions:
        if condition not in dataset.conditions:
            raise unknown_name("condition", condition, dataset.conditions)


def _split_names(dataset: Dataset, rows: Sequence[int]) -> dict[str, list[str]]:
    words = ["", *SPLITS]
    return {name: [words[int(dataset.codes(name)[i])] for i in rows] for name in dataset.schemes}


def _rectangles(dataset: Dataset, rows: Sequence[int]) -> pd.DataFrame:
    boxes = [
        (dataset.ids[i], condition, *box)
        for condition in dataset.conditions
        if condition != "original"
        for i in rows
        for box in dataset.rectangles(i, condition).tolist()
    ]
    return pd.DataFrame(boxes, columns=["image", "condition", "top", "left", "bottom", "right"])
