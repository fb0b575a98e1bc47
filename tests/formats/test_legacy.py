"""The reef lab's legacy: an Excel export of Tobii Studio with fixations, ratings in SPSS, pictures, to the report.

A T60 (17 inches, 1280 x 1024); people looked at each picture as long as they wanted, and rated beauty and expectation
from 1 to 10. The commands are those of `docs/how-to/import.md`.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from skimage.io import imread, imsave

import gazekit as gk
from gazekit.core.tables import read_table
from tests.conftest import ROOT
from tests.needs import need

PICTURES, VIEWERS, RATERS = 12, 3, 12
HEADER = [
    *("ParticipantName", "RecordingName", "MediaName", "RecordingTimestamp", "FixationIndex", "GazeEventType"),
    *("GazeEventDuration", "FixationPointX (MCSpx)", "FixationPointY (MCSpx)"),
]
STUDY = """
[study]
name = "reef"
[screen]
width_px = 1280
height_px = 1024
width_mm = 338
height_mm = 270
distance_mm = 650
[pictures]
folder = "pictures"
[attention]
sigma_deg = 1.0
[dataset]
fixations = "studio.xlsx"
ratings = "histograms.csv"
scale = 10
sigma_px = 20
split = [0.2, 0.1, 0.7]
"""
GBR = """
[pipeline]
kind = "gbr"
study = "study.toml"
out = "results"
[training]
models = ["nima-narrow"]
conditions = ["original", "human"]
seeds = 1
[training.options]
size = 32
epochs = 1
"""


@pytest.fixture
def legacy(tmp_path: Path, rng: np.random.Generator) -> Path:
    """12 pictures of 200 x 150, 3 viewers, 12 raters: a row a rater in SPSS, whose labels name the pictures."""
    try:
        import pyreadstat
    except ImportError:
        pyreadstat = None
    need(pyreadstat, "pyreadstat")
    assert pyreadstat is not None
    (tmp_path / "pictures").mkdir()
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for n in range(PICTURES):
        picture = rng.integers(0, 255, (150, 200, 3), dtype=np.uint8)
        imsave(tmp_path / "pictures" / f"reef{n:02d}.jpg", picture, check_contrast=False)
        x, y = rng.uniform(60, 140), rng.uniform(50, 100)
        for viewer in range(VIEWERS):
            for k in range(6):
                place = [float(np.clip(v + rng.normal(0, 10), 1, top)) for v, top in ((x, 198), (y, 148))]
                row = [
                    f"{viewer + 1:03d}",
                    "Rec 1",
                    f"reef{n:02d}.jpg",
                    300 * k,
                    6 * n + k + 1,
                    "Fixation",
                    250,
                    *place,
                ]
                book.active.append(row)
                book.active.append([*row[:3], row[3] + 17, *row[4:]])  # Studio repeats a fixation on each sample
    book.save(tmp_path / "studio.xlsx")
    columns = {f"{what}{n}": rng.integers(1, 11, RATERS) for what in ("b", "e") for n in range(PICTURES)}
    labels = {
        f"{w}{n}": f"reef{n:02d}.jpg [{ {'b': 'beauty', 'e': 'expectation'}[w] }]"
        for w in "be"
        for n in range(PICTURES)
    }
    table = pd.DataFrame({"ID": np.arange(1.0, RATERS + 1), **columns}).astype(float)
    pyreadstat.write_sav(table, str(tmp_path / "ratings.sav"), column_labels={"ID": "participant", **labels})
    (tmp_path / "study.toml").write_text(STUDY)
    (tmp_path / "gbr.toml").write_text(GBR)
    return tmp_path


def documented() -> list[list[str]]:
    """The commands that the documentation gives for it."""
    text = (ROOT / "docs" / "how-to" / "import.md").read_text("utf-8")
    block = re.search(r"\*\*Old files of a lab\*\*.*?```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return [shlex.split(line, comments=True)[1:] for line in block[1].splitlines()]


def test_documented_commands_lead_from_the_old_files_to_the_report(
    legacy: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="the study trains: pip install 'gazekit[train]'")
    monkeypatch.chdir(legacy)
    for command in documented():
        result = run(*command)
        assert result.exit_code == 0, (command, result.output, result.exception)
    fixations = pd.read_csv("fixations.csv", dtype={"participant": str})
    assert len(fixations) == PICTURES * VIEWERS * 6
    assert sorted(fixations["participant"].unique()) == ["001", "002", "003"]
    ratings = pd.read_csv("ratings.csv")
    assert (len(ratings), ratings["rater"].nunique()) == (PICTURES * RATERS, RATERS)
    beauty = read_table("ratings.sav", ["b3"])["b3"]
    assert sorted(ratings.loc[ratings["image"] == "reef03.jpg", "score"]) == sorted(beauty)
    assert len(pd.read_csv("masks/attention.csv")) == PICTURES
    mask = imread(next(Path("masks/masked").glob("reef03*")))
    assert 0 < (mask > 0).mean() < 1
    histograms = gk.read_histograms("histograms.csv")
    assert histograms["n"].tolist() == [RATERS] * PICTURES
    dataset = gk.open_dataset("results/gbr.dataset.h5")
    assert len(dataset) == PICTURES
    assert "human" in dataset.conditions
    comparison = pd.read_csv("results/comparison.csv")
    assert {"original", "human"} <= set(comparison["condition"])
    assert "reef" in Path("results/report.html").read_text("utf-8").lower()


def test_account_of_the_workbook(legacy: Path, run) -> None:
    printed = run("fixations", legacy / "studio.xlsx", "--out", legacy / "f.csv").output
    assert "rows read         432, of which fixations 216; 216 further rows of the same fixations" in printed
    assert "places            pixels of the picture (MCS px) (file)" in printed
