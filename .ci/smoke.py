"""Import all of an installed gazekit, and go from a session to a dataset, in one process: warnings are errors."""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
import platform
import warnings
from pathlib import Path

import gazekit
import pipelines
import survey
from gazekit.cli import main
from gazekit.core.errors import MissingExtraError

SAMPLE = "sample_data/comparison"
CHAIN = f"""
doctor
study check sample_data/study.toml
record sample_data/study.toml --participant P09 --tracker simulated --fast --out sessions
quality sessions --out quality.csv --study sample_data/study.toml
fixations sessions --out fixations.csv
build-dataset --pictures {SAMPLE}/pictures --ratings {SAMPLE}/histograms.csv --fixations {SAMPLE}/fixations.csv
  --sigma-px 8 --split 0.6,0.2,0.2 --out sample.dataset.h5
survey aggregate sample_data/ratings.csv --scale 10 --out histograms.csv
"""
EXTRAS = {"torch", "torchvision", "timm", "sklearn"}  # of gazekit[train]; the rest is imported where it is used


def run(arguments: list[str]) -> tuple[int, str]:
    """Run a command; return how it ended, and what it said on standard error."""
    with contextlib.redirect_stderr(io.StringIO()) as said:
        try:
            main(arguments)
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    raise AssertionError(f"{arguments} did not end")


def import_all() -> list[str]:
    """Import every module; return those that wait for an extra."""
    waiting = []
    for package in (gazekit, survey, pipelines):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=lambda name: None):
            if module.name.endswith(".__main__"):
                continue
            try:
                importlib.import_module(module.name)
            except (ModuleNotFoundError, MissingExtraError) as error:
                if isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] not in EXTRAS:
                    raise
                waiting.append(module.name)
    return waiting


if __name__ == "__main__":
    warnings.simplefilter("error")
    assert "site-packages" in str(gazekit.__file__), gazekit.__file__
    without = import_all()
    for line in CHAIN.strip().replace("\n  ", " ").splitlines():
        ended, said = run(line.split())
        assert ended == 0, f"gazekit {line} ended with {ended}: {said}"
    ended, said = run(["demo", "--out", "demo"])
    assert ended == 1, "the demo ran without torch?"
    assert "gazekit[train]" in said, said
    assert not Path("demo").exists()
    print(f"the wheel works on CPython {platform.python_version()}; {len(without)} modules wait for an extra")
