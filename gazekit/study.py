"""The study file: one TOML file for a whole study, validated whole.

Every room reads its own section. Paths in it are relative to the file's folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from gazekit.errors import ConfigError
from gazekit.screen import Screen
from survey.config import SurveySection
from survey.errors import SettingsError
from survey.settings import Section, read_toml, validated


class StudySection(Section):
    """``[study]``: what the study is called and the seed of everything random in it."""

    name: str = Field(min_length=1)
    seed: int = 0
    note: str = ""


class ScreenSection(Section):
    """``[screen]``: every degree comes from these."""

    width_px: PositiveInt
    height_px: PositiveInt
    width_mm: PositiveFloat
    height_mm: PositiveFloat
    distance_mm: PositiveFloat

    def screen(self) -> Screen:
        """The screen that this section describes."""
        return Screen(**self.model_dump())


class PicturesSection(Section):
    """``[pictures]``: a folder, or a CSV list with the columns image (id) and file."""

    folder: Path | None = None
    list: Path | None = None


Corner = tuple[float, float, float]


class TrackerSection(Section):
    """``[tracker]``: which eye tracker, and how it is set."""

    kind: Literal["tobii", "simulated", "replay", "lsl"] = "tobii"
    address: str = ""
    serial: str = ""
    rate_hz: PositiveFloat | None = None
    mode: str = ""
    license: Path | None = None
    display_area: tuple[Corner, Corner, Corner] | None = None  # top left, top right, bottom left, mm, user coordinates
    file: Path | None = None
    speed: PositiveFloat = 1.0
    eye_openness: bool = True
    lsl_outlet: bool = False
    interest: Path | None = None  # simulated only: CSV of places that draw all simulated people


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


class FixationSection(Section):
    """``[fixations]``: the detector and its parameters; the default is the one that agrees best with experts."""

    detector: str = "adaptive"
    parameters: dict[str, Any] = {}


class QualitySection(Section):
    """``[quality]``: thresholds of the verdict on a recording; one that is not set passes everything."""

    max_accuracy_deg: PositiveFloat | None = 1.0
    max_rms_s2s_deg: PositiveFloat | None = 0.5
    max_std_deg: PositiveFloat | None = None
    max_loss_percent: float | None = Field(default=25.0, ge=0, le=100)
    min_delivered_percent: float | None = Field(default=95.0, ge=0, le=100)


class AttentionSection(Section):
    """``[attention]``: from fixations to maps, and what of them a mask keeps."""

    sigma_deg: PositiveFloat = 1.0
    mask: Literal["rectangle", "patches", "region"] = "rectangle"
    share: float = Field(default=0.7, gt=0, le=1)
    share_of: Literal["mass", "area"] = "mass"
    patches: PositiveInt = 3
    patch_share: float = Field(default=0.2, gt=0, le=1)
    weight: Literal["duration", "count"] = "duration"
    fill: Literal["black", "mean", "blur", "foveated"] = "black"


class DatasetSection(Section):
    """``[dataset]``: what is joined to one file, and how it is split."""

    out: Path | None = None
    sessions: list[Path] = []  # session files, or folders of them
    fixations: Path | None = None  # or a fixation table
    ratings: Path | None = None  # a histogram table, or ratings one by one (rater, image, score)
    scale: int | None = Field(default=None, ge=2, le=100)
    groups: Path | None = None  # CSV: image, group
    lists: dict[str, Path] = {}  # split schemes, CSV: image, split
    categories: Path | None = None  # CSV: image, category
    sigma_px: PositiveFloat | None = None
    conditions: list[str] | None = None
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)
    folds: int = Field(default=0, ge=0)
    partitions: list[str] = []
    near_duplicates: int = Field(default=7, ge=-1, le=7)  # bits of the hash; -1: not looked for
    min_ratings: int = Field(default=10, ge=0)
    min_viewers: int = Field(default=1, ge=0)
    include_marked: bool = False
    cache: int | None = Field(default=None, ge=16, le=4096)
    shard: int | None = Field(default=None, ge=0)


class Study(Section):
    """A whole study file. Sections that a command does not need may be absent."""

    study: StudySection
    screen: ScreenSection
    pictures: PicturesSection = PicturesSection()
    tracker: TrackerSection = TrackerSection()
    calibration: CalibrationSection = CalibrationSection()
    validation: ValidationSection = ValidationSection()
    presentation: PresentationSection = PresentationSection()
    rating: RatingSection | None = None
    questions: list[QuestionSection] = []
    quality: QualitySection = QualitySection()
    fixations: FixationSection = FixationSection()
    attention: AttentionSection = AttentionSection()
    dataset: DatasetSection = DatasetSection()
    survey: SurveySection | None = None


def read_study(path: str | Path) -> Study:
    """Read and validate a study file.

    Raises
    ------
    ConfigError : no such file, not TOML, or wrong; the message lists every fault.
    """
    try:
        return validated(Study, read_toml(path), path)
    except SettingsError as error:
        raise ConfigError(str(error)) from None
