"""The saliency metrics against their definitions, word for word."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from gazekit.attention import saliency
from gazekit.core.errors import InputError


@pytest.fixture
def smap(rng: np.random.Generator) -> np.ndarray:
    return rng.gamma(2, 1, (24, 32))


@pytest.fixture
def points(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(0, 32, 25), rng.uniform(0, 24, 25)


def judd(smap: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    """Thresholds at the fixated values, highest first; negatives are the pixels without a fixation."""
    fixated = np.zeros(smap.shape, dtype=bool)
    fixated[y.astype(int), x.astype(int)] = True
    positive, negative = smap[y.astype(int), x.astype(int)], smap[~fixated]
    curve = [(0.0, 0.0)]
    for threshold in np.sort(positive)[::-1]:
        curve.append(((negative >= threshold).mean(), (positive >= threshold).mean()))
    curve.append((1.0, 1.0))
    return sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(curve))


def test_nss_is_the_mean_z_score_at_the_fixations(smap: np.ndarray, points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    z = (smap - smap.mean()) / smap.std()
    assert saliency.nss(smap, x, y) == pytest.approx(np.mean([z[int(b), int(a)] for a, b in zip(x, y, strict=True)]))
    assert saliency.nss(7 * smap - 3, x, y) == pytest.approx(saliency.nss(smap, x, y))
    assert saliency.nss(np.full((24, 32), 0.1), x, y) == 0


def test_auc_judd_follows_its_definition(smap: np.ndarray, points: tuple[np.ndarray, np.ndarray]) -> None:
    assert saliency.auc_judd(smap, *points, convention="mit") == pytest.approx(judd(smap, *points), abs=1e-12)
    x, y = points
    fixated = np.zeros(smap.shape, dtype=bool)
    fixated[y.astype(int), x.astype(int)] = True
    test = stats.mannwhitneyu(smap[y.astype(int), x.astype(int)], smap[~fixated])
    assert saliency.auc_judd(smap, *points) == pytest.approx(test.statistic / (25 * (~fixated).sum()), abs=1e-12)


@pytest.mark.parametrize("count", [1, 4, 10])
def test_a_blind_map_has_a_half_however_few_fixations_judge_it(rng: np.random.Generator, count: int) -> None:
    exact, mit = [], []
    for _ in range(800):
        blind, x, y = rng.random((24, 32)), rng.uniform(0, 32, count), rng.uniform(0, 24, count)
        exact.append(saliency.auc_judd(blind, x, y))
        mit.append(saliency.auc_judd(blind, x, y, convention="mit"))
    assert np.mean(exact) == pytest.approx(0.5, abs=0.04)
    assert np.mean(mit) == pytest.approx(0.5 + 0.5 / (count + 1), abs=0.04)


def test_auc_judd_of_ties_is_near_what_jitter_gives_on_average(rng: np.random.Generator) -> None:
    smap, x, y = rng.integers(0, 3, (24, 32)).astype(float), rng.uniform(0, 32, 200), rng.uniform(0, 24, 200)
    assert saliency.auc_judd(smap, x, y, convention="mit") == pytest.approx(judd(smap, x, y), abs=1e-12)
    jittered = [judd(smap + 1e-7 * rng.standard_normal(smap.shape), x, y) for _ in range(100)]
    assert saliency.auc_judd(smap, x, y) == pytest.approx(np.mean(jittered), abs=0.005)


def test_the_areas_of_known_maps(points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    perfect = np.zeros((24, 32))
    perfect[y.astype(int), x.astype(int)] = 1
    assert saliency.auc_judd(perfect, x, y) == pytest.approx(1, abs=0.01)
    assert saliency.auc_judd(np.ones((24, 32)), x, y) == pytest.approx(0.5)
    assert np.isnan(saliency.auc_judd(np.ones((1, 1)), [0.5], [0.5]))


def test_shuffled_auc_counts_pairs(smap: np.ndarray, points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    other_x, other_y = x[::-1] * 0.9, y * 0.7
    smap = np.round(smap, 1)  # ties count a half
    pairs = [
        float(smap[int(b), int(a)] > smap[int(d), int(c)]) + 0.5 * (smap[int(b), int(a)] == smap[int(d), int(c)])
        for a, b in zip(x, y, strict=True)
        for c, d in zip(other_x, other_y, strict=True)
    ]
    assert saliency.auc_shuffled(smap, x, y, other_x, other_y) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_two_maps_against_scipy(smap: np.ndarray, rng: np.random.Generator) -> None:
    other = rng.gamma(2, 1, smap.shape)
    p, q = other / other.sum(), smap / smap.sum()
    assert saliency.cc(smap, other) == pytest.approx(stats.pearsonr(smap.ravel(), other.ravel())[0], abs=1e-12)
    assert saliency.sim(smap, other) == pytest.approx(np.minimum(p, q).sum(), abs=1e-12)
    assert saliency.kl(smap, other) == pytest.approx(stats.entropy(p.ravel(), q.ravel()), abs=1e-12)
    assert saliency.kl(other, other) == pytest.approx(0, abs=1e-12)
    assert saliency.cc(smap, np.full_like(smap, 0.1)) == 0
    assert saliency.sim(smap, smap) == pytest.approx(1)
    assert saliency.sim(smap - 9, smap - 9) == pytest.approx(1)


def test_information_gain_in_bits_over_a_baseline(smap: np.ndarray, points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    base = np.ones_like(smap)
    base[:, :16] = 3
    at = (y.astype(int), x.astype(int))
    bits = np.log2((smap / smap.sum())[at]) - np.log2((base / base.sum())[at])
    assert saliency.information_gain(smap, x, y, base) == pytest.approx(bits.mean(), abs=1e-12)
    assert saliency.information_gain(base, x, y, base) == 0
    assert saliency.information_gain(np.ones_like(smap), x, y) == 0


def test_lost_fixations_are_left_out(smap: np.ndarray, points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (np.concatenate([column, [np.nan, -3, 999]]) for column in points)
    assert saliency.nss(smap, x, y) == saliency.nss(smap, *points)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: saliency.nss(np.ones(4), [1], [1]), "shape"),
        (lambda: saliency.nss(np.array([["a"]]), [0], [0]), "holds numbers"),
        (lambda: saliency.nss(np.full((4, 4), np.nan), [1], [1]), "16 pixels are not"),
        (lambda: saliency.auc_judd(np.ones((4, 4)), [9], [9]), "none of 1 fixations"),
        (lambda: saliency.cc(np.ones((4, 4)), np.ones((4, 5))), "one size"),
        (lambda: saliency.information_gain(np.ones((4, 4)), [1], [1], np.ones((5, 4))), "one size"),
    ],
    ids=["shape", "text", "nan", "off", "sizes", "baseline"],
)
def test_wrong_input_is_refused(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
