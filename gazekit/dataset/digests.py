"""Digests of what decides a study, checked without reading a dataset whole: ratings, splits, rectangles, bit masks.

The tables have one digest, an attribute of the file; a bit mask, a stored map and a picture's cached pixels have eight
bytes of their own in ``/digest/<name>``, compared whenever they are read. (A picture's own SHA-256 is in
``/image/sha256``.) Datasets made before gazekit 0.2 have none of them, and are read as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from gazekit.core.errors import FormatError
from gazekit.core.long_texts import text_of
from gazekit.core.types import Bits
from gazekit.dataset.index import Tables, read_tables

ATTRIBUTE = "tables_sha256"
GROUP = "digest"
_BLOCK = 1000  # masks that are read at a time


def write_row_digests(part: h5py.File, digests: Mapping[str, Sequence[np.uint64]]) -> None:
    """Write the digests of every row of a part's large columns, such as ``attention/map``."""
    for name, values in digests.items():
        part.create_dataset(f"{GROUP}/{digest_name(name)}", data=np.array(values, dtype=np.uint64))


def digest_name(column: str) -> str:
    """Return the name of a column's digests."""
    return column.replace("/", "-")


def write_digests(file: h5py.File, path: Path, parts: Sequence[Path]) -> None:
    """Write the digests of a dataset that is whole but for them: those of its parts' rows, of masks and of tables."""
    for name, values in _of_parts(parts).items():
        file.create_dataset(f"{GROUP}/{name}", data=values)
    masks = {name: column for name, column in file["mask"].items() if column.dtype == np.uint8}
    if masks:
        group = file.require_group(GROUP)
        for name, column in masks.items():
            blocks = (column[n : n + _BLOCK] for n in range(0, len(column), _BLOCK))
            group.create_dataset(
                name, data=np.array([digest_of_row(row) for rows in blocks for row in rows], dtype=np.uint64)
            )
    file.attrs[ATTRIBUTE] = tables_digest(file, read_tables(file, path))


def _of_parts(parts: Sequence[Path]) -> dict[str, npt.NDArray[np.uint64]]:
    """Read the digests of rows that all parts have."""
    found: list[dict[str, npt.NDArray[np.uint64]]] = []
    for part in parts:
        with h5py.File(part, "r") as file:
            found.append({name: column[()] for name, column in file.get(GROUP, {}).items()})
    names = [name for name in found[0] if all(name in digests for digests in found)]
    return {name: np.concatenate([digests[name] for digests in found]) for name in names}


def check_pictures(path: Path) -> None:
    """Compare every picture in a file with its own SHA-256, as it comes back from the disk.

    Raises
    ------
    FormatError
        One is another than was written.
    """
    with h5py.File(path, "r") as file:
        offset, digests, encoded = file["image/offset"][()], file["image/sha256"][()], file["image/encoded"]
        for i, digest in enumerate(digests):
            if hashlib.sha256(encoded[offset[i] : offset[i + 1]]).hexdigest().encode() != digest:
                raise FormatError(f"{path}: picture {i} did not come back from the disk as it was written")


def tables_digest(file: h5py.File, tables: Tables) -> str:
    """Return the SHA-256 of ids, ratings, splits, rectangles, sizes and the digests of pictures and bit masks."""
    rectangles = {name: masks.boxes for name, masks in tables.mask.items() if masks is not None}
    small = {
        f"{group}/{name}": file[group][name][()]
        for group in ("category", GROUP)
        if group in file
        for name in file[group]
    }
    digest = hashlib.sha256("\0".join(tables.ids).encode())
    for columns in (tables.image, tables.rating, tables.split, rectangles, small):
        for name, column in columns.items():
            digest.update(f"{name} {column.shape} {column.dtype.str}\n".encode())
            digest.update(np.ascontiguousarray(column).view(np.uint8).data)
    digest.update(
        "\n".join(f"{name} {text_of(file, name)}" for name in ("conditions", "participants", "scale")).encode()
    )
    return digest.hexdigest()


def checked_tables(file: h5py.File, path: Path) -> Tables:
    """Read the tables of a dataset, and compare them with their digest.

    Raises
    ------
    FormatError
        They were altered.
    """
    tables, stated = read_tables(file, path), file.attrs.get(ATTRIBUTE)
    if stated is not None and stated != tables_digest(file, tables):
        raise FormatError(
            f"{path}: ratings, splits or masks have been altered since the dataset was built; "
            "build it again, or take it from a good copy"
        )
    return tables


@dataclass(frozen=True)
class CheckedBits:
    """Bit masks of a condition, (N, side, side / 8): each is compared with its digest when it is read."""

    bits: Any  # an HDF5 dataset
    digests: npt.NDArray[np.uint64]
    path: Path

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of masks, and their shape."""
        return tuple(self.bits.shape)

    def __len__(self) -> int:
        return len(self.digests)

    def __getitem__(self, i: int) -> Bits:
        altered = f"{self.path}: the mask {self.bits.name} of picture {i} has been altered"
        try:
            row: Bits = self.bits[i]
        except OSError as error:  # it cannot be unpacked any more
            raise FormatError(altered) from error
        if digest_of_row(row) != self.digests[i]:
            raise FormatError(altered)
        return row


def digest_of_row(row: npt.NDArray[Any]) -> np.uint64:
    """Return the digest of a row of a large column."""
    return np.uint64(int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "big"))
