"""One person taken out of all files of a study: shown first, done when it is confirmed, recorded without the person."""

from __future__ import annotations

import csv
import functools
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from gazekit.core.checksum import SESSION, read_seal
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.tables import ONLY_WRITTEN, not_written, read_table, take_out_rows
from gazekit.explore.summaries import FOLDER as KEPT
from gazekit.session import open_session
from gazekit.session.exclusions import EXCLUSIONS, forget_person, read_exclusions
from gazekit.study import Study, read_study, sessions_of
from pipelines.methods import RESULTS_FOLDER
from pipelines.publishing import publications, publish

RECORD = "erasures.csv"
_TEXTS = {".csv", ".tsv", ".json", ".jsonl", ".toml", ".txt", ".md"}
_LARGEST = 1 << 28  # bytes of a text that is looked into
_COLUMNS = ("erased_utc", "sessions", "fixations", "ratings", "survey", "datasets", "published")


@dataclass(frozen=True)
class Removal:
    """One thing that an erasure does: to which kind of file, what, and how many rows or files it touches."""

    kind: str
    path: Path
    what: str
    number: int
    do: Callable[[], object]


@dataclass
class Erasure:
    """What taking a person out of a study touches."""

    study: Path
    steps: list[Removal] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """List what would be done, a line each."""
        return [*(f"{step.path}: {step.what}" for step in self.steps), *self.notes]

    def carry_out(self) -> Path:
        """Do it, and add a row without the person to the record beside the study file."""
        for step in self.steps:
            step.do()
        record = self.study.parent / RECORD
        counts = {kind: sum(step.number for step in self.steps if step.kind == kind) for kind in _COLUMNS[1:]}
        is_new = not record.exists()
        with open(record, "a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(_COLUMNS)
            writer.writerow([datetime.now(timezone.utc).isoformat(timespec="seconds"), *counts.values()])
        return record


def find_person(participant: str, study: str | Path, *, database: str | None = None) -> Erasure:
    """Find what the files of a study hold of a person; nothing is changed yet.

    Parameters
    ----------
    participant : str
        Pseudonym in sessions and fixation tables, or name of the rater in ratings.
    study : str or Path
        The study file.
    database : str, optional
        Database of the survey; by default the one that stands beside the study file.

    Returns
    -------
    Erasure
        What would be done.

    Raises
    ------
    InputError
        No file of the study holds the person.
    """
    study = Path(study)
    plan, erasure = read_study(study), Erasure(study)
    erasure.steps += _sessions(participant, plan)
    for kind, path, column in (
        ("fixations", plan.dataset.fixations, "participant"),
        ("ratings", plan.dataset.ratings, "rater"),
        ("participant table", plan.design.participants, "participant"),
    ):
        if path is not None:
            erasure.steps += _rows(participant, kind, study.parent / path, column, erasure.notes)
    erasure.steps += _survey(participant, database or str(study.with_suffix(".survey.db")))
    if not erasure.steps:
        beside = ", ".join(map(str, _others(participant, study.parent)[:5]))
        raise InputError(
            f"no file of {study} holds {participant!r}: sessions, fixation table and ratings of [dataset] and survey "
            "were read"
            + "".join(f"; {note}" for note in erasure.notes)
            + (f"; not named there ([dataset] sessions), and they name the person: {beside}" if beside else "")
        )
    erasure.steps += _exclusions(participant, study)
    erasure.steps += _derived(plan, study, database)
    erasure.notes += [
        f"{row['folder']}: published there on {row['published_utc'][:10]}, and not there now: where it was moved or "
        f"uploaded to, it must be replaced (gazekit publish makes it anew)"
        for row in publications(study)
        if not (study.resolve().parent / row["folder"] / "croissant.json").is_file()
    ]
    touched = [path for step in erasure.steps for path in (step.path, Path(f"{step.path}.json"))]
    erasure.notes += [
        f"{path}: not touched, and it names the person: delete it, or make it again"
        for path in _others(participant, study.parent)
        if not any(path == other or other in path.parents for other in touched)
    ]
    return erasure


def _others(participant: str, base: Path) -> list[Path]:
    """Find the files and folders beside the study, such as exports, that name the person; text alone is looked into."""
    pattern = rf"(?<![A-Za-z0-9]){re.escape(participant)}(?![A-Za-z0-9])"
    in_name, in_text = re.compile(pattern), re.compile(pattern.encode())
    naming: list[Path] = []
    for path in sorted(base.rglob("*")):
        if any(folder in path.parents for folder in naming):
            continue
        if in_name.search(path.name) or (
            path.is_file()
            and path.suffix in _TEXTS
            and path.stat().st_size < _LARGEST
            and in_text.search(path.read_bytes())
        ):
            naming.append(path)
    return naming


def _sessions(participant: str, plan: Study) -> list[Removal]:
    files: list[Path] = []
    for path in sessions_of(plan):
        files += sorted(path.rglob("*.gaze.h5")) if path.is_dir() else [path]
    files = [file for file in files if open_session(file, gaze=False).participant == participant]
    steps = [Removal("sessions", file, "the session is deleted", 1, file.unlink) for file in files]
    for folder in sorted({file.parent for file in files}):
        begun = {_begin(file) for file in files if file.parent == folder}
        for journal in sorted(folder.glob("*.gaze.journal*")):
            if _begin(journal) in begun:
                steps.append(Removal("sessions", journal, "its journal is deleted", 0, journal.unlink))
    told = {kept for file in files for kept in (file.parent / KEPT).glob(f"{read_seal(file, SESSION)}-*")}
    for kept in sorted(told):  # copies of one session have it in common
        steps.append(Removal("sessions", kept, "what gazekit explore kept of it is deleted", 0, kept.unlink))
    return steps


def _begin(file: Path) -> str:
    """Return what the names of all parts of a session, and of their journals, begin with."""
    return re.sub(r"(\.part\d+)?\.gaze\.(h5|journal.*)$", "", file.name)


def _rows(participant: str, kind: str, path: Path, column: str, notes: list[str]) -> list[Removal]:
    table = read_table(path, [], "table")
    if column not in table:
        notes.append(f"{path} has no column {column}: what one person gave cannot be told apart there")
        return []
    names = table[column].fillna("").astype(str)
    of_person = names == participant
    if alike := sorted(set(names[names.map(_plain) == _plain(participant)]) - {participant}):
        notes.append(f"{path}: {' and '.join(map(repr, alike))} stays: if that is the same person, erase that name too")
    if not of_person.any():
        return []
    if not_written(path):
        raise InputError(
            f"nothing was changed: {int(of_person.sum())} of {len(table)} rows of {path} are of {participant}, and "
            f"{ONLY_WRITTEN}: delete these rows there, or save it as .csv and name that in [dataset]; then erase again"
        )
    sidecar = Path(f"{path}.json")

    def rewrite() -> None:
        take_out_rows(path, of_person.to_list())
        sidecar.unlink(missing_ok=True)  # the hashes in it are of the table with the person

    return [
        Removal(kind, path, f"{int(of_person.sum())} of {len(table)} rows are taken out", int(of_person.sum()), rewrite)
    ]


def _plain(name: str) -> str:
    return name.strip().casefold()


def _exclusions(participant: str, study: Path) -> list[Removal]:
    """Take the person's entries out of what is excluded: the one case in which an entry is deleted."""
    path = study.parent / EXCLUSIONS
    count = sum(entry.participant == participant for entry in read_exclusions(path))
    forget = functools.partial(forget_person, path, participant)
    return (
        [Removal("exclusions", path, f"{counted(count, 'entry is', 'entries are')} taken out", count, forget)]
        if count
        else []
    )


def _survey(participant: str, database: str) -> list[Removal]:
    if "://" not in database and not Path(database).is_file():
        return []
    from sqlalchemy import select

    from survey.database import open_store
    from survey.raters import forget
    from survey.schema import platform, rater

    with open_store(database, create=False) as store, store.engine.connect() as connection:
        person = connection.execute(select(rater).where(rater.c.name == participant)).one_or_none()
    if person is None:
        return []

    def erase() -> None:
        with open_store(database, create=False) as store, store.write() as connection:
            forget(connection, person)
            connection.execute(platform.delete().where(platform.c.rater_id == person.id))

    return [Removal("survey", Path(database), "the rater and all answers are taken out", 1, erase)]


def _derived(plan: Study, study: Path, database: str | None) -> list[Removal]:
    """Name what was made of the person's data: datasets are deleted, published folders are written anew."""
    steps = []
    dataset = study.parent / plan.dataset.out if plan.dataset.out is not None else None
    if dataset is not None and dataset.is_file():
        steps.append(
            Removal("datasets", dataset, "deleted: build it again with gazekit build-dataset", 1, dataset.unlink)
        )
    for folder in _published(study):
        if (folder / "croissant.json").is_file() and (folder / "methods.md").is_file():
            what = "written anew without the person"
            if (folder / RESULTS_FOLDER).is_dir():
                what += ", and without its results, which were trained on the person's data too"
            steps.append(Removal("published", folder, what, 1, functools.partial(_again, study, folder, database)))
    return steps


def _published(study: Path) -> list[Path]:
    """List the folders that a study was published to: those beside it, and those of its ledger, wherever they are."""
    noted = [study.resolve().parent / row["folder"] for row in publications(study)]
    inside = [card.parent for card in study.parent.glob("*/croissant.json")]
    known = {folder.resolve() for folder in inside}
    return sorted(inside) + sorted({folder for folder in noted if folder not in known})


def _again(study: Path, folder: Path, database: str | None) -> None:
    """Publish a study anew in place of a folder that it was published to."""
    fresh = folder.with_name(f".{folder.name}.anew")
    publish(study, fresh, database=database, note=False)
    shutil.rmtree(folder)
    os.replace(fresh, folder)
