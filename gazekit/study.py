"""The study file: one TOML file for a whole study, validated whole.

Every room owns its own section; they are gathered here. Paths in the file are relative to its folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gazekit.attention.settings import AttentionSection
from gazekit.capture.settings import SessionSections
from gazekit.core.config import read_toml, validated
from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, GazekitError
from gazekit.core.messages import language_faults
from gazekit.dataset.spec import DatasetSection
from gazekit.events.settings import FixationSection, QualitySection
from gazekit.formats.settings import BidsSection
from survey.config import SurveySection
from survey.languages import survey_faults

if TYPE_CHECKING:
    from gazekit.dataset.inputs import Inputs

SESSIONS = "sessions"  # where `gazekit record` writes unless told otherwise


class Study(SessionSections):
    """A whole study file. Sections that a command does not need may be absent."""

    quality: QualitySection = QualitySection()
    fixations: FixationSection = FixationSection()
    attention: AttentionSection = AttentionSection()
    dataset: DatasetSection = DatasetSection()
    survey: SurveySection | None = None
    bids: BidsSection = BidsSection()


def read_study(path: str | Path) -> Study:
    """Read and validate a study file.

    Raises
    ------
    ConfigError
        No such file, not TOML, or wrong; the message lists every fault.

    Examples
    --------
    >>> read_study("sample_data/study.toml").presentation.duration_ms
    3000
    """
    study = validated(Study, read_toml(path), path)
    study._file = Path(path)
    return study


def sessions_of(study: Study, given: str | Path | None = None) -> list[Path]:
    """Return the session files of a study, or the folders of them: the one rule of all commands.

    They are what is ``given``, else what ``[dataset] sessions`` names, else the folder ``sessions`` beside the study
    file or here, where `gazekit record` writes, which is said on standard error. Empty where there is none of these.

    Raises
    ------
    ConfigError
        Nothing is named, and there is such a folder beside the study file and another one here.

    Examples
    --------
    >>> [place.as_posix() for place in sessions_of(read_study("sample_data/study.toml"))]
    ['sample_data/sessions']
    """
    if given is not None:
        return [Path(given)]
    base = study.file.parent
    if study.dataset.sessions:
        return [base / place for place in study.dataset.sessions]
    places = {place.resolve(): place for place in (Path(SESSIONS), base / SESSIONS) if place.is_dir()}
    if len(places) > 1:
        raise ConfigError(
            f"{study.file}: sessions are in {' and in '.join(map(str, places.values()))}: name those of the study as "
            "[dataset] sessions = ['...'], or with --sessions where the command has it"
        )
    for place in places.values():
        print(f"sessions of the folder {place}, for [dataset] sessions names none", file=sys.stderr)
    return list(places.values())


def check_study(study: Study) -> None:
    """Look for everything that a later stage would refuse.

    Raises
    ------
    ConfigError
        The message lists all of it.
    """
    from gazekit.capture.checks import session_faults
    from gazekit.dataset.inputs import check_options
    from gazekit.events.detectors import complete

    folder = study.file.parent / study.study.messages if study.study.messages else None
    faults = [*language_faults(study.study.languages, ["session"], folder), *session_faults(study)]
    faults += survey_faults(study.survey, study.study, folder) if study.survey else []
    try:
        complete(study.fixations.detector, study.fixations.parameters)
    except GazekitError as error:
        faults.append(f"[fixations] {error}")
    try:
        check_options(study.dataset, study.attention)
    except GazekitError as error:
        faults.append(f"[dataset] {error}")
    if faults:
        lines = "\n".join(f"  {fault.strip()}" for fault in faults)
        raise ConfigError(f"{study.file} has {counted(len(faults), 'fault')}:\n{lines}")


def awaited_files(study: Study) -> list[str]:
    """Name the files of the section [dataset] that are not there: made later, or wrongly named."""
    section, folder = study.dataset, study.file.parent
    named = [section.fixations, section.ratings, section.groups, section.categories, section.viewer_groups]
    named += [*section.sessions, *section.predicted, *section.lists.values()]
    return [str(path) for path in named if path is not None and not (folder / path).exists()]


def dataset_inputs(path: str | Path) -> Inputs:
    """Return what the dataset of a study is built of; see `gazekit.dataset.inputs.Inputs.build`."""
    from gazekit.dataset.inputs import Inputs
    from gazekit.session.excluding import Exclusions

    study = read_study(path)
    sections = (study.pictures, study.dataset, study.attention, study.fixations, study.study.seed)
    exclusions = Exclusions.of(path)
    return Inputs(Path(path).parent, *sections, screen=study.screen.model_dump(), exclusions=exclusions)
