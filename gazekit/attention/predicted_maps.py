"""Predicted maps as files: 16-bit pictures with a list beside them, from `gazekit attention-model`."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pandas as pd

from gazekit.attention.export import write_picture
from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import file_names
from gazekit.core.tables import read_table, write_table
from gazekit.core.types import Map
from gazekit.pictures import decode_as

LIST = "maps.csv"


@dataclass(frozen=True)
class PredictedMap:
    """The predicted map of a picture, read when it is needed.

    Attributes
    ----------
    image : str
        Id of the picture.
    file : Path
        The map: grey, 16 bit.
    size : tuple of int
        Height and width at which it is wanted.
    made_of : str
        SHA-256 of the picture that it was made of; empty where its list does not say.
    """

    image: str
    file: Path
    size: tuple[int, int] = (0, 0)
    made_of: str = ""

    @property
    def participants(self) -> list[str]:
        """Return whom it stands for."""
        return ["predicted"]

    def digest(self) -> str:
        """Return the SHA-256 of the file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def map(self) -> Map:
        """Return the map at its size, float32 of sum 1.

        Raises
        ------
        FormatError
            Not a grey picture, or an empty one.
        """
        grey, said = decode_as(self.file.read_bytes(), cv2.IMREAD_UNCHANGED, str(self.file))
        if grey is None or grey.ndim != 2 or not grey.any():
            raise FormatError("; ".join([f"{self.file} is not a map of gazekit attention-model", *said]))
        height, width = self.size
        large = cv2.resize(grey.astype(np.float64), (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(large / large.sum(), dtype=np.float32)


def write_maps(
    maps: Mapping[str, Map],
    out: str | Path,
    *,
    fitted_on: Collection[str] = (),
    made_of: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write ``maps/*.png`` and ``maps.csv`` (image, file, fitted_on, sha256) into a folder.

    Parameters
    ----------
    maps : mapping
        Picture to map.
    out : str or Path
        The folder.
    fitted_on : collection of str
        Pictures that the model which predicts them was fitted on.
    made_of : mapping
        Picture to the SHA-256 of its file, where that is known.
    """
    out, names, rows = Path(out), file_names(maps), []
    for image, amap in maps.items():
        file = Path("maps") / f"{names[image]}.png"
        write_picture(out / file, np.rint(amap / amap.max() * 65535).astype(np.uint16))
        rows.append((image, file.as_posix(), image in fitted_on, made_of.get(image, "")))
    return write_list(rows, out)


def write_list(rows: Sequence[tuple[str, str, bool, str]], out: Path) -> Path:
    """Write ``maps.csv`` of maps that lie in a folder: image, file, whether the model was fitted on it, its SHA-256."""
    return write_table(pd.DataFrame(rows, columns=["image", "file", "fitted_on", "sha256"]), out / LIST)


def read_maps(folders: Sequence[str | Path], pictures: Collection[str]) -> dict[str, PredictedMap]:
    """Read which maps of pictures there are; of one that two folders have, the first one's counts.

    A copy of a picture that the model was fitted on has the map that an earlier folder holds of the same content.

    Raises
    ------
    InputError
        No list, or a map of a picture from a model that was fitted on people's fixations on it.
    """
    found: dict[str, PredictedMap] = {}
    seen: list[str] = []
    unseen: dict[str, Path] = {}  # by content, the map of a model that was not fitted on it
    for folder in map(Path, folders):
        table = read_table(folder / LIST, ["image", "file", "fitted_on"], "list of predicted maps", ids=["sha256"])
        made_of = table["sha256"].fillna("").astype(str) if "sha256" in table else [""] * len(table)  # of older lists
        images = table["image"].astype(str)
        for image, file, fitted_on, sha in zip(images, table["file"], table["fitted_on"], made_of, strict=True):
            if sha and not fitted_on:
                unseen.setdefault(sha, folder / str(file))
            if image in found or image not in pictures:
                continue
            place = unseen.get(sha) if fitted_on else folder / str(file)
            found[image] = PredictedMap(image, place or folder / str(file), made_of=sha)
            seen += [image] if place is None else []
    if seen:
        raise InputError(
            f"{counted(len(seen), 'predicted map is', 'predicted maps are')} of pictures that the model was "
            f"fitted on, as {', '.join(seen[:5])}: give "
            "the folder of `gazekit attention-model fit --maps` first, whose maps are made out of fold"
        )
    return found
