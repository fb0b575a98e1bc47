"""The study file: one TOML file for a whole study, validated whole.

Every room reads its own section. Paths in it are relative to the file's folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from gazekit.errors import ConfigError
from gazekit.screen import Screen
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


class TrackerSection(Section):
    """``[tracker]``: which eye tracker, and how it is set."""

    kind: Literal["tobii", "simulated", "replay", "lsl"] = "tobii"
    address: str = ""
    serial: str = ""
    rate_hz: PositiveFloat | None = None


class FixationSection(Section):
    """``[fixations]``: the detector and its parameters."""

    detector: str = "ivt"
    parameters: dict[str, Any] = {}


class AttentionSection(Section):
    """``[attention]``: from fixations to maps, rectangles and masks."""

    sigma_deg: PositiveFloat = 1.0
    share: float = Field(default=0.7, gt=0, le=1)
    weight: Literal["duration", "count"] = "duration"
    fill: Literal["black", "mean", "blur", "foveated"] = "black"


class Study(Section):
    """A whole study file. Sections that a command does not need may be absent."""

    study: StudySection
    screen: ScreenSection
    pictures: PicturesSection = PicturesSection()
    tracker: TrackerSection = TrackerSection()
    fixations: FixationSection = FixationSection()
    attention: AttentionSection = AttentionSection()
    survey: dict[str, Any] = {}


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
