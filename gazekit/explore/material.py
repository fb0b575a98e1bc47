"""What is explored: session files with what is known of each of their trials, pictures, and the study."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from gazekit.capture.ledger import Ledger
from gazekit.capture.study_status import PartFacts, StudyStatus, part_facts, status_of
from gazekit.capture.view import picture_file
from gazekit.core.errors import InputError
from gazekit.events.settings import FixationSection, QualitySection
from gazekit.explore.summaries import SessionFacts, summaries
from gazekit.formats.exporting import session_files
from gazekit.pictures import list_pictures
from gazekit.study import SESSIONS, Study, read_study, sessions_of

_NUMBERS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Material:
    """What one server shows.

    Attributes
    ----------
    sessions : tuple of SessionFacts
        In order of participant and part; without gaze, which is read a trial at a time.
    folder : Path
        Where what is decided in the browser is kept (areas, exclusions).
    pictures : mapping of str to Path
        The pictures that can be shown, by id: no name in an address becomes a path.
    study : Study or None
        The study, where one was named; without one its settings have their defaults.
    asked : tuple of Path
        What the user named: files and folders as other commands take them.
    picture_source : Path or None
        The folder or list of pictures, the user's or the study's.
    screen : mapping
        The screen's sizes that the user gave for files of other programs.
    left_out : tuple of str
        Why files could not be read, a line each.
    """

    sessions: tuple[SessionFacts, ...]
    folder: Path
    pictures: Mapping[str, Path] = field(default_factory=dict)
    study: Study | None = None
    asked: tuple[Path, ...] = ()
    picture_source: Path | None = None
    screen: Mapping[str, float] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    @property
    def quality(self) -> QualitySection:
        """The thresholds of the verdicts."""
        return QualitySection() if self.study is None else self.study.quality

    @property
    def fixations(self) -> FixationSection:
        """The detector that commands use by themselves."""
        return FixationSection() if self.study is None else self.study.fixations

    @cached_property
    def by_key(self) -> dict[str, SessionFacts]:
        """The sessions by the name that they have in addresses."""
        return {facts.key: facts for facts in self.sessions}

    @cached_property
    def trials(self) -> pd.DataFrame:
        """All trials, a row each: the columns of `TRIAL_COLUMNS`, ``key``, ``participant``, ``session`` and levels."""
        return pd.concat([facts.labelled_trials() for facts in self.sessions], ignore_index=True)

    @cached_property
    def status(self) -> StudyStatus:
        """How far the study is, as `gazekit study status` says it."""
        parts: dict[str, list[PartFacts]] = {}
        ledgers: dict[str, Ledger] = {}
        for facts in self.sessions:
            name = facts.participant
            parts.setdefault(name, []).append(part_facts(facts.header, facts.quality, self.quality))
            ledger = ledgers.setdefault(name, Ledger())
            ledger.add(len(parts[name]), facts.header)
        return status_of(self.study, [(name, ledgers[name], parts[name]) for name in parts])

    @cached_property
    def levels(self) -> dict[str, list[str]]:
        """What people were assigned to, and the values that occur: groups, conditions, language."""
        values: dict[str, set[str]] = {}
        for facts in self.sessions:
            for name, value in facts.header.assigned.items():
                values.setdefault(str(name), set()).add(str(value))
        return {name: sorted(these) for name, these in values.items()}

    def picture_file(self, image: str) -> Path | None:
        """Return the file of a picture, by its id with or without a suffix; None where it is not there."""
        return picture_file(image, self.pictures)


def load_material(
    what: Sequence[str | Path],
    *,
    sessions: str | Path | None = None,
    pictures: str | Path | None = None,
    screen: Mapping[str, float] | None = None,
    workers: int = 1,
    keep: bool = True,
) -> Material:
    """Read what the board needs; a file that was read before, and has the same content, is not read again.

    Parameters
    ----------
    what : sequence of path
        A study file; or session files, folders of them, and files of other programs.
    sessions : path, optional
        The folder of a study's sessions; default as `gazekit.study.sessions_of`.
    pictures : path, optional
        A folder or list of pictures; default the study's. Without any, pictures are grey.
    screen : mapping, optional
        The screen's sizes, for files of other programs that do not say them.
    workers : int
        Processes that read.
    keep : bool
        Whether what is computed is kept beside the sessions, for the next time.

    Raises
    ------
    InputError
        Nothing that can be read.

    Examples
    --------
    >>> found = load_material(["sample_data/sessions"], pictures="sample_data/pictures.csv", keep=False)
    >>> [(facts.participant, len(facts.trials)) for facts in found.sessions]
    [('P01', 6), ('P02', 6)]
    """
    asked = [Path(path) for path in what]
    study = None
    if any(path.suffix == ".toml" for path in asked):
        if len(asked) > 1:
            raise InputError("name one study file, or sessions; found both, or several")
        study = read_study(asked[0])
        asked = sessions_of(study, sessions)
        if not asked or not all(place.exists() for place in asked):
            there = " or ".join(map(str, asked or dict.fromkeys((study.file.parent / SESSIONS, Path(SESSIONS)))))
            raise InputError(f"there is no folder {there}; say where the sessions are with --sessions")
    source = None if pictures is None else Path(pictures)
    if source is None and study is not None and (study.pictures.folder or study.pictures.list):
        source = study.file.parent / str(study.pictures.folder or study.pictures.list)
    listed = [] if source is None else list_pictures(source, missing=True)
    thresholds = QualitySection() if study is None else study.quality
    read, faults = summaries(session_files(asked), thresholds, screen=screen, workers=workers, keep=keep)
    if not read:
        raise InputError("; ".join(faults))
    if study is not None:
        folder = study.file.parent
    else:
        folder = asked[0] if asked[0].is_dir() else asked[0].parent
    return Material(
        sessions=tuple(sorted(read, key=_place)),
        folder=folder,
        pictures={picture.image: picture.file for picture in listed},
        study=study,
        asked=tuple(asked),
        picture_source=source,
        screen=screen or {},
        left_out=tuple(faults),
    )


def _place(facts: SessionFacts) -> tuple[object, ...]:
    """Sort P2 before P10, and a second part behind the first."""
    texts = (facts.participant, facts.source.name.removesuffix(".gaze.h5"), facts.key)
    return tuple([int(part) if part.isdigit() else part.lower() for part in _NUMBERS.split(text)] for text in texts)
