"""Every example runs as a user would run it, and the plug-in package adds what it says."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gazekit.core.config import read_toml
from gazekit.session import open_session
from tests.conftest import ROOT

EXAMPLES = ROOT / "examples"
TORCH = {"quickstart.py", "comparison.py"}
SCREEN = ("--screen", "1920x1080", "--screen-mm", "527x296", "--distance-mm", "630")


def run(*arguments: object, folder: Path, plugin: Path | None = None) -> str:
    environment = dict(os.environ) | ({"PYTHONPATH": os.pathsep.join([str(plugin), str(ROOT)])} if plugin else {})
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def need_torch() -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: pip install 'gazekit[train]'")


def test_every_example_is_listed_here() -> None:
    assert {file.name for file in EXAMPLES.glob("*.py")} == {*TORCH, *ALONE}


ALONE = {
    "record.py": "pictures",
    "import_files.py": "300 Hz",
    "fixations.py": "adaptive",
    "attention.py": "NSS",
    "ratings.py": "alpha",
    "dataset.py": "shuffled",
}


@pytest.mark.parametrize("name", ALONE)
def test_it_runs(name: str, tmp_path: Path) -> None:
    assert ALONE[name] in run(EXAMPLES / name, folder=tmp_path)


def test_quickstart_goes_from_sample_data_to_a_report(tmp_path: Path) -> None:
    need_torch()
    assert len((EXAMPLES / "quickstart.py").read_text().splitlines()) <= 40
    run(EXAMPLES / "quickstart.py", "out", folder=tmp_path)
    assert "sample_data" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_a_comparison_of_a_dataset(tmp_path: Path) -> None:
    need_torch()
    run(EXAMPLES / "dataset.py", "data", folder=tmp_path)
    printed = run(EXAMPLES / "comparison.py", "data/patches.dataset.h5", "runs", folder=tmp_path)
    assert "synthetic" in printed
    assert (tmp_path / "runs" / "report.html").exists()


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Install the example package as an installer would: its code and its entry points, in a folder of their own."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "gazekit_example").symlink_to(EXAMPLES / "plugin" / "gazekit_example")
    project = read_toml(EXAMPLES / "plugin" / "pyproject.toml")["project"]
    info = site / f"gazekit_example-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = [
        line
        for group, entries in project["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in entries.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return site


def test_the_detector_of_the_plugin(plugin: Path, tmp_path: Path, sample_data: Path) -> None:
    session = sample_data / "sessions" / "P01.gaze.h5"
    arguments = ("-m", "gazekit", "fixations", session, "--detector", "stillness", "--out", "f.csv")
    run(*arguments, folder=tmp_path, plugin=plugin)
    assert (tmp_path / "f.csv").read_text().count("stillness") > 20


def test_the_format_of_the_plugin(plugin: Path, tmp_path: Path) -> None:
    rows = [f"{4 * i},{'' if 20 <= i < 30 else 900 + i % 3},500" for i in range(250)]
    (tmp_path / "p.csv").write_text("\n".join(["ms,gaze_x,gaze_y", *rows]) + "\n")
    run("-m", "gazekit", "import", "p.csv", "--out", "sessions", *SCREEN, folder=tmp_path, plugin=plugin)
    (file,) = (tmp_path / "sessions").glob("*.gaze.h5")
    recording = open_session(file).recording
    assert len(recording) == 250
    assert recording.rate_hz == pytest.approx(250)


def test_the_tracker_of_the_plugin(plugin: Path, tmp_path: Path, sample_data: Path) -> None:
    text = (sample_data / "study.toml").read_text().replace('"simulated"\nrate_hz = 120', '"metronome"')
    text = text.replace("duration_ms = 3000", "duration_ms = 200").replace(
        "cross_ms = 500", "cross_ms = 100\nfullscreen = false"
    )
    (tmp_path / "study.toml").write_text(text + "\n[calibration]\npoints = 0\n\n[validation]\npoints = 0\n")
    (tmp_path / "pictures.csv").write_bytes((sample_data / "pictures.csv").read_bytes())
    arguments = ("-m", "gazekit", "record", "study.toml", "--participant", "P01", "--out", "s")
    run(*arguments, folder=tmp_path, plugin=plugin)
    session = open_session(tmp_path / "s" / "P01.gaze.h5")
    assert session.tracker.kind == "metronome"
    assert len(session.recording) > 60


@pytest.mark.parametrize("mask", ["rectangle", "patches", "region"])
def test_the_condition_of_the_plugin(mask: str, plugin: Path, tmp_path: Path, sample_data: Path) -> None:
    data = sample_data / "comparison"
    tables = ("--ratings", data / "histograms.csv", "--fixations", data / "fixations.csv", "--sigma-px", "8")
    wanted = ("--mask", mask, "--condition", "human", "--condition", "left-half", "--condition", "original")
    arguments = ("build-dataset", "--pictures", data / "pictures", *tables, *wanted, "--out", "d.dataset.h5", "--json")
    facts = json.loads(run("-m", "gazekit", *arguments, folder=tmp_path, plugin=plugin))
    assert facts["conditions"] == ["original", "human", "left-half"]
    code = (
        "import gazekit as gk; d = gk.open_dataset('d.dataset.h5'); "
        "print(*(abs(d.mask(i, 'left-half').mean() - d.mask(i, 'human').mean()) < .02 for i in range(9)))"
    )
    assert run("-c", code, folder=tmp_path, plugin=plugin).split() == ["True"] * 9
