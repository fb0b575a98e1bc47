"""Training and comparison on real photographs with real fixations, and metrics on real ratings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.pictures import Picture
from gazekit.stats.map_agreement import CEILING, FLOORS
from gazekit.stats.noise_ceiling import constant_histogram, split_half
from gazekit.training import compare, evaluate


@pytest.fixture(scope="module")
def ratings(real_data: Path) -> np.ndarray:
    """Votes on 10,073 photographs, (N, 5)."""
    (path,) = (real_data / "koniq").glob("*.csv")
    table = pd.read_csv(path)
    shares = table[[f"c{k}" for k in range(1, 6)]].to_numpy()
    return np.rint(shares * table[["c_total"]].to_numpy()).astype(np.int64)


def test_floor_and_ceiling_of_real_ratings(ratings: np.ndarray) -> None:
    some = ratings[:2000]
    constant = evaluate(np.broadcast_to(constant_histogram(ratings[2000:]), some.shape), some)
    half = {metric: value[0] for metric, value in split_half(some, splits=5).items()}
    assert 0.9 < half["lcc"] < 1  # a hundred votes a picture
    assert 0.9 < half["srcc"] < 1
    assert half["emd2"] < 0.3 * constant["emd2"]
    assert np.isnan(constant["srcc"])


def test_metrics_of_real_ratings_equal_scipys(ratings: np.ndarray, rng: np.random.Generator) -> None:
    some = ratings[:3000]
    guess = some + rng.poisson(20, some.shape)
    score = np.arange(1, 6)
    p, q = guess @ score / guess.sum(1), some @ score / some.sum(1)
    found = evaluate(guess, some)
    assert found["lcc"] == pytest.approx(pearsonr(p, q).statistic, abs=1e-9)
    assert found["srcc"] == pytest.approx(spearmanr(p, q).statistic, abs=1e-9)


def test_a_grid_on_real_fixations(real_data: Path, tmp_path: Path) -> None:
    """40 photographs, 15 viewers: the network's own attention is as large as people's; people agree best."""
    pytest.importorskip("torch")
    from gazekit.training import train

    files = sorted((real_data / "osie").rglob("*.jpg"))[:40]
    fixations = pd.read_csv(real_data / "osie" / "fixations.csv", dtype={"image": str, "viewer": str})
    fixations = fixations[fixations["image"].isin({f.name for f in files})].rename(columns={"viewer": "participant"})
    fixations = fixations.assign(x_picture=fixations["x"] - 1, y_picture=fixations["y"] - 1)  # theirs begin at 1
    votes = np.random.default_rng(0).multinomial(12, [0.1] * 10, len(files))
    table = pd.DataFrame(votes, columns=[f"c{k}" for k in range(1, 11)])
    table.insert(0, "image", [f.name for f in files])
    pictures = [Picture(f.name, f) for f in files]
    path = build_dataset(
        pictures, fixations, table, tmp_path / "osie.dataset.h5", DatasetSpec(sigma_px=24.0, split=(0.6, 0.1, 0.3))
    )
    out = train(
        path, tmp_path / "out", models=["nima-narrow"], conditions=["human", "synthetic"], seeds=1, size=48,
        epochs=1, threads=1,
    )  # fmt: skip
    compare(out, resamples=100, permutations=99)
    data = open_dataset(path)
    with np.load(out / "synthetic" / "nima-narrow" / "seed0.npz") as kept:
        boxes = kept["rectangles"][:, 0]
    for i, (top, left, bottom, right) in enumerate(boxes):
        assert abs((bottom - top) * (right - left) - int(data.mask(i, "human").sum())) <= max(data.sizes[i])
    values = pd.read_csv(out / "agreement.csv").pivot(index="map", columns="metric", values="value")
    for metric in ("nss", "auc_judd", "auc_shuffled", "ig", "cc", "sim"):
        assert values.loc[CEILING, metric] > max(values.loc[list(FLOORS), metric])
    assert values.loc[CEILING, "kl"] < min(values.loc[list(FLOORS), "kl"])
