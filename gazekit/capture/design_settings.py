"""Who sees what, in which order and in which language: the sections of a study's design."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from gazekit.capture.item_settings import Name
from gazekit.core.config import LanguageCode, Section
from gazekit.core.messages import Text
from gazekit.pictures import PicturesSection

Level = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]
Order = Literal["random", "listed", "blocked", "latin-square"]


class FactorSection(Section):
    """``[[factors]]``: a group or a condition between people, a column of the participant table."""

    name: Name
    levels: list[Level] = Field(min_length=2)
    assign: Literal["given", "file", "balanced"] = "balanced"
    languages: dict[Level, LanguageCode] = {}
    pictures: dict[Level, Path] = {}  # a folder or a picture list for each level

    @model_validator(mode="after")
    def _known_levels(self) -> FactorSection:
        if self.name in ("participant", "language"):
            raise ValueError(f"a factor cannot be called {self.name!r}: every participant has that")
        for key, table in (("languages", self.languages), ("pictures", self.pictures)):
            if unknown := sorted(set(table) - set(self.levels)):
                raise ValueError(f"{key} names {', '.join(unknown)}, which are no levels of {self.name!r}")
        if self.pictures and len(self.pictures) < len(self.levels):
            raise ValueError(f"pictures must name a folder or list for every level of {self.name!r}, or for none")
        return self


class DesignSection(Section):
    """``[design]``: the participant table, and the order of the blocks."""

    participants: Path | None = None  # CSV: participant, and columns of factors, language, or anything else
    blocks: Literal["listed", "random", "latin-square"] = "listed"
    people: PositiveInt | None = None  # wanted in each combination of levels; `gazekit study status` says who lacks
    viewers: PositiveInt | None = None  # good viewers that are wanted of each picture


class BlockSection(Section):
    """``[[blocks]]``: pictures with a task of their own; what is left out is as in ``[presentation]``."""

    name: Level
    pictures: Path | None = None  # a folder or a picture list; else all of the study's
    answers: list[Name] | None = None  # names of [[answers]]; else all
    text: Text | None = None  # its instruction, on a page before it
    order: Order | None = None
    viewing: Literal["fixed", "self-paced"] | None = None
    duration_ms: int | None = Field(default=None, ge=50)
    least_ms: int | None = Field(default=None, ge=0)
    longest_ms: int | None = Field(default=None, ge=100)


class PracticeSection(PicturesSection):
    """``[practice]``: pictures of its own, shown and asked about as the others; they count nowhere."""

    number: PositiveInt | None = None  # the first so many of them


class PageSection(Section):
    """``[[pages]]``: a text or picture that is shown; several of one place go back and forth."""

    place: Literal["start", "before", "pictures", "after"] = "before"
    # start: before the calibration; before: after it; pictures: after the practice; after: the last picture
    text: Text | None = None
    picture: Path | None = None
    standard: Literal["ready", "thanks", "practice", "practice_over"] | None = None  # a text of the program

    @model_validator(mode="after")
    def _something(self) -> PageSection:
        if self.text is None and self.picture is None and self.standard is None:
            raise ValueError("a page needs text, picture, or standard = 'ready' or 'thanks'")
        return self


class TextSection(Section):
    """``[text]``: how texts look on the participant's screen."""

    font: Path | None = None  # a file; else by the writing system
    size_px: int | None = Field(default=None, ge=8)  # height of the letters; else 1 part in 30 of the screen's height
    colour: tuple[int, int, int] | None = None  # else dark or light, whichever stands out
    align: Literal["start", "centre", "end"] = "start"
    width: float = Field(default=0.7, gt=0.1, le=1)  # share of the screen's width


class InterviewSection(Section):
    """``[interview]``: after the pictures, some of them again, to mark regions and name them."""

    text: Text | None = None  # else one of the program
    pictures: PositiveInt | list[str] = 5  # so many, drawn for each participant; or their ids
    scanpath: bool = True  # show the person's own scanpath over the picture
    least: int = Field(default=0, ge=0)  # regions that have to be marked on each picture
