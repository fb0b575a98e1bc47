"""Options of models and weights of others, through `gazekit train`."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from gazekit import models
from gazekit.cli import main
from gazekit.dataset import DatasetSpec, build_dataset
from gazekit.pictures import Picture
from gazekit.training.load_model import load_trained


@pytest.fixture(scope="module")
def seven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 60 pictures without gaze, on a scale of 7."""
    folder, rng = tmp_path_factory.mktemp("seven"), np.random.default_rng(3)
    pictures = [Picture(f"{number:02d}.png", folder / f"{number:02d}.png") for number in range(60)]
    for picture in pictures:
        cv2.imwrite(str(folder / picture.image), rng.integers(0, 255, (32, 32, 3), dtype=np.uint8))
    ratings = pd.DataFrame(rng.multinomial(12, [1 / 7] * 7, 60), columns=[f"c{k}" for k in range(1, 8)])
    ratings.insert(0, "image", [p.image for p in pictures])
    target = folder / "seven.dataset.h5"
    return build_dataset(pictures, None, ratings, target, DatasetSpec(split=(0.6, 0.2, 0.2), near_duplicates=None))


COMMON = ["--seeds", "1", "--condition", "original", "--size", "32", "--epochs", "1", "--threads", "1", "--no-compare"]


def train(dataset: Path, out: Path, model: str, *arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["train", str(dataset), "--out", str(out), "--model", model, *COMMON, *map(str, arguments)])
    return int(ended.value.code or 0)


def test_ten_buckets_start_seven(seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ten = models.create("nima-narrow", 10)
    torch.save(ten.state_dict(), tmp_path / "ten.pt")
    start = ("--weights", tmp_path / "ten.pt", "--lr", "1e-9")
    assert train(seven, tmp_path / "out", "nima-narrow", *start) == 1
    assert "new_head=True (--new-head)" in capsys.readouterr().err
    assert train(seven, tmp_path / "out", "nima-narrow", *start, "--new-head") == 0
    learnt = load_trained(tmp_path / "out/runs/nima-narrow/original/seed0").network
    assert learnt.head.weight.shape == (7, 64)
    torch.testing.assert_close(learnt.trunk.blocks[0][0].weight, ten.trunk.blocks[0][0].weight, atol=1e-6, rtol=0)


def test_options_reach_the_network_and_its_checkpoint(
    seven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = "residual-attention-narrow", tmp_path / "out"
    assert train(seven, out, model, "--option", "naive=no") == 1
    assert "naive is 'no'; true or false is needed" in capsys.readouterr().err
    assert train(seven, out, "nima-narrow", "--option", "naive=true") == 1
    assert "unknown option of nima-narrow 'naive'" in capsys.readouterr().err
    assert train(seven, out, model, "--option", "naive=true") == 0
    best = out / f"runs/{model}/original/seed0/best.pt"
    assert load_trained(best).network.stages[0][1].naive is True
    assert train(seven, tmp_path / "again", model, "--weights", best) == 1
    assert "create it with naive=True" in capsys.readouterr().err
    assert train(seven, tmp_path / "again", model, "--weights", best, "--option", "naive=true", "--dry-run") == 0
