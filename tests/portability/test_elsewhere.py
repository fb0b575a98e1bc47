"""The chain from a session to ratings under a locale, a time zone and names of folders that are not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

from tests.conftest import ROOT

CHAIN = """
import sys, warnings
warnings.filterwarnings("error", category=EncodingWarning, module=r"(gazekit|survey|pipelines)")
from gazekit.cli import main

def run(*arguments):
    try:
        main(list(arguments))
    except SystemExit as end:
        if end.code:
            sys.exit(f"{arguments} ended with {end.code}")

run("record", "study.toml", "-p", "P03", "--tracker", "simulated", "--fast", "--out", "my sessions")
run("quality", "my sessions", "--out", "quality.csv", "--study", "study.toml")
run("fixations", "my sessions", "--out", "fixations.csv")
run("export", "my sessions", "--format", "csv", "--out", "tables")
run("import", "tables", "--out", "again")
run("survey", "simulate", "study.toml", "--raters", "12")
run("survey", "export", "study.toml", "--out", "ratings.csv")
run("survey", "aggregate", "ratings.csv", "--scale", "10", "--out", "histograms.csv")
"""


def test_the_chain_runs_there(tmp_path: Path) -> None:
    """ASCII as the locale's encoding, no UTF-8 mode, a zone of 45 minutes, blanks and accents in names."""
    place = tmp_path / unicodedata.normalize("NFD", "Étude des récifs (été)")  # as macOS writes it
    shutil.copytree(ROOT / "sample_data" / "comparison" / "pictures", place / "mes images")
    text = (ROOT / "sample_data" / "study.toml").read_text("utf-8")
    text = text.replace('list = "pictures.csv"', 'folder = "mes images"').replace(
        "duration_ms = 3000", "duration_ms = 200"
    )
    survey = '\n[survey]\ntitle = "Wie schön?"\nraters_per_picture = 2\npictures_per_rater = 40\n'
    (place / "study.toml").write_text(text + survey, encoding="utf-8")
    hostile = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Chatham"}
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG"))} | hostile
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, "-X", "warn_default_encoding", "-c", CHAIN]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    assert (place / "again" / "P03.gaze.h5").is_file()
    assert "mean" in (place / "histograms.csv").read_text("utf-8")
