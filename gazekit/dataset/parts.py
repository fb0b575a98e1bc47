"""A part of a dataset: some pictures, decoded, checked and hashed, with the map and rectangle of their fixations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gazekit.attention import attended_rectangle, attention_map
from gazekit.dataset.duplicates import perceptual_hash
from gazekit.dataset.layout import PART, write_columns, write_remarks
from gazekit.dataset.resize import resized
from gazekit.dataset.seal import check_seal, sealed_file
from gazekit.errors import FormatError, InputError
from gazekit.pictures import Picture, Pixels, examine_picture

_WRITE = 1 << 22  # bytes that are gathered before they are written


@dataclass(frozen=True)
class PictureFixations:
    """The fixations on one picture: pixels of the picture, milliseconds, and who (a code)."""

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    duration_ms: npt.NDArray[np.float32]
    viewer: npt.NDArray[np.int32]
    sigma_px: float


@dataclass(frozen=True)
class PartOptions:
    """What decides a part's content beside its pictures and fixations."""

    share: float = 0.7
    weight: str = "duration"
    map_size: int = 64  # pixels of the longer side of the human map; 0: no maps
    cache: int | None = None  # also keep the pixels, resized to a square of this side


@dataclass(frozen=True)
class PartJob:
    """One part to make; picklable."""

    pictures: tuple[Picture, ...]
    fixations: dict[str, PictureFixations]
    options: PartOptions

    def key(self) -> str:
        """A digest of all that decides the part's content: a part of this key need not be made again."""
        digest = hashlib.sha256(json.dumps([PART, asdict(self.options)], sort_keys=True).encode())
        for picture in self.pictures:
            stamp = picture.file.stat() if picture.file.is_file() else None
            known = [stamp.st_size, stamp.st_mtime_ns] if stamp else []
            digest.update(json.dumps([picture.image, str(picture.file), *known]).encode())
            if picture.image in self.fixations:
                seen = self.fixations[picture.image]
                for column in (seen.x, seen.y, seen.duration_ms, seen.viewer):
                    digest.update(column.tobytes())
                digest.update(str(seen.sigma_px).encode())
        return digest.hexdigest()


@dataclass(frozen=True)
class Row:
    """All that a part keeps of one picture."""

    image: str
    encoded: bytes
    width: int
    height: int
    notes: str
    phash: int
    map: npt.NDArray[np.float32] | None
    box: tuple[int, int, int, int]
    viewers: int
    pixels: Pixels | None


@dataclass
class _Gathered:
    rows: list[Row] = field(default_factory=list)  # without their bytes, pixels and maps
    ends: list[int] = field(default_factory=lambda: [0])
    digests: list[str] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    remarks: list[tuple[str, str, str]] = field(default_factory=list)


def make_part(job: PartJob, target: Path) -> Path:
    """Make a part file: beside its target, sealed, read back and compared, renamed."""
    with sealed_file(target, check=check_part) as file:
        file.attrs["schema"] = PART
        gathered = _write_pictures(file, job)
        _write_tables(file, job, gathered)
    return target


def whole_part(path: Path) -> bool:
    """Whether a part is there, as it was sealed."""
    try:
        check_seal(path)
    except (InputError, OSError):
        return False
    return True


def check_part(path: Path) -> None:
    """Compare every picture in a part with its own SHA-256, as it comes back from the file."""
    with h5py.File(path, "r") as file:
        offset, digests, encoded = file["image/offset"][()], file["image/sha256"][()], file["image/encoded"]
        for i, digest in enumerate(digests):
            if hashlib.sha256(encoded[offset[i] : offset[i + 1]]).hexdigest().encode() != digest:
                raise FormatError(f"{path}: picture {i} did not come back from the disk as it was written")


def prepare(picture: Picture, encoded: bytes, seen: PictureFixations | None, options: PartOptions) -> Row:
    """Decode and check a picture; make its hash, and from its fixations the map, rectangle and viewers.

    Raises
    ------
    FormatError : not a picture, cut off, or too large.
    """
    info, pixels = examine_picture(encoded, str(picture.file))
    height, width = pixels.shape[:2]
    amap, box, viewers = None, (0, 0, 0, 0), 0
    if seen is not None:
        on = (seen.x >= 0) & (seen.x < width) & (seen.y >= 0) & (seen.y < height) & (seen.duration_ms > 0)
        viewers = len(np.unique(seen.viewer[on]))
        if viewers:
            amap, box = _attention(seen, (height, width), options)
    return Row(
        image=picture.image,
        encoded=encoded,
        width=width,
        height=height,
        notes=" ".join(info.notes),
        phash=perceptual_hash(pixels),
        map=amap,
        box=box,
        viewers=viewers,
        pixels=resized(pixels, options.cache, options.cache) if options.cache else None,
    )


def _attention(
    seen: PictureFixations, size: tuple[int, int], options: PartOptions
) -> tuple[npt.NDArray[np.float32], tuple[int, int, int, int]]:
    """The map on a grid of the picture's shape, and the grid's smallest rectangle in pixels of the picture."""
    height, width = size
    scale = min(1.0, options.map_size / max(size))
    h, w = max(1, round(height * scale)), max(1, round(width * scale))
    weight = seen.duration_ms if options.weight == "duration" else None
    amap = attention_map(
        seen.x * (w / width), seen.y * (h / height), weight, size=(h, w), sigma_px=seen.sigma_px * scale
    )
    top, left, bottom, right = attended_rectangle(amap, options.share)
    return amap, (
        round(top * height / h),
        round(left * width / w),
        round(bottom * height / h),
        round(right * width / w),
    )


def _rows(job: PartJob, remarks: list[tuple[str, str, str]]) -> Iterator[Row]:
    for picture in job.pictures:
        try:
            encoded = picture.file.read_bytes()
            if not encoded:
                raise InputError(f"{picture.file} is empty (0 bytes)")
            row = prepare(picture, encoded, job.fixations.get(picture.image), job.options)
        except FileNotFoundError:
            remarks.append((picture.image, "missing", f"no such file: {picture.file.name}"))
        except OSError as error:
            remarks.append((picture.image, "unreadable", str(error.strerror or error)))
        except InputError as error:
            remarks.append((picture.image, "broken", str(error).replace(str(picture.file), picture.file.name)))
        else:
            remarks += [(row.image, note, _NOTES[note]) for note in row.notes.split()]
            yield row


_NOTES = {
    "alpha": "transparent parts are laid over white",
    "animated": "the first frame is taken",
    "cmyk": "converted to RGB",
    "16-bit": "reduced to 8 bits a channel",
    "turned": "turned upright by its EXIF orientation",
}


def _write_pictures(file: h5py.File, job: PartJob) -> _Gathered:
    """Write what is large picture by picture, so that one picture at a time is in memory."""
    count, grid, cache = len(job.pictures), job.options.map_size, job.options.cache
    room = sum(p.file.stat().st_size for p in job.pictures if p.file.is_file())  # broken ones leave some unused
    encoded = file.create_dataset("image/encoded", (room,), dtype=np.uint8)
    pixels, maps = None, None
    if cache:
        shape = (count, cache, cache, 3)
        pixels = file.create_dataset(f"pixels/{cache}", shape, dtype=np.uint8, chunks=(1, *shape[1:]), maxshape=shape)
    if grid:
        square = (count, grid, grid)
        maps = file.create_dataset(
            "attention/map",
            square,
            dtype=np.float32,
            chunks=(1, grid, grid),
            maxshape=square,
            compression="gzip",
            compression_opts=1,  # LZF is faster, but its output depends on what was in memory before
            shuffle=True,
        )
    gathered, waiting = _Gathered(), bytearray()
    grids = np.zeros((count, grid, grid), dtype=np.float32)
    for n, row in enumerate(_rows(job, gathered.remarks)):
        end = gathered.ends[-1] + len(row.encoded)
        if end > room:
            raise InputError(f"{row.image} has grown while the dataset was being built; start again")
        waiting += row.encoded
        if len(waiting) > _WRITE:
            _append(encoded, waiting, end)
        if pixels is not None:
            pixels[n] = row.pixels
        if row.map is not None:
            grids[n, : row.map.shape[0], : row.map.shape[1]] = row.map
        _gather(gathered, row, end)
    _append(encoded, waiting, gathered.ends[-1])
    if pixels is not None:
        pixels.resize(len(gathered.rows), axis=0)
    if maps is not None:
        maps.resize(len(gathered.rows), axis=0)
        maps[...] = grids[: len(gathered.rows)]
    return gathered


def _append(encoded: h5py.Dataset, waiting: bytearray, end: int) -> None:
    """Write the bytes that have been gathered, up to ``end``, and forget them."""
    if waiting:
        encoded[end - len(waiting) : end] = np.frombuffer(bytes(waiting), dtype=np.uint8)
        waiting.clear()


def _gather(gathered: _Gathered, row: Row, end: int) -> None:
    gathered.ends.append(end)
    gathered.digests.append(hashlib.sha256(row.encoded).hexdigest())
    gathered.shapes.append((0, 0) if row.map is None else (row.map.shape[0], row.map.shape[1]))
    small = Row(row.image, b"", row.width, row.height, row.notes, row.phash, None, row.box, row.viewers, None)
    gathered.rows.append(small)


def _write_tables(file: h5py.File, job: PartJob, gathered: _Gathered) -> None:
    rows = gathered.rows
    write_columns(
        file["image"],
        id=[row.image for row in rows],
        sha256=np.array(gathered.digests, dtype="S64"),
        width=np.array([row.width for row in rows], dtype=np.int32),
        height=np.array([row.height for row in rows], dtype=np.int32),
        offset=np.array(gathered.ends, dtype=np.int64),
        notes=[row.notes for row in rows],
        phash=np.array([row.phash for row in rows], dtype=np.uint64),
    )
    write_columns(
        file.require_group("attention"),
        shape=np.array(gathered.shapes, dtype=np.int32).reshape(-1, 2),
        rectangle=np.array([row.box for row in rows], dtype=np.int32).reshape(-1, 1, 4),
        viewers=np.array([row.viewers for row in rows], dtype=np.int32),
    )
    _write_fixations(file.create_group("fixation"), [job.fixations.get(row.image) for row in rows])
    write_remarks(file, gathered.remarks)


def _write_fixations(group: h5py.Group, seen: list[PictureFixations | None]) -> None:
    ends = np.cumsum([0] + [0 if one is None else len(one.x) for one in seen], dtype=np.int64)
    columns: dict[str, npt.NDArray[Any]] = {"offset": ends}
    for name, kind in (("x", np.float32), ("y", np.float32), ("duration_ms", np.float32), ("viewer", np.int32)):
        parts = [getattr(one, name) for one in seen if one is not None]
        columns[name] = np.concatenate([np.empty(0, dtype=kind), *parts]).astype(kind)
    write_columns(group, **columns)
