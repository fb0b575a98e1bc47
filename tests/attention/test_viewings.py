"""Maps from fixation tables: by person, by group, of all but one, in degrees through the placement."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gazekit.attention import attention_map
from gazekit.attention.agreement import CENTRE, HALF, REST, SHUFFLED, as_markdown, halves_table, inter_observer_table
from gazekit.attention.viewings import maps_by_picture, pixels_per_degree, viewings
from gazekit.core.errors import ConfigError, InputError
from gazekit.screen import Placement, Screen

SIZES = {"a.png": (90, 120), "b.png": (60, 120), "unseen.png": (10, 10)}
SPOTS = {"a.png": (30, 30), "b.png": (90, 20)}


@pytest.fixture
def fixations(rng: np.random.Generator) -> pd.DataFrame:
    """Four people who look at about the same spot of each picture."""
    rows = [
        {
            "participant": person,
            "image": image,
            "x_picture": spot[0] + rng.normal(0, 6),
            "y_picture": spot[1] + rng.normal(0, 6),
            "duration_ms": rng.gamma(3, 80),
        }
        for image, spot in SPOTS.items()
        for person in ("p1", "p2", "p3", "p4")
        for _ in range(8)
    ]
    return pd.DataFrame(rows)


def test_maps_of_everyone_of_each_and_of_groups(fixations: pd.DataFrame) -> None:
    seen = viewings(fixations, SIZES, sigma_px=4)
    assert sorted(seen) == ["a.png", "b.png"]
    own = fixations[fixations["image"] == "a.png"]
    whole = maps_by_picture(seen)[("a.png", "everyone")]
    expected = attention_map(own["x_picture"], own["y_picture"], own["duration_ms"], size=(90, 120), sigma_px=4)
    np.testing.assert_allclose(whole, expected, rtol=1e-6, atol=1e-12)
    each = maps_by_picture(seen, "participant")
    assert {who for _, who in each} == {"p1", "p2", "p3", "p4"}
    weight = own.groupby("participant")["duration_ms"].sum()
    mixed = sum(weight[p] / weight.sum() * each[("a.png", p)] for p in weight.index)
    np.testing.assert_allclose(mixed, whole, atol=1e-3 * whole.max())
    groups = maps_by_picture(seen, {"p1": "young", "p2": "young", "p3": "old"})
    assert sorted(who for image, who in groups if image == "a.png") == ["old", "young"]
    np.testing.assert_array_equal(groups[("a.png", "old")], each[("a.png", "p3")])


def test_all_but_one(fixations: pd.DataFrame) -> None:
    viewing = viewings(fixations, SIZES, sigma_px=4)["a.png"]
    pairs = list(viewing.leave_one_out())
    assert [one.participants for one, _ in pairs] == [["p1"], ["p2"], ["p3"], ["p4"]]
    assert pairs[0][1].participants == ["p2", "p3", "p4"]
    assert list(viewing.of("p1").leave_one_out()) == []


def test_counts_weigh_every_fixation_the_same(fixations: pd.DataFrame) -> None:
    counted = viewings(fixations.drop(columns="duration_ms"), SIZES, sigma_px=4, weight="count")["a.png"].map()
    same = viewings(fixations.assign(duration_ms=200.0), SIZES, sigma_px=4)["a.png"].map()
    np.testing.assert_allclose(counted, same, rtol=1e-5)


def test_a_degree_is_found_through_the_placement(screen: Screen, rng: np.random.Generator) -> None:
    tables = []
    for image, picture, placement in (
        ("full", (1920, 1080), Placement(0, 0, 1920, 1080)),
        ("half", (1600, 900), Placement(200, 100, 800, 450)),
    ):
        x, y = rng.uniform(200, 1000, 12), rng.uniform(100, 550, 12)
        on_x, on_y = placement.to_picture(x, y, picture)
        x_deg, y_deg = screen.to_degrees(x, y)
        tables.append(
            pd.DataFrame({"image": image, "x_picture": on_x, "y_picture": on_y, "x_deg": x_deg, "y_deg": y_deg})
        )
    table = pd.concat(tables).assign(duration_ms=200.0)
    scale = pixels_per_degree(table)
    one = screen.width_px / screen.width_mm * 2 * screen.distance_mm * np.tan(np.radians(0.5))
    assert scale["full"] == pytest.approx(one, rel=1e-9)
    assert scale["half"] == pytest.approx(2 * one, rel=1e-9)
    seen = viewings(table, {"full": (1080, 1920), "half": (900, 1600)}, sigma_deg=0.5)
    assert seen["half"].sigma_px == pytest.approx(one, rel=1e-7)


def test_a_smaller_map_is_the_same_map(fixations: pd.DataFrame) -> None:
    viewing = viewings(fixations, SIZES, sigma_px=8)["a.png"]
    small = viewing.scaled(60)
    assert small.size == (45, 60)
    blocks = viewing.map().reshape(45, 2, 60, 2).sum(axis=(1, 3))
    assert np.abs(small.map() - blocks).sum() < 0.05
    assert viewing.scaled(500).size == viewing.size


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (lambda t: t.drop(columns="x_picture"), {"sigma_px": 4}, InputError, "lacks x_picture"),
        (lambda t: t.drop(columns="duration_ms"), {"sigma_px": 4}, InputError, "lacks duration_ms"),
        (lambda t: t.assign(image="other"), {"sigma_px": 4}, InputError, "none of 64 fixations"),
        (lambda t: t.assign(x_picture=np.nan), {"sigma_px": 4}, InputError, "none of 64 fixations"),
        (lambda t: t, {}, ConfigError, "give sigma in picture pixels"),
        (lambda t: t.assign(x_deg=1.0).iloc[:1], {}, ConfigError, "size of a degree is unknown"),
        (lambda t: t, {"sigma_px": 4, "weight": "durations"}, InputError, "did you mean duration"),
    ],
    ids=["column", "weights", "pictures", "lost", "degrees", "single", "weight"],
)
def test_wrong_tables_are_refused(fixations: pd.DataFrame, change, options: dict, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        viewings(change(fixations), SIZES, **options)


def test_people_agree_more_than_the_centre_or_another_picture(fixations: pd.DataFrame) -> None:
    seen = viewings(fixations, SIZES, sigma_px=5)
    table = halves_table(seen).pivot(index="map", columns="metric", values="value")
    for metric in ("nss", "auc_judd", "auc_shuffled", "cc", "sim", "ig"):
        assert table.loc[HALF, metric] > table.loc[CENTRE, metric] > table.loc[SHUFFLED, metric] - 0.02
    assert table.loc[HALF, "kl"] < table.loc[CENTRE, "kl"] < table.loc[SHUFFLED, "kl"]
    assert table.loc[CENTRE, "ig"] == pytest.approx(0, abs=1e-6)
    ceiling = inter_observer_table(seen).pivot(index="map", columns="metric", values="value")
    assert ceiling.loc[REST, "nss"] > ceiling.loc[CENTRE, "nss"]
    assert (table.to_numpy() != ceiling.loc[[REST, CENTRE, CENTRE]].to_numpy()).any()
    text = as_markdown(halves_table(seen))
    assert text.count("\n") == 5
    assert f"| {HALF} | " in text


def test_agreement_needs_several_viewers(fixations: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="two viewers or more each; found 0 of 2"):
        halves_table(viewings(fixations[fixations["participant"] == "p1"], SIZES, sigma_px=4))


@pytest.mark.parametrize("size", [(1, 1), (1, 160)])
def test_a_picture_of_few_pixels_does_not_end_the_agreement(size: tuple[int, int]) -> None:
    """Of another picture's map nothing may be left on so few pixels."""
    corner = [("a", who, 5.0, 5.0, 200.0) for who in ("v1", "v2", "v3", "v4")]
    few = [("b", who, size[1] / 2, 0.5, 200.0) for who in ("v1", "v2", "v3", "v4")]
    columns = ["image", "participant", "x_picture", "y_picture", "duration_ms"]
    seen = viewings(pd.DataFrame(corner + few, columns=columns), {"a": (120, 160), "b": size}, sigma_px=2)
    table = halves_table(seen)
    assert np.isfinite(table.loc[table["map"] == SHUFFLED, "value"]).all()
