"""A session, a dataset and a survey on a memory card: a real file system that folds case and has no rights."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gazekit.cli import main
from gazekit.core.files import file_names, whole_file, whole_folder
from gazekit.dataset import open_dataset
from tests.conftest import ROOT

CHAIN = """
record study.toml -p P03 --tracker simulated --fast --out sessions
fixations sessions --out fixations.csv
survey simulate study.toml --raters 4
survey export study.toml --out ratings.csv
survey aggregate ratings.csv --scale 10 --out histograms.csv
build-dataset --pictures pictures --ratings histograms.csv --fixations fixations.csv --sigma-px 8 --shard 2 --out d.h5
erase P03 --study study.toml --yes
"""


@pytest.mark.once
def test_the_chain_runs_on_a_memory_card(memory_card: Path) -> None:
    (memory_card / "pictures").mkdir()
    for picture in sorted((ROOT / "sample_data" / "comparison" / "pictures").iterdir())[:4]:
        shutil.copyfile(picture, memory_card / "pictures" / picture.name)
    text = (ROOT / "sample_data" / "study.toml").read_text("utf-8")
    text = text.replace('list = "pictures.csv"', 'folder = "pictures"').replace(
        "duration_ms = 3000", "duration_ms = 99"
    )
    survey = '\n[survey]\ntitle = "Which?"\nraters_per_picture = 2\npictures_per_rater = 4\n'
    survey += '[dataset]\nsessions = ["sessions"]\n'
    (memory_card / "study.toml").write_text(text + survey, encoding="utf-8")
    code = f"from tests.portability.test_memory_card import run_all; run_all({CHAIN.strip().splitlines()!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=memory_card, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert len(open_dataset(memory_card / "D.H5")) == 4
    assert not list((memory_card / "sessions").glob("P03*"))


def run_all(lines: list[str]) -> None:
    for line in lines:
        try:
            main(line.split())
        except SystemExit as end:
            if end.code:
                sys.exit(f"gazekit {line} ended with {end.code}")


def test_files_and_folders_appear_whole_there(memory_card: Path) -> None:
    names = file_names(["Reef.jpg", "reef.JPG", "con", "e\u0301.jpg", "\u00e9.jpg", "a:b?.png"])
    with whole_folder(memory_card / "made") as folder:
        for name in names.values():
            with whole_file(folder / name) as path:
                path.write_text(name, encoding="utf-8")
    found = {file.name: file.read_text("utf-8") for file in (memory_card / "made").iterdir()}
    assert found == {name: name for name in names.values()}
    assert (memory_card / "MADE").is_dir()
