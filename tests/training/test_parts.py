"""Grids that train a part of a network, and networks of timm: killed, gone on with, scored, exported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from gazekit import models
from gazekit.core.errors import ConfigError, InputError
from gazekit.training import plan, train
from gazekit.training.load_model import load_trained
from gazekit.training.one_run import build_network
from gazekit.training.recipe import size_of_timm
from gazekit.training.scoring import score

MODEL = "timm:mobilenetv3_small_050"
OPTIONS = {"models": [MODEL], "conditions": ["original"], "seeds": 1, "size": 64, "threads": 1, "lr": 0.01}


def folder_of(out: Path, condition: str = "original") -> Path:
    return out / "runs" / MODEL.replace(":", "-") / condition / "seed0"


@pytest.mark.parametrize("part", [{"train_last": 2}, {"train_last": 4, "adapter_rank": 2}], ids=["last", "adapters"])
def test_a_part_is_trained_and_the_rest_stays(
    part: dict[str, int], dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(5)
    weights = models.create(MODEL).trunk.net.state_dict()
    torch.save(weights, tmp_path / "net.pth")
    options = {**OPTIONS, **part, "weights": str(tmp_path / "net.pth")}
    train(dataset, tmp_path / "whole", epochs=2, checkpoint_seconds=0, **options)
    trained = load_trained(folder_of(tmp_path / "whole"))
    ours = trained.network.trunk.net.state_dict()
    changed = {name for name, value in ours.items() if not torch.equal(value, weights[name])}
    assert changed
    blocks = {".".join(name.split(".")[:3]) for name in changed if name.startswith("blocks")}
    assert blocks <= {f"blocks.{k}" for k in ("4.0", "4.1", "4.2", "5.0")[-part["train_last"] :]}, blocks
    assert not any("running" in name for name in changed) or "adapter_rank" not in part
    config = json.loads((folder_of(tmp_path / "whole") / "config.json").read_text())
    assert {name: config[name] for name in part} == part
    predictions = pd.read_csv(folder_of(tmp_path / "whole") / "predictions.csv")
    stop = {**options, "epochs": 2, "checkpoint_seconds": 0}
    _train_until(dataset, tmp_path / "killed", stop)
    train(dataset, tmp_path / "killed", **stop)
    again = pd.read_csv(folder_of(tmp_path / "killed") / "predictions.csv")
    pd.testing.assert_frame_equal(predictions, again, check_exact=True)
    picture = next(iter(sorted(dataset.parent.glob("*.png"))))
    score(folder_of(tmp_path / "whole"), [str(picture)], tmp_path / "s.csv", precision="float32")
    row = pd.read_csv(tmp_path / "s.csv").filter(regex=r"^p\d")
    assert row.to_numpy().sum() == pytest.approx(1, abs=1e-4)
    new = models.create(MODEL, 7, weights=folder_of(tmp_path / "whole") / "best.pt").eval()  # what export does
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(new(x), trained.network(x))


def _train_until(dataset: Path, out: Path, options: dict[str, object]) -> None:
    """Train as `train` would, and stop as a kill would after the fifth step."""
    from gazekit.training import loop

    plain, steps = loop._step, []

    def stopping(*args: object) -> float:
        steps.append(1)
        if len(steps) > 5:
            raise KeyboardInterrupt
        return plain(*args)  # type: ignore[arg-type]

    loop._step = stopping  # type: ignore[assignment]
    try:
        with pytest.raises(KeyboardInterrupt):
            train(dataset, out, **options)  # type: ignore[arg-type]
    finally:
        loop._step = plain
    assert (folder_of(out) / "last.pt").exists()


def test_what_cannot_be_trained_so_is_said_before_anything_is(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mobilenetv3_small_050 has \d+ blocks; train_last is 99"):
        plan(dataset, tmp_path, **OPTIONS, train_last=99)
    with pytest.raises(ConfigError, match="is no probe, and --apply pooling is for these"):
        plan(dataset, tmp_path, **{**OPTIONS, "models": ["nima-narrow"]}, apply="pooling")
    with pytest.raises(InputError, match="unknown network of timm 'resnet81'; did you mean"):
        plan(dataset, tmp_path, models=["timm:resnet81"])


def test_a_network_of_timm_is_trained_at_its_own_size_with_its_own_normalisation(dataset: Path, tmp_path: Path) -> None:
    assert plan(dataset, tmp_path, models=["timm:maxvit_rmlp_pico_rw_256"], seeds=1).config["recipe"]["size"] == 256
    assert size_of_timm(["timm:maxvit_rmlp_pico_rw_256"], {}) == {"size": 256}, "what a registration keeps"
    assert size_of_timm(["timm:maxvit_rmlp_pico_rw_256", "nima-narrow"], {}) == size_of_timm(["timm:a"], {}) == {}
    grid = plan(dataset, tmp_path, models=["timm:vit_tiny_patch16_224", "timm:maxvit_rmlp_pico_rw_256"], size=256)
    assert grid.config["recipe"]["size"] == 256
    grid = plan(dataset, tmp_path, models=["timm:vit_tiny_patch16_224"], size=64, seeds=1)
    network = build_network(grid.jobs[0], 7)
    assert network.mean == (0.5, 0.5, 0.5)
    assert isinstance(network.head, nn.Linear)
    assert network.head.in_features == 192
    out = train(dataset, tmp_path / "runs", epochs=1, **OPTIONS)
    table = pd.read_csv(folder_of(out) / "predictions.csv")
    np.testing.assert_allclose(table.filter(regex=r"^p\d").to_numpy().sum(1), 1, atol=1e-5)
    assert load_trained(folder_of(out)).network.mean == models.info(MODEL).mean
