"""A small seeded form of the benchmark of cross-validated claims: few null studies claim, folds are sharper."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from tests.benchmarks.test_cross_validated_claims import cover, widths

pytestmark = pytest.mark.once


def test_of_few_null_studies_hardly_one_claims() -> None:
    method, covered, _, claims = list(cover(40, 10, 2, "meaningless", 25, "srcc"))[-1]
    assert method == "as gazekit does"
    assert claims <= binom.ppf(0.99, 25, 0.05)
    assert covered >= 0.8


def test_ten_folds_are_sharper_than_one_split() -> None:
    folds, split = widths(100, 10, 6)
    assert split > 2 * folds
