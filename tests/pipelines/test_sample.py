"""The sample study is what the code makes, complete, small and labelled as simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit import open_session
from gazekit.pictures import read_picture
from gazekit.study import read_study
from pipelines.sample import PARTICIPANTS, PHOTOGRAPHS, make_sample


@pytest.mark.once
def test_the_sample_study_is_what_the_code_makes(sample_data: Path, tmp_path: Path) -> None:
    made = make_sample(tmp_path / "sample")
    for name in ("study.toml", "pictures.csv", "README.md"):
        assert (made / name).read_bytes() == (sample_data / name).read_bytes(), name
    ratings = [pd.read_csv(folder / "ratings.csv") for folder in (made, sample_data)]
    for table in ratings:  # pandas 2 and 3 write moments with different numbers of digits
        table["rated_utc"] = pd.to_datetime(table["rated_utc"], format="ISO8601", utc=True).astype("int64") // 10**3
    pd.testing.assert_frame_equal(*ratings)
    for participant in PARTICIPANTS:
        kept = open_session(sample_data / "sessions" / f"{participant}.gaze.h5")
        again = open_session(made / "sessions" / f"{participant}.gaze.h5")
        np.testing.assert_array_equal(kept.recording.device_time_us, again.recording.device_time_us)
        np.testing.assert_allclose(kept.recording.left.gaze, again.recording.left.gaze, atol=1e-9)
        pd.testing.assert_frame_equal(kept.stimuli, again.stimuli)

    for name in ("fixations.csv", "histograms.csv"):
        tables = [pd.read_csv(folder / "comparison" / name) for folder in (made, sample_data)]
        pd.testing.assert_frame_equal(*tables, atol=2e-3)
    for file in sorted((sample_data / "comparison" / "pictures").iterdir()):
        again = read_picture(made / "comparison" / "pictures" / file.name).astype(int)
        assert np.abs(again - read_picture(file)).max() <= 2, file.name  # other versions of the JPEG library round


def test_the_sample_study_is_small_and_says_that_it_is_simulated(sample_data: Path) -> None:
    assert sum(f.stat().st_size for f in sample_data.rglob("*") if f.is_file()) < 2_000_000
    assert "simulated" in read_study(sample_data / "study.toml").study.note
    ratings = pd.read_csv(sample_data / "ratings.csv")
    assert set(ratings["image"].dropna()) == set(PHOTOGRAPHS)
    assert ratings["rater"].str.startswith("sim").all()
    assert (ratings.groupby("image").size() >= 10).all()
