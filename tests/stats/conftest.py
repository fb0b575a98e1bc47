"""A comparison folder of known skill."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SCORE = np.arange(1, 11)
SKILL = {"human": 1.0, "original": 0.9, "shuffled": 0.0}


def histograms(centre: np.ndarray) -> np.ndarray:
    p = np.exp(-((SCORE - centre[..., None]) ** 2) / 4)
    return np.asarray(p / p.sum(-1, keepdims=True))


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """A comparison folder with predictions of known skill: 60 test pictures, 2 models, 3 conditions, 3 seeds."""
    names = [f"{n:03d}" for n in range(100)]
    true = rng.normal(0, 1.2, 100)
    counts = pd.DataFrame(
        [rng.multinomial(12, row) for row in histograms(5.5 + true)], columns=[f"c{k}" for k in SCORE]
    )
    counts.insert(0, "split", ["train"] * 30 + ["validation"] * 10 + ["test"] * 60)
    counts.insert(0, "image", names)
    counts.to_csv(tmp_path / "truth.csv", index=False)
    grid = {"models": ["a", "b"], "conditions": list(SKILL), "seeds": [0, 1, 2]}
    config = {"grid": grid, "dataset": {"path": "not-there.dataset.h5", "sha256": ""}, "scheme": "default"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for model in grid["models"]:
        for condition, skill in SKILL.items():
            for seed in range(3):
                cell = tmp_path / "runs" / str(model) / condition / f"seed{seed}"
                cell.mkdir(parents=True)
                centre = 5.5 + skill * true[40:] + rng.normal(0, 0.4, 60)
                table = pd.DataFrame(histograms(centre), columns=[f"p{k}" for k in SCORE])
                table.insert(0, "image", names[40:])
                table.to_csv(cell / "predictions.csv", index=False)
                (cell / "done.json").write_text("{}")
    return tmp_path
