"""The sections of a study file that a session is recorded by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, PrivateAttr, field_validator, model_validator

from gazekit.capture.discovery import tracker_kinds
from gazekit.core.config import Section, StudySection
from gazekit.core.errors import unknown_name
from gazekit.pictures import PicturesSection
from gazekit.screen import ScreenSection

Corner = tuple[float, float, float]


class TrackerSection(Section):
    """``[tracker]``: which eye tracker, and how it is set."""

    kind: str = "tobii"
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

    duration_ms: int = Field(default=3000, ge=50)
    cross_ms: int = Field(default=500, ge=0)
    order: Literal["random", "listed", "blocked", "latin-square"] = "random"
    block_size: PositiveInt | None = None
    break_every: PositiveInt | None = None
    repeat_below: float | None = Field(default=None, gt=0, le=1)  # share of valid gaze; repeated after its block
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
        return self


class RatingSection(Section):
    """``[rating]``: a score after each picture, by keys or mouse."""

    question: str = Field(default="How beautiful is this picture?", min_length=1)
    low: int = Field(default=1, ge=0)
    high: int = Field(default=10, le=10)
    low_label: str = "not at all"
    high_label: str = "very"

    @model_validator(mode="after")
    def _range(self) -> RatingSection:
        if not 2 <= self.high - self.low + 1 <= 10:
            raise ValueError("low to high must be 2 to 10 scores, so that a key each is enough")
        return self


class QuestionSection(Section):
    """``[[questions]]``: a question with choices, once, before or after the pictures."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    text: str = Field(min_length=1)
    choices: list[str] = Field(min_length=2, max_length=9)
    when: Literal["before", "after"] = "after"


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
    questions: list[QuestionSection] = []
    record: RecordSection = RecordSection()
    _file: Path = PrivateAttr(default=Path("study.toml"))

    @property
    def file(self) -> Path:
        """The study file; paths in it are relative to its folder."""
        return self._file
