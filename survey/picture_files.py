"""The pictures of a survey: ids and files that a browser can show."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

from gazekit.core.errors import ConfigError
from gazekit.core.tables import read_table
from survey.config import PicturePlace

MIME_TYPES = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
}


def picture_files(place: PicturePlace, base: str | Path) -> dict[str, Path]:
    """Find the file of each picture, by id and in the order of ids.

    A folder gives every picture in it (links out of the folder are left out); a CSV list has the columns image
    and file, where ``skimage:NAME`` is a photograph that scikit-image carries.

    Raises
    ------
    ConfigError
        Neither or both are given, no picture is there, an id stands twice, or browsers do not show a file (all are
        named).
    """
    if (place.folder is None) == (place.list is None):
        raise ConfigError("[pictures] needs either folder or list")
    pictures = _in_folder(Path(base) / place.folder) if place.folder else _in_list(Path(base) / str(place.list))
    if not pictures:
        raise ConfigError(f"[pictures] has no picture in it: {place.folder or place.list}")
    names = [name for name, _ in pictures]
    faults = [f"{name}: no such file {file}" for name, file in pictures if not file.is_file()]
    faults += [
        f"{name}: browsers do not show {file.suffix or 'files without a suffix'} ({', '.join(MIME_TYPES)})"
        for name, file in pictures
        if file.suffix.lower() not in MIME_TYPES
    ]
    faults += [f"{name} stands {names.count(name)} times" for name in sorted({n for n in names if names.count(n) > 1})]
    if faults:
        raise ConfigError("[pictures] " + "; ".join(faults[:20]))
    return dict(sorted(pictures))


def picture_ids(place: PicturePlace | Path, base: Path) -> list[str]:
    """List the ids of a study's pictures, or of a folder or a CSV list (column image), without a look at the files.

    Raises
    ------
    ConfigError
        There is no picture.
    """
    if isinstance(place, PicturePlace):
        return list(picture_files(place, base))
    if place.is_dir():
        names = sorted(file.name for file in place.iterdir() if file.suffix.lower() in MIME_TYPES)
    else:
        names = read_table(place, ["image"], "list of pictures")["image"].tolist()
    if not names:
        raise ConfigError(f"{place} has no picture in it")
    return names


def _in_folder(folder: Path) -> list[tuple[str, Path]]:
    if not folder.is_dir():
        raise ConfigError(f"[pictures] folder: no such folder: {folder}")
    inside = folder.resolve()
    files = [file for file in folder.iterdir() if file.suffix.lower() in MIME_TYPES]
    return [(file.name, file.resolve()) for file in files if file.resolve().is_relative_to(inside)]


def _in_list(path: Path) -> list[tuple[str, Path]]:
    try:
        table = pd.read_csv(path, dtype=str)
        return [
            (str(name), _resolve(str(file), path.parent))
            for name, file in zip(table["image"], table["file"], strict=True)
        ]
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"[pictures] list: {path} is not a CSV table with the columns image and file: {error}"
        ) from error


def _resolve(file: str, folder: Path) -> Path:
    if file.startswith("skimage:"):
        spec = importlib.util.find_spec("skimage")
        if spec is not None and spec.origin is not None:
            return Path(spec.origin).parent / "data" / file.removeprefix("skimage:")
    return (folder / file).resolve()
