"""The reef lab's legacy: an Excel export of Tobii Studio with fixations, ratings in SPSS, pictures, to a dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from skimage.io import imsave

import gazekit as gk
from gazekit.core.tables import read_table
from tests.needs import need

HEADER = [
    *("ParticipantName", "RecordingName", "MediaName", "RecordingTimestamp", "FixationIndex", "GazeEventType"),
    *("GazeEventDuration", "FixationPointX (MCSpx)", "FixationPointY (MCSpx)"),
]


@pytest.fixture
def legacy(tmp_path: Path, rng: np.random.Generator) -> Path:
    """20 pictures of 400 x 300, 4 viewers, 15 raters from 1 to 10."""
    try:
        import pyreadstat
    except ImportError:
        pyreadstat = None
    need(pyreadstat, "pyreadstat")
    assert pyreadstat is not None
    (tmp_path / "pictures").mkdir()
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    centres = {n: (rng.uniform(100, 300), rng.uniform(80, 220)) for n in range(20)}
    for n, (x, y) in centres.items():
        picture = rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)
        imsave(tmp_path / "pictures" / f"reef{n:02d}.jpg", picture, check_contrast=False)
        for viewer in range(4):
            for k in range(6):
                place = [float(np.clip(v + rng.normal(0, 20), 1, top)) for v, top in ((x, 398), (y, 298))]
                row = [f"P{viewer:02d}", "Rec 1", f"reef{n:02d}.jpg", 300 * k, 6 * n + k + 1, "Fixation", 250, *place]
                book.active.append(row)
                book.active.append([*row[:3], row[3] + 17, *row[4:]])  # Studio repeats a fixation on each sample
    book.save(tmp_path / "studio.xlsx")
    ratings = pd.DataFrame(
        [(f"r{r}", f"reef{n:02d}.jpg", float(rng.integers(1, 11))) for n in range(20) for r in range(15)],
        columns=["rater", "image", "score"],
    )
    pyreadstat.write_sav(ratings, str(tmp_path / "ratings.sav"))
    return tmp_path


def test_fixations_of_the_workbook(legacy: Path, run) -> None:
    assert run("fixations", legacy / "studio.xlsx", "--out", legacy / "f.csv").exit_code == 0
    table = pd.read_csv(legacy / "f.csv")
    assert len(table) == 20 * 4 * 6
    assert table["participant"].nunique() == 4
    assert table["duration_ms"].eq(250).all()


def test_ratings_of_spss(legacy: Path) -> None:
    table = read_table(legacy / "ratings.sav", ["rater", "image", "score"])
    assert len(table) == 300
    assert table["score"].between(1, 10).all()


def test_masks_histograms_and_a_dataset(legacy: Path, run) -> None:
    assert run("fixations", legacy / "studio.xlsx", "--out", legacy / "f.csv").exit_code == 0
    arguments = ["--pictures", legacy / "pictures", "--sigma-px", 20, "--out", legacy / "attention", "--tables-only"]
    assert run("attention", legacy / "studio.xlsx", *arguments).exit_code == 0
    assert len(pd.read_csv(legacy / "attention" / "attention.csv")) == 20
    options = ["--pictures", legacy / "pictures", "--fixations", legacy / "f.csv", "--ratings", legacy / "ratings.sav"]
    result = run("build-dataset", *options, "--scale", 10, "--sigma-px", 20, "--out", legacy / "reef.dataset.h5")
    assert result.exit_code == 0, result.output
    dataset = gk.open_dataset(legacy / "reef.dataset.h5")
    assert len(dataset) == 20
    assert dataset.counts.sum(axis=1).tolist() == [15] * 20
