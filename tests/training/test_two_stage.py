from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from gazekit.dataset import open_dataset
from gazekit.models.input_spec import Look
from gazekit.training import train
from gazekit.training.checkpoints import load_checkpoint
from gazekit.training.loading import Reader
from gazekit.training.scoring import score
from gazekit.training.two_stage import two_classes

OPTIONS = {
    "models": ["gpf-resnet18"], "conditions": ["human"], "seeds": 1, "size": 48, "epochs": 1, "batch": 24, "threads": 1,
    "model_options": {"fovea": 40}, "lr": 1e-3, "optimizer": "sgd", "momentum": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def run(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = train(dataset, tmp_path_factory.mktemp("stages") / "out", **OPTIONS)  # type: ignore[arg-type]
    return out / "runs" / "gpf-resnet18" / "human" / "seed0"


def test_two_classes_is_cross_entropy() -> None:
    p = torch.tensor([[0.2, 0.8], [0.6, 0.4]])
    truth = torch.tensor([[0, 0, 0, 1.0], [0, 1.0, 0, 0]])  # means 4 (high) and 2 (not above 2)
    expected = torch.nn.functional.nll_loss(p.log(), torch.tensor([1, 0]), reduction="none")
    assert torch.allclose(two_classes(2.0)(p, truth), expected)


def test_the_stages_train_their_own_parts(run: Path) -> None:
    first = load_checkpoint(run / "stage1" / "best.pt")["state_dict"]
    last = load_checkpoint(run / "best.pt")["state_dict"]
    assert all(torch.equal(last[name], first[name]) for name in first if name.startswith("periphery."))
    moved = [name for name in first if not torch.equal(last[name], first[name])]
    assert {name.split(".")[0] for name in moved} == {"fovea", "fusion", "head"}
    for folder in (run, run / "stage1"):
        assert json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])["epoch"] == 1


def test_the_fovea_sees_the_attended_part_of_the_masked_original(run: Path, dataset: Path) -> None:
    data = open_dataset(dataset)
    with np.load(run / "stage1" / "boxes.npz") as content:
        boxes = content["boxes"]
    assert boxes.shape == (100, 4)
    reader = Reader(data, "human", Look("attended", 48), boxes=boxes, crop=20)
    view, fovea = reader(3)
    assert (view.shape, fovea.shape) == ((3, 48, 48), (3, 20, 20))
    whole = Reader(data, "human", Look("attended", 48), boxes=np.array([[0, 0, 48, 48]] * 100), crop=48)
    assert torch.equal(whole(3)[1], torch.from_numpy(reader.original(3)).permute(2, 0, 1))
    assert (reader.original(3)[~data.mask(3, "human")] == 0).all()


def test_a_finished_first_stage_is_not_trained_again(run: Path, dataset: Path) -> None:
    """Killed in the second stage: the first stays as it was, and the end is the same."""
    predictions = (run / "predictions.csv").read_bytes()
    for name in ("done.json", "last.pt", "best.pt", "predictions.csv"):
        (run / name).unlink()
    before = (run / "stage1" / "boxes.npz").stat().st_mtime_ns
    train(dataset, run.parents[3], **OPTIONS)  # type: ignore[arg-type]
    assert (run / "stage1" / "boxes.npz").stat().st_mtime_ns == before
    assert (run / "predictions.csv").read_bytes() == predictions


def test_it_scores_files_as_it_was_tested(run: Path, dataset: Path, tmp_path: Path) -> None:
    from gazekit.shapes.masks import apply_mask

    data = open_dataset(dataset)
    test = data.indices("test")[:6]

    for i in test:
        masked = apply_mask(data.picture(int(i)), data.mask(int(i), "human"))
        cv2.imwrite(str(tmp_path / data.ids[i]), masked[..., ::-1])
    score(run, [str(tmp_path / data.ids[i]) for i in test], tmp_path / "s.csv", precision="float32")
    scored = pd.read_csv(tmp_path / "s.csv").filter(regex="^p").to_numpy()
    predicted = pd.read_csv(run / "predictions.csv").filter(regex="^p").to_numpy()[:6]
    assert np.abs(scored - predicted).max() < 0.02
