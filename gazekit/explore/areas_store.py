"""Areas of interest as they are drawn in the browser: ``areas.json``, and every state that it ever had.

Each change is first appended to ``areas.history.jsonl`` (a line with its CRC, fsynced), and then ``areas.json`` is
written anew, whole or not at all. What ends the server in between is mended at the next start: the history is the
truth, unless somebody changed ``areas.json`` by hand meanwhile, which then is the newest state of it.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import re
import threading
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import sync_folder, whole_file, write_text
from gazekit.core.types import Mask
from gazekit.events.areas import LONGEST_NAME, OUTSIDE, Area, area_of, area_text, is_name, read_area_file
from gazekit.measures.viewing import MARKED, WHOLE
from gazekit.pictures import decode_as
from gazekit.session.lock import alone

MASKS = "areas"
BY_HAND = "by hand"
_LAYER = re.compile(r"[A-Za-z0-9_-]{1,40}")
_OWN_MASK = re.compile(rf"{MASKS}/[0-9a-f]{{16}}\.png")
Documents = Mapping[str, Any]  # area by name, as JSON


@dataclass(frozen=True)
class Change:
    """One saved state of the areas of a picture.

    Attributes
    ----------
    version : int
        Number of the change, over all pictures; 0 before the first.
    image, who, utc : str
        Of what, by whom, when.
    areas : mapping
        All areas of the picture after it, by name.
    page : str
        Which page saved it, of the many that a browser may have open.
    """

    version: int = 0
    image: str = ""
    who: str = ""
    utc: str = ""
    areas: Documents = field(default_factory=dict)
    page: str = ""


@dataclass(frozen=True)
class Saved:
    """What became of a save.

    Attributes
    ----------
    change : Change
        The state that now holds.
    told : tuple of str
        What the one who saved must know: somebody else saved meanwhile, and what was kept twice.
    theirs : mapping
        The areas as they were before the save, where somebody else had saved.
    renamed : mapping of str to str
        What is kept under another name, since somebody else changed the area of its own.
    """

    change: Change
    told: tuple[str, ...] = ()
    theirs: Documents | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)


class AreaStore:
    """The areas of a study's pictures, one layer of them.

    Parameters
    ----------
    folder : str or Path
        Folder of ``areas.json``.
    layer : str
        Who draws; ``anna`` has ``areas.anna.json``, so that two people's areas can be compared. Empty for the
        study's own areas.

    Raises
    ------
    InputError, FormatError
        A name that is none, or files that cannot be read.
    """

    def __init__(self, folder: str | Path, layer: str = "") -> None:
        if layer and not _LAYER.fullmatch(layer):
            raise InputError(f"a layer is named with up to 40 letters, digits, - and _; found {layer!r}")
        stem = f"areas.{layer}" if layer else "areas"
        self.file = Path(folder) / f"{stem}.json"
        self.history_file = Path(folder) / f"{stem}.history.jsonl"
        self._turn = threading.RLock()
        self._newest: dict[str, Change] = {}
        self._last = 0
        self._end = 0  # of what was read of the history
        self._written = ""  # SHA-256 of areas.json as the last change left it
        self._before = ""  # as the change before that left it

    def pictures(self) -> dict[str, Change]:
        """Return the newest state of every picture that ever had areas."""
        with self._turn:
            self._follow()
            return dict(self._newest)

    def newest(self, image: str) -> Change:
        """Return the newest state of a picture."""
        return self.pictures().get(image, Change(image=image))

    def areas(self) -> dict[str, dict[str, Area]]:
        """Return all areas of all pictures."""
        return {
            image: {name: area_of(document, self.file.parent) for name, document in change.areas.items()}
            for image, change in self.pictures().items()
            if change.areas
        }

    def read(self, image: str, documents: Documents | None = None) -> dict[str, Area]:
        """Return the areas of a picture ready to be measured: those that are saved, or these.

        Raises
        ------
        InputError
            One of them is no area.
        """
        present = self.newest(image).areas
        chosen = present if documents is None else self._checked(image, documents, present)
        return {name: area_of(document, self.file.parent) for name, document in chosen.items()}

    def history(self, image: str) -> list[Change]:
        """Return all states of a picture, the newest first."""
        return [change for change, _ in self._lines(0) if change.image == image][::-1]

    def save(self, image: str, base: int, areas: Documents, who: str = "", page: str = "") -> Saved:
        """Save all areas of a picture.

        Parameters
        ----------
        image : str
            The picture.
        base : int
            Version that the areas were drawn on. Where another one holds by now, both are kept: areas that only one
            side changed are that side's, and one that both changed is there twice.
        areas : mapping
            Areas by name, as JSON has them (`gazekit.events.areas.area_of`).
        who : str
            Who saves, for the history.
        page : str
            The page that saves: where only it saved since ``base``, and the answer did not reach it, nothing is kept
            twice.

        Raises
        ------
        InputError
            An area is none, or its name is taken.
        """
        with self._turn, alone(self.history_file):
            self._follow(alone_already=True)
            current = self._newest.get(image, Change(image=image))
            areas = self._checked(image, areas, current.areas)
            result: dict[str, Any] = dict(areas)
            told: tuple[str, ...] = ()
            renamed: dict[str, str] = {}
            later = (
                [change for change in self.history(image) if change.version > base] if base != current.version else []
            )
            alien = base != current.version and not (page and all(change.page == page for change in later))
            theirs = current.areas if alien else None
            if alien:
                start = next((c for c in self.history(image) if c.version == base), Change())
                result, told, renamed = merged(start.areas, areas, current.areas, current.who)
            if result == dict(current.areas):
                return Saved(current, told, theirs, renamed)
            self._append({image: result}, who, page)
            return Saved(self._newest[image], told, theirs, renamed)

    def put_mask(self, content: bytes, size: tuple[int, int]) -> str:
        """Keep a mask picture, white is inside, of a picture of (height, width); return its name for an area.

        Raises
        ------
        InputError
            Not a picture, or of another size.
        """
        pixels = decode_as(content, cv2.IMREAD_GRAYSCALE, "mask")[0] if content else None
        if pixels is None:
            raise InputError("the mask is not a picture that can be read; PNG was expected")
        if pixels.shape != size:
            raise InputError(
                f"the mask is {pixels.shape[1]}x{pixels.shape[0]} pixels and the picture {size[1]}x{size[0]}: "
                "they must be alike"
            )
        return self.keep_mask(np.asarray(pixels) > 127)

    def keep_mask(self, mask: Mask) -> str:
        """Keep a mask, (height, width), by its content; return its name for an area."""
        content = mask_png(mask)
        name = f"{MASKS}/{hashlib.sha256(content).hexdigest()[:16]}.png"
        if not (self.file.parent / name).is_file():
            with whole_file(self.file.parent / name) as temporary:
                temporary.write_bytes(content)
        return name

    def _checked(self, image: str, areas: Documents, present: Documents) -> dict[str, Any]:
        """Return areas in the one way of writing them; refuse what nobody could read, and masks that are not here."""
        groups, result = set(), {}
        for name, document in areas.items():
            if not is_name(name):
                raise InputError(f"an area needs a name of up to {LONGEST_NAME} letters; found {name!a:.60}")
            if name in (OUTSIDE, WHOLE, MARKED):
                raise InputError(f"an area cannot be named {name!r}: the word has a meaning in tables")
            try:
                area = area_of(document)
            except InputError as error:
                raise InputError(f"{image} / {name}: {error}") from error
            groups.add(area.group)
            result[name] = area.document()
            if present.get(name) == result[name]:
                continue
            if area.form == "mask" and not (
                _OWN_MASK.fullmatch(area.file) and (self.file.parent / area.file).is_file()
            ):
                raise InputError(f"{image} / {name}: there is no such mask here: {area.file!r:.60}")
        if taken := groups & {WHOLE, MARKED, *areas}:
            raise InputError(f"{min(taken)!r} is the name of an area, or has a meaning in tables: not of a group")
        return result

    def _append(self, pictures: Mapping[str, Documents], who: str, page: str = "") -> None:
        """Append new states to the history, and write ``areas.json`` after them."""
        utc = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        changes = [
            Change(self._last + n, image, who, utc, dict(areas), page)
            for n, (image, areas) in enumerate(pictures.items(), start=1)
        ]
        text = self._text({**self._newest, **{change.image: change for change in changes}})
        digest = hashlib.sha256(text.encode()).hexdigest()
        lines = [_line(change, digest) for change in changes]
        is_new = not self.history_file.exists()
        with open(self.history_file, "w+b" if is_new else "r+b") as file:
            file.truncate(self._end)  # half of a line that was cut off
            file.seek(self._end)
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self.history_file.parent)
        for change, line in zip(changes, lines, strict=True):
            self._take(change, digest, len(line))
        write_text(self.file, text)

    def _text(self, pictures: Mapping[str, Change]) -> str:
        return area_text({image: change.areas for image, change in pictures.items() if change.areas})

    def _take(self, change: Change, digest: str, length: int) -> None:
        self._newest[change.image] = change
        self._last = max(self._last, change.version)
        self._end += length
        if digest != self._written:
            self._before, self._written = self._written, digest

    def _lines(self, start: int) -> Iterator[tuple[Change, tuple[str, int]]]:
        """Yield the changes of the history from a place on, with the digest of ``areas.json`` and the line's length."""
        if not self.history_file.exists():
            return
        with open(self.history_file, "rb") as file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # cut off while it was written
                yield _change(line, self.history_file)

    def _follow(self, *, alone_already: bool = False) -> None:
        """Read what other programs wrote meanwhile, and mend what a crash left."""
        for change, (digest, length) in self._lines(self._end):
            self._take(change, digest, length)
        there = hashlib.sha256(self.file.read_bytes()).hexdigest() if self.file.is_file() else ""
        if there == self._written:
            return
        if not alone_already:
            with alone(self.history_file):
                self._follow(alone_already=True)
            return
        if there in ("", self._before):  # the change before the crash is in the history only
            write_text(self.file, self._text(self._newest))
            return
        self._take_by_hand()

    def _take_by_hand(self) -> None:
        """Make what somebody changed in ``areas.json`` the newest state."""
        documents = {
            image: {name: area.document() for name, area in areas.items()}
            for image, areas in read_area_file(self.file).items()
        }
        images = dict.fromkeys([*documents, *self._newest])
        known = {image: self._newest.get(image, Change()).areas for image in images}
        changed = {image: documents.get(image, {}) for image in images if documents.get(image, {}) != known[image]}
        if changed:
            self._append(changed, BY_HAND)
        else:  # written in another way, and the same
            write_text(self.file, self._text(self._newest))


def merged(
    base: Documents, mine: Documents, theirs: Documents, who: str = ""
) -> tuple[dict[str, Any], tuple[str, ...], dict[str, str]]:
    """Join two changes of the same areas, so that nothing is lost; return the areas, what is told, and new names.

    Examples
    --------
    >>> face, larger, smaller = [[0, 0], [4, 0], [4, 4]], [[0, 0], [9, 0], [9, 9]], [[0, 0], [2, 0], [2, 2]]
    >>> areas, told, renamed = merged({"face": face}, {"face": larger}, {"face": smaller, "hand": face}, "Ann")
    >>> list(areas), areas["face (2)"] == larger, renamed
    (['face', 'hand', 'face (2)'], True, {'face': 'face (2)'})
    """
    other = who or "another browser"
    renamed: dict[str, str] = {}
    result, told = dict(theirs), [f"{other} saved areas of this picture meanwhile; both are kept"]
    for name, document in mine.items():
        if document == theirs.get(name) or document == base.get(name):
            if name not in theirs and name in base:
                told.append(f"{other} deleted {name!r}")
            continue
        if name in theirs and theirs[name] != base.get(name):
            number = 2
            while f"{name} ({number})" in result or f"{name} ({number})" in mine:
                number += 1
            renamed[name] = f"{name} ({number})"
            result[renamed[name]] = document
            told.append(f"both changed {name!r}: yours is now {renamed[name]!r}")
        else:
            result[name] = document
    for name in base:
        if name in mine or name not in theirs:
            continue
        if theirs[name] == base[name]:
            del result[name]
        else:
            told.append(f"you deleted {name!r}, and {other} changed it: it is kept")
    return result, tuple(told), renamed


def mask_png(mask: Mask) -> bytes:
    """Return a mask as a PNG file: white is inside."""
    done, content = cv2.imencode(".png", mask.astype(np.uint8) * 255)
    if not done:
        raise FormatError(f"a mask of shape {mask.shape} cannot be written as PNG")
    return content.tobytes()


def _line(change: Change, digest: str) -> bytes:
    body = json.dumps(vars(change) | {"file": digest}, ensure_ascii=False).encode()
    return b"%08x " % zlib.crc32(body) + body + b"\n"


def _change(line: bytes, file: Path) -> tuple[Change, tuple[str, int]]:
    crc, _, body = line.rstrip(b"\n").partition(b" ")
    try:
        if int(crc, 16) != zlib.crc32(body):
            raise ValueError("its checksum is another one")
        record = json.loads(body)
        digest = record.pop("file")
        return Change(**record), (digest, len(line))
    except (ValueError, TypeError, KeyError) as error:
        raise FormatError(f"a line of {file} is damaged ({error}): {line[:80]!r}") from error
