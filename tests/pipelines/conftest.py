"""A copy of the code that tests may change, and programs that run from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

_LAYERS = "self.head(self.dropout(self.trunk(pictures)))"
OTHER_NETWORK = (f"softmax({_LAYERS})", f"softmax(0.5 * {_LAYERS})")


class Copy:
    """A copy of the packages in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("gazekit", "pipelines", "survey"):
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    def change(self, file: str, old: str, new: str) -> str:
        """Replace a text of a file, or add to its end; gives the whole text of before."""
        text = (self.folder / file).read_text()
        assert old in text
        (self.folder / file).write_text(text.replace(old, new) if old else f"{text}\n{new}\n")
        return text

    def run(self, *arguments: str) -> str:
        """What a Python program of the copy prints."""
        done = subprocess.run([sys.executable, *arguments], cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """For tests that put back what they changed."""
    return Copy(tmp_path_factory.mktemp("code"))


@pytest.fixture
def own_copy(tmp_path: Path) -> Copy:
    """For tests that leave their changes in it."""
    return Copy(tmp_path / "code")
