"""What is claimed of uncertain numbers, on many simulated studies: worth covers, differences are not made up.

The tests of `tests/attention` have smaller forms.
"""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.attention.differences import group_difference
from gazekit.attention.worth import panel
from tests.attention.test_differences import GROUPS, looks, viewing
from tests.attention.test_worth import looks_of, people_look
from tests.benchmarks.figures import record

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]
COMMAND = "pytest -n 0 -s -m benchmark tests/benchmarks/attention/test_claims.py"


def test_k_real_viewers_are_covered_by_the_interval_of_their_worth() -> None:
    rng, studies, inside, found = np.random.default_rng(3), 300, 0, []
    for study in range(studies):
        k = (2, 3, 5)[study % 3]
        views = looks_of(people_look(rng, 25, 14))
        some = {image: sorted(rng.choice(look.participants, k, replace=False)) for image, look in views.items()}
        rest = panel({image: look.without(*some[image]) for image, look in views.items()}, seed=study)
        worth = rest.worth({image: look.of(*some[image]).map() for image, look in views.items()}, resamples=500)
        inside += worth.low <= k <= worth.high
        found.append(worth.viewers / k)
    record(
        "attention",
        "worth in viewers: 2, 3 or 5 real viewers put in as a model",
        f"the interval holds the number in {inside / studies:.1%} of {studies} studies; median of the ratio "
        f"{np.median(found):.2f}",
        bar="93 to 97 %",
        data="simulated studies of 25 pictures and 14 viewers",
        command=f"{COMMAND} -k worth",
    )
    # of so many studies with a true 93 to 97 %, chance gives 2.5 standard errors more on either side
    low, high = (true + sign * 2.5 * np.sqrt(true * (1 - true) / studies) for true, sign in ((0.93, -1), (0.97, 1)))
    assert low <= inside / studies <= high
    assert np.median(found) == pytest.approx(1, abs=0.1)


def test_differences_of_500_nulls() -> None:
    rng, nulls, alarms = np.random.default_rng(5), 500, 0
    for _ in range(nulls):
        found = group_difference(viewing(looks(rng))["p0.png"], GROUPS, permutations=199)
        alarms += any(cluster.p <= 0.05 for cluster in found.clusters)
    record(
        "attention",
        "difference maps of two groups of one kind: pictures with a cluster of p <= .05",
        f"{alarms / nulls:.1%} of {nulls}",
        bar="<= 7 %",
        data="simulated pictures of 16 people, 199 permutations of people",
        command=f"{COMMAND} -k nulls",
    )
    assert alarms / nulls <= 0.07
