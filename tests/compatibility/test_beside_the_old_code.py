"""The whole chain of commands with an installed 0.1.0 and with this code, byte for byte; by hand.

::

    GAZEKIT_OLD_PYTHON=path/to/0.1.0/.venv/bin/python pytest -n 0 tests/compatibility/test_beside_the_old_code.py

The old interpreter's ``gazekit`` must be 0.1.0, with torch. Both are told that their version is 0.1.0, so that
provenance and seals are compared too. Machine, time and secrets (`content.FIELDS`, `content.COLUMNS`) may differ, and
so may the words of the report and the conclusion.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.compatibility.chain import Step, steps
from tests.compatibility.content import DATA, INPUTS, assert_same_file, listed

ROOT = Path(__file__).resolve().parents[2]
OLD = os.environ.get("GAZEKIT_OLD_PYTHON", "")
VERSION = """\
import importlib.metadata as _metadata

_version = _metadata.version
_metadata.version = lambda name: "0.1.0" if name == "gazekit" else _version(name)
"""
MOMENTS = ("new.db", "survey/ratings.csv", "machine.json", ".html", "conclusion.json", ".pt")


@pytest.mark.skipif(not OLD, reason="GAZEKIT_OLD_PYTHON names no interpreter with gazekit 0.1.0")
@pytest.mark.timeout(1800)
def test_the_old_code_writes_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "sitecustomize.py").write_text(VERSION)
    old, new = (prepared(tmp_path / name / "work") for name in ("old", "new"))
    for step in steps():
        one = run(OLD, old, step, [tmp_path / "version"])
        other = run(sys.executable, new, step, [tmp_path / "version", ROOT])
        assert (one == 0) == (other == 0), f"{step.name}: {one} with the old code, {other} with the new"
        assert one == 0, f"{step.name} fails with the old code"
    assert sorted(listed(new)) == sorted(listed(old))
    changed = tuple(made for step in steps() if step.changed for made in step.made)
    unlike = [n for n in sorted(listed(old)) if not n.startswith(changed) and not same(new / n, old / n)]
    assert not unlike, f"{len(unlike)} of {len(listed(old))} files differ: {unlike}"


def prepared(folder: Path) -> Path:
    """A folder with the inputs of the chain alone."""
    for name in INPUTS:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DATA / name, folder / name)
    return folder


def run(python: str, folder: Path, step: Step, paths: list[Path]) -> int:
    """Run a step with an interpreter; gives its exit code, and shows what it said where that is not 0."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "MPLBACKEND": "Agg",
        "SDL_VIDEODRIVER": "dummy",
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([python, "-m", "gazekit", *step.command], cwd=folder, env=environment, capture_output=True)
    if done.returncode:
        print(step.name, done.stderr.decode(), sep="\n")
    if step.printed:
        (folder / step.printed).parent.mkdir(parents=True, exist_ok=True)
        (folder / step.printed).write_bytes(done.stdout)
    return done.returncode


def same(new: Path, old: Path) -> bool:
    """Whether two files are the same bytes, or, where a moment is in them, hold the same but for that."""
    if new.read_bytes() == old.read_bytes():
        return True
    if new.suffix == ".journal":  # its blocks are as long as the machine was slow; its session file is compared
        return True
    if not str(new).endswith(MOMENTS):
        return False
    try:
        assert_same_file(new, old, exact=True)
    except AssertionError as error:
        print(f"{new}: {error}")
        return False
    return True
