"""Areas as they are drawn: every form, its pixels, its file, and how well two people's areas agree."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from gazekit.core.errors import FormatError, InputError
from gazekit.events import read_areas
from gazekit.events.area_agreement import area_agreement
from gazekit.events.areas import area_of, read_area_file, with_groups, write_area_file

SIZE = (60, 80)
FORMS: dict[str, Any] = {
    "corners": [[10, 10], [40, 10], [40, 40]],
    "box": {"rectangle": [10, 10, 20, 30], "colour": "#0072b2", "group": "left"},
    "round": {"ellipse": [10, 10, 20.5, 30], "group": "left"},
    "painted": {
        "brush": [
            {"points": [[10, 10], [50, 10], [50, 40]], "radius": 6},
            {"points": [[30, 10]], "radius": 4.5, "erases": True},
        ]
    },
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_written_as_it_was_read_and_covers_what_opencv_draws(name: str) -> None:
    area = area_of(FORMS[name])
    assert area_of(area.document()).document() == area.document() == FORMS[name]
    drawn = np.zeros((SIZE[0] * 8, SIZE[1] * 8), np.uint8)  # eight times as large, so that edges count little
    if name == "corners":
        cv2.fillPoly(drawn, [np.array(FORMS[name]) * 8], 1)
    elif name == "box":
        cv2.rectangle(drawn, (80, 80), (239, 319), 1, -1)
    elif name == "round":
        cv2.ellipse(drawn, (162, 200), (82, 120), 0, 0, 360, 1, -1)
    else:
        cv2.polylines(drawn, [np.array([[10, 10], [50, 10], [50, 40]]) * 8], False, 1, 96)
        cv2.circle(drawn, (240, 80), 36, 0, -1)
    expected = cv2.resize(drawn.astype(np.float32), SIZE[::-1], interpolation=cv2.INTER_AREA) > 0.5
    pixels = area.pixels(SIZE)
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] + 0.5
    assert (pixels == area.inside(x.ravel(), y.ravel()).reshape(SIZE)).all()
    assert (pixels ^ expected).sum() <= 0.03 * expected.sum()


def test_a_brush_erases_only_what_was_there_before() -> None:
    stroke = {"points": [[20, 20]], "radius": 5}
    x, y = np.array([20.0]), np.array([20.0])
    assert not area_of({"brush": [stroke, stroke | {"erases": True}]}).inside(x, y)[0]
    assert area_of({"brush": [stroke | {"erases": True}, stroke]}).inside(x, y)[0]


def test_areas_are_moved_to_a_picture_of_another_size() -> None:
    for document in FORMS.values():
        area = area_of(document)
        twice = area.moved(scale=(2.0, 2.0)).pixels((SIZE[0] * 2, SIZE[1] * 2))
        assert abs(twice.mean() - area.pixels(SIZE).mean()) < 0.01
    mask = area_of(FORMS["box"]).pixels(SIZE)
    moved = area_of({"mask": "m.png"}).__class__("mask", mask=mask).moved(shift=(5.0, 2.0))
    assert moved.mask is not None
    assert (moved.mask == np.roll(mask, (2, 5), axis=(0, 1))).all()


def test_the_file_of_old_is_read_and_groups_are_areas_too(tmp_path: Path) -> None:
    mask = np.zeros(SIZE, np.uint8)
    mask[5:10, 5:10] = 255
    cv2.imwrite(str(tmp_path / "hand.png"), mask)
    (tmp_path / "areas.json").write_text(json.dumps({"a.jpg": {"hand": "hand.png", **FORMS}, "b.jpg": {}}))
    areas = read_area_file(tmp_path / "areas.json")
    write_area_file(areas, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads((tmp_path / "areas.json").read_text())
    tests = read_areas(tmp_path / "areas.json")["a.jpg"]
    assert list(tests) == ["hand", *FORMS, "left"]
    x, y = np.random.default_rng(1).uniform(0, 60, (2, 400))
    assert (tests["left"](x, y) == (tests["box"](x, y) | tests["round"](x, y))).all()
    assert tests["hand"](np.array([5.0, 10.0]), np.array([9.9, 9.9])).tolist() == [True, False]
    assert list(with_groups(areas["a.jpg"])) == list(tests)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"rectangle": [0, 0, 5]}, "a rectangle needs left, top, width and height"),
        ({"ellipse": [0, 0, 0, 5]}, "above 0"),
        ({"polygon": [[0, 0], [1, 1]]}, "three or more corners"),
        ({"polygon": [[0, 0], [1, 1], [1, "x"]]}, "must be numbers"),
        ({"polygon": [[0, 0], [1, 1], [1, float("nan")]]}, "finite"),
        ({"rectangle": [0, 0, 5, 5], "ellipse": [0, 0, 5, 5]}, "an area has one of"),
        ({"rectangle": [0, 0, 5, 5], "color": "#000000"}, "an area has one of"),
        ({"rectangle": [0, 0, 5, 5], "colour": "red"}, "#rrggbb"),
        ({"rectangle": [0, 0, 5, 5], "group": "outside"}, "a group cannot be named"),
        ({"brush": []}, "a brush is a list of strokes"),
        ({"brush": [{"points": [[1, 1]], "radius": 0}]}, "above 0"),
        ({"mask": ""}, "the name of a picture"),
        (7, "corners"),
    ],
)
def test_what_is_no_area_is_refused_with_its_place(tmp_path: Path, document: Any, words: str) -> None:
    (tmp_path / "areas.json").write_text(json.dumps({"a.jpg": {"face": document}}))
    with pytest.raises(InputError, match=r"a\.jpg / face") as error:
        read_area_file(tmp_path / "areas.json")
    assert words in str(error.value)


def test_a_mask_that_is_not_there_and_a_group_with_an_areas_name(tmp_path: Path) -> None:
    file = tmp_path / "areas.json"
    file.write_text(json.dumps({"a": {"x": FORMS["corners"], "y": {"rectangle": [0, 0, 1, 1], "group": "x"}}}))
    with pytest.raises(InputError, match="of an area and of a group"):
        read_area_file(file)
    (tmp_path / "bad.png").write_text("no picture")
    file.write_text(json.dumps({"a": {"x": "bad.png"}}))
    with pytest.raises(FormatError, match=r"a / x: .*bad.png"):
        read_area_file(file)


def test_agreement_of_two_people_is_the_overlap_that_is_known() -> None:
    first = {
        "a": {
            "face": area_of({"rectangle": [0, 0, 40, 60]}).inside,
            "hand": area_of({"rectangle": [60, 0, 10, 10]}).inside,
        }
    }
    second = {"a": {"face": area_of({"rectangle": [20, 0, 40, 60]}).inside}}
    table = area_agreement({"Ann": first, "Bert": second}, {"a": SIZE, "b": SIZE})
    assert table["area"].tolist() == ["face", "hand"]
    face, hand = table.to_dict("records")
    assert face["overlap"] == pytest.approx(1 / 3, abs=0.01)
    assert face["dice"] == pytest.approx(0.5, abs=0.01)
    assert face["centre_distance"] == pytest.approx(20 / 100, abs=0.01)
    assert hand["overlap"] == 0
    assert hand["share_2"] == 0
    assert np.isnan(hand["centre_distance"])
