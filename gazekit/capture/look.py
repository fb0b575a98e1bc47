"""How texts look to a participant: language, direction, font, size, colour; and the program's own words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gazekit.capture.settings import SessionSections
from gazekit.capture.text_layout import Align, Colour, TextStyle
from gazekit.core.messages import Catalogue, catalogue

_LINES = 30  # letters are one part in so many of the screen's height


@dataclass(frozen=True)
class Look:
    """What decides how a text is drawn; `colour` None is the ink that stands out from the background."""

    words: Catalogue
    size_px: int
    colour: Colour | None = None
    align: Align = "start"
    width: float = 0.7  # share of the screen's width
    font: Path | None = None

    def style(self, colour: Colour, *, align: Align = "centre", scale: float = 1.0) -> TextStyle:
        """Return the style of a text in this look."""
        return TextStyle(
            max(8, round(self.size_px * scale)),
            self.colour or colour,
            align,
            self.words.direction,
            self.font,
            self.words.lang,
        )

    @property
    def from_right(self) -> bool:
        """Whether lines, scales and buttons run from right to left."""
        return self.words.direction == "rtl"


def look_of(sections: SessionSections, language: str | None = None) -> Look:
    """Return how texts of a study look in a language; by default the one that the study names first."""
    base, text, study = sections.file.parent, sections.text, sections.study
    return Look(
        words=catalogue(language or study.languages[0], base / study.messages if study.messages else None),
        size_px=text.size_px or max(14, sections.screen.height_px // _LINES),
        colour=text.colour,
        align=text.align,
        width=text.width,
        font=base / text.font if text.font else None,
    )
