"""The pictures of a recording among the files of a folder: their ids, their pixels, and where they stood."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import unknown_name
from gazekit.formats.account import Account
from gazekit.pictures import PicturesSection, inspect_picture, list_pictures, match_names
from gazekit.screen import Placement, Screen

PLACEMENTS = ("native", "fit", "stretch")
_UNSAID = "each picture is taken to fill the screen; import --pictures and --placement say more"
_UNSIZED = "not in the file: pictures are taken to have been shown pixel for pixel; import --pictures knows them"
_SAME_SHAPE = 0.02  # of width by height: places are whole pixels


def place_pictures(stimuli: pd.DataFrame, screen: Screen, options: Mapping[str, Any], account: Account) -> pd.DataFrame:
    """Give stimuli their pictures' ids, hashes and sizes, and a place where the file said none.

    Parameters
    ----------
    stimuli : DataFrame
        The table of a session; a ``picture_width`` of 0 is not known.
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
        return _as_shown(stimuli, account)
    where = PicturesSection(folder=Path(source)) if Path(source).is_dir() else PicturesSection(list=Path(source))
    files = {picture.image: picture.file for picture in list_pictures(where, Path())}
    names = list(dict.fromkeys(stimuli["image"]))
    matched = match_names(names, files)
    account.know("picture files", f"{len(matched)} of {len(names)} pictures are in {Path(source).name}", "option")
    absent = [name for name in names if name not in matched]
    if absent:
        account.doubts.append(
            f"{counted(len(absent), 'picture has', 'pictures have')} no file in {source}: {', '.join(absent[:5])}"
        )
    table = stimuli.copy()
    guessed, bent, large = False, [], []
    for name, image in matched.items():
        encoded = files[image].read_bytes()
        height, width = inspect_picture(encoded, image).upright
        rows = stimuli["image"] == name
        table.loc[rows, ["image", "sha256"]] = [image, hashlib.sha256(encoded).hexdigest()]
        table.loc[rows, ["picture_width", "picture_height"]] = [width, height]
        unsaid = rows & whole
        if unsaid.any():
            same = (width, height) == (screen.width_px, screen.height_px)
            fits = width <= screen.width_px and height <= screen.height_px
            guessed |= not (placement or same)
            if placement == "native" and not fits:
                large.append(f"{image} ({width} x {height})")
            place = _place(placement or ("native" if fits else "fit"), (width, height), screen)
            table.loc[unsaid, ["x", "y", "width", "height"]] = [place.x, place.y, place.width, place.height]
        shape = table.loc[rows, "width"] / table.loc[rows, "height"] * height / width
        if not placement and ((shape - 1).abs() > _SAME_SHAPE).any():
            bent.append(f"{image} (its file has {width} x {height})")
    if bent:
        account.doubts.append(
            f"shown in another shape than their files: {', '.join(bent[:5])}: are these the pictures?"
        )
    if large:
        some = counted(len(large), "picture is", "pictures are")
        account.doubts.append(
            f"{some} larger than the screen, of which it showed the middle only: {', '.join(large[:5])}; was it shown "
            "as large as fits (--placement fit)?"
        )
    if guessed:
        account.know("placement", "own size in the middle, or as large as fits: say --placement", "guess")
    elif whole.any():
        account.know("placement", placement or "pictures have the screen's size", "option" if placement else "file")
    return _as_shown(table, account)


def _as_shown(stimuli: pd.DataFrame, account: Account) -> pd.DataFrame:
    """Give pictures of which nobody says how large they are the size that they had on the screen, and say so."""
    unknown = stimuli["picture_width"] == 0
    if not unknown.any():
        return stimuli
    account.know("size of pictures", _UNSIZED, "guess")
    table = stimuli.copy()
    shown = table.loc[unknown, ["width", "height"]].round().astype("int64")
    table.loc[unknown, ["picture_width", "picture_height"]] = shown.to_numpy()
    return table


def _place(kind: str, size: tuple[int, int], screen: Screen) -> Placement:
    if kind == "stretch":
        return Placement(0.0, 0.0, float(screen.width_px), float(screen.height_px))
    if kind == "fit":
        return Placement.fit(size, screen)
    return Placement((screen.width_px - size[0]) / 2, (screen.height_px - size[1]) / 2, float(size[0]), float(size[1]))
