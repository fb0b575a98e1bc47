"""Own measure against own answer: how often nothing is claimed to be something, and what is planted is seen.

    python -m tests.benchmarks.test_own_answers --tries 2000

The figures are recorded where ``GAZEKIT_FIGURES=1`` is set.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

import numpy as np
import pytest

from gazekit.stats.own_answers import answer_on_measure, centre, mixed_model, own_pairs, swap_test
from tests.benchmarks.figures import record
from tests.fixtures.answered_looks import AnsweredLooks

NULLS = {
    "nothing": AnsweredLooks(20, 20),
    "people's slopes differ": AnsweredLooks(20, 20, people_differ=0.5),
    "people's slopes differ, few people": AnsweredLooks(10, 30, people_differ=0.7, skewed=True),
    "pictures' slopes differ": AnsweredLooks(20, 20, pictures_differ=0.5),
    "both differ, 30 % missing, skewed": AnsweredLooks(20, 20, 0, 0.5, 0.5, 0.3, True),
    "66 people, 21 pictures, people's slopes differ": AnsweredLooks(66, 21, people_differ=0.5, skewed=True),
    "few of both": AnsweredLooks(8, 8, people_differ=0.5),
}
PLANTED = {
    "slope .15, 20 x 20": AnsweredLooks(20, 20, slope=0.15),
    "slope .3, slopes differ by .3, 20 x 20": AnsweredLooks(20, 20, slope=0.3, people_differ=0.3),
    "slope .15, slopes differ by .3, 66 x 21": AnsweredLooks(66, 21, slope=0.15, people_differ=0.3),
}
COVERED = {
    "slopes alike": AnsweredLooks(20, 20, slope=0.3, whole=False),
    "people's slopes differ": AnsweredLooks(20, 20, slope=0.3, people_differ=0.5, whole=False),
    "both differ": AnsweredLooks(20, 20, slope=0.3, people_differ=0.4, pictures_differ=0.4, whole=False),
    "66 people, 21 pictures, people's slopes differ, skewed": AnsweredLooks(66, 21, 0.3, 0.3, 0, 0, True, False),
    "people's slopes differ, 10 people, skewed": AnsweredLooks(10, 30, 0.3, 0.7, 0, 0, True, False),
    "pictures' slopes differ": AnsweredLooks(20, 20, slope=0.3, pictures_differ=0.5, whole=False),
    "8 people, 8 pictures": AnsweredLooks(8, 8, slope=0.3, people_differ=0.5, whole=False),
}
COMMAND = "python -m tests.benchmarks.test_own_answers"


def rate(study: AnsweredLooks, tries: int, swaps: int, wald: int = 0) -> tuple[float, float]:
    """Return the share of studies that are claimed at 5 %, and the share by the mixed model's Wald p in the first."""
    rng = np.random.default_rng([tries, *map(int, np.array(list(asdict(study).values()), float) * 100)])
    claimed, by_wald = 0, []
    for number in range(tries):
        data = own_pairs(study.draw(rng), "answer", "measure")
        claimed += max(swap_test(centre(data), swaps=swaps, seed=number)) <= 0.05
        if number < wald and (model := mixed_model(data)) is not None:
            by_wald.append(model["within_wald_p"] <= 0.05)
    return claimed / tries, float(np.mean(by_wald)) if by_wald else float("nan")


def cover(study: AnsweredLooks, tries: int) -> float:
    """Return how often the 95 % interval holds the slope that was drawn."""
    rng, held = np.random.default_rng([tries, *map(int, np.array(list(asdict(study).values()), float) * 100)]), 0
    for _ in range(tries):
        found = answer_on_measure(study.draw(rng), "answer", "measure", swaps=1, fit=False)
        held += found.low <= study.slope <= found.high
    return held / tries


@pytest.mark.benchmark
@pytest.mark.parametrize("name", NULLS)
def test_nulls(name: str) -> None:
    assert rate(NULLS[name], 500, 199)[0] <= 0.07


def main() -> None:
    """Measure and record all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=2000)
    parser.add_argument("--swaps", type=int, default=199)
    parser.add_argument("--wald", type=int, default=200)
    parser.add_argument("--cover", action="store_true", help="measure the cover of the intervals instead")
    options = parser.parse_args()
    if options.cover:
        for name, study in COVERED.items():
            share = cover(study, options.tries)
            print(f"{name}: {share:.1%}", flush=True)
            record(
                "stats",
                f"own gaze, own answer: cover of the 95 % interval: {name}",
                f"{share:.1%} of {options.tries}",
                data="simulated people, pictures and answers; degrees of freedom chosen on studies of these kinds",
                command=f"{COMMAND} --cover --tries {options.tries}",
                bar="93 to 97 %",
                developed_on=True,
            )
        return
    for bar, studies in (("at most 6 %", NULLS), ("", PLANTED)):
        for name, study in studies.items():
            claimed, wald = rate(study, options.tries, options.swaps, options.wald if study.people < 60 else 0)
            print(f"{name}: {claimed:.1%}, Wald {wald:.1%}", flush=True)
            also = f"; mixed model's Wald z {wald:.0%} of {options.wald}" if wald == wald else ""
            record(
                "stats",
                f"own gaze, own answer: {'false claims' if bar else 'planted effects found'}: {name}",
                f"{claimed:.1%} of {options.tries}{also}",
                data="simulated people, pictures and answers from 1 to 10",
                command=f"{COMMAND} --tries {options.tries} --swaps {options.swaps} --wald {options.wald}",
                bar=bar,
                developed_on=False,
            )
            assert not bar or claimed <= 0.06 or options.tries < 2000, f"{name}: {claimed:.1%}"


if __name__ == "__main__":
    main()
