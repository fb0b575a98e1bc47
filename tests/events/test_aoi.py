"""Areas of interest."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli.aoi_ import command
from gazekit.core.errors import FormatError, InputError
from gazekit.core.tables import FIXATION_COLUMNS
from gazekit.events import aoi_table, read_areas, transitions
from gazekit.events.aoi import mask_area, polygon

SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10]]
BESIDE = [[10, 0], [20, 0], [20, 10], [10, 10]]
AWAY = [[-10, -10], [-1, -10], [-1, -1]]


def scanpath(*places: tuple[float, float], participant: str = "P1") -> pd.DataFrame:
    """One fixation of 100 ms every 150 ms at each place of the picture a.jpg."""
    n = len(places)
    table = pd.DataFrame({name: [0] * n for name in FIXATION_COLUMNS})
    x, y = np.array(places, dtype=float).T
    return table.assign(
        participant=participant,
        image="a.jpg",
        onset_us=np.arange(n) * 150_000,
        offset_us=np.arange(n) * 150_000 + 100_000,
        duration_ms=100.0,
        x_picture=x,
        y_picture=y,
    )


def test_a_polygon_need_not_be_convex() -> None:
    inside = polygon([[0, 0], [10, 0], [10, 10], [5, 2], [0, 10]])
    x, y = np.array([5.0, 5.0, 1.0, 9.0, -1.0, np.nan]), np.array([1.0, 8.0, 6.0, 6.0, 5.0, 5.0])
    assert inside(x, y).tolist() == [True, False, True, True, False, False]


def test_areas_side_by_side_share_no_point(rng: np.random.Generator) -> None:
    left, right = polygon(SQUARE), polygon(BESIDE)
    x, y = np.append(rng.uniform(0, 20, 500), 10.0), np.append(rng.uniform(0.1, 9.9, 500), 5.0)
    assert (left(x, y) ^ right(x, y)).all()


def test_a_mask_holds_the_points_of_its_pixels() -> None:
    mask = np.zeros((4, 6), dtype=bool)
    mask[1, 2] = True
    x, y = np.array([2.0, 2.99, 3.0, 2.5, 7.0, np.nan]), np.array([1.0, 1.99, 1.5, 2.0, 1.0, 1.0])
    assert mask_area(mask)(x, y).tolist() == [True, True, False, False, False, False]


def test_a_picture_shown_twice_has_the_visits_and_steps_of_each_showing() -> None:
    once = scanpath((5, 5), (15, 5), (5, 5)).assign(since_onset_ms=[0.0, 150.0, 300.0])
    again = once.assign(onset_us=once["onset_us"] + 10_000_000)
    areas = {"a.jpg": {"square": polygon(SQUARE), "beside": polygon(BESIDE)}}
    table = aoi_table(pd.concat([once, again]).sample(frac=1, random_state=0), areas).set_index("aoi")
    assert table[["fixations", "visits", "revisits"]].to_numpy().tolist() == [[4, 4, 2], [2, 2, 0]]
    steps = transitions(pd.concat([once, again]), areas)
    assert sorted(zip(steps["from"], steps["to"], steps["count"], strict=True)) == [
        ("beside", "square", 2),
        ("square", "beside", 2),
    ]


@pytest.mark.parametrize("name", ["A.PNG", "folder/a.jpg", "a", "%61.jpg"])
def test_areas_are_of_the_picture_whose_name_is_written_otherwise(name: str) -> None:
    areas = {name: {"square": polygon(SQUARE)}}
    assert aoi_table(scanpath((5, 5)), areas)["dwell_ms"].tolist() == [100.0]
    assert transitions(scanpath((5, 5), (6, 6)), areas)["count"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a.jpg": {"face": [[0, 0], [0.5, 0], [0.5, 1]]}}', "a.jpg / face: it lies within the first pixel: were sha"),
        ('{"a.jpg": {"face": {"ellipse": [0.1, 0.1, 0.5, 0.5]}}}', "it lies within the first pixel"),
        ('{"a.jpg": {"face": [[0, 0], [9, 0], [9, 9]], "face": [[0, 0], [5, 0], [5, 5]]}}', "'face' stands twice"),
        ('{"a.jpg": {"face": [[0, 0], [9, 0], [9, 9]]}, "a.jpg": {}}', "'a.jpg' stands twice"),
    ],
)
def test_areas_in_shares_and_names_that_stand_twice_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "areas.json").write_text(text)
    with pytest.raises((InputError, FormatError), match=said):
        read_areas(tmp_path / "areas.json")


@pytest.mark.parametrize(("name", "said"), [("z.jpg", "no fixation is on z.jpg"), ("A", "such as A with a")])
def test_pictures_of_areas_that_are_not_used_are_said(tmp_path: Path, name: str, said: str) -> None:
    scanpath((5, 5), (15, 5)).to_csv(tmp_path / "f.csv", index=False)
    (tmp_path / "areas.json").write_text(json.dumps({name: {"square": SQUARE}}))
    result = CliRunner().invoke(command, [str(tmp_path / "f.csv"), str(tmp_path / "areas.json")])
    assert (result.exit_code, said in result.stderr) == (0, True), result.output


def test_fixations_in_shares_are_refused_where_no_picture_has_a_size(tmp_path: Path) -> None:
    scanpath((0.5, 0.5), (0.2, 0.9)).to_csv(tmp_path / "f.csv", index=False)
    (tmp_path / "areas.json").write_text(json.dumps({"a.jpg": {"square": SQUARE}}))
    out = tmp_path / "aoi.csv"
    result = CliRunner().invoke(command, [str(tmp_path / "f.csv"), str(tmp_path / "areas.json"), "--out", str(out)])
    assert isinstance(result.exception, InputError)
    assert "all positions lie within one pixel: shares (0 to 1)" in str(result.exception)
    assert not out.exists()


def test_dwell_first_fixation_and_revisits() -> None:
    path = scanpath((50, 50), (5, 5), (6, 6), (50, 50), (5, 5), (15, 5))
    areas = {"a.jpg": {"one": polygon(SQUARE), "two": polygon(BESIDE), "no": polygon(AWAY)}}
    table = aoi_table(path, areas).set_index("aoi")
    assert table.loc["one", ["fixations", "dwell_ms", "visits", "revisits"]].tolist() == [3, 300.0, 2, 1]
    assert table.loc["one", "dwell_share"] == pytest.approx(0.5)
    assert table.loc["one", "first_fixation_ms"] == 150
    assert table.loc["two", "first_fixation_ms"] == 750
    assert np.isnan(table.loc["no", "first_fixation_ms"])
    steps = transitions(path, areas).set_index(["from", "to"])["count"]
    assert steps.to_dict() == {
        ("outside", "one"): 2,
        ("one", "one"): 1,
        ("one", "outside"): 1,
        ("one", "two"): 1,
    }


def test_each_participant_and_picture_counts_by_itself() -> None:
    table = aoi_table(
        pd.concat([scanpath((5, 5)), scanpath((50, 5), participant="P2"), scanpath((5, 5)).assign(image="b.jpg")]),
        {"a.jpg": {"one": polygon(SQUARE)}},
    )
    assert table["participant"].tolist() == ["P1", "P2"]
    assert table["fixations"].tolist() == [1, 0]


def test_the_command_reads_corners_and_masks(tmp_path: Path) -> None:
    scanpath((5, 5), (15, 15)).to_csv(tmp_path / "f.csv", index=False)
    mask = np.zeros((30, 30), dtype=np.uint8)
    mask[12:20, 12:20] = 255
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    (tmp_path / "areas.json").write_text(json.dumps({"a.jpg": {"corner": SQUARE, "blob": "m.png"}}))
    out, steps = tmp_path / "aoi.csv", tmp_path / "steps.csv"
    arguments = [str(tmp_path / n) for n in ("f.csv", "areas.json")]
    result = CliRunner().invoke(
        command, [*arguments, "--out", str(out), "--transitions", str(steps), "--json"], standalone_mode=False
    )
    assert result.exception is None
    assert [r["fixations"] for r in json.loads(result.stdout)] == [1, 1]
    assert pd.read_csv(steps)[["from", "to", "count"]].to_numpy().tolist() == [["corner", "blob", 1]]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        pytest.param("[1, 2", FormatError, "not a JSON file of the form", id="not JSON"),
        pytest.param("[1, 2]", FormatError, "not a JSON file of the form", id="a list"),
        pytest.param('{"a.jpg": {"x": [[0, 0], [1, 1]]}}', InputError, "a.jpg / x: a polygon needs three", id="a line"),
        pytest.param('{"a.jpg": {"x": "no.png"}}', InputError, "no such mask picture", id="no mask"),
        pytest.param('{"a.jpg": {"outside": [[0, 0], [1, 1], [2, 0]]}}', InputError, "cannot be named", id="outside"),
    ],
)
def test_bad_areas_say_what_is_wrong(tmp_path: Path, text: str, error: type[Exception], words: str) -> None:
    file = tmp_path / "areas.json"
    file.write_text(text)
    with pytest.raises(error, match=words):
        read_areas(file)


@pytest.mark.parametrize(
    ("area", "said"),
    [
        ("small.png", "face: 48% of the fixations on a.jpg lie off the mask, of 50 x 50 pixels"),
        ("large.png", ""),
        ([[10, 10], [40, 10], [40, 40]], ""),
        ([[400, 10], [500, 10], [500, 40]], "face: it lies beyond all gaze on a.jpg, which reaches to (96, 96)"),
        ({"ellipse": [10, 300, 20, 20]}, "face: it lies beyond all gaze on a.jpg, which reaches to (96, 96)"),
    ],
)
def test_areas_of_a_picture_of_another_size_are_told(tmp_path: Path, area: object, said: str) -> None:
    scanpath(*((4 * n, 4 * n) for n in range(25))).to_csv(tmp_path / "f.csv", index=False)
    for name, size in (("small", 50), ("large", 97)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.full((size, size), 255, np.uint8))
    (tmp_path / "areas.json").write_text(json.dumps({"a.jpg": {"face": area}}))
    result = CliRunner().invoke(command, [str(tmp_path / "f.csv"), str(tmp_path / "areas.json")])
    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if "face" in line]
    assert told == ([f"{tmp_path / 'areas.json'}: {said}: was it drawn on a picture of another size?"] if said else [])
