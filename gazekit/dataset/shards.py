"""A part of a dataset: some pictures, decoded, checked and hashed, with the map and rectangle of their fixations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gazekit.attention.density import FEWEST, LikelyViewing
from gazekit.attention.predicted_maps import PredictedMap
from gazekit.attention.viewings import Viewing
from gazekit.conditions import MaskTask, condition
from gazekit.conditions.making import area_of, picture_rng
from gazekit.core.checksum import check_seal, sealed_file
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.types import Bits, Map, Mask, Pixels
from gazekit.dataset.digests import check_pictures, digest_of_row, write_row_digests
from gazekit.dataset.duplicates import HASHED, perceptual_hash
from gazekit.dataset.layout import PART, Remarks, row_column, write_columns, write_remarks
from gazekit.dataset.resize import resized
from gazekit.pictures import Picture, examine_grey, examine_picture
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.shapes.packed import grid_shape, packed, scaled_box
from gazekit.shapes.rectangles import Box, Boxes
from gazekit.shapes.regions import around

ANOTHER_FILE = "another file"  # the remark on a picture whose predicted map was made of another file
MOST_OFF = 0.1  # share of fixations off a picture that is passed over without a remark
_WRITE = 1 << 22  # bytes that are gathered before they are written


@dataclass(frozen=True)
class PartOptions:
    """What decides a part's content beside its pictures and fixations."""

    rule: MaskSpec = field(default_factory=MaskSpec)
    map_size: int = 64  # pixels of the longer side of the human map; 0: no maps
    cache: int | None = None  # also keep the pixels, resized to a square of this side


@dataclass(frozen=True)
class PartJob:
    """One part to make; picklable."""

    pictures: tuple[Picture, ...]
    looks: dict[str, Viewing]
    options: PartOptions
    windows: dict[str, dict[str, Viewing | PredictedMap]] = field(default_factory=dict)  # by condition and picture
    shard: bool = True  # it stays; else it is joined with others into one file, whose pictures are compared

    def key(self) -> str:
        """Return a digest of all that decides the part's content: a part of this key need not be made again."""
        decisive = [PART, asdict(self.options), *sorted(self.windows)]
        digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
        for picture in self.pictures:
            stamp = picture.file.stat() if picture.file.is_file() else None
            known = [stamp.st_size, stamp.st_mtime_ns] if stamp else []
            digest.update(json.dumps([picture.image, str(picture.file), *known]).encode())
            some = [views.get(picture.image) for _, views in sorted(self.windows.items())]
            for look in (look for look in (self.looks.get(picture.image), *some) if look is not None):
                if isinstance(look, PredictedMap):
                    digest.update(f"{look.digest()}{look.made_of}".encode())
                    continue
                for column in (look.x, look.y, look.duration_ms, look.viewer):
                    digest.update(column.tobytes())
                kind = " likelihood" if isinstance(look, LikelyViewing) else ""
                digest.update(f"{look.sigma_px} {look.weight}{kind}".encode())
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
    map: Map | None
    region: Mask | None  # of the rule `region`, on its grid
    boxes: list[Box]
    viewers: int
    off_picture: int  # fixations
    sigma_px: float  # of the fovea, in pixels of the picture; 0 where nobody was shown it
    pixels: Pixels | None
    windows: dict[str, list[Box] | Bits | None]  # by condition: rectangles, or a region


@dataclass
class _Gathered:
    rows: list[Row] = field(default_factory=list)  # without their bytes, pixels and maps
    ends: list[int] = field(default_factory=lambda: [0])
    digests: list[str] = field(default_factory=list)
    shapes: list[tuple[int, int]] = field(default_factory=list)
    row_digests: dict[str, list[np.uint64]] = field(default_factory=dict)  # of maps, and of pixels
    remarks: Remarks = field(default_factory=list)


def make_part(job: PartJob, target: Path) -> Path:
    """Make a part file: beside its target, sealed, its pictures read back and compared if it is a shard, renamed."""
    with sealed_file(target, check=check_pictures if job.shard else None) as file:
        file.attrs["schema"] = PART
        gathered = _write_pictures(file, job)
        _write_tables(file, job, gathered)
    return target


def whole_part(path: Path) -> bool:
    """Return whether a part is there, as it was sealed."""
    try:
        check_seal(path)
    except (InputError, OSError):
        return False
    return True


def prepare(
    picture: Picture,
    encoded: bytes,
    look: Viewing | None,
    options: PartOptions,
    windows: Mapping[str, Viewing | PredictedMap | None] = MappingProxyType({}),
) -> Row:
    """Decode and check a picture; make its hash, and from its fixations the map, rectangle and viewers.

    Raises
    ------
    FormatError
        Not a picture, cut off, or too large.
    """
    if options.cache:
        info, pixels = examine_picture(encoded, str(picture.file))
    else:  # the pixels are not kept: grey and small is enough to see that all is there, and for the hash
        info, pixels = examine_grey(encoded, str(picture.file), HASHED)
    height, width = info.upright
    viewers, amap, region, boxes = 0, None, None, list[Box]()
    if look is not None:
        look = replace(look, size=(height, width))
        viewers = len(look.participants)
        if viewers:
            amap, region, boxes = _attention(look, options)
    task = MaskTask(picture.image, (height, width), area_of(boxes), np.random.default_rng(0), boxes)
    if region is not None:
        task = replace(task, area=int(region.sum()), boxes=(), grid=(region.shape[0], region.shape[1]), people=region)
    return Row(
        image=picture.image,
        encoded=encoded,
        width=width,
        height=height,
        notes=" ".join(info.notes),
        phash=perceptual_hash(pixels),
        map=amap,
        region=region,
        boxes=boxes,
        viewers=viewers,
        off_picture=0 if look is None else int((~look.counted).sum()),
        sigma_px=0.0 if look is None else look.sigma_px,
        pixels=resized(pixels, options.cache, options.cache) if options.cache else None,
        windows={n: _of_window(n, v, task, options) for n, v in windows.items()},
    )


def _of_window(
    name: str, look: Viewing | PredictedMap | None, task: MaskTask, options: PartOptions
) -> list[Box] | Bits | None:
    """Return what a condition of a window of time or of predicted maps keeps; None where there is no map.

    Of a predicted map it is what the rule says, where nobody looked at the picture.
    """
    if look is None or (isinstance(look, Viewing) and not task.area):
        return None
    look = replace(look, size=task.size)
    if not look.participants:
        return None
    if not task.area and options.rule.kind == "region":
        return packed(options.rule.region(look.map()), options.rule.grid)
    if not task.area:
        return list(options.rule.boxes(look.map()))
    task = replace(task, map=look.map(), rng=picture_rng(name, task.image, 0))
    if options.rule.kind == "region":
        return packed(condition(name).region(task), options.rule.grid)
    return list(condition(name).boxes(options.rule.kind, task))


def _attention(look: Viewing, options: PartOptions) -> tuple[Map, Mask | None, list[Box]]:
    """Return the map on a grid of the picture's shape, and what the rule keeps: a region, rectangles in pixels."""
    small, rule = look.scaled(options.map_size), options.rule  # the small map is kept for a look, no mask is made of it
    whole = look.closed_map()
    if rule.kind != "region":
        return small.map(), None, rule.boxes(whole)
    region = rule.region(whole)
    return small.map(), region, [scaled_box(around(region), grid_shape(look.size, rule.grid), look.size)]


def _rows(job: PartJob, remarks: Remarks) -> Iterator[Row]:
    for picture in job.pictures:
        try:
            encoded = picture.file.read_bytes()
            if not encoded:
                raise InputError(f"{picture.file} is empty (0 bytes)")
            look = job.looks.get(picture.image)
            windows = {name: views.get(picture.image) for name, views in job.windows.items()}
            for name in _of_another_file(windows, encoded):
                windows[name] = None
                remarks.append((picture.image, ANOTHER_FILE, f"its map of {name} was made of another file"))
            row = prepare(picture, encoded, look, job.options, windows)
        except FileNotFoundError:
            remarks.append((picture.image, "missing", f"no such file: {picture.file.name}"))
        except OSError as error:
            remarks.append((picture.image, "unreadable", str(error.strerror or error)))
        except InputError as error:
            remarks.append((picture.image, "broken", str(error).replace(str(picture.file), picture.file.name)))
        else:
            remarks += [(row.image, note, _NOTES[note]) for note in row.notes.split()]
            if isinstance(look, LikelyViewing) and 0 < row.viewers < FEWEST:
                remarks.append(
                    (
                        row.image,
                        "gaussian map",
                        f"{counted(row.viewers, 'viewer is', 'viewers are')} too few for a density",
                    )
                )
            if (count := 0 if look is None else len(look.x)) and row.off_picture > MOST_OFF * count:
                text = f"{row.off_picture} of {count} fixations lie off it or have no duration"
                remarks.append((row.image, "off picture", text))
            yield row


def _of_another_file(windows: Mapping[str, Viewing | PredictedMap | None], encoded: bytes) -> list[str]:
    """Name the conditions whose predicted map was made of another file than a picture's."""
    maps = {name: look for name, look in windows.items() if isinstance(look, PredictedMap) and look.made_of}
    return [name for name, one in maps.items() if one.made_of != hashlib.sha256(encoded).hexdigest()]


_NOTES = {
    "alpha": "transparent parts are laid over white",
    "animated": "the first frame is taken",
    "cmyk": "converted to RGB",
    "16-bit": "reduced to 8 bits a channel",
    "damaged": "its decoder found it damaged: parts may be grey or wrong",
    "turned": "turned upright by its EXIF orientation",
}


def _write_pictures(file: h5py.File, job: PartJob) -> _Gathered:
    """Write what is large picture by picture, so that one picture at a time is in memory."""
    count, grid, cache = len(job.pictures), job.options.map_size, job.options.cache
    side = job.options.rule.grid if grid and job.options.rule.kind == "region" else 0
    room = sum(p.file.stat().st_size for p in job.pictures if p.file.is_file())  # broken ones leave some unused
    encoded = file.create_dataset("image/encoded", (room,), dtype=np.uint8)
    pixels, maps, regions = None, None, None
    if cache:
        square = (count, cache, cache, 3)
        pixels = row_column(file, f"pixels/{cache}", square, np.uint8, packed=False, longest=True)
    if grid:
        maps = row_column(file, "attention/map", (count, grid, grid), np.float32, shuffle=True, longest=True)
    if side:
        regions = row_column(file, "attention/region", (count, side, -(-side // 8)), np.uint8, longest=True)
    gathered, waiting = _Gathered(), bytearray()
    grids = np.zeros((count, grid, grid), dtype=np.float32)
    bits = np.zeros((count, side, -(-side // 8)), dtype=np.uint8)
    for n, row in enumerate(_rows(job, gathered.remarks)):
        end = gathered.ends[-1] + len(row.encoded)
        if end > room:
            raise InputError(f"{row.image} has grown while the dataset was being built; start again")
        waiting += row.encoded
        if len(waiting) > _WRITE:
            _append(encoded, waiting, end)
        if pixels is not None:
            pixels[n] = row.pixels
            gathered.row_digests.setdefault(f"pixels/{cache}", []).append(digest_of_row(np.asarray(row.pixels)))
        if row.map is not None:
            grids[n, : row.map.shape[0], : row.map.shape[1]] = row.map
        if row.region is not None:
            bits[n] = packed(row.region, side)
        _gather(gathered, row, end)
    _append(encoded, waiting, gathered.ends[-1])
    for column in (pixels, maps, regions):
        if column is not None:
            column.resize(len(gathered.rows), axis=0)
    if regions is not None:
        regions[...] = bits[: len(gathered.rows)]
    if maps is not None:
        maps[...] = grids[: len(gathered.rows)]
        gathered.row_digests["attention/map"] = [digest_of_row(grid) for grid in grids[: len(gathered.rows)]]
    file.flush()  # chunks get their places now, and not when the last who holds a column lets it go
    return gathered


def _append(encoded: h5py.Dataset, waiting: bytearray, end: int) -> None:
    """Write the bytes that have been gathered, up to ``end``, and forget them."""
    if waiting:
        encoded[end - len(waiting) : end] = np.frombuffer(bytes(waiting), dtype=np.uint8)  # who looks on may hold it
        waiting.clear()


def _gather(gathered: _Gathered, row: Row, end: int) -> None:
    gathered.ends.append(end)
    gathered.digests.append(hashlib.sha256(row.encoded).hexdigest())
    gathered.shapes.append((0, 0) if row.map is None else (row.map.shape[0], row.map.shape[1]))
    gathered.rows.append(replace(row, encoded=b"", map=None, region=None, pixels=None))


def _write_tables(file: h5py.File, job: PartJob, gathered: _Gathered) -> None:
    rows = gathered.rows
    write_row_digests(file, gathered.row_digests)
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
        rectangle=_padded([row.boxes for row in rows], job.options.rule.count),
        viewers=np.array([row.viewers for row in rows], dtype=np.int32),
        sigma_px=np.array([row.sigma_px for row in rows], dtype=np.float32),
    )
    side = job.options.rule.grid
    empty = np.zeros((side, -(-side // 8)), dtype=np.uint8)
    for name in job.windows:
        kept = [row.windows[name] for row in rows]
        if job.options.rule.kind == "region":
            masks = np.array([empty if bits is None else bits for bits in kept]).reshape(-1, *empty.shape)
        else:
            masks = _padded([[] if boxes is None else boxes for boxes in kept], job.options.rule.count)  # type: ignore[misc]
        write_columns(file.require_group("attention/window"), **{name: masks})
    write_fixations(file.create_group("fixation"), [job.looks.get(row.image) for row in rows])
    write_remarks(file, gathered.remarks)


def _padded(rectangles: list[list[Box]], count: int) -> Boxes:
    boxes = np.zeros((len(rectangles), count, 4), dtype=np.int32)
    for row, of_picture in zip(boxes, rectangles, strict=True):
        row[: len(of_picture)] = np.array(of_picture, dtype=np.int32).reshape(-1, 4)
    return boxes


def write_fixations(group: h5py.Group, looks: Sequence[Viewing | None]) -> None:
    """Write the fixations on each picture, one picture after the other."""
    ends = np.cumsum([0] + [0 if look is None else len(look.x) for look in looks], dtype=np.int64)
    columns: dict[str, npt.NDArray[Any]] = {"offset": ends}
    for name, kind in (("x", np.float32), ("y", np.float32), ("duration_ms", np.float32), ("viewer", np.int32)):
        parts = [getattr(look, name) for look in looks if look is not None]
        columns[name] = np.concatenate([np.empty(0, dtype=kind), *parts]).astype(kind)
    write_columns(group, **columns)
