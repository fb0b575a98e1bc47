"""Measures of sessions in which everything is known."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli.measures_ import command
from gazekit.core.errors import InputError
from gazekit.core.time_windows import TimeWindow
from gazekit.events import session_fixations
from gazekit.events.aoi import polygon
from gazekit.gaze import GazeRecording
from gazekit.measures import (
    MEASURES,
    MeasureOptions,
    codebook,
    fixation_measures,
    join_sessions,
    one_value_a_row,
    session_measures,
)
from gazekit.session import write_session
from gazekit.session.model import LEDGER_COLUMNS, REGION_COLUMNS
from tests.fixtures.looks import PIXELS, SCREEN, Place, looks
from tests.needs import need

PLACES: list[Place] = [(100, 100, 300), (300, 100, 200), (300, 300, 500), (120, 110, 400)]
LEFT = polygon([[0, 0], [200, 0], [200, 400], [0, 400]])


def measured(options: MeasureOptions | None = None, places: list[Place] = PLACES, **made: object) -> pd.DataFrame:
    return join_sessions([session_measures(looks([("a.jpg", places)], **made), options, "idt")])  # type: ignore[arg-type]


def test_every_measure_of_a_viewing_that_is_known() -> None:
    row = measured().iloc[0]
    mm = np.diff(np.array([place[:2] for place in PLACES]), axis=0) * PIXELS * 0.5
    assert row["viewing_ms"] == 1400
    assert row["gaze_share"] == 1
    assert row["fixations"] == 4
    assert row["fixation_ms"] == pytest.approx(1400, abs=8)
    assert row["mean_fixation_ms"] == pytest.approx(350, abs=2)
    assert row["dwell_share"] == 1
    assert row["time_to_first_ms"] == 0
    assert row["first_fixation_ms"] == pytest.approx(300, abs=4)
    assert row["visits"] == 1
    assert row["scanpath_px"] == pytest.approx(np.hypot(*np.diff([p[:2] for p in PLACES], axis=0).T).sum(), rel=1e-3)
    assert row["scanpath_deg"] == pytest.approx(np.degrees(np.hypot(*mm.T) / SCREEN.distance_mm).sum(), rel=0.04)
    assert row["entropy_bits"] == pytest.approx(1.5)  # two in one cell of 62.5 px, two alone
    radius = SCREEN.pixels_per_degree / PIXELS
    assert radius < 11  # so that no two discs meet
    assert row["coverage"] == pytest.approx(4 * np.pi * radius**2 / 200_000, rel=0.1)


def test_the_pupil_is_corrected_eye_by_eye() -> None:
    """The right eye is lost on the picture: the mean of the two pupils would fall by half a millimetre."""
    session = looks([("a.jpg", PLACES)], pupils=(4.0, 3.0, 0.25))
    half = session.recording.right.pupil_valid
    half[450:] = False
    row = session_measures(session).iloc[0]
    assert row["pupil_change_mm"] == pytest.approx(0.25)
    assert row["pupil_baseline_mm"] == pytest.approx(3.5)


def test_a_pupil_without_a_baseline_is_missing() -> None:
    session = looks([("a.jpg", PLACES)])
    for eye in (session.recording.left, session.recording.right):
        eye.pupil_valid[:150] = False
    row = session_measures(session).iloc[0]
    assert np.isnan(row["pupil_change_mm"])
    assert np.isnan(row["pupil_baseline_mm"])
    assert row["fixations"] == 4


@pytest.mark.parametrize(
    ("window", "fixations", "viewing_ms", "first_ms"),
    [
        ({"window": "0:600"}, 3, 600, 0),
        ({"window": "250:600"}, 2, 350, 300),
        ({"first": 2}, 2, 500, 0),
        ({"after": 450}, 2, 950, 500),
        ({"after": 450, "first": 1}, 1, 550, 500),
        ({"after": 5000}, 0, 0, np.nan),
    ],
    ids=lambda value: str(value),
)
def test_windows_count_from_the_onset_of_the_picture(
    window: dict[str, object], fixations: int, viewing_ms: float, first_ms: float
) -> None:
    row = measured(MeasureOptions(TimeWindow.of(**window))).iloc[0]  # type: ignore[arg-type]
    assert row["window"] == str(TimeWindow.of(**window))  # type: ignore[arg-type]
    assert row["fixations"] == fixations
    assert row["viewing_ms"] == pytest.approx(viewing_ms, abs=8)
    assert row["time_to_first_ms"] == pytest.approx(first_ms, abs=8, nan_ok=True)


def test_areas_have_rows_of_their_own() -> None:
    table = measured(MeasureOptions(areas={"a.jpg": {"left": LEFT}})).set_index("area")
    assert table["fixations"].tolist() == [4, 2]
    left = table.loc["left"]
    assert left["fixation_ms"] == pytest.approx(700, abs=8)
    assert left["dwell_share"] == pytest.approx(0.5, abs=0.01)
    assert left["visits"] == 2
    assert left["pupil_change_mm"] == pytest.approx(0.25)
    assert np.isnan(left["scanpath_px"])
    with pytest.raises(InputError, match="'whole'"):
        MeasureOptions(areas={"a.jpg": {"whole": LEFT}})


def test_what_the_person_marked_is_an_area(capsys: pytest.CaptureFixture[str]) -> None:
    session = looks([("a.jpg", PLACES), ("b.jpg", PLACES)])
    regions = [
        (0, "a.jpg", "", 0, 90.0, 90.0, 40.0, 40.0, "coral"),
        (1, "a.jpg", "", 1, 290.0, 290.0, 20.0, 20.0, "ray"),
    ]
    regions.append((2, "c.jpg", "", 2, 0.0, 0.0, 9.0, 9.0, "sand"))
    session = replace(session, streams={"regions": pd.DataFrame(regions, columns=list(REGION_COLUMNS))})
    table = session_measures(session, None, "idt")
    assert table[["image", "area"]].values.tolist() == [["a.jpg", "whole"], ["a.jpg", "marked"], ["b.jpg", "whole"]]
    assert table.loc[1, ["fixations", "visits"]].tolist() == [3, 2]
    assert "1 marked region is of pictures that another part" in capsys.readouterr().err
    with pytest.raises(InputError, match="what the participant marked"):
        MeasureOptions(areas={"a.jpg": {"marked": LEFT}})


def test_what_was_marked_in_a_later_part_is_an_area_of_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = looks([("a.jpg", PLACES), ("b.jpg", PLACES)])
    regions = pd.DataFrame([(2, "a.jpg", "", 1, 90.0, 90.0, 40.0, 40.0, "coral")], columns=list(REGION_COLUMNS))
    ledger = pd.DataFrame([(0, "rating", "b.jpg", "", 5, "8")], columns=list(LEDGER_COLUMNS))
    later = replace(
        looks([]), participant=first.participant, streams={"regions": regions, "ledger": ledger},
        provenance={"parameters": {"part": 2}},
    )  # fmt: skip
    write_session(first, tmp_path / "P01.gaze.h5")
    write_session(later, tmp_path / "P01.part2.gaze.h5")
    out = tmp_path / "m.csv"
    run = CliRunner().invoke(command, [str(tmp_path), "--out", str(out), "--detector", "idt"], catch_exceptions=False)
    assert run.exit_code == 0, run.output
    assert "left out" not in run.output
    assert "no areas here" not in run.output
    table = pd.read_csv(out)
    assert table[["image", "area"]].values.tolist() == [["a.jpg", "whole"], ["a.jpg", "marked"], ["b.jpg", "whole"]]
    assert table.loc[1, "fixations"] == 2
    assert table["rating"].dropna().tolist() == [8]
    alone = [str(tmp_path / "P01.part2.gaze.h5"), "--out", str(tmp_path / "n.csv")]
    with pytest.raises(InputError, match="give the earlier parts as well"):
        CliRunner().invoke(command, alone, catch_exceptions=False)


def test_pictures_without_gaze_have_a_row_and_no_measures() -> None:
    """0 fixations because gaze was lost are not 0 fixations."""
    away: list[Place] = [(-30, 100, 900)]
    session = looks([("a.jpg", PLACES), ("b.jpg", PLACES), ("c.jpg", away)], lost=["b.jpg"])
    table = session_measures(session).set_index("image")
    assert table["fixations"].fillna(-1).tolist() == [4, -1, 0]
    assert table.loc["b.jpg", "gaze_share"] == 0
    assert table.loc["c.jpg", "dwell_share"] == 0
    assert table.loc["c.jpg", "coverage"] == 0
    strict = session_measures(session, MeasureOptions(least_gaze=0.5))
    assert strict["fixations"].isna().tolist() == [False, True, False]


def test_a_session_without_samples_has_no_measures() -> None:
    nothing = replace(looks([("a.jpg", PLACES)]), recording=GazeRecording.empty())
    row = session_measures(nothing).iloc[0]
    assert (row["viewing_ms"], row["gaze_share"]) == (1400, 0)
    assert row[["fixations", "pupil_change_mm"]].isna().all()


def test_a_picture_shown_twice_has_two_rows() -> None:
    table = measured(places=PLACES)
    assert table["showing"].tolist() == [1]
    twice = looks([("a.jpg", PLACES), ("a.jpg", PLACES[:2])])
    joined = join_sessions([session_measures(twice, None, "idt"), session_measures(looks([("a.jpg", PLACES)]))])
    assert joined[["showing", "fixations"]].values.tolist() == [[1, 4], [2, 2], [3, 4]]


def test_the_group_of_a_participant_is_a_column() -> None:
    given = {"parameters": {"assigned": {"levels": {"group": "chinese"}, "language": "zh"}}}
    table = session_measures(replace(looks([("a.jpg", PLACES)]), provenance=given))
    assert table["factor_group"].tolist() == ["chinese"]
    assert codebook(table).set_index("column").loc["factor_group", "unit"] == ""
    assert "factor_group" in one_value_a_row(table)


def test_a_session_without_pictures_is_refused() -> None:
    with pytest.raises(InputError, match="no picture was shown"):
        session_measures(looks([]))


def test_the_codebook_knows_every_column() -> None:
    book = codebook(measured()).set_index("column")
    assert list(book.index[-len(MEASURES) :]) == list(MEASURES)
    assert (book["unit"] != "answer").all()
    long = one_value_a_row(measured())
    assert long.loc[long["measure"] == "fixations", ["value", "unit"]].values.tolist() == [[4, "count"]]


def test_the_command_writes_table_codebook_and_picture(tmp_path: Path) -> None:
    for name in ("P1", "P2"):
        write_session(looks([("a.jpg", PLACES)], participant=name), tmp_path / "s" / f"{name}.gaze.h5")
    out = tmp_path / "m.csv"
    run = CliRunner().invoke(
        command,
        [str(tmp_path / "s"), "--out", str(out), "--picture", str(tmp_path / "m.png"), "--detector", "idt", "--json"],
        catch_exceptions=False,
    )
    summary = json.loads(run.stdout)
    assert [summary[name] for name in ("people", "images", "rows", "window")] == [2, 1, 2, "all"]
    assert [summary[name] for name in ("without_gaze", "under_half_gaze", "models")] == [0, 0, []]
    assert summary["unknown"] == ["saccade_deg"]
    assert pd.read_csv(out)["fixations"].tolist() == [4, 4]
    assert len(pd.read_csv(tmp_path / "m.codebook.csv")) == len(pd.read_csv(out).columns)
    assert (tmp_path / "m.png").stat().st_size > 5000
    made = json.loads((tmp_path / "m.csv.json").read_text())
    assert made["parameters"]["window"] == "all"
    assert len(made["inputs"]) == 2
    run = CliRunner().invoke(command, [str(tmp_path / "s"), "--out", str(out), "--values"], catch_exceptions=False)
    assert "2 people" in run.stdout
    assert {"measure", "value", "unit"} <= set(pd.read_csv(out).columns)


def test_models_of_a_table_of_measures(tmp_path: Path, rng: np.random.Generator) -> None:
    """Whose own looks are long where the own answer is high is found, from a table that was written before."""
    need(importlib.util.find_spec("statsmodels"), "statsmodels")
    people, pictures = (k.ravel() for k in np.indices((8, 8)))
    looked = rng.uniform(800, 3000, 64)
    table = pd.DataFrame({"participant": [f"P{k}" for k in people], "image": [f"{k}.jpg" for k in pictures]})
    table = table.assign(showing=1, area="whole", window="all", fixations=rng.integers(3, 9, 64), fixation_ms=looked)
    table = pd.concat([table, table.assign(area="face", fixation_ms=looked / 2)])
    table["rating"] = np.round(table["fixation_ms"].iloc[:64] / 400 + rng.normal(size=64))
    table.to_csv(tmp_path / "m.csv", index=False)
    asked = ["--model", "rating~fixation_ms", "--model", "rating ~ fixations", "--model-picture", "model.png"]
    asked = [str(tmp_path / word) if word == "model.png" else word for word in asked]
    run = CliRunner().invoke(
        command, [str(tmp_path / "m.csv"), "--out", str(tmp_path / "n.csv"), "--swaps", "199", *asked, "--json"],
        catch_exceptions=False,
    )  # fmt: skip
    models = pd.read_csv(tmp_path / "n.models.csv").set_index("model")
    own = models.loc["rating~fixation_ms"]
    assert own["p"] < 0.03
    assert models.loc["rating ~ fixations", "p"] > 0.05
    assert own["p_holm"] == pytest.approx(2 * own["p"])
    assert own["model_within"] == pytest.approx(1 / 400, rel=0.3)
    assert json.loads(run.stdout)["models"][0]["p"] == own["p"]
    assert (tmp_path / "model.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--model", "rating"], "ANSWER~MEASURE"),
        (["--model", "rating~fixations@nose"], "there is no area 'nose'; there are whole"),
        (["--model", "mood~fixations"], "lacks mood"),
        (["--window", "0:500"], "holds measures already"),
    ],
    ids=["no measure", "no area", "no answer", "a window"],
)
def test_models_that_cannot_be(tmp_path: Path, asked: list[str], message: str) -> None:
    join_sessions([session_measures(looks([("a.jpg", PLACES)]))]).to_csv(tmp_path / "m.csv", index=False)
    run = CliRunner().invoke(command, [str(tmp_path / "m.csv"), "--out", str(tmp_path / "n.csv"), *asked])
    assert message in str(run.exception)


def test_a_table_measures_each_showing_as_its_session_does() -> None:
    twice = looks([("a.jpg", PLACES), ("a.jpg", PLACES[1:])])
    of_session = join_sessions([session_measures(twice, detector="idt")])
    table = fixation_measures(session_fixations(twice, "idt"))
    assert table["showing"].tolist() == of_session["showing"].tolist() == [1, 2]
    columns = ["fixations", "fixation_ms", "scanpath_px"]
    np.testing.assert_allclose(table[columns], of_session[columns], rtol=1e-9)


def test_areas_of_a_picture_whose_name_is_written_otherwise() -> None:
    table = pd.DataFrame({"participant": "P1", "image": "a.png", "x_picture": [5.0, 50.0], "y_picture": 5.0})
    options = MeasureOptions(areas={"dir/A.JPG": {"square": polygon([[0, 0], [10, 0], [10, 10], [0, 10]])}})
    measured = fixation_measures(table.assign(duration_ms=[200.0, 300.0]), options).set_index("area")
    assert measured["fixation_ms"].to_dict() == {"whole": 500.0, "square": 200.0}
