"""Pictures of a test that a network learns from, by a copy or by the weights it starts from, are told."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.dataset.summary import summary, summary_lines
from gazekit.pictures import Picture
from gazekit.training import plan, train

SETTINGS = {"models": ["nima-narrow"], "conditions": ["original"], "seeds": 1, "size": 32, "epochs": 1, "threads": 1}


@pytest.fixture
def copied(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Thirty pictures, of which the last three are copies of the first; a fixed list tests on these copies."""
    pictures = []
    for number in range(30):
        file = tmp_path / f"{number:02}.png"
        pixels = cv2.resize(rng.integers(0, 255, (5, 6, 3), dtype=np.uint8), (60, 50), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(file), cv2.imread(str(tmp_path / f"{number - 27:02}.png")) if number >= 27 else pixels)
        pictures.append(Picture(file.name, file))
    ids = [picture.image for picture in pictures]
    ratings = pd.DataFrame([(i, *rng.multinomial(12, np.full(5, 0.2))) for i in ids], columns=["image", *"12345"])
    ratings = ratings.rename(columns={str(k): f"c{k}" for k in range(1, 6)})
    lists = {"train": ids[:15], "validation": ids[15:18], "test": ids[18:]}
    spec = DatasetSpec(split=(0.5, 0.1, 0.4), schemes={"mine": lists})
    return build_dataset(pictures, None, ratings, tmp_path / "d.dataset.h5", spec)


def test_copies_across_a_fixed_list_are_told(copied: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    facts = summary(open_dataset(copied))
    assert facts["across"] == {"mine": 3}
    assert "not in the split mine: its test has 3 pictures of groups, or copies, that are trained on" in "\n".join(
        summary_lines(facts)
    )
    plan(copied, tmp_path / "a", scheme="mine", **SETTINGS).warn()
    assert "tests on 3 pictures of a group, or copies, of pictures that are trained on: 27.png (with 00.png)" in (
        capfd.readouterr().err
    )
    plan(copied, tmp_path / "a", **SETTINGS).warn()
    assert capfd.readouterr().err == ""


def test_weights_that_have_seen_the_test_are_told(
    copied: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights = str(train(copied, tmp_path / "a", **SETTINGS) / "runs/nima-narrow/original/seed0/best.pt")
    data = open_dataset(copied)
    both = (data.codes("mine") == 3) & np.isin(data.codes(), (1, 2))
    capfd.readouterr()
    for asked, seen, tested in (
        ({"scheme": "mine"}, int(both.sum()), int((data.codes("mine") == 3).sum())),
        ({"cross_validate": 3}, int(np.isin(data.codes(), (1, 2)).sum()), len(data)),
        ({}, 0, 0),
    ):
        plan(copied, tmp_path / "b", weights=weights, **SETTINGS, **asked).warn()  # type: ignore[arg-type]
        said = [line for line in capfd.readouterr().err.splitlines() if "its scores are no test" in line]
        assert [f"was trained on {seen} pictures of the {tested} that are tested here" in line for line in said] == (
            [True] if seen else []
        )


def test_weights_of_a_fold_have_seen_the_other_folds(
    copied: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train(copied, tmp_path / "a", cross_validate=3, **SETTINGS)
    weights = str(tmp_path / "a" / "runs/nima-narrow/original/seed0/fold2/best.pt")
    capfd.readouterr()
    grid = plan(copied, tmp_path / "b", weights=weights, cross_validate=3, **SETTINGS)
    grid.warn()
    data = open_dataset(copied)
    seen = int((grid.folds.fold_of(data) != 2).sum())
    assert f"was trained on {seen} pictures of the 30 that are tested here" in capfd.readouterr().err


def test_weights_of_another_dataset_with_the_same_pictures_are_told(
    copied: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A dataset that was built again is another file: what a network has seen is known by the pictures' content."""
    weights = str(train(copied, tmp_path / "a", **SETTINGS) / "runs/nima-narrow/original/seed0/best.pt")
    first = open_dataset(copied)
    learnt = np.isin(first.codes(), (1, 2))
    for number in range(27):  # under other names; every second one was also saved again
        pixels, file = cv2.imread(str(tmp_path / f"{number:02}.png")), tmp_path / f"other-{number:02}"
        if number % 2:
            cv2.imwrite(str(file.with_suffix(".jpg")), pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])
        else:
            file.with_suffix(".png").write_bytes((tmp_path / f"{number:02}.png").read_bytes())
    files = sorted(tmp_path.glob("other-*"))
    ratings = pd.DataFrame([(f.name, 1, 2, 3, 4, 2) for f in files], columns=["image", "c1", "c2", "c3", "c4", "c5"])
    pictures = [Picture(file.name, file) for file in files]
    again = build_dataset(pictures, None, ratings, tmp_path / "e.dataset.h5", DatasetSpec(split=(0.5, 0.1, 0.4)))
    data = open_dataset(again)
    tested = [int(data.ids[i][6:8]) for i in np.flatnonzero(data.codes() == 3)]
    same, alike = (sum(learnt[number] for number in tested if number % 2 == odd) for odd in (0, 1))
    assert same
    assert alike
    capfd.readouterr()
    plan(again, tmp_path / "b", weights=weights, **SETTINGS).warn()
    said = capfd.readouterr().err
    assert f"was trained on {same} picture" in said
    assert f"was trained on copies that look almost as {alike} picture" in said


def test_what_weights_started_from_counts_too(
    copied: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], rng: np.random.Generator
) -> None:
    weights = str(train(copied, tmp_path / "a", **SETTINGS) / "runs/nima-narrow/original/seed0/best.pt")
    pictures = []
    for number in range(20):
        file = tmp_path / f"new-{number:02}.png"
        pixels = rng.integers(0, 255, (5, 6, 3), dtype=np.uint8)
        cv2.imwrite(str(file), cv2.resize(pixels, (60, 50), interpolation=cv2.INTER_CUBIC))
        pictures.append(Picture(file.name, file))
    ratings = pd.DataFrame(
        [(p.image, 1, 2, 3, 4, 2) for p in pictures], columns=["image", "c1", "c2", "c3", "c4", "c5"]
    )
    other = build_dataset(pictures, None, ratings, tmp_path / "f.dataset.h5", DatasetSpec(split=(0.5, 0.1, 0.4)))
    capfd.readouterr()
    tuned = train(other, tmp_path / "b", weights=weights, **SETTINGS) / "runs/nima-narrow/original/seed0/best.pt"
    assert "was trained on" not in capfd.readouterr().err  # none of the pictures is known
    plan(copied, tmp_path / "c", weights=str(tuned), scheme="mine", **SETTINGS).warn()
    assert "its scores are no test" in capfd.readouterr().err
