"""A dataset that belongs to a registered study: what of it is sealed, and the mark that travels in its file.

Where a split is held out, the ratings of its test pictures are locked away in the file. Where every picture is tested
once, ratings must be seen to train, and whatever is computed from the dataset is sealed as it is written.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import h5py
import numpy as np

from gazekit.core.checksum import sealed_file
from gazekit.core.encryption import decrypt, encrypt
from gazekit.core.errors import InputError
from gazekit.core.types import Index
from gazekit.dataset.digests import ATTRIBUTE, tables_digest
from gazekit.dataset.index import read_tables
from gazekit.dataset.layout import stored_name

if TYPE_CHECKING:
    from gazekit.dataset.reader import Dataset

MARK, LOCKED = "registration", "sealed_counts"


@dataclass(frozen=True)
class RegisteredMark:
    """To which registration a dataset belongs.

    Attributes
    ----------
    id : str
        Of the registration.
    public_key : str
        What its scores are locked with.
    hides : str
        ``labels``: the ratings of test pictures; ``scores``: all scores, since every picture is tested.
    scheme : str
        The split whose test pictures' ratings are locked.
    """

    id: str
    public_key: str
    hides: Literal["labels", "scores"]
    scheme: str = "default"


def read_mark(file: h5py.File) -> RegisteredMark | None:
    """Return the mark of an opened dataset file; None where there is none."""
    return RegisteredMark(**json.loads(str(file.attrs[MARK]))) if MARK in file.attrs else None


def mark_dataset(path: Path, mark: RegisteredMark) -> None:
    """Write a dataset anew with its mark and, where labels are hidden, with the test pictures' ratings locked away."""
    with sealed_file(path) as target:
        with h5py.File(path, "r") as source:
            for name in source:
                source.copy(name, target)
            for name, value in source.attrs.items():
                target.attrs[name] = value
        target.attrs[MARK] = json.dumps(asdict(mark))
        if mark.hides == "labels":
            hidden = target[f"split/{stored_name(mark.scheme)}"][()] == 3
            counts = target["rating/counts"][()]
            rows = np.where(hidden[:, None], counts, 0).astype("<i8")
            target.create_dataset(LOCKED, data=np.frombuffer(encrypt(rows.tobytes(), mark.public_key), dtype=np.uint8))
            for name, empty in (("counts", 0), ("n", 0), ("mean", np.nan), ("std", np.nan)):
                column = target[f"rating/{name}"]
                values = column[()]
                values[hidden] = empty
                column[...] = values
        target.attrs[ATTRIBUTE] = tables_digest(target, read_tables(target, path))


def unlocked_counts(dataset: Dataset, private_key: str) -> Index:
    """Return the ratings (N, K) of all pictures of a registered dataset, those that are locked away as well.

    Raises
    ------
    InputError
        Another key.
    """
    with h5py.File(dataset.path, "r") as file:
        if LOCKED not in file:
            return dataset.counts
        rows = np.frombuffer(decrypt(file[LOCKED][()].tobytes(), private_key), dtype="<i8")
    return np.asarray(dataset.counts + rows.reshape(dataset.counts.shape), dtype=np.int64)


def refuse_registered(dataset: Dataset, what: str) -> None:
    """Raise an `InputError` where a dataset out of a registered one would lose its mark."""
    if dataset.registered is not None:
        raise InputError(
            f"{dataset.path} belongs to the registered study {dataset.registered.id}; {what} would leave the "
            "registration behind. Take the files that it was built from"
        )
