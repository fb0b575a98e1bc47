"""The pictures of a recording among the files of a folder: their ids, their pixels, and where they stood."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.errors import unknown_name
from gazekit.formats.account import Account
from gazekit.pictures import PicturesSection, inspect_picture, list_pictures, match_names
from gazekit.screen import Placement, Screen

PLACEMENTS = ("native", "fit", "stretch")
_UNSAID = "each picture is taken to fill the screen; import --pictures and --placement say more"


def place_pictures(stimuli: pd.DataFrame, screen: Screen, options: Mapping[str, Any], account: Account) -> pd.DataFrame:
    """Give stimuli their pictures' ids, hashes and sizes, and a place where the file said none.

    Parameters
    ----------
    stimuli : DataFrame
        The table of a session.
    screen : Screen
        What a picture without a place is taken to fill.
    options : mapping of str to Any
        ``pictures``, a folder or a list of pictures, and ``placement``: native (own size, centred), fit (as large as
        the screen holds, centred) or stretch (the whole screen).
    account : Account
        Where what was found is noted.

    Returns
    -------
    DataFrame
        The table with what is known now.
    """
    placement, source = options.get("placement") or "", options.get("pictures")
    if placement and placement not in PLACEMENTS:
        raise unknown_name("placement", str(placement), PLACEMENTS)
    whole = (stimuli["picture_width"] == screen.width_px) & (stimuli["width"] == screen.width_px) & (stimuli["x"] == 0)
    if source is None:
        if whole.any() and placement == "stretch":
            account.know("placement", "pictures fill the screen", "option")
        elif whole.any():
            account.know("placement", f"not in the file: {_UNSAID}", "guess")
        return stimuli
    where = PicturesSection(folder=Path(source)) if Path(source).is_dir() else PicturesSection(list=Path(source))
    files = {picture.image: picture.file for picture in list_pictures(where, Path())}
    names = list(dict.fromkeys(stimuli["image"]))
    matched = match_names(names, files)
    account.know("picture files", f"{len(matched)} of {len(names)} pictures are in {Path(source).name}", "option")
    absent = [name for name in names if name not in matched]
    if absent:
        account.doubts.append(f"{len(absent)} pictures have no file in {source}: {', '.join(absent[:5])}")
    table = stimuli.copy()
    guessed = False
    for name, image in matched.items():
        encoded = files[image].read_bytes()
        height, width = inspect_picture(encoded, image).upright
        rows = stimuli["image"] == name
        table.loc[rows, ["image", "sha256"]] = [image, hashlib.sha256(encoded).hexdigest()]
        unsaid = rows & whole
        if unsaid.any():
            same = (width, height) == (screen.width_px, screen.height_px)
            fits = width <= screen.width_px and height <= screen.height_px
            guessed |= not (placement or same)
            place = _place(placement or ("native" if fits else "fit"), (width, height), screen)
            table.loc[unsaid, ["x", "y", "width", "height"]] = [place.x, place.y, place.width, place.height]
            table.loc[unsaid, ["picture_width", "picture_height"]] = [width, height]
    if guessed:
        account.know("placement", "own size in the middle, or as large as fits: say --placement", "guess")
    elif whole.any():
        account.know("placement", placement or "pictures have the screen's size", "option" if placement else "file")
    return table


def _place(kind: str, size: tuple[int, int], screen: Screen) -> Placement:
    if kind == "stretch":
        return Placement(0.0, 0.0, float(screen.width_px), float(screen.height_px))
    if kind == "fit":
        return Placement.fit(size, screen)
    return Placement((screen.width_px - size[0]) / 2, (screen.height_px - size[1]) / 2, float(size[0]), float(size[1]))
