"""The study file: one TOML file for a whole study, validated whole.

Every room owns its own section; they are gathered here. Paths in the file are relative to its folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from gazekit.attention.settings import AttentionSection
from gazekit.capture.settings import (
    CalibrationSection,
    PresentationSection,
    QuestionSection,
    RatingSection,
    TrackerSection,
    ValidationSection,
)
from gazekit.core.config import Section, read_toml, validated
from gazekit.dataset.spec import DatasetSection
from gazekit.events.settings import FixationSection, QualitySection
from gazekit.pictures import PicturesSection
from gazekit.screen import ScreenSection
from survey.config import SurveySection

if TYPE_CHECKING:
    from gazekit.dataset.inputs import Inputs


class StudySection(Section):
    """``[study]``: what the study is called and the seed of everything random in it."""

    name: str = Field(min_length=1)
    seed: int = 0
    note: str = ""


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
    return validated(Study, read_toml(path), path)


def dataset_inputs(path: str | Path) -> Inputs:
    """Return what the dataset of a study is built of; see `gazekit.dataset.inputs.Inputs.build`."""
    from gazekit.dataset.inputs import Inputs

    study = read_study(path)
    return Inputs(Path(path).parent, study.pictures, study.dataset, study.attention, study.fixations, study.study.seed)
