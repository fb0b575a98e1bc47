"""The first screen: an answer, a forest plot whose filled markers are the claims, and how much it stands on."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pandas as pd
import pytest

from gazekit.report import charts
from gazekit.report.first_screen import answer
from gazekit.stats.comparison_folder import Comparison

EMPTY = pd.DataFrame()
NAMES = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]


def claim(model: str, b: str, value: float, half: float, *, claimed: bool) -> dict[str, object]:
    figures = {"difference": value, "low": value - half, "high": value + half, "p_holm": 0.01 if claimed else 0.4}
    return {"model": model, "a": "human", "b": b, "claimed": claimed, **figures}


def comparison(words: dict[str, object], rows: pd.DataFrame = EMPTY, paired: pd.DataFrame = EMPTY) -> Comparison:
    return Comparison(Path(), {}, rows, paired, EMPTY, EMPTY, EMPTY, words, EMPTY, ())


@pytest.mark.parametrize(
    ("metric", "value", "claimed", "more", "said"),
    [
        pytest.param("srcc", 0.1, True, {}, "helps: +0.100 [+0.050, +0.150] in SRCC, p = 0.010", id="helps"),
        pytest.param("srcc", -0.1, True, {}, "makes it worse: −0.100", id="harms"),
        pytest.param("mae", -0.1, True, {}, "helps: −0.100", id="an-error-falls"),
        pytest.param("srcc", 0.02, False, {}, "makes no difference that can be seen", id="not-seen"),
        pytest.param("srcc", 0.0, False, {"equivalent": True}, "makes no difference of 0.05 or more", id="equivalent"),
    ],
)
def test_one_sentence_answers(metric: str, value: float, claimed: bool, more: dict[str, object], said: str) -> None:
    words = {"primary": metric, "margin": 0.05, "claims": [claim("a", "original", value, 0.05, claimed=claimed) | more]}
    text = answer(comparison(words))
    assert text.startswith("For a, seeing what people looked at instead of whole pictures ")
    assert said in text


def test_of_several_networks_the_answer_is_of_all() -> None:
    claims = [claim(name, "original", 0.1, 0.2, claimed=False) for name in "abc"]
    overall = [claim("all networks", "original", 0.1, 0.05, claimed=True)]
    words = {"primary": "srcc", "claims": claims, "over_networks": overall}
    assert answer(comparison(words)).startswith("Over all 3 networks, seeing")
    assert "helps" in answer(comparison(words))
    assert answer(comparison({"primary": "srcc", "claims": [claim("a", "centre", 0, 1, claimed=False)]})) == ""


def test_a_primary_contrast_answers_and_is_drawn_once() -> None:
    """Its claim over all networks stands among the claims, behind no gate, and among those over networks."""
    gate = claim("all networks", "original", 0.1, 0.05, claimed=True) | {"p_holm": 0.004}
    claims = [gate, *(claim(name, "original", 0.1, 0.2, claimed=False) for name in "ab")]
    words = {"primary": "srcc", "claims": claims, "over_networks": [gate | {"p_holm": 0.02}]}
    assert answer(comparison(words)).startswith("Over both networks, seeing")
    assert "p = 0.004" in answer(comparison(words))
    svg = charts.forest_figure(comparison(words))
    assert len(re.findall("Whole picture", svg)) == 1


def test_what_was_not_registered_is_called_exploratory() -> None:
    claims = [claim("a", "original", 0.1, 0.05, claimed=True) | {"registered": False}]
    assert answer(comparison({"primary": "srcc", "claims": claims})).startswith("Exploratory, not registered: for a,")


def test_filled_markers_are_the_claims() -> None:
    claims = [claim(m, b, 0.1, 0.05, claimed=m == "a") for m in "ab" for b in ("original", "centre", "shuffled")]
    words = {
        "primary": "srcc",
        "claims": claims,
        "over_networks": [claim("all networks", "original", 0.1, 0.05, claimed=True)],
    }
    svg = charts.forest_figure(comparison(words))
    for name in ("Whole picture", "Centre"):
        assert name in svg
    assert "human attention better →" in svg
    hollow = len(re.findall(r"fill-opacity: 0; stroke: var\(--series-2\); stroke-width: 1.6", svg))
    filled = len(re.findall(r"fill: var\(--series-1\); stroke: var\(--series-1\); stroke-width: 1.6", svg))
    assert filled >= 1
    assert hollow >= 1
    assert not re.search(r"fill-opacity: 0; stroke: var\(--series-1\); stroke-width: 1.6", svg)
    assert charts.forest_figure(comparison({})) == ""


@pytest.mark.parametrize("count", [1, 2, 5, 8, 12])
def test_every_model_has_a_row_of_its_own(count: int) -> None:
    places = [charts._places(4, count, m) for m in range(count)]
    heights = sorted(float(place) for row in places for place in row)
    gaps = [b - a for a, b in itertools.pairwise(heights)]
    assert min(gaps, default=1) >= 1
    rows = [
        {
            "level": "condition",
            "model": m,
            "condition": c,
            "seed": None,
            "n": 9,
            "srcc": 0.5,
            "srcc_low": 0.4,
            "srcc_high": 0.6,
        }
        for m in NAMES[:count]
        for c in ("original", "human")
    ]
    svg = charts.results_figure(comparison({}, pd.DataFrame(rows)), "srcc")
    assert all(f"var(--series-{m + 1})" in svg for m in range(count))
    key = charts.model_key(NAMES[:count])
    assert len({(colour, glyph) for _, colour, glyph in key}) == count


def test_the_page_begins_with_what_it_stands_on(whole: Path) -> None:
    text = re.sub(r"<[^>]+>", " ", (whole / "report.html").read_text(encoding="utf-8"))
    text = re.sub(r"\s+", " ", text)
    truth = pd.read_csv(whole / "truth.csv")
    assert "Pictures 40, of which 40 were looked at" in text
    assert "People 4, 4 for a picture with 800 fixations" in text
    assert "Ratings 800 on a scale of 10" in text
    assert f"Tested on {len(truth)} pictures" in text
    assert json.loads((whole / "conclusion.json").read_text())["alpha"] == 0.04
