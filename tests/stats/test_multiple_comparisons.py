from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from gazekit.stats.multiple_comparisons import gatekeeping, holm
from tests.needs import need


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]).shape == (0,)


def test_holm_agrees_with_statsmodels(rng: np.random.Generator) -> None:
    need(find_spec("statsmodels"), "statsmodels")
    from statsmodels.stats.multitest import multipletests

    for count in (1, 2, 7, 40):
        p = rng.random(count) ** 3
        assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_gates_by_hand() -> None:
    p, family = [0.001, 0.02, 0.5, 0.001], [0, 1, 1, 2]
    assert gatekeeping(p, family).tolist() == [0.001, 0.04, 0.5, 0.5]
    assert gatekeeping(p, [0] * 4) == pytest.approx(holm(p))
