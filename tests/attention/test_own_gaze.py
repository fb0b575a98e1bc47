"""A planted private taste is found, none is made up, and ids that are not shared are refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.attention.own_gaze import MEASURES, own_gaze_table
from gazekit.attention.viewings import viewings
from gazekit.cli.attention_ import command
from gazekit.core.errors import InputError
from gazekit.stats.multiple_comparisons import holm
from gazekit.stats.own_answers import answer_on_measure
from gazekit.stats.own_gaze import own_gaze_answers

SIZE = (60, 80)
PEOPLE, PICTURES = 14, 16


def study(rng: np.random.Generator, private: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """People look longer at what they like; all like some pictures better, and each has a taste of one's own."""
    shared, taste = rng.normal(0, 1, PICTURES), rng.normal(0, 1, (PEOPLE, PICTURES))
    rows, scores = [], []
    for person in range(PEOPLE):
        for picture in range(PICTURES):
            liking = shared[picture] + taste[person, picture]
            scores.append((f"v{person:02d}", f"{picture:02d}.png", round(5 + 1.5 * liking)))
            longer = np.exp(0.2 * shared[picture] + private * taste[person, picture] + 0.1 * person / PEOPLE)
            for x, y in rng.normal((40, 30), 8, (4, 2)):
                ms = 250 * longer * rng.uniform(0.8, 1.2)
                rows.append((f"v{person:02d}", f"{picture:02d}.png", np.clip(x, 0, 79), np.clip(y, 0, 59), ms))
    columns = ["participant", "image", "x_picture", "y_picture", "duration_ms"]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(scores, columns=["rater", "image", "score"])


def own(fixations: pd.DataFrame) -> pd.DataFrame:
    return own_gaze_table(viewings(fixations, dict.fromkeys(fixations["image"].unique(), SIZE), sigma_px=4.0))


@pytest.mark.once
def test_a_private_taste_is_found_and_a_shared_one_is_not(rng: np.random.Generator) -> None:
    fixations, ratings = study(rng, private=0.3)
    rows, said = own_gaze_answers(own(fixations), ratings, MEASURES, swaps=499)
    by_measure = rows.set_index("measure")
    assert by_measure.loc["looked_ms", "p_holm"] < 0.05
    assert by_measure.loc["looked_ms", "slope"] > 0
    assert "looked_ms" in said
    assert "Not tested: fixations" in said, "all made four"
    alarms = 0
    for _ in range(20):
        fixations, ratings = study(rng, private=0.0)
        rows, said = own_gaze_answers(own(fixations), ratings, ["looked_ms"], swaps=99)
        alarms += bool(rows["p"].iloc[0] <= 0.05)
    assert alarms <= 4
    assert "beyond everybody's" in said


def test_typical_gaze_lies_where_others_look(rng: np.random.Generator) -> None:
    fixations, _ = study(rng, private=0.0)
    odd = fixations["participant"] == "v00"
    table = own(fixations.assign(x_picture=fixations["x_picture"].where(~odd, 3.0)))
    typical = table.groupby("participant")["typical"].mean()
    assert typical.idxmin() == "v00"
    assert (table["fixations"] == 4).all()


def test_ids_that_are_not_shared_are_refused(rng: np.random.Generator) -> None:
    fixations, ratings = study(rng, private=0.0)
    strangers = ratings.assign(rater=ratings["rater"].str.replace("v", "r"))
    with pytest.raises(InputError, match=r"share 0: gaze has v00, .*, ratings have r00"):
        own_gaze_answers(own(fixations), strangers, MEASURES)


def test_the_command(rng: np.random.Generator, tmp_path: Path) -> None:
    fixations, ratings = study(rng, private=0.4)
    (tmp_path / "p").mkdir()
    for image in fixations["image"].unique():
        cv2.imwrite(str(tmp_path / "p" / image), rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8))
    fixations.to_csv(tmp_path / "f.csv", index=False)
    ratings.to_csv(tmp_path / "r.csv", index=False)
    call = [
        str(tmp_path / "f.csv"),
        "--pictures",
        str(tmp_path / "p"),
        "--sigma-px",
        "4",
        "--no-agreement",
        "--tables-only",
    ]
    result = CliRunner().invoke(command, [*call, "--out", str(tmp_path / "o"), "--own", str(tmp_path / "r.csv")])
    assert result.exit_code == 0, result.output
    assert "People's own gaze predicts their own ratings beyond everybody's: " in result.output
    table = pd.read_csv(tmp_path / "o" / "own-answers.csv").set_index("measure")
    assert set(table.index) == {*MEASURES} - {"fixations"}
    assert table.loc["looked_ms", "p_holm"] <= 0.05
    origin = json.loads((tmp_path / "o" / "own-answers.csv.json").read_text())
    assert origin["parameters"]["swaps"] == 1999
    assert origin["parameters"]["seed"] == 0
    assert origin["parameters"]["says"] in result.output
    assert set(origin["inputs"]) == {"own_gaze", "ratings"}


@pytest.fixture
def looked(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Nine people, eight pictures: one measure that goes with the scores, one that does not, one that is constant."""
    person, picture = (k.ravel() for k in np.indices((9, 8)))
    table = pd.DataFrame({"participant": person, "image": picture, "tells": rng.normal(size=72), "flat": 1.0})
    table["other"] = rng.normal(size=72)
    scores = table.assign(score=3 * table["tells"] + 0.1 * rng.normal(size=72))
    return table, scores[["participant", "image", "score"]]


def test_each_measure_is_tested_and_corrected_over_all(looked: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    gaze, ratings = looked
    twice = pd.concat([ratings.assign(score=ratings["score"] - 1), ratings.assign(score=ratings["score"] + 1)])
    rows, said = own_gaze_answers(gaze, twice, ["tells", "other", "flat"], swaps=999, seed=3, fit=True)
    both = gaze.merge(ratings, on=["participant", "image"])
    for name, row in rows.set_index("measure").iterrows():
        expected = answer_on_measure(both, "score", str(name), swaps=999, seed=3)
        assert row["p"] == expected.p
        assert row["slope"] == pytest.approx(expected.slope)
        assert row["model_within"] == pytest.approx(expected.model["within"], rel=1e-3)  # type: ignore[index]
    assert rows["p_holm"].tolist() == holm(rows["p"]).tolist()
    assert list(rows).index("p_holm") == list(rows).index("p") + 1
    p, r = rows.loc[0, ["p_holm", "correlation"]]
    assert said.startswith(
        f"People's own gaze predicts their own ratings beyond everybody's: tells (r = {r:.2f}, p = {p:.3f}) (9 people, "
        "8 pictures; p by swaps within pictures, corrected over 2 measures). Not tested: flat (the answer or the "
    )
    rows, said = own_gaze_answers(gaze, ratings, ["other"])
    smallest = f"(smallest p = {rows['p_holm'].min():.2f}; 9 people, 8 pictures; "
    assert said.startswith(f"People's own gaze does not predict their own ratings beyond everybody's {smallest}")
    assert "model_within" not in rows
    assert rows.loc[0, "swaps"] == 1999
    assert rows.loc[0, "p"] == answer_on_measure(both, "score", "other", fit=False, seed=0).p
    with pytest.raises(InputError, match=r"^flat: the answer or the measure does not vary"):
        own_gaze_answers(gaze, ratings, ["flat"])


def test_four_people_and_pictures_with_one_id_are_enough(looked: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    gaze, ratings = looked
    rows, _ = own_gaze_answers(gaze, ratings[(ratings["participant"] < 4) & (ratings["image"] < 4)], ["tells"])
    assert (rows.loc[0, "people"], rows.loc[0, "pictures"]) == (4, 4)
    for what, few in (("people", ratings[ratings["participant"] < 3]), ("pictures", ratings[ratings["image"] < 3])):
        with pytest.raises(
            InputError, match=rf"needs 4 {what} or more with one id in both; gaze and ratings share 3: "
        ):
            own_gaze_answers(gaze, few, ["tells"])
    with pytest.raises(InputError, match=r"share 0: gaze has 0, 1, 2, 3, 4, ratings have x0, x1, x2, x3, x4$"):
        own_gaze_answers(gaze, ratings.assign(participant="x" + ratings["participant"].astype(str)), ["tells"])
    with pytest.raises(InputError, match="the ratings lack participant, score; they have image"):
        own_gaze_answers(gaze, ratings[["image"]], ["tells"])
