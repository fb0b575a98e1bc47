"""Pictures that nobody rated are named and left out of training, not refused; --strict stops."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, InputError
from gazekit.dataset import build_dataset, open_dataset
from gazekit.dataset.spec import DatasetSpec
from gazekit.pictures import Picture
from gazekit.training import plan
from gazekit.training.grid import unrated
from gazekit.training.one_run import distributions


@pytest.fixture
def dataset(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Forty pictures, of which 17.png has no ratings."""
    return build(tmp_path, rng)


def build(tmp_path: Path, rng: np.random.Generator, min_ratings: int = 10) -> Path:
    pictures, rows = [], []
    for number in range(40):
        file = tmp_path / f"{number:02}.png"
        cv2.imwrite(str(file), rng.integers(0, 255, (40, 40, 3), dtype=np.uint8))
        pictures.append(Picture(file.name, file))
        if number != 17:
            rows.append((file.name, *rng.multinomial(12, np.full(5, 0.2))))
    ratings = pd.DataFrame(rows, columns=["image", *(f"c{k}" for k in range(1, 6))])
    spec = DatasetSpec(split=(0.6, 0.1, 0.3), near_duplicates=None, min_ratings=min_ratings)
    return build_dataset(pictures, None, ratings, tmp_path / "unrated.dataset.h5", spec)


@pytest.mark.parametrize("cross_validate", [None, 5])
def test_an_unrated_picture_is_in_no_split_and_training_goes_on(dataset: Path, cross_validate: int | None) -> None:
    data = open_dataset(dataset)
    assert unrated(data) == ["17.png"]
    options = {"models": ["nima-narrow"], "conditions": ["original"], "size": 32, "cross_validate": cross_validate}
    grid = plan(dataset, dataset.parent / "out", **options)
    for job in grid.jobs:
        for split in ("train", "validation", "test"):
            assert "17.png" not in [data.ids[i] for i in job.indices(data, split)]
    assert np.isfinite(distributions(data.counts).numpy()).all()


@pytest.mark.parametrize("cross_validate", [None, 5])
def test_why_no_picture_can_be_used_is_said(
    tmp_path: Path, rng: np.random.Generator, cross_validate: int | None
) -> None:
    dataset = build(tmp_path, rng, min_ratings=20)
    options = {"models": ["nima-narrow"], "conditions": ["original"], "size": 32, "cross_validate": cross_validate}
    with pytest.raises(ConfigError, match=r"40 have few ratings, as 12 ratings; 20 were asked for\)"):
        plan(dataset, tmp_path / "out", **options)


def test_strict_stops_and_names_it(dataset: Path) -> None:
    arguments = ["train", str(dataset), "--out", str(dataset.parent / "o"), "--model", "nima-narrow", "--size", "32"]
    with pytest.raises(InputError, match=r"1 picture has no ratings: 17\.png \(--strict\)"):
        CliRunner().invoke(gazekit, [*arguments, "--strict"], catch_exceptions=False, standalone_mode=False)
