"""The chain from a session to a dataset under a locale, a time zone and names of folders that are not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import ConfigError
from gazekit.core.tables import read_table
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.histograms import read_histograms
from gazekit.pictures import list_pictures, match_names
from tests.conftest import ROOT
from tests.needs import need

CHAIN = """
import sys, warnings
warnings.filterwarnings("error", category=EncodingWarning, module=r"(gazekit|survey|pipelines)")
from tests.fixtures.as_windows import heard, refuse
refuse(".")
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
run("build-dataset", "--pictures", "mes images", "--ratings", "histograms.csv", "--fixations", "fixations.csv",
    "--sigma-px", "8", "--shard", "20", "--workers", "2", "--out", "d.dataset.h5")
assert min(heard[event] for event in ("open", "os.mkdir", "os.rename", "os.remove")) > 0, heard
"""


def test_the_chain_runs_there(tmp_path: Path) -> None:
    """ASCII as the locale's encoding, no UTF-8 mode, a zone of 45 minutes, blanks and accents in names.

    No fork, no two files that differ in case alone, no file replaced or removed while it is open.
    """
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
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, timeout=600)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    assert (place / "again" / "P03.gaze.h5").is_file()
    assert "mean" in (place / "histograms.csv").read_text("utf-8")


COMMAS = """
import locale
locale.setlocale(locale.LC_ALL, "")  # as a library may do it
assert locale.localeconv()["decimal_point"] == ","
from gazekit.cli import main
for arguments in (
    ["fixations", "P01.gaze.h5", "--out", "fixations.csv"],
    ["measures", "fixations.csv", "--out", "measures.csv"],
    ["survey", "aggregate", "ratings.csv", "--scale", "10", "--out", "histograms.csv"],
):
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, arguments
"""


def test_numbers_are_the_same_where_the_locale_has_decimal_commas(tmp_path: Path) -> None:
    """German, and ISO 8859-1 as the encoding of the system, as Windows has it without its UTF-8 mode."""
    need(shutil.which("localedef") and Path("/usr/share/i18n/locales/de_DE").exists(), "localedef and its sources")
    made = ["localedef", "-i", "de_DE", "-f", "ISO-8859-1", "--no-archive", str(tmp_path / "de_DE.ISO-8859-1")]
    subprocess.run(made, check=True, capture_output=True)
    places = [tmp_path / "there", tmp_path / "here"]
    german = {"LC_ALL": "de_DE.ISO-8859-1", "LOCPATH": str(tmp_path), "PYTHONUTF8": "0"}
    code = [COMMAS, COMMAS.replace('","', '"."')]
    for place, script, more in zip(places, code, (german, {"LC_ALL": "C.UTF-8"}), strict=True):
        place.mkdir()
        shutil.copy(ROOT / "sample_data" / "sessions" / "P01.gaze.h5", place)
        shutil.copy(ROOT / "sample_data" / "ratings.csv", place)
        environment = {**os.environ, **more, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, cwd=place, env=environment, capture_output=True, timeout=600)
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]
    for name in ("fixations.csv", "measures.csv", "histograms.csv"):
        assert (places[0] / name).read_bytes() == (places[1] / name).read_bytes()


def test_names_as_macos_writes_them_meet_those_that_people_type(tmp_path: Path, rng: np.random.Generator) -> None:
    typed, folder = ["récif.jpg", "été.jpg", "plain.jpg"], tmp_path / unicodedata.normalize("NFD", "mes récifs")
    folder.mkdir()
    for name, picture in zip(typed, sorted((ROOT / "sample_data/comparison/pictures").iterdir()), strict=False):
        shutil.copyfile(picture, folder / unicodedata.normalize("NFD", name))
    looked = pd.DataFrame({"image": np.repeat(typed, 12), "participant": "P1", "duration_ms": 200.0})
    looked["x_picture"], looked["y_picture"] = rng.uniform(10, 80, (2, 36))
    rated = pd.DataFrame(np.full((3, 10), 3), columns=[f"c{k}" for k in range(1, 11)]).assign(
        image=[unicodedata.normalize("NFD", name) for name in typed]
    )
    looked.to_csv(tmp_path / "fixations.csv", index=False)
    rated.to_csv(tmp_path / "ratings.csv", index=False)
    pictures = list_pictures(folder)
    table = read_table(tmp_path / "fixations.csv", ["image"])
    assert read_table(tmp_path / "ratings.csv", ["image"])["image"].tolist() == typed
    path = tmp_path / "d.dataset.h5"
    build_dataset(pictures, table, read_histograms(tmp_path / "ratings.csv"), path, DatasetSpec(sigma_px=8))
    dataset = open_dataset(path)
    assert sorted(dataset.ids) == sorted(typed)
    assert not set(dataset.remarks["remark"]) & {"looked at, no picture", "rated, no picture"}
    shutil.copyfile(folder / "plain.jpg", folder / "récif.jpg")  # one name on macOS, two here
    with pytest.raises(ConfigError, match=r"récif.jpg stands 2 times \(ways to write its accents are one name\)"):
        list_pictures(folder)
    assert match_names([unicodedata.normalize("NFD", "Récif.png")], typed) == {
        unicodedata.normalize("NFD", "Récif.png"): "récif.jpg"
    }
