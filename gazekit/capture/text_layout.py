"""Text as a picture: wrapped, shaped, from right to left where its script runs so (Pillow with Raqm).

SDL's own text has no bidirectional layout, so everything that a participant reads is laid out here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gazekit.capture.fonts import fonts_for
from gazekit.core.types import Pixels

Align = Literal["start", "centre", "end"]
Colour = tuple[int, int, int]
_SPACING = 1.35  # of the letters' height, from line to line
_NEVER_FIRST = set("、。,.!?:;)]}」』】〉》・ー々,。!?:;)]}％…‥”’")
_NEVER_LAST = set("([{「『【〈《([{“‘")
_WIDE = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")


@dataclass(frozen=True)
class TextStyle:
    """How a text is drawn."""

    size_px: int = 32  # height of the letters
    colour: Colour = (25, 25, 25)
    align: Align = "centre"
    direction: Literal["ltr", "rtl"] = "ltr"
    font: Path | None = None  # a file of the study's own
    language: str = "en"  # some letters differ between languages of one script


@lru_cache(maxsize=512)
def text_picture(text: str, style: TextStyle, width_px: int) -> Pixels:
    """Draw a text, wrapped to a width.

    Parameters
    ----------
    text : str
        Lines end in a line feed; longer ones are wrapped between words, and between the letters of scripts that have
        no spaces. A word that is wider than the width is made smaller with the whole text.
    style : TextStyle
        Size, colour, alignment, direction.
    width_px : int
        Width to wrap at.

    Returns
    -------
    ndarray, shape (height, width, 4)
        RGBA, no wider than ``width_px``.

    Raises
    ------
    LookupError
        No font has one of its characters.
    """
    lines = wrapped(text, style, width_px)
    widest = max((line_width(line, style) for line in lines), default=0)
    if widest > width_px and style.size_px > 8:
        return text_picture(text, replace(style, size_px=max(8, int(style.size_px * width_px / widest))), width_px)
    step = round(style.size_px * _SPACING)
    height = step * len(lines) + round(0.2 * style.size_px)  # of letters that go below the line
    image = Image.new("RGBA", (max(1, min(width_px, widest + 2)), max(1, height)), (*style.colour, 0))
    drawer = ImageDraw.Draw(image)
    for n, line in enumerate(lines):
        room = image.width - line_width(line, style)
        from_left = {"centre": room // 2, "start": 0, "end": room}[style.align]
        if style.direction == "rtl" and style.align != "centre":
            from_left = room - from_left
        _draw_line(drawer, line, style, from_left, n * step + round(0.1 * style.size_px))
    return np.asarray(image, dtype=np.uint8)


def wrapped(text: str, style: TextStyle, width_px: int) -> list[str]:
    """Break a text into lines that are no wider than a width, where its words allow that."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, taken = "", 0  # words are shaped apart, so that their widths add up
        for part in _parts(paragraph):
            if line and taken + line_width(part.rstrip(), style) > width_px:
                lines.append(line.rstrip())
                line, taken = "", 0
            line += part
            taken += line_width(part, style)
        lines.append(line.rstrip())
    return lines


def line_width(line: str, style: TextStyle) -> int:
    """Return the width of one line, pixels."""
    return _line_width(line, replace(style, colour=(0, 0, 0), align="centre"))


@lru_cache(maxsize=4096)
def _line_width(line: str, style: TextStyle) -> int:
    pieces = _pieces(line, style)
    return round(sum(_font(path, style.size_px).getlength(words, **_raqm(style, way)) for words, path, way in pieces))


def _draw_line(drawer: ImageDraw.ImageDraw, line: str, style: TextStyle, x: float, top: int) -> None:
    baseline = top + style.size_px  # fonts of one line share it
    for words, path, way in _pieces(line, style):
        font = _font(path, style.size_px)
        drawer.text((x, baseline), words, (*style.colour, 255), font, anchor="ls", **_raqm(style, way))
        x += font.getlength(words, **_raqm(style, way))


def _raqm(style: TextStyle, direction: str) -> dict[str, Any]:
    return {"direction": direction, "language": style.language} if _has_raqm() else {}


@lru_cache(maxsize=1)
def _has_raqm() -> bool:
    from PIL import features

    return bool(features.check("raqm"))


def _pieces(line: str, style: TextStyle) -> list[tuple[str, Path, str]]:
    """Return the pieces of a line from left to right: words, font, direction.

    Where one font has the whole line Raqm orders it. Else pieces of one direction are put in order here, and Raqm
    orders the letters of each.
    """
    fonts = fonts_for(line, style.font)
    if not any(unicodedata.bidirectional(character) in ("L", "R", "AL") for character in line):
        return [(words, path, "ltr") for words, path in fonts]  # numbers: a minus stands before them
    if len(fonts) == 1:
        return [(line, fonts[0][1], style.direction)]
    runs = [(way, fonts_for(words, style.font)) for way, words in _runs(line, style.direction)]
    ordered = runs[::-1] if style.direction == "rtl" else runs
    return [(words, path, way) for way, pieces in ordered for words, path in (pieces[::-1] if way == "rtl" else pieces)]


def _runs(line: str, base: str) -> list[tuple[str, str]]:
    """Split a line into stretches of one direction; what has none goes with equal neighbours, else with the line."""
    ways = [_way(character) for character in line]
    for n, way in enumerate(ways):
        if way is None:
            before = next((w for w in reversed(ways[:n]) if w), base)
            after = next((w for w in ways[n:] if w), base)
            ways[n] = before if before == after else base
    runs: list[tuple[str, str]] = []
    for character, way in zip(line, ways, strict=True):
        if runs and runs[-1][0] == way:
            runs[-1] = (runs[-1][0], runs[-1][1] + character)
        else:
            runs.append((str(way), character))
    return runs


def _way(character: str) -> str | None:
    kind = unicodedata.bidirectional(character)
    return "rtl" if kind in ("R", "AL") else "ltr" if kind in ("L", "EN", "AN") else None


def _parts(paragraph: str) -> Iterator[str]:
    """Yield the shortest parts that a line may end after: words with their spaces, or single wide letters."""
    part = ""
    for n, character in enumerate(paragraph):
        part += character
        after = paragraph[n + 1 : n + 2]
        wide = _WIDE.match(character) or _WIDE.match(after or " ")
        between = after and after != " " and after not in _NEVER_FIRST and character not in _NEVER_LAST
        if (character == " " and after != " ") or (wide and between):
            yield part
            part = ""
    if part:
        yield part


@lru_cache(maxsize=128)
def _font(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size_px)
