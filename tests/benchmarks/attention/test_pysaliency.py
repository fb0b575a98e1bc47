"""The saliency metrics equal pysaliency's (extra ``bench``) where it defines the same."""

from __future__ import annotations

import sys
import types
import warnings

import numpy as np
import pytest

from gazekit.attention import attention_map, saliency

pytestmark = pytest.mark.benchmark
SIZES = [(48, 64), (60, 80), (48, 64)]


@pytest.fixture
def pysaliency(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """The peer, with what newer setuptools and numpy took away from under it."""
    for name in ("numba", "boltons"):
        pytest.importorskip(name, reason="pip install 'gazekit[bench]'")
    if "pkg_resources" not in sys.modules:
        stand_in = types.ModuleType("pkg_resources")
        monkeypatch.setitem(sys.modules, "pkg_resources", stand_in)
        for name in ("resource_string", "resource_listdir"):
            setattr(stand_in, name, lambda *names: b"")
    if not hasattr(np, "trapz"):
        monkeypatch.setattr(np, "trapz", np.trapezoid, raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("pysaliency", reason="pip install 'gazekit[bench]'")


@pytest.fixture
def pictures(rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """A map and the fixations of each picture; the second map is full of ties."""
    maps = [rng.gamma(2, 1, size) for size in SIZES]
    maps[1] = np.ceil(maps[1])
    return [(m, rng.uniform(0, m.shape[1], 30), rng.uniform(0, m.shape[0], 30)) for m in maps]


@pytest.mark.filterwarnings("ignore")
def test_equal_to_pysaliency(
    pysaliency: types.ModuleType, pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> None:
    peer = pysaliency.metrics
    second = attention_map(pictures[0][1], pictures[0][2], size=SIZES[0], sigma_px=4).astype(np.float64)
    for smap, x, y in (pictures[0], pictures[2]):
        assert saliency.nss(smap, x, y) == pytest.approx(peer.NSS(smap, x, y).mean(), abs=1e-6)
        assert saliency.cc(smap, second) == pytest.approx(peer.CC(smap, second), abs=1e-6)
        for shift in (0.0, 3.0):  # negative maps are shifted
            assert saliency.sim(smap - shift, second) == pytest.approx(peer.SIM(smap - shift, second), abs=1e-6)
            theirs = peer.image_based_kl_divergence(smap - shift, second)
            assert saliency.kl(smap - shift, second) == pytest.approx(theirs, abs=1e-6)
    constant = np.ones(SIZES[0])
    assert saliency.nss(constant, *pictures[0][1:]) == peer.NSS(constant, *pictures[0][1:]).mean() == 0


@pytest.mark.filterwarnings("ignore")
def test_areas_and_information_equal_pysaliency(
    pysaliency: types.ModuleType, pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
) -> None:
    stimuli = pysaliency.Stimuli([np.full((*size, 3), k, dtype=np.uint8) for k, size in enumerate(SIZES)])
    which = np.repeat(np.arange(3), 30)
    x, y = (np.concatenate([p[axis] for p in pictures]) for axis in (1, 2))
    fixations = pysaliency.Fixations.create_without_history(x, y, which)
    maps = [p[0] for p in pictures]

    class Given(pysaliency.SaliencyMapModel):
        def _saliency_map(self, stimulus: np.ndarray) -> np.ndarray:
            return maps[int(stimulus[0, 0, 0])]

    class Density(pysaliency.Model):
        def _log_density(self, stimulus: np.ndarray) -> np.ndarray:
            amap = maps[int(stimulus[0, 0, 0])]
            return np.log(amap / amap.sum())

    ours = [saliency.auc_judd(m, *p[1:], convention="mit") for m, p in zip(maps, pictures, strict=True)]
    theirs = Given().AUC_Judd(stimuli, fixations, jitter=False)
    assert np.mean(ours) == pytest.approx(theirs, abs=1e-6)

    shuffled = Given().AUCs(stimuli, fixations, nonfixations="shuffled")
    gains = Density().information_gains(stimuli, fixations, baseline_model=pysaliency.UniformModel())
    for k, (smap, px, py) in enumerate(pictures):
        scale_x, scale_y = (np.array([s[axis] for s in SIZES]) for axis in (1, 0))
        other = which != k
        ox = x[other] * SIZES[k][1] / scale_x[which[other]]
        oy = y[other] * SIZES[k][0] / scale_y[which[other]]
        mine = saliency.auc_shuffled(smap, px, py, ox, oy)
        assert mine == pytest.approx(shuffled[which == k].mean(), abs=1e-6)
        assert saliency.information_gain(smap, px, py) == pytest.approx(gains[which == k].mean(), abs=1e-6)
