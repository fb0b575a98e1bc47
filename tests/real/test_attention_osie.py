"""Attention on the OSIE photographs: people agree, and masks are where they looked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.attention import attended_rectangle
from gazekit.attention.agreement import CENTRE, HALF, REST, SHUFFLED, halves_table, inter_observer_table
from gazekit.attention.viewings import Viewing, viewings


@pytest.fixture(scope="module")
def seen(real_data: Path) -> dict[str, Viewing]:
    """99 pictures by 15 viewers; 1-based pixels, about 24 to the degree."""
    table = pd.read_csv(real_data / "osie" / "fixations.csv", dtype={"image": str, "viewer": str})
    table = table.rename(columns={"viewer": "participant"})
    table = table.assign(x_picture=table["x"] - 0.5, y_picture=table["y"] - 0.5)
    return viewings(table, dict.fromkeys(table["image"].unique(), (600, 800)), sigma_px=24)


def test_half_of_the_viewers_the_centre_and_another_picture_stand_in_the_right_order(seen: dict[str, Viewing]) -> None:
    table = halves_table(seen, longest=160)
    assert table["pictures"].eq(99).all()
    table = table.set_index(["map", "metric"])
    for metric in ("nss", "auc_judd", "auc_shuffled", "cc", "sim", "ig"):
        assert table.loc[(HALF, metric), "low"] > table.loc[(CENTRE, metric), "high"]
    assert table.loc[(HALF, "kl"), "high"] < table.loc[(CENTRE, "kl"), "low"]
    for metric in ("nss", "auc_judd", "cc", "sim", "ig"):
        assert table.loc[(CENTRE, metric), "low"] > table.loc[(SHUFFLED, metric), "high"]
    assert table.loc[(CENTRE, "kl"), "high"] < table.loc[(SHUFFLED, "kl"), "low"]
    # the shuffled AUC takes the centre bias away: neither control does better than chance
    for control in (CENTRE, SHUFFLED):
        assert table.loc[(control, "auc_shuffled"), "value"] == pytest.approx(0.5, abs=0.03)


def test_one_viewer_is_foretold_by_the_others(seen: dict[str, Viewing]) -> None:
    some = dict(list(seen.items())[::10])
    table = inter_observer_table(some, longest=160).pivot(index="map", columns="metric", values="value")
    assert (table.loc[REST, ["nss", "cc", "ig"]] > table.loc[CENTRE, ["nss", "cc", "ig"]] + 0.3).all()


def test_rectangles_hold_most_fixations_on_a_fifth_of_the_picture(seen: dict[str, Viewing]) -> None:
    inside, area = [], []
    for viewing in list(seen.values())[::4]:
        top, left, bottom, right = attended_rectangle(viewing.map(), 0.7)
        on = (viewing.x >= left) & (viewing.x < right) & (viewing.y >= top) & (viewing.y < bottom)
        inside.append(on.mean())
        area.append((bottom - top) * (right - left) / (600 * 800))
    assert np.mean(inside) > 0.6
    assert np.mean(area) < 0.25
