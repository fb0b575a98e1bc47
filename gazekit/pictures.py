"""Pictures by id: where their files are, and their pixels."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.errors import ConfigError, FormatError
from gazekit.files import existing_file
from gazekit.study import PicturesSection
from gazekit.tables import read_table

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"}
Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """A picture: its id in every table, and its file."""

    image: str
    file: Path


def list_pictures(section: PicturesSection, base: str | Path) -> list[Picture]:
    """The pictures of a study, sorted by id.

    A folder gives every picture file in it (the id is the file's name); a CSV list has the columns ``image``
    and ``file`` (relative to the list), where ``skimage:NAME`` is a photograph that scikit-image carries.

    Raises
    ------
    ConfigError : neither or both given, no such folder, no pictures, an id twice, files that are missing (all named).
    """
    base = Path(base)
    if (section.folder is None) == (section.list is None):
        raise ConfigError("[pictures] needs either folder or list")
    if section.folder is not None:
        folder = base / section.folder
        if not folder.is_dir():
            raise ConfigError(f"[pictures] folder: no such folder: {folder}")
        found = [Picture(f.name, f) for f in sorted(folder.iterdir()) if f.suffix.lower() in SUFFIXES]
    else:
        path = base / str(section.list)
        table = read_table(path, ["image", "file"], "picture list")
        found = [
            Picture(image, _resolve(file, path.parent))
            for image, file in zip(table["image"], table["file"], strict=True)
        ]
    if not found:
        raise ConfigError(f"[pictures] has no picture in it: {section.folder or section.list}")
    faults = [f"{p.image}: no such file {p.file}" for p in found if not p.file.is_file()]
    names = [p.image for p in found]
    faults += [f"{name} stands {names.count(name)} times" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        raise ConfigError("[pictures] " + "; ".join(faults[:20]))
    return sorted(found, key=lambda p: p.image)


def read_picture(path: str | Path) -> Pixels:
    """The pixels of a picture file: uint8 RGB, shape (height, width, 3), turned upright by its EXIF.

    Raises
    ------
    InputError, FormatError : no such file, an empty one, or not a picture.
    """
    path = existing_file(path, "picture")
    return decode_picture(path.read_bytes(), str(path))


def decode_picture(encoded: bytes, name: str) -> Pixels:
    """The pixels of an encoded picture, as `read_picture` gives them; ``name`` is for the message."""
    pixels = cv2.imdecode(np.frombuffer(encoded, dtype=np.uint8), cv2.IMREAD_COLOR_RGB)
    if pixels is None:
        raise FormatError(f"{name} is not a picture that can be decoded ({len(encoded)} bytes, begins {encoded[:8]!r})")
    return np.asarray(pixels, dtype=np.uint8)


def _resolve(file: str, folder: Path) -> Path:
    if file.startswith("skimage:"):
        spec = importlib.util.find_spec("skimage")
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin).parent / "data" / file.removeprefix("skimage:")
    return folder / file
