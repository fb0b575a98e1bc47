"""What is computed once for all viewers of a picture equals what is computed for each of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gazekit.attention.judging import Candidate, Fixated
from gazekit.attention.one_out import judge_one_out
from gazekit.attention.viewings import Viewing, viewings
from gazekit.shapes.centre import centre_prior

SIZE = (45, 60)


def looks(rng: np.random.Generator, viewers: int, each: int, same: bool) -> Viewing:
    """Fixations of some viewers; with ``same`` many lie on few pixels, and some off the picture or without a weight."""
    count = viewers * each
    place = rng.integers(0, 4, (count, 2)) * 12.0 if same else rng.uniform(0, 1, (count, 2)) * SIZE[::-1]
    table = pd.DataFrame({"image": "a", "participant": np.repeat([f"v{k}" for k in range(viewers)], each)})
    table["x_picture"], table["y_picture"], table["duration_ms"] = place[:, 0], place[:, 1], rng.gamma(3, 80, count)
    if same:
        table.loc[1, "x_picture"], table.loc[each, "duration_ms"] = -5.0, 0.0
    return viewings(table, {"a": SIZE}, sigma_px=4.0)["a"]


@pytest.mark.parametrize("same", [False, True], ids=["apart", "same"])
@pytest.mark.parametrize(("viewers", "each"), [(2, 2), (5, 9), (3, 140)])
def test_every_metric_equals_that_of_one_map_and_one_viewer(
    viewers: int, each: int, same: bool, rng: np.random.Generator
) -> None:
    look = looks(rng, viewers, each, same)
    others = np.sort(rng.integers(0, SIZE[0] * SIZE[1], 500))
    found = judge_one_out(look, np.bincount(others, minlength=SIZE[0] * SIZE[1]))
    centre = Candidate(centre_prior(look.size).astype(np.float64), others)
    for n, (one, rest) in enumerate(look.leave_one_out()):
        truth = Fixated.of(one, one.unscaled_map())
        for judged, expected in (
            (found[0][n], Candidate(rest.unscaled_map(), others).judged(truth)),
            (found[1][n], centre.judged(truth)),
        ):
            assert judged == pytest.approx(expected, abs=2e-6)
