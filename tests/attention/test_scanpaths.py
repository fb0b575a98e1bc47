"""Scanpaths in time, and those that maps would make."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gazekit.attention.scanpath_similarity import (
    PEOPLE,
    SHUFFLED,
    Scanpath,
    in_time,
    model_scanpath,
    scanpath_table,
)
from gazekit.attention.viewings import viewings

SIZE = (120, 160)


def path(x: list[float], ms: list[float]) -> Scanpath:
    return Scanpath(np.array(x), np.full(len(x), 60.0), np.array(ms), SIZE)


def test_the_same_places_later_than_half_a_second_are_not_the_same() -> None:
    first = path([20, 140, 20], [600, 600, 600])
    assert in_time(first, first) == 1
    assert in_time(first, path([20, 140, 20], [800, 600, 400])) == 1, "0.2 s late"
    late = in_time(first, path([20, 140, 20], [1800, 600, 600]))
    assert late < in_time(first, path([20, 140, 20], [900, 600, 300])) <= 1
    away = in_time(path([0], [500]), path([160], [500]))
    assert away == pytest.approx(1 - 160 / np.hypot(*SIZE))


@pytest.fixture
def table(rng: np.random.Generator) -> pd.DataFrame:
    """Eight people look at the places of six pictures in an order that all share."""
    rows = []
    for image in range(6):
        places = rng.uniform((15, 15), (145, 105), (5, 2))
        for person in range(8):
            for x, y in places + rng.normal(0, 4, places.shape):
                rows.append((f"{image}.png", f"p{person}", x, y, rng.uniform(200, 400)))
    return pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])


def test_a_map_s_scanpath_visits_its_peaks_by_height_once(table: pd.DataFrame) -> None:
    look = viewings(table, {"0.png": SIZE}, sigma_px=5.0)["0.png"]
    amap = np.zeros(SIZE)
    amap[30, 40], amap[90, 120], amap[91, 121] = 3, 2, 1.9
    made = model_scanpath(amap, look, 3, 250.0)
    assert (made.x[0], made.y[0]) == (40.5, 30.5)
    assert (made.x[1], made.y[1]) == (120.5, 90.5)
    assert np.hypot(made.x[2] - 120.5, made.y[2] - 90.5) > 9, "what lies about it is inhibited"


def test_models_stand_between_the_floor_and_people(table: pd.DataFrame) -> None:
    looks = viewings(table, dict.fromkeys(table["image"].unique(), SIZE), sigma_px=5.0)
    own = {image: look.map() for image, look in looks.items()}
    shifted = dict(zip(own, [*list(own.values())[1:], next(iter(own.values()))], strict=True))
    found = scanpath_table(looks, {"own": own, "of another": shifted}, pairs=10).set_index(["comparison", "measure"])
    value = found["value"]
    for measure in ("in_time", "scanmatch", "position"):
        assert value[PEOPLE, measure] > value[SHUFFLED, measure]
        assert value[PEOPLE, measure] > value["a person and own", measure] > value["a person and of another", measure]
