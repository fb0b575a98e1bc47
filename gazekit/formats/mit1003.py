"""MIT1003 (Judd, Ehinger, Durand & Torralba 2009): a folder a viewer, in it a MATLAB file a picture.

Each file holds one structure of the file's name, which MATLAB cuts at 63 letters: ``imgName``, and ``DATA`` with
``block``, ``trial`` and ``eyeData``, a row a sample, x and y in pixels of the picture.

Every fact is the authors', from their DatabaseCode.zip, and pysaliency reads it alike. README.txt: files, names, raw
samples, below 0 where the eye was lost. basicFreeView.m: fields, numbers of trials, a picture in its own size in the
middle of the screen, whose corner is taken off the places, a list of samples that is not emptied between pictures, so
that its end may be left from one before. showEyeData.m: samples are drawn on the picture as they are.
checkFixations.m: 240 samples a second. pysaliency's extract_fixations.m: 63 letters. Whether pixels count from 0 or 1
is not said; from 0 is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError
from gazekit.core.types import Floats
from gazekit.formats.columns import eye, point, recording
from gazekit.formats.matlab import read_mats
from gazekit.formats.session_builder import Draft, Part, Request
from gazekit.formats.text import Head
from gazekit.gaze import Eye
from gazekit.pictures import inspect_picture, list_pictures, match_names
from gazekit.session.model import TrackerInfo

TITLE = "MIT1003: the folder of a viewer with a .mat file a picture (--pictures says where the pictures are)"
_RATE_HZ = 240
_PAUSE_US = 1_000_000
_LETTERS = 63  # of a variable's name
_LOOKED_AT = 5  # files of a folder, so that a damaged one does not hide the others
_OTHERS = ("shuff_stimnames.mat", "CalibrationData.mat")


class _Showing(NamedTuple):
    """A picture that was looked at."""

    number: tuple[int, int]  # of its block and trial
    image: str
    places: Floats  # (n, 2), pixels of the picture


def looks_like(head: Head) -> bool:
    """Tell whether a folder is a viewer's."""
    return any(_is_showing(head.path / name) for name in _files(head)[:_LOOKED_AT])


def _files(head: Head) -> list[str]:
    names = [name for name in head.names if name.endswith(".mat") and "/" not in name and not name.startswith(".")]
    return sorted(name for name in names if not name.endswith(_OTHERS))


def _is_showing(path: Path) -> bool:
    import scipy.io

    try:
        return [(name, kind) for name, _, kind in scipy.io.whosmat(str(path))] == [(path.stem[:_LETTERS], "struct")]
    except Exception:  # it raises anything at bytes that make no sense
        return False


def read(head: Head, request: Request, pictures: str | Path | None = None) -> Iterator[Part]:
    """Read the samples of a viewer, a part a picture; the screen must be given.

    Parameters
    ----------
    pictures : str or Path
        Folder or list of the pictures: where one stood follows from its size.
    """
    if pictures is None:
        raise InputError(
            f"{head.path}: gaze is in pixels of pictures that stood in the middle of the screen, and where that is "
            "follows from their sizes; give --pictures FOLDER"
        )
    paths = [head.path / name for name in _files(head)]
    draft = request.draft(head, inputs=paths, tracker=TrackerInfo(rate_hz=_RATE_HZ))
    _describe(draft)
    read_all = zip(paths, read_mats(paths), strict=True)
    showings = sorted((s for path, content in read_all for s in _showings(path, content)), key=lambda s: s[:2])
    alike = sum(number for number in Counter(showing.number for showing in showings).values() if number > 1)
    if alike:
        some = counted(alike, "picture shares its", "pictures share their")
        draft.account.doubts.append(f"{some} number with another: their order is that of names")
    files = {picture.image: picture.file for picture in list_pictures(pictures)}
    matched = match_names({showing.image for showing in showings}, files)
    begin = 0
    for showing in showings:
        rows = len(showing.places)
        draft.account.rows += rows
        if showing.image not in matched:
            draft.account.leave_out(f"samples of pictures that are not in {pictures}", rows)
        elif rows:
            image = matched[showing.image]
            height, width = inspect_picture(files[image].read_bytes(), image).upright
            yield _part(draft, showing, begin, (width, height))
            begin = int(draft.stimuli[-1]["offset_us"]) + _PAUSE_US
    blank = sorted(showing.image for showing in showings if not len(showing.places))
    if blank:
        some = counted(len(blank), "picture has", "pictures have")
        draft.account.doubts.append(f"{some} no sample: {', '.join(blank[:5])}")
    absent = sorted({showing.image for showing in showings} - set(matched))
    if absent:
        some = counted(len(absent), "picture is", "pictures are")
        draft.account.doubts.append(f"{some} not in {pictures}: {', '.join(absent[:5])}")


def _describe(draft: Draft) -> None:
    draft.account.taken = ["imgName", "DATA.block", "DATA.trial", "DATA.eyeData"]
    for what, value in {
        "time": f"{_RATE_HZ} samples a second; pictures 1 s apart, since the files do not say when each came",
        "gaze": "pixels of the picture, in the middle of the screen, from its top left, y downward",
        "lost": "x or y below 0; gaze to the left of a picture or above it reads the same",
        "last samples": "may be left from a picture before, since the authors' program did not empty its list",
        "eye": "one, kept as the left: which it was is not said",
    }.items():
        draft.account.know(what, value, "format")


def _showings(path: Path, content: dict[str, Any]) -> Iterator[_Showing]:
    variables = [value for name, value in content.items() if not name.startswith("__")]
    structure = variables[0] if len(variables) == 1 else None
    blocks = np.atleast_1d(getattr(structure, "DATA", []))
    if not len(blocks) or not all(hasattr(block, "eyeData") for block in blocks):
        names = ", ".join(name for name in content if not name.startswith("__")) or "nothing"
        raise FormatError(f"{path} is no file of MIT1003: one structure with DATA.eyeData was expected, found {names}")
    for block in blocks:
        places = np.asarray(block.eyeData)
        if places.dtype.kind not in "fiu" or (places.size and places.shape[-1] < 2):
            raise FormatError(f"{path}: DATA.eyeData should be n x 2 numbers, found {places.dtype}, {places.shape}")
        rows = places.reshape(-1, places.shape[-1] or 2)[:, :2].astype(np.float64)
        number = (int(getattr(block, "block", 0)), int(getattr(block, "trial", 0)))
        yield _Showing(number, str(getattr(structure, "imgName", path.stem)), rows)


def _part(draft: Draft, showing: _Showing, begin: int, size: tuple[int, int]) -> Part:
    rows, screen = len(showing.places), draft.screen
    time = begin + np.round(np.arange(rows + 1) * 1e6 / _RATE_HZ).astype(np.int64)
    corner = (screen.width_px - size[0]) / 2, (screen.height_px - size[1]) / 2
    x, y = np.where((showing.places < 0).any(axis=1, keepdims=True), np.nan, showing.places).T
    gaze = (point(x, y) + corner) / (screen.width_px, screen.height_px)
    names = ("x", "y", "width", "height", "picture_width", "picture_height")
    place = dict(zip(names, (*corner, *size, *size), strict=True))
    draft.stimuli.append({"image": showing.image, "onset_us": begin, "offset_us": int(time[-1]), **place})
    return Part(draft, recording(time[:-1], eye(gaze), Eye.missing(rows)))
