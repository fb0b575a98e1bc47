"""A comparison folder as `gazekit.training` lays it out, of numbers drawn by a seed: for looking at reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

METRICS = ("accuracy", "lcc", "srcc", "lcc_std", "mae", "rmse", "emd1", "emd2")
CONDITIONS = ("original", "human", "centre", "synthetic")
MODELS = ("residual-attention-narrow", "nima-narrow")


def make_comparison(
    folder: Path,
    images: list[str],
    counts: np.ndarray,
    *,
    seeds: int = 3,
    dataset: str = "",
    digest: str = "0" * 64,
    seed: int = 0,
) -> Path:
    """Write a whole comparison folder about these pictures; their true histograms are ``counts``, shape (n, K)."""
    rng = np.random.default_rng(seed)
    scale = counts.shape[1]
    rows = []
    for model in MODELS:
        for condition in CONDITIONS:
            values = rng.uniform(0.2, 0.8, len(METRICS))
            rows.append(_row("condition", model, condition, None, len(images), values, 0.08))
            for k in range(seeds):
                _write_run(folder / "runs" / model / condition / f"seed{k}", images, counts, rng)
                rows.append(_row("seed", model, condition, k, len(images), values + rng.normal(0, 0.02, len(METRICS))))
    rows.append(_row("floor", "constant histogram", "", None, len(images), np.full(len(METRICS), 0.1)))
    rows.append(_row("ceiling", "half of the raters", "", None, len(images), np.full(len(METRICS), 0.9)))
    _csv(folder / "comparison.csv", pd.DataFrame(rows))
    _csv(folder / "paired.csv", pd.DataFrame(_paired(rng)))
    _csv(folder / "agreement.csv", pd.DataFrame(_agreement(rng)))
    kinds = [
        {"category": kind} | _row("condition", model, "human", None, 5, rng.uniform(0.3, 0.7, len(METRICS)), 0.1)
        for kind in ("animal", "landscape")
        for model in MODELS
    ]
    _csv(folder / "categories.csv", pd.DataFrame(kinds).drop(columns=["level", "seed"]))
    truth = pd.DataFrame(counts, columns=[f"c{k + 1}" for k in range(scale)])
    truth.insert(0, "split", "test")
    truth.insert(0, "image", images)
    _csv(folder / "truth.csv", truth)
    config = {
        "schema": "gazekit.comparison/1",
        "dataset": {"path": dataset, "sha256": digest},
        "recipe": {"epochs": 5, "size": 64, "lr": 0.003},
        "versions": {"gazekit": "0.1.0"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    sentences = [
        f"No difference between human and centre can be seen with {len(images)} pictures.",
        "<b> is escaped & kept",
    ]
    method = {"threshold": 4.5, "resamples": 1234, "permutations": 5678, "seed": 9}
    (folder / "conclusion.json").write_text(json.dumps({"sentences": sentences, "alpha": 0.04, "method": method}))
    return folder


def _row(
    level: str, model: str, condition: str, seed: int | None, n: int, values: np.ndarray, half: float | None = None
) -> dict[str, object]:
    row: dict[str, object] = {"level": level, "model": model, "condition": condition, "seed": seed, "n": n}
    for name, value in zip(METRICS, values, strict=True):
        row |= {name: value, f"{name}_low": np.nan, f"{name}_high": np.nan}
        if half is not None:
            row |= {f"{name}_low": value - half, f"{name}_high": value + half}
    return row


def _paired(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {
            "model": model,
            "condition_a": "human",
            "condition_b": other,
            "metric": metric,
            "difference": (d := rng.normal(0, 0.1)),
            "low": d - 0.08,
            "high": d + 0.08,
            "p": (p := rng.uniform(0, 0.5)),
            "p_holm": min(1, 3 * p),
            "effect_size": d / 0.1,
            "pictures_needed": 540,
        }
        for model in MODELS
        for other in CONDITIONS
        if other != "human"
        for metric in ("srcc", "emd2")
    ]


def _agreement(rng: np.random.Generator) -> list[dict[str, object]]:
    return [
        {"model": who, "metric": metric, "value": (v := rng.uniform(0.3, 0.9)), "low": v - 0.05, "high": v + 0.05}
        for who in (*MODELS, "ceiling: one viewer against the rest", "floor: centre")
        for metric in ("nss", "auc_judd", "cc", "kl")
    ]


def _write_run(folder: Path, images: list[str], counts: np.ndarray, rng: np.random.Generator) -> None:
    folder.mkdir(parents=True)
    lines = [
        {"epoch": e, "train_loss": 0.3 * 0.8**e + rng.normal(0, 0.005), "validation_loss": 0.12 + 0.2 * 0.7**e}
        for e in range(1, 9)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    predicted = counts + rng.gamma(2, 1.5, counts.shape)
    table = pd.DataFrame(
        predicted / predicted.sum(axis=1, keepdims=True), columns=[f"p{k + 1}" for k in range(counts.shape[1])]
    )
    table.insert(0, "image", images)
    _csv(folder / "predictions.csv", table)


def _csv(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, index=False)
