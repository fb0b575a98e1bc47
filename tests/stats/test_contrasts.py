"""What is compared with what, and in what order, from what there is."""

from __future__ import annotations

import numpy as np
import pytest

from gazekit.core.errors import InputError
from gazekit.stats.contrasts import ALL_NETWORKS, Contrast, contrasts_of, over_networks
from gazekit.stats.predictions import Pass, Predictions

CONDITIONS = ["human", "original", "centre"]


def predictions(cells: dict[tuple[str, str], list[int]] | None = None, models: str = "ab") -> Predictions:
    """Two models on three conditions with seeds 0 and 1, but for the cells that are said."""
    seeds = {(model, condition): [0, 1] for model in models for condition in CONDITIONS} | (cells or {})
    shares, counts = np.full((9, 5), 0.2), np.ones((9, 5), dtype=np.int64)
    predicted = {cell: {Pass(seed): shares for seed in given} for cell, given in seeds.items() if given}
    return Predictions([*"abcdefghi"], counts, counts, predicted, 2.5, [*models], CONDITIONS)


def brief(contrasts: list[Contrast]) -> list[tuple[str, str, int]]:
    """Write a contrast as ``model condition``, twice, and its family."""
    return [(*(" ".join(side) for side in one.sides), one.family) for one in contrasts]  # type: ignore[misc]


DEFAULT = [
    (f"{model} {a}", f"{model} {b}", 0)
    for model in "ab"
    for a, b in (("human", "original"), ("human", "centre"), ("centre", "original"))
]


def test_every_model_has_the_pairs_that_answer_the_question() -> None:
    assert brief(contrasts_of(predictions())) == DEFAULT
    turned = [("centre", "human"), ("human", "centre"), ("b:centre", "a:human")]
    expected = [("a centre", "a human", 0), ("b centre", "a human", 0), ("b centre", "b human", 0)]
    assert brief(contrasts_of(predictions(), turned)) == expected


def test_pairs_without_seeds_in_common_are_left_out() -> None:
    there = predictions({("a", "centre"): [7], ("b", "original"): []})
    assert brief(contrasts_of(there)) == [("a human", "a original", 0), ("b human", "b centre", 0)]


@pytest.mark.parametrize("primary", [("human", "centre"), ("centre", "human")])
def test_the_primary_contrast_is_first_over_all_networks_then_of_each(primary: tuple[str, str]) -> None:
    a, b = primary
    found = brief(contrasts_of(predictions(), primary=primary))
    everybody = (f"{ALL_NETWORKS} {a}", f"{ALL_NETWORKS} {b}", 0)
    rest = [(*sides, 2) for *sides, _ in DEFAULT if {side.split()[1] for side in sides} != {"human", "centre"}]
    assert found == [everybody, (f"a {a}", f"a {b}", 1), (f"b {a}", f"b {b}", 1), *rest]


def test_of_one_network_alone_the_primary_contrast_is_its_own() -> None:
    for there in (predictions(models="a"), predictions({("b", "centre"): []})):
        found = brief(contrasts_of(there, primary=("human", "centre")))
        assert found[0] == ("a human", "a centre", 0)
        assert {family for *_, family in found[1:]} == {1}


def test_a_primary_contrast_that_names_a_model_is_of_no_other_family() -> None:
    found = brief(contrasts_of(predictions(), primary=("a:human", "original")))
    assert [one for one in found if one[2] == 0] == [("a human", "a original", 0), ("a human", "b original", 0)]
    assert {family for *_, family in found} == {0, 1}


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("c:human", "centre"), "unknown model 'c'"),
        (("human", "centra"), "unknown condition 'centra'; did you mean centre"),
        (("human", "a:human"), "two different conditions; found human and a:human"),
    ],
)
def test_pairs_that_cannot_be(pair: tuple[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        contrasts_of(predictions(), [pair])


def test_over_all_networks_peoples_attention_is_compared_with_what_all_have() -> None:
    overall = [(f"{ALL_NETWORKS} human", f"{ALL_NETWORKS} {other}", 0) for other in ("original", "centre")]
    assert brief(over_networks(predictions())) == overall
    assert over_networks(predictions(models="a")) == []
    assert brief(over_networks(predictions({("b", "centre"): []}))) == overall[:1]
    pairs = [("centre", "human"), ("a:human", "original"), ("centre", "original")]
    turned = [(f"{ALL_NETWORKS} centre", f"{ALL_NETWORKS} human", 0)]
    assert brief(over_networks(predictions(), pairs)) == turned


def test_over_all_networks_the_primary_contrast_is_first_too() -> None:
    found = brief(over_networks(predictions(), primary=("centre", "human")))
    assert found == [
        (f"{ALL_NETWORKS} centre", f"{ALL_NETWORKS} human", 0),
        (f"{ALL_NETWORKS} human", f"{ALL_NETWORKS} original", 1),
    ]
    assert {family for *_, family in brief(over_networks(predictions(), primary=("a:human", "centre")))} == {1}


def test_of_two_conditions_alone_the_primary_contrast_is_over_all_networks_as_well() -> None:
    there = predictions({(model, "centre"): [] for model in "ab"})
    two = Predictions(
        there.images, there.actual, there.training, there.predicted, 2.5, there.models, ["human", "original"]
    )
    assert brief(contrasts_of(two, primary=("human", "original")))[0][0] == f"{ALL_NETWORKS} human"
    assert len(over_networks(two, primary=("human", "original"))) == 1
