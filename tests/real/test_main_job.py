"""The main job on real input: TX300 recordings, OSIE photographs and fixations, reef photographs."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.cli import main
from gazekit.dataset import Dataset, open_dataset
from gazekit.pictures import read_picture

SCREEN = ("--screen", "1920x1080", "--screen-mm", "509x286", "--distance-mm", "650")


def run(*arguments: object) -> None:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    assert ended.value.code == 0


def test_all_ten_raw_recordings_go_through(real_data: Path, tmp_path: Path) -> None:
    for person in ("participant1", "participant2"):
        files = sorted((real_data / "tx300" / person).glob("*.tsv"))
        run("import", *files, *SCREEN, "--participant", person, "--out", tmp_path / "sessions" / person)
    sessions = sorted((tmp_path / "sessions").rglob("*.gaze.h5"))
    assert len(sessions) == 10
    run("fixations", *sessions, "--detector", "ivt", "--out", tmp_path / "fixations.csv")
    run("quality", *sessions, "--out", tmp_path / "quality.csv", "--picture", tmp_path / "quality.png")
    for n, session in enumerate(sessions):
        run("view", session, "--out", tmp_path / f"scanpath{n}.png")
    fixations = pd.read_csv(tmp_path / "fixations.csv")
    assert set(fixations["participant"]) == {"participant1", "participant2"}
    assert fixations["duration_ms"].between(59.99, 4000).all()  # 18 samples of 3.333 ms
    quality = pd.read_csv(tmp_path / "quality.csv")
    assert quality["loss_percent"].between(0, 100).all()
    assert min(read_picture(path).std() for path in tmp_path.glob("*.png")) > 5
    assert len(list(tmp_path.glob("scanpath*.png"))) == 10


@pytest.fixture(scope="module")
def osie(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The 99 photographs with the real fixations; ratings are dealt at random, since the set has none."""
    folder = tmp_path_factory.mktemp("osie")
    names = sorted(path.name for path in (real_data / "osie" / "stimuli").glob("*.jpg"))
    counts = np.random.default_rng(0).multinomial(15, [0.1] * 10, len(names))
    table = pd.DataFrame(counts, columns=[f"c{k}" for k in range(1, 11)])
    table.insert(0, "image", names)
    table.to_csv(folder / "ratings.csv", index=False)
    out = folder / "osie.dataset.h5"
    inputs = ("--pictures", real_data / "osie" / "stimuli", "--fixations", real_data / "osie" / "fixations.csv")
    run("build-dataset", *inputs, "--one-based", "--sigma-px", 24, "--ratings", folder / "ratings.csv", "--out", out)
    return open_dataset(out)


def test_masks_are_where_people_looked_and_black_elsewhere(osie: Dataset, real_data: Path) -> None:
    fixations = pd.read_csv(real_data / "osie" / "fixations.csv")
    inside, area = [], []
    for i, image in enumerate(osie.ids):
        here = fixations[fixations["image"] == image]
        mask = osie.mask(i, "human")
        x, y = (here[c].to_numpy() - 1 for c in ("x", "y"))
        on = (x >= 0) & (x < mask.shape[1]) & (y >= 0) & (y < mask.shape[0])
        inside.append(mask[y[on].astype(int), x[on].astype(int)].mean())
        area.append(mask.mean())
    assert len(osie.ids) == 99
    assert np.mean(inside) > 0.6 > 2 * np.mean(area)
    masked = osie.read(0, "human", size=224)
    assert (masked[~osie_mask(osie, 0)] == 0).all()
    assert masked.any()


def osie_mask(osie: Dataset, i: int) -> np.ndarray:
    """The pixels of a 224-pixel picture that the mask touches, with a pixel to spare."""
    whole = osie.mask(i, "human").astype(np.uint8)
    small = cv2.resize(whole * 255, (224, 224), interpolation=cv2.INTER_AREA) > 0
    return np.asarray(cv2.dilate(small.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)


@pytest.mark.parametrize("condition", ["centre", "shuffled", "random"])
def test_controls_have_the_area_of_the_human_mask(osie: Dataset, condition: str) -> None:
    for i in range(len(osie.ids)):
        human, control = osie.mask(i, "human").sum(), osie.mask(i, condition).sum()
        assert abs(int(control) - int(human)) <= max(osie.mask(i, "human").shape), osie.ids[i]


def test_the_removed_part_is_the_rest(osie: Dataset) -> None:
    assert all((osie.mask(i, "human") ^ osie.mask(i, "human-removed")).all() for i in range(20))


@pytest.mark.once
def test_reef_photographs_go_through_the_masks(real_data: Path, tmp_path: Path, sample_data: Path) -> None:
    """Simulated people look at the reef pictures; what they looked at is kept, the rest is black."""
    shutil.copytree(real_data / "reef", tmp_path / "reef", ignore=shutil.ignore_patterns("LICENSE"))
    text = (sample_data / "study.toml").read_text().replace('list = "pictures.csv"', 'folder = "reef"')
    (tmp_path / "study.toml").write_text(text)
    for person in ("P01", "P02", "P03"):
        run("record", tmp_path / "study.toml", "--participant", person, "--out", tmp_path / "sessions", "--fast")
    run("fixations", tmp_path / "sessions", "--detector", "ivt", "--out", tmp_path / "fixations.csv")
    out = tmp_path / "attention"
    run("attention", tmp_path / "fixations.csv", "--study", tmp_path / "study.toml", "--out", out)
    table = pd.read_csv(out / "attention.csv")
    assert len(set(table["image"])) == 23
    sheets = sorted(out.glob("*.png"))
    assert sheets
    assert all(read_picture(path).std() > 10 for path in sheets)
