"""Probes in a grid: the same files as of trained networks, features computed once, the same numbers again."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from gazekit import models
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError
from gazekit.dataset import open_dataset
from gazekit.models.pixels import normalised
from gazekit.models.probe import Probe
from gazekit.models.scoring import Scorer
from gazekit.report.method import method_text
from gazekit.stats.comparison_folder import read_comparison
from gazekit.training import compare, plan, probes, train
from gazekit.training.load_model import load_trained
from gazekit.training.one_run import train_run

MODEL = "probe-timm:mobilenetv3_small_050"
OPTIONS = {"models": [MODEL], "size": 64, "threads": 1}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "net.pth"
    model = models.create(MODEL.removeprefix("probe-"))
    torch.save(model.trunk.net.state_dict(), path)
    return path


def test_a_grid_of_probes_ends_as_any_grid(
    dataset: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, calls = tmp_path / "runs", []
    plain = Scorer.views
    monkeypatch.setattr(Scorer, "views", lambda self, which, view: calls.append(len(which)) or plain(self, which, view))
    train(dataset, out, conditions=["original", "human"], seeds=[0, 1], weights=str(weights), **OPTIONS)
    assert sum(calls) == 2 * 100, "features of a condition are computed once, for all seeds"
    tables = []
    for seed in (0, 1):
        for condition in ("original", "human"):
            folder = out / "runs" / MODEL.replace(":", "-") / condition / f"seed{seed}"
            table = pd.read_csv(folder / "predictions.csv")
            np.testing.assert_allclose(table.filter(like="p").to_numpy().sum(1), 1, atol=1e-6)
            done = json.loads((folder / "done.json").read_text())
            assert done["best"]["validation_loss"] > 0
            made_with = json.loads((folder / "machine.json").read_text())
            assert made_with["weights"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
            tables.append(table)
    pd.testing.assert_frame_equal(tables[0], tables[2])  # no number is drawn: seeds agree
    trained = load_trained(out / "runs" / MODEL.replace(":", "-") / "original" / "seed0")
    assert trained.network(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    calls.clear()
    train(dataset, tmp_path / "again", conditions=["human"], seeds=[0], weights=str(weights), **OPTIONS)
    again = pd.read_csv(tmp_path / "again" / "runs" / MODEL.replace(":", "-") / "human" / "seed0" / "predictions.csv")
    pd.testing.assert_frame_equal(again, tables[1])
    (file,) = (tmp_path / "again" / "features").glob("*.npy")
    whole, calls[:] = np.load(file), []
    torn = np.load(file, mmap_mode="r+")
    torn[7:10], torn[40, 5:] = np.nan, np.nan
    torn.flush()
    for stale in (tmp_path / "again" / "runs").rglob("done.json"):
        stale.unlink()
    train(dataset, tmp_path / "again", conditions=["human"], seeds=[0], weights=str(weights), **OPTIONS)
    assert calls == [4], "features that were not written, or not whole, are computed; the others are not"
    np.testing.assert_allclose(np.load(file), whole, rtol=1e-4, atol=1e-5)


def test_folds_side_by_side_compute_features_once(
    dataset: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"conditions": ["human"], "seeds": 1, "cross_validate": 3, "weights": str(weights)}
    jobs, calls, plain = plan(dataset, tmp_path, **OPTIONS, **options).jobs, [], Scorer.views
    monkeypatch.setattr(Scorer, "views", lambda self, which, view: calls.append(len(which)) or plain(self, which, view))
    with ThreadPoolExecutor(3) as pool:
        folders = list(pool.map(train_run, jobs))
    assert calls == [100]
    assert all((folder / "predictions.csv").exists() for folder in folders)


def test_attention_weighs_what_the_network_computes_of_whole_pictures(
    dataset: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every condition is a pooling of the same features, by its mask; comparison and report say so."""
    seen, out = [], tmp_path / "runs"
    plain = Probe.attended_features
    monkeypatch.setattr(Probe, "attended_features", lambda self, x, w: seen.append((x, w)) or plain(self, x, w))
    conditions = ["original", "human", "shuffled", "human-removed", "synthetic"]
    train(dataset, out, conditions=conditions, seeds=[0], weights=str(weights), apply="pooling", **OPTIONS)
    data = open_dataset(dataset)
    assert len(seen) == 5 * 4
    whole = torch.cat([x for x, _ in seen[:4]])
    for k in range(1, 5):
        torch.testing.assert_close(torch.cat([x for x, _ in seen[4 * k : 4 * k + 4]]), whole, msg="no pixel is masked")
    masks = torch.cat([w for _, w in seen[4:8]])
    assert 0.02 < float(masks.mean()) < 0.6
    removed = torch.cat([w for _, w in seen[12:16]])
    torch.testing.assert_close(masks + removed, torch.ones_like(masks))
    order = np.concatenate([data.indices(name) for name in ("train", "validation", "test")])
    np.testing.assert_array_equal(masks[0].numpy(), data.mask_at(int(np.sort(order)[0]), "human", (64, 64)))
    compare(out)
    table = read_comparison(out)
    assert set(table.rows["condition"].dropna()) >= set(conditions)
    assert any("No pixel is masked" in paragraph for paragraph in method_text(table, {}))
    assert "attended to in the same way" in method_text(table, {})[0]
    folder = out / "runs" / MODEL.replace(":", "-") / "original" / "seed0"
    trained = load_trained(folder)
    run = CliRunner().invoke(gazekit, ["score", str(folder.parents[1] / "human" / "seed0"), str(dataset.parent)])
    assert "read features pooled by masks (human) in training, and here reads them pooled evenly" in run.stderr
    picture = data.read(int(data.indices("test")[0]), size=64)[None].copy()
    expected = pd.read_csv(folder / "predictions.csv").iloc[0, 1:].to_numpy(float)
    with torch.no_grad():
        got = trained.network(normalised(picture, trained.network.mean, trained.network.std))[0]
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("condition", "options"),
    [
        pytest.param("human", {"seeds": [0, 1], "resample_viewers": True}, id="viewers-drawn-by-each-seed"),
        pytest.param("synthetic", {"seeds": [0], "learning_curve": [30]}, id="network-of-fewer-pictures"),
    ],
)
def test_features_are_of_the_runs_own_masks(
    dataset: Path, weights: Path, tmp_path: Path, condition: str, options: dict[str, Any]
) -> None:
    """A run whose masks are no other's ends as where no features were kept."""
    grid = {"conditions": [condition], "weights": str(weights), **OPTIONS, **options}
    train(dataset, tmp_path, **grid)
    done = sorted((tmp_path / "runs").glob(f"*/{condition}/*/done.json"))
    assert len(done) == 2
    tables = [pd.read_csv(file.with_name("predictions.csv")) for file in done]
    assert not tables[0].equals(tables[1])
    for file, table in zip(done, tables, strict=True):
        for left in [file, *(tmp_path / "features").glob("*.npy")]:
            left.unlink()
        train(dataset, tmp_path, **grid)
        pd.testing.assert_frame_equal(pd.read_csv(file.with_name("predictions.csv")), table)


def test_what_a_probe_would_pass_over_is_refused(dataset: Path, tmp_path: Path) -> None:
    for options, message in (
        ({"crop": 0.8}, "is a probe, which sees whole views; leave crop out"),
        ({"apply": "pooling", "soft_px": 3.0}, "sees whole pictures with --apply pooling; leave fill and soft_px out"),
        ({"apply": "pooling", "fill": "mean"}, "sees whole pictures with --apply pooling; leave fill and soft_px out"),
    ):
        with pytest.raises(ConfigError, match=message):
            plan(dataset, tmp_path, **OPTIONS, **options)


@pytest.mark.parametrize("apply", ["mask", "pooling"])
def test_features_are_computed_where_the_recipe_says(
    dataset: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, apply: str
) -> None:
    """On a device without numbers nothing can be read back: torch says so, and would not if the CPU computed."""
    monkeypatch.setattr(probes, "device_of", lambda recipe: torch.device("meta"))
    job = plan(dataset, tmp_path, conditions=["human"], seeds=1, weights=str(weights), apply=apply, **OPTIONS).jobs[0]
    with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
        train_run(job)
