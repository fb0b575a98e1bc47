"""Stages of a study as doit tasks: a stage runs when its inputs, parameters or code changed, and is skipped otherwise.

doit compares inputs by content. It does not hash code, so a stage carries the hash of the modules that do its work.
The state of each stage is saved as soon as it is done: a study that was killed goes on with the stage it was in.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doit.dependency import Dependency, SqliteDB
from doit.task import Task, dict_to_task
from doit.tools import config_changed

from gazekit.errors import GazekitError, InputError
from gazekit.files import sha256, write_text


@dataclass(frozen=True)
class Stage:
    """One step from files to files.

    Attributes
    ----------
    name : what it is called on the command line.
    action : does the work; called without arguments.
    inputs, outputs : files that it reads and writes.
    parameters : whatever else its result depends on (JSON).
    modules : importable modules or packages whose code does the work.
    work : files and folders in which the action goes on after it was stopped. They are removed before it starts
        where they stem from other inputs, parameters or code.
    """

    name: str
    action: Callable[[], object]
    inputs: Sequence[Path]
    outputs: Sequence[Path]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    modules: Sequence[str] = ()
    work: Sequence[Path] = ()


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
    folder : where the state is kept (``.stages.sqlite3``).
    dry_run : only say what would run. A stage whose inputs an earlier stage would make anew would run too.
    tell : receives a line before each stage and after it.

    Raises
    ------
    InputError : an input is missing that no stage makes.
    """
    outcomes: list[Outcome] = []
    remade: set[Path] = set()
    for number, stage in enumerate(stages, 1):
        stale = bool(remade & set(stage.inputs)) or not _up_to_date(stage, folder, known=remade)
        label = f"[{number}/{len(stages)}] {stage.name}"
        if not stale:
            outcomes.append(Outcome(stage.name, "unchanged"))
            tell(f"{label}: unchanged")
        elif dry_run:
            remade |= set(stage.outputs)
            outcomes.append(Outcome(stage.name, "would run"))
            tell(f"{label}: would run")
        else:
            tell(f"{label} ...")
            start = time.monotonic()
            _clear_other_work(stage, Path(folder))
            stage.action()
            _check_outputs(stage)
            _save(stage, folder)
            outcomes.append(Outcome(stage.name, "done", round(time.monotonic() - start, 1)))
            tell(f"{label}: done in {outcomes[-1].seconds:.0f} s")
    return outcomes


def code_hash(modules: Sequence[str]) -> str:
    """SHA-256 of the source of modules and of all that packages among them hold."""
    digest = hashlib.sha256()
    for name in sorted(modules):
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise InputError(f"a stage names the module {name}, which is not installed")
        root = Path(spec.origin)
        files = sorted(root.parent.rglob("*.py")) if root.name == "__init__.py" else [root]
        for file in files:
            digest.update(f"{name}/{file.name}".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def _up_to_date(stage: Stage, folder: str | Path, known: set[Path]) -> bool:
    missing = [str(path) for path in stage.inputs if not path.exists() and path not in known]
    if missing:
        raise InputError(f"the stage {stage.name} needs {', '.join(missing)}, which no stage has made")
    with _state(folder) as state:
        return bool(state.get_status(_task(stage), {}).status == "up-to-date")


def _save(stage: Stage, folder: str | Path) -> None:
    task = _task(stage)
    with _state(folder) as state:
        state.get_status(task, {})  # computes the digest of the parameters
        task.save_extra_values()
        state.save_success(task)


def _clear_other_work(stage: Stage, folder: Path) -> None:
    """Remove unfinished work of other inputs, parameters or code, and note what the work that begins stems from."""
    if not stage.work:
        return
    mark = folder / f".{stage.name}.begun"
    inputs = {os.path.relpath(path, folder): sha256(path) for path in stage.inputs}
    origin = json.dumps({"inputs": inputs, **_settings(stage)}, sort_keys=True)
    if not mark.exists() or mark.read_text(encoding="utf-8") != origin:
        for path in stage.work:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        write_text(mark, origin)


def _settings(stage: Stage) -> dict[str, str]:
    parameters = json.dumps(stage.parameters, sort_keys=True, default=str)
    return {"parameters": parameters, "code": code_hash(stage.modules)}


def _task(stage: Stage) -> Task:
    return dict_to_task(
        {
            "name": stage.name,
            "actions": None,
            "file_dep": [str(path) for path in stage.inputs],
            "targets": [str(path) for path in stage.outputs],
            "uptodate": [config_changed(_settings(stage))],
        }
    )


def _check_outputs(stage: Stage) -> None:
    missing = [str(path) for path in stage.outputs if not path.exists()]
    if missing:
        raise GazekitError(f"the stage {stage.name} ended without making {', '.join(missing)}")


@contextmanager
def _state(folder: str | Path) -> Iterator[Dependency]:
    Path(folder).mkdir(parents=True, exist_ok=True)
    state = Dependency(SqliteDB, str(Path(folder) / ".stages.sqlite3"))
    try:
        yield state
    finally:
        state.close()
