"""Joining the parts of a dataset, in one file or as an index over shards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gazekit.core.checksum import check_seal, read_seal, sealed_file
from gazekit.core.errors import InputError
from gazekit.core.files import whole_file
from gazekit.core.long_texts import write_attributes
from gazekit.dataset.digests import check_pictures, write_digests
from gazekit.dataset.layout import (
    ATTENTION,
    SCHEMA,
    Remarks,
    joined_boxes,
    read_remarks,
    read_text,
    row_column,
    write_columns,
)

_COPY = 1 << 20  # bytes at a time


@dataclass(frozen=True)
class Small:
    """The small columns of all parts together."""

    ids: list[str]
    notes: list[str]
    columns: dict[str, npt.NDArray[Any]]  # sha256 width height phash shape rectangle viewers sigma_px
    bytes: npt.NDArray[np.int64]
    parts: Sequence[Path]
    first: npt.NDArray[np.int64]  # the first picture of each part, and the number of pictures
    remarks: Remarks

    def size(self, i: int) -> tuple[int, int]:
        """Height and width of a picture."""
        return int(self.columns["height"][i]), int(self.columns["width"][i])


_IMAGE = ("sha256", "width", "height", "phash")


def publish(
    parts: Sequence[Path],
    out: Path,
    attributes: Mapping[str, Any],
    tables: Callable[[h5py.File, Small], None],
    *,
    sharded: bool,
) -> Path:
    """Write a dataset from its parts, and remove the work folder.

    Parameters
    ----------
    attributes : Mapping[str, Any]
        Of the file: scale, conditions, participants, provenance.
    tables : Callable[[h5py.File, Small], None]
        Writes ratings, splits, rectangles and remarks into the file.
    sharded : bool
        Keep the parts as shards in ``<out>.shards``, with an index at ``out``; else copy them into one file.
    """
    small = read_small(parts)
    shards = _place_shards(parts, out) if sharded else []
    with sealed_file(out, check=None if sharded else check_pictures) as file:
        write_attributes(file, {"schema": SCHEMA, **attributes})
        _write_images(file, small)
        if sharded:
            digests = np.array([read_seal(part) for part in parts], dtype="S64")
            write_columns(file.create_group("shard"), name=shards, sha256=digests, first=small.first)
        else:
            _copy_large(file, parts, small)
        tables(file, small)
        write_digests(file, out, parts)
    _remove_other_shards(out, shards)
    shutil.rmtree(parts[0].parent, ignore_errors=True)
    return out


def read_small(parts: Sequence[Path]) -> Small:
    """Read the small columns of parts, one after the other."""
    ids: list[str] = []
    notes: list[str] = []
    remarks: Remarks = []
    gathered: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in (*_IMAGE, *ATTENTION, "bytes")}
    first = [0]
    for part in parts:
        with h5py.File(part, "r") as file:
            ids += read_text(file["image/id"])
            notes += read_text(file["image/notes"])
            remarks += [tuple(row) for row in read_remarks(file).itertuples(index=False, name=None)]
            for name in _IMAGE:
                gathered[name].append(file[f"image/{name}"][()])
            for name in ATTENTION:
                gathered[name].append(file[f"attention/{name}"][()])
            gathered["bytes"].append(np.diff(file["image/offset"][()]))
        first.append(len(ids))
    columns: dict[str, npt.NDArray[Any]] = {"rectangle": joined_boxes(gathered.pop("rectangle"))}
    columns |= {name: np.concatenate(arrays) for name, arrays in gathered.items()}
    return Small(ids, notes, columns, columns.pop("bytes"), parts, np.array(first, dtype=np.int64), remarks)


def _write_images(file: h5py.File, small: Small) -> None:
    write_columns(
        file.create_group("image"), id=small.ids, notes=small.notes, **{name: small.columns[name] for name in _IMAGE}
    )
    write_columns(file.create_group("attention"), **{name: small.columns[name] for name in ATTENTION})


def _copy_large(file: h5py.File, parts: Sequence[Path], small: Small) -> None:
    """Bytes, pixels, maps and fixations of the parts, piece by piece, into one file."""
    offset = np.concatenate([[0], np.cumsum(small.bytes)]).astype(np.int64)
    encoded = file.create_dataset("image/encoded", (int(offset[-1]),), dtype=np.uint8)
    file.create_dataset("image/offset", data=offset, dtype=np.int64)
    ends = [np.zeros(1, dtype=np.int64)]
    for n, part in enumerate(parts):
        rows = slice(int(small.first[n]), int(small.first[n + 1]))
        with h5py.File(part, "r") as source:
            start, size = int(offset[rows.start]), int(offset[rows.stop] - offset[rows.start])
            for at in range(0, size, _COPY):
                end = min(at + _COPY, size)
                encoded[start + at : start + end] = source["image/encoded"][at:end]
            for name in _large(source):
                _copy_rows(file, source[name], name, rows, len(small.ids))
            ends.append(source["fixation/offset"][1:] + ends[-1][-1])
            for name in ("x", "y", "duration_ms", "viewer"):
                _append(file, f"fixation/{name}", source[f"fixation/{name}"][()])
    file.create_dataset("fixation/offset", data=np.concatenate(ends), dtype=np.int64)


def _large(source: h5py.File) -> list[str]:
    return [f"pixels/{size}" for size in source.get("pixels", ())] + (
        ["attention/map"] if "map" in source["attention"] else []
    )


def _copy_rows(file: h5py.File, source: h5py.Dataset, name: str, rows: slice, total: int) -> None:
    if name not in file:
        shape = (total, *source.shape[1:])
        row_column(file, name, shape, source.dtype, packed=source.compression is not None, shuffle=source.shuffle)
    column, rest = file[name], (0,) * (len(source.shape) - 1)
    for n in range(len(source)):  # a row is a chunk: copied as it is, compressed or not
        if source.id.get_chunk_info_by_coord((n, *rest)).byte_offset is not None:
            skipped, chunk = source.id.read_direct_chunk((n, *rest))
            column.id.write_direct_chunk((rows.start + n, *rest), chunk, skipped)


def _append(file: h5py.File, name: str, values: npt.NDArray[Any]) -> None:
    if name not in file:
        file.create_dataset(name, (0,), dtype=values.dtype, maxshape=(None,), chunks=(1 << 14,))
    column = file[name]
    column.resize(len(column) + len(values), axis=0)
    if len(values):
        column[-len(values) :] = values
    column.flush()  # its chunks get their places now, and not when the last who holds it lets it go


def shard_folder(out: Path) -> Path:
    """Return where the shards of an index lie: a folder beside it."""
    return out.with_name(f"{out.name}.shards")


def _place_shards(parts: Sequence[Path], out: Path) -> list[str]:
    """Put copies of the parts (links where the disk can) into the shards' folder, by names made of their content."""
    folder = shard_folder(out)
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for n, part in enumerate(parts):
        digest = read_seal(part)
        name = f"{n:05d}-{digest[:16]}.h5"
        if not _has_seal(folder / name, digest):
            _link_or_copy(part, folder / name)
        names.append(name)
    return names


def _has_seal(path: Path, digest: str) -> bool:
    try:
        return check_seal(path) == digest
    except InputError:
        return False


def _link_or_copy(part: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(part, target)
    except OSError:  # the disk has no links
        with whole_file(target) as temporary:
            shutil.copyfile(part, temporary)


def _remove_other_shards(out: Path, names: Sequence[str]) -> None:
    if not shard_folder(out).is_dir():
        return
    for stale in set(shard_folder(out).iterdir()) - {shard_folder(out) / name for name in names}:
        stale.unlink()
    if not names:
        shard_folder(out).rmdir()
