"""Stages of a study as doit tasks: a stage runs when its inputs, parameters or code changed, and is skipped otherwise.

doit compares inputs by content. It does not hash code, so `pipelines.code` does. The state of each stage is saved as
soon as it is done, and forgotten as soon as it begins: a study that was killed goes on with the stage it was in.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from doit.dependency import DatabaseException, Dependency, SqliteDB
from doit.task import Task, dict_to_task
from doit.tools import config_changed

from gazekit.core.errors import GazekitError, InputError, OutputError
from gazekit.core.files import path_from, sha256, write_text
from pipelines.code import code_hash

_STATE = ".stages.sqlite3"


@dataclass(frozen=True)
class Stage:
    """One step from files to files.

    Attributes
    ----------
    name : str
        What it is called on the command line.
    action : partial[Any]
        Does the work: a function with all its arguments, whose code is part of the stage.
    inputs, outputs : Sequence[Path]
        Files that it reads and writes.
    parameters : Mapping[str, Any]
        Whatever else its result depends on (JSON).
    work : Sequence[Path]
        Files and folders in which the action goes on after it was stopped. They are removed before it starts where they
        stem from other inputs, parameters or code.
    also : Sequence[str]
        Patterns, from the study's folder, of files that it reads where they are there.
    grid : Mapping[str, Any]
        Parameters to which the action itself fits its work: where they change it runs, and its work stays.
    """

    name: str
    action: partial[Any]
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    work: Sequence[Path] = ()
    also: Sequence[str] = ()
    grid: Mapping[str, Any] = field(default_factory=dict)

    def reads(self, folder: Path) -> list[Path]:
        """List all files that it reads."""
        return [*self.inputs, *sorted(path for pattern in self.also for path in folder.glob(pattern))]

    def settings(self) -> dict[str, str]:
        """Return what its result depends on beside files."""
        return {"parameters": _json({**self.parameters, **self.grid}), "code": code_hash(self.action.func)}


@dataclass(frozen=True)
class Outcome:
    """What became of a stage: ``done``, ``unchanged`` or, in a dry run, ``would run``; with the seconds it took."""

    stage: str
    state: str
    seconds: float = 0.0


def run_stages(
    stages: Sequence[Stage],
    folder: str | Path,
    *,
    dry_run: bool = False,
    tell: Callable[[str], object] = lambda text: None,
) -> list[Outcome]:
    """Run the stages in order; unchanged ones are skipped.

    Parameters
    ----------
    folder : str or Path
        Where the state is kept (``.stages.sqlite3``).
    dry_run : bool
        Only say what would run. A stage whose inputs an earlier stage would make anew would run too.
    tell : Callable[[str], object]
        Receives a line before each stage and after it.

    Raises
    ------
    InputError
        An input is missing that no stage makes.
    OutputError
        The folder holds files of somebody else where the stages would write.
    """
    folder = Path(folder)
    _check_folder(stages, folder)
    outcomes: list[Outcome] = []
    remade: set[Path] = set()
    for number, stage in enumerate(stages, 1):
        stale = bool(remade & set(stage.inputs)) or not _up_to_date(stage, folder, known=remade)
        label = f"[{number}/{len(stages)}] {stage.name}"
        if not stale:
            outcomes.append(Outcome(stage.name, "unchanged"))
            tell(f"{label}: unchanged")
            continue
        other = _other_origin(stage, folder)
        anew = f" from the start (other {' and '.join(other)})" if other else ""
        if dry_run:
            remade |= set(stage.outputs)
            outcomes.append(Outcome(stage.name, "would run"))
            tell(f"{label}: would run{anew}")
        else:
            tell(f"{label}{anew} ...")
            start = time.monotonic()
            _begin(stage, folder, anew=bool(other))
            stage.action()
            _check_outputs(stage)
            _save(stage, folder)
            outcomes.append(Outcome(stage.name, "done", round(time.monotonic() - start, 1)))
            tell(f"{label}: done in {outcomes[-1].seconds:.0f} s")
    return outcomes


def _check_folder(stages: Sequence[Stage], folder: Path) -> None:
    """Raise an `OutputError` where files lie that the stages would replace and have not made."""
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file; the results need a folder")
    places = {path for stage in stages for path in (*stage.outputs, *stage.work)}
    there = sorted(path_from(path, folder) for path in places if path.exists())
    if there and not (folder / _STATE).exists():
        more = f" and {len(there) - 5} more" if len(there) > 5 else ""
        raise OutputError(
            f"{folder} holds {', '.join(there[:5])}{more}, which no earlier run of the same command has made and this "
            "one would replace; choose another folder, or move them away"
        )


def _up_to_date(stage: Stage, folder: Path, known: set[Path]) -> bool:
    missing = [str(path) for path in stage.inputs if not path.exists() and path not in known]
    if missing:
        raise InputError(f"the stage {stage.name} needs {', '.join(missing)}, which no stage has made")
    if not (folder / _STATE).exists():
        return False
    with _state(folder) as state:
        return bool(state.get_status(_task(stage, folder), {}).status == "up-to-date")


def _begin(stage: Stage, folder: Path, *, anew: bool) -> None:
    """Forget that the stage was ever done, and remove unfinished work of other inputs, parameters or code."""
    with _state(folder) as state:
        state.remove(stage.name)
    if not stage.work:
        return
    if anew or not _mark(stage, folder).exists():
        for path in stage.work:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        write_text(_mark(stage, folder), _json(_origin(stage, folder)))


def _save(stage: Stage, folder: Path) -> None:
    task = _task(stage, folder)
    with _state(folder) as state:
        state.get_status(task, {})  # computes the digest of the parameters
        task.save_extra_values()
        state.save_success(task)


def _other_origin(stage: Stage, folder: Path) -> list[str]:
    """Say in what the work that was begun differs from what it would be now: inputs, parameters, code."""
    mark = _mark(stage, folder)
    if not stage.work or not mark.exists():
        return []
    begun, now = json.loads(mark.read_text(encoding="utf-8")), _origin(stage, folder)
    return [name for name in now if now[name] != begun.get(name)]


def _mark(stage: Stage, folder: Path) -> Path:
    """Return the file that says what the work of a stage stems from."""
    return folder / f".{stage.name}.begun"


def _origin(stage: Stage, folder: Path) -> dict[str, Any]:
    inputs = {path_from(p, folder): sha256(p) if p.exists() else "" for p in stage.inputs}
    return {"inputs": inputs, **stage.settings(), "parameters": _json(stage.parameters)}


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _task(stage: Stage, folder: Path) -> Task:
    return dict_to_task(
        {
            "name": stage.name,
            "actions": None,
            "file_dep": [os.path.abspath(path) for path in stage.reads(folder)],
            "targets": [os.path.abspath(path) for path in stage.outputs],
            "uptodate": [config_changed(stage.settings())],
        }
    )


def _check_outputs(stage: Stage) -> None:
    missing = [str(path) for path in stage.outputs if not path.exists()]
    if missing:
        raise GazekitError(f"the stage {stage.name} ended without making {', '.join(missing)}")


@contextmanager
def _state(folder: Path) -> Iterator[Dependency]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / _STATE)) as trial:  # doit would leave a damaged one open
            trial.execute("PRAGMA schema_version")
        state = Dependency(SqliteDB, str(folder / _STATE))
    except (OSError, sqlite3.OperationalError) as error:
        raise OutputError(f"{folder} cannot be written: {error}") from error
    except (DatabaseException, sqlite3.DatabaseError):
        raise InputError(f"{folder / _STATE} is damaged; choose another folder, or move this one away") from None
    try:
        with closing(state.backend._conn), closing(state):  # doit leaves one open that it cannot write
            yield state
    except sqlite3.OperationalError as error:
        raise OutputError(f"{folder / _STATE} cannot be written: {error}") from error
