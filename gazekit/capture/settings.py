"""The sections of a study file that a session is recorded by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, PrivateAttr, field_validator, model_validator

from gazekit.capture.design_settings import (
    BlockSection,
    DesignSection,
    FactorSection,
    InterviewSection,
    Order,
    PageSection,
    PracticeSection,
    TextSection,
)
from gazekit.capture.discovery import tracker_kinds
from gazekit.capture.item_settings import AnswerSection, QuestionSection, RatingSection
from gazekit.core.config import Section, StudySection
from gazekit.core.errors import unknown_name
from gazekit.pictures import PicturesSection
from gazekit.screen import ScreenSection

Corner = tuple[float, float, float]


class TrackerSection(Section):
    """``[tracker]``: which eye tracker, and how it is set."""

    kind: str = "tobii"
    sdk: Literal["auto", "tobii-research", "titta", "titta-v1"] = "auto"  # Tobii's only
    address: str = ""
    serial: str = ""
    rate_hz: PositiveFloat | None = None
    mode: str = ""
    license: Path | None = None
    display_area: tuple[Corner, Corner, Corner] | None = None  # top left, top right, bottom left, mm, user coordinates
    file: Path | None = None
    speed: PositiveFloat = 1.0
    silence_ms: int = Field(default=250, ge=100)  # no sample for so long is a lost connection
    eye_openness: bool = True
    lsl_outlet: bool = False
    interest: Path | None = None  # simulated only: CSV of places that draw all simulated people
    answers: Literal["simulated", "by hand"] = "simulated"  # simulated only: who answers and goes on

    @field_validator("kind")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in tracker_kinds():
            raise ValueError(str(unknown_name("kind of eye tracker", value, tracker_kinds())))
        return value


Points = Annotated[list[tuple[float, float]], Field(min_length=1, max_length=64)]


def _on_display(points: int | list[tuple[float, float]]) -> int | list[tuple[float, float]]:
    if isinstance(points, list) and not all(0 <= x <= 1 and 0 <= y <= 1 for x, y in points):
        raise ValueError("points must lie on the display area: 0 to 1 across and down")
    return points


class CalibrationSection(Section):
    """``[calibration]``: 0, 5 or 9 points, or a list of points on the display area (0-1)."""

    points: Literal[0, 5, 9] | Points = 5
    attempts: PositiveInt = 3
    eyes: Literal["both", "left", "right"] = "both"
    dwell_ms: PositiveInt = 900
    reuse: Path | None = None
    head_page: bool = False  # before it, a page that shows where the head is

    @field_validator("points")
    @classmethod
    def _on_screen(cls, value: int | list[tuple[float, float]]) -> int | list[tuple[float, float]]:
        return _on_display(value)


class ValidationSection(Section):
    """``[validation]``: data quality at targets apart from those of the calibration, and its gate."""

    points: Literal[0, 4, 5, 9] | Points = 4
    dwell_ms: int = Field(default=1000, ge=300)
    gate_deg: PositiveFloat | None = None
    drift_check_deg: PositiveFloat | None = None

    @field_validator("points")
    @classmethod
    def _on_screen(cls, value: int | list[tuple[float, float]]) -> int | list[tuple[float, float]]:
        return _on_display(value)


class PresentationSection(Section):
    """``[presentation]``: how the pictures are shown."""

    viewing: Literal["fixed", "self-paced"] = "fixed"
    duration_ms: int = Field(default=3000, ge=50)  # fixed viewing: how long a picture is shown, ms
    least_ms: int = Field(default=0, ge=0)  # self-paced: no sooner, ms
    longest_ms: int = Field(default=60_000, ge=100)
    end_by: list[Literal["key", "mouse", "button"]] = Field(default=["key", "mouse"], min_length=1)
    cross_ms: int = Field(default=500, ge=0)
    gaze_start_ms: int | None = Field(default=None, ge=20)  # gaze has to rest on the cross for so long
    gaze_start_deg: PositiveFloat = 1.5  # how near to the cross it has to rest, degrees
    gaze_start_limit_ms: int = Field(default=5000, ge=100)  # after so long the picture comes all the same, ms
    after: Literal["blank", "mask"] = "blank"  # what follows a picture: background, or its squares shuffled
    after_ms: int = Field(default=0, ge=0)
    shuffle_answers: bool = False  # those of one moment (before, after, while), anew for each picture
    again: int | list[str] = 0  # pictures that are shown a second time: so many, or their ids
    again_after: PositiveInt = 2  # at least so many trials later
    order: Order = "random"
    block_size: PositiveInt | None = None
    break_every: PositiveInt | None = None
    repeat_below: float | None = Field(default=None, gt=0, le=1)  # a picture with less valid gaze comes again
    enlarge: bool = True
    background: tuple[int, int, int] = (128, 128, 128)
    display: int = Field(default=0, ge=0)
    fullscreen: bool = True
    photodiode: bool = False

    @field_validator("background")
    @classmethod
    def _colour(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if not all(0 <= part <= 255 for part in value):
            raise ValueError("red, green and blue must be 0 to 255")
        return value

    @model_validator(mode="after")
    def _blocks(self) -> PresentationSection:
        if self.order == "blocked" and self.block_size is None:
            raise ValueError("order = 'blocked' needs block_size, the number of pictures of a block")
        if self.viewing == "self-paced" and self.least_ms > self.longest_ms:
            raise ValueError(f"least_ms = {self.least_ms} is above longest_ms = {self.longest_ms}")
        return self


class RecordSection(Section):
    """``[record]``: what becomes of a session file once it is made."""

    backup: Path | None = None  # folder of a second copy; relative to the study file


class SessionSections(Section):
    """The sections of a study file that a session is recorded by."""

    study: StudySection
    screen: ScreenSection
    pictures: PicturesSection = PicturesSection()
    tracker: TrackerSection = TrackerSection()
    calibration: CalibrationSection = CalibrationSection()
    validation: ValidationSection = ValidationSection()
    presentation: PresentationSection = PresentationSection()
    rating: RatingSection | None = None
    answers: list[AnswerSection] = []
    questions: list[QuestionSection] = []
    design: DesignSection = DesignSection()
    factors: list[FactorSection] = []
    blocks: list[BlockSection] = []
    practice: PracticeSection | None = None
    pages: list[PageSection] = []
    text: TextSection = TextSection()
    interview: InterviewSection | None = None
    record: RecordSection = RecordSection()
    _file: Path = PrivateAttr(default=Path("study.toml"))

    @property
    def file(self) -> Path:
        """The study file; paths in it are relative to its folder."""
        return self._file

    @property
    def asked(self) -> list[AnswerSection]:
        """All that is asked about each picture: the rating, and the answers."""
        return [*([self.rating.as_answer()] if self.rating else []), *self.answers]
