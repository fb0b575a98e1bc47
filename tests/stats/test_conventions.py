"""Maps judged as published numbers were: the MIT benchmark's Matlab code and pysaliency."""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.attention import saliency
from gazekit.attention.agreement import agreement
from gazekit.attention.viewings import Viewing
from gazekit.core.errors import InputError
from gazekit.shapes.centre import centre_prior
from gazekit.stats.options import ComparisonOptions


@pytest.fixture
def viewing(rng: np.random.Generator) -> Viewing:
    x, y = rng.uniform(0, 40, 9), rng.uniform(0, 30, 9)
    return Viewing("a", (30, 40), x, y, np.full(9, 200.0), np.zeros(9, dtype=np.int64), ["p1"], 3.0)


def test_pysaliency_takes_the_map_as_it_is(viewing: Viewing, rng: np.random.Generator) -> None:
    amap = rng.random((30, 40)) ** 3
    amap[:, :9] = 0
    others = rng.uniform(0, 30, (2, 50))
    found = agreement(amap, viewing, (others[0], others[1]), "pysaliency")
    x, y = viewing.x, viewing.y
    truth, prior = viewing.map().astype(np.float64), centre_prior((30, 40))
    assert found["nss"] == pytest.approx(saliency.nss(amap, x, y), abs=1e-6)
    assert found["auc_judd"] == pytest.approx(saliency.auc_judd(amap, x, y, convention="mit"), abs=1e-6)
    assert found["kl"] == pytest.approx(saliency.kl(amap, truth), rel=1e-6)
    assert found["ig"] == pytest.approx(saliency.information_gain(amap, x, y, prior), rel=1e-6)


def test_mit_is_its_matlab_code(viewing: Viewing, rng: np.random.Generator) -> None:
    """KLdiv.m, InfoGain.m and NSS.m, written out."""
    amap, eps = rng.random((30, 40)), np.spacing(1.0)
    found = agreement(amap, viewing, (viewing.x, viewing.y), "mit")
    p, q = viewing.map().astype(np.float64), amap / amap.sum()
    p /= p.sum()
    prior = centre_prior((30, 40)).astype(np.float64)
    prior /= prior.sum()
    rows, columns = viewing.y.astype(int), viewing.x.astype(int)
    assert found["kl"] == pytest.approx((p * np.log(eps + p / (q + eps))).sum())
    gain = np.log2(eps + q) - np.log2(eps + prior)
    assert found["ig"] == pytest.approx(gain[rows, columns].mean())
    assert found["nss"] == pytest.approx(((amap - amap.mean()) / amap.std(ddof=1))[rows, columns].mean())


def test_gazekits_own_way_forgives_a_map_that_is_0_where_somebody_looked(viewing: Viewing) -> None:
    amap = np.zeros((30, 40))
    amap[0, 0] = 1
    ours = agreement(amap, viewing, (viewing.x, viewing.y))
    theirs = agreement(amap, viewing, (viewing.x, viewing.y), "pysaliency")
    assert theirs["kl"] > 30 > ours["kl"]
    with pytest.raises(InputError, match="unknown convention 'mti'"):
        ComparisonOptions(convention="mti")  # type: ignore[arg-type]
