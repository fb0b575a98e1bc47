"""Texts of an HDF5 file: attributes, and datasets where they are longer than the 64 kB that HDF5 takes in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import h5py

LONGEST = 60_000  # bytes of an attribute; HDF5 takes 64 kB with its head
GROUP = "long_attributes"


def write_text(file: h5py.File, name: str, text: str) -> None:
    """Write a text that belongs to a whole file."""
    if len(text.encode()) <= LONGEST:
        file.attrs[name] = text
    else:
        file.create_dataset(f"{GROUP}/{name}", data=text)


def write_attributes(file: h5py.File, values: Mapping[str, Any]) -> None:
    """Write attributes of a whole file, the texts among them as long as they may be."""
    for name, value in values.items():
        if isinstance(value, str):
            write_text(file, name, value)
        else:
            file.attrs[name] = value


def text_of(file: h5py.File, name: str) -> str:
    """Read a text that belongs to a whole file.

    Raises
    ------
    KeyError
        The file has none of that name.
    """
    long = f"{GROUP}/{name}"
    return str(file[long].asstr()[()]) if long in file else str(file.attrs[name])
