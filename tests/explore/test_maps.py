"""Maps of the page are those of the commands; they come in time for a slider."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from gazekit.attention.drawing import heatmap, transparent_heatmap
from gazekit.attention.viewings import viewings
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, InputError
from gazekit.core.tables import read_table
from gazekit.core.time_windows import TimeWindow
from gazekit.explore import Material, create_app, load_material
from gazekit.explore.areas_drawing import areas_recipe
from gazekit.explore.maps import MapChoice, MapMaker, draw_map, write_map
from gazekit.explore.maps_pages import map_recipe
from gazekit.session import write_session
from gazekit.session.exclusions import EXCLUSIONS, Exclusion, exclude
from tests.fixtures.looks import Place, looks

IMAGE = "astronaut.png"


@pytest.fixture(scope="module")
def table(material: Material, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fixations of the same sessions, by the command."""
    out = tmp_path_factory.mktemp("maps") / "fixations.csv"
    done = CliRunner().invoke(gazekit, ["fixations", *map(str, material.asked), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def groups(tmp_path: Path) -> Material:
    """Three people who look left and three who look right, by session files with groups."""
    sides: dict[str, list[Place]] = {
        "left": [(100, 200, 500), (120, 220, 400)],
        "right": [(400, 200, 500), (380, 180, 400)],
    }
    for side, places in sides.items():
        for n in range(3):
            session = looks([("a.jpg", [(x + 5 * n, y, ms) for x, y, ms in places])], participant=f"{side}{n}")
            assigned = {"assigned": {"levels": {"group": side}, "language": "en"}}
            session = replace(session, provenance={"parameters": assigned})
            write_session(session, tmp_path / f"{side}{n}.gaze.h5")
    return load_material([tmp_path])


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"who": "person", "name": "P02", "window": "500:2000"},
        {"who": "all-but", "name": "P02", "mask": "region", "share": 0.5, "sigma_deg": 2.0},
        {"mask": "patches", "patches": 2, "weight": "count", "alike": True, "first": 4},
    ],
)
def test_a_map_is_that_of_the_command(
    material: Material, table: Path, tmp_path: Path, asked: dict[str, object]
) -> None:
    made = MapMaker(material).make(MapChoice(image=IMAGE, **asked))
    options = {"all-but": ["--by", "leave-one-out"], "person": ["--by", "participant"]}.get(str(asked.get("who")), [])
    for name in ("window", "first", "mask", "share", "patches", "weight"):
        options += [f"--{name}", str(asked[name])] if name in asked else []
    options += ["--sigma-deg", str(asked["sigma_deg"])] if "sigma_deg" in asked else []
    options += ["--normalise", "person"] if "alike" in asked else []
    file = material.picture_file(IMAGE)
    (tmp_path / "one.csv").write_text(f"image,file\n{IMAGE},{file}\n")
    pictures = ["--pictures", str(tmp_path / "one.csv"), "--no-agreement", "--out", str(tmp_path)]
    done = CliRunner().invoke(gazekit, ["attention", str(table), *pictures, *options])
    assert done.exit_code == 0, done.output
    rows = read_table(tmp_path / "attention.csv", ["image", "who"]).set_index(["image", "who"])
    theirs = rows.loc[(IMAGE, made.who)]
    for name in ("mass", "area", "kept_mass", "kept_area", "sigma_px", "viewers", "fixations"):
        assert made.row[name] == pytest.approx(theirs[name], abs=1e-9, rel=0)
    assert str([list(box) for box in made.boxes]) == theirs["boxes"]
    written = cv2.imread(str(tmp_path / "maps" / f"{theirs['file']}.png"), cv2.IMREAD_UNCHANGED)
    assert (written == np.rint(made.map / made.map.max() * 65535)).all()


def test_a_map_is_that_of_the_fixation_table_to_rounding(material: Material, table: Path) -> None:
    made = MapMaker(material).make(MapChoice(image=IMAGE, window="0:1500"))
    fixations = TimeWindow.of("0:1500").chosen(read_table(table, ["image"]))  # type: ignore[union-attr]
    expected = viewings(fixations, {IMAGE: made.viewing.size})[IMAGE].map()
    np.testing.assert_allclose(made.map, expected, rtol=0, atol=1e-9)


def test_the_colours_of_the_page_are_those_of_the_drawing(material: Material) -> None:
    client = create_app(material).test_client()
    made = MapMaker(material).make(MapChoice(image=IMAGE))
    content = client.get(f"/maps/level.bin?image={IMAGE}").get_data()
    level = np.frombuffer(content, np.uint8).reshape(made.viewing.size)
    assert np.abs(level - made.map / made.map.max() * 255).max() <= 0.51
    colours = np.array(client.get("/maps/colours.json").get_json())
    drawn = transparent_heatmap(made.map, made.viewing.size)
    assert np.abs(colours[level].astype(int) - drawn).max() <= 2


def test_facts_and_the_recipe_make_the_same_map(
    material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = create_app(material).test_client()
    facts = client.get(f"/maps/facts.json?image={IMAGE}&mask=region&view=contour&share=0.6").get_json()
    assert facts["people"] == ["P01", "P02"]
    assert facts["kept_mass"] == pytest.approx(0.6, abs=0.02)
    assert list(facts["lines"]) == ["25%", "50%", "75%"]
    assert all(len(line) > 2 for line in facts["outlines"])
    choice = MapChoice(image=IMAGE, mask="region", view="masked", share=0.6)
    monkeypatch.chdir(tmp_path)
    recipe = map_recipe(replace(material, picture_source=None), choice)
    (tmp_path / "made.py").write_text(recipe.python)
    runpy.run_path(str(tmp_path / "made.py"))
    maker = MapMaker(replace(material, pictures={}))
    made = maker.make(choice)
    drawn = cv2.imread(str(tmp_path / "map.png"))[..., ::-1]
    assert (drawn == draw_map(made, maker.picture(made))).all()


def test_every_view_is_drawn_and_given_out(material: Material, tmp_path: Path) -> None:
    maker = MapMaker(material)
    grey = np.full((*maker.looks.size(IMAGE), 3), 128, np.uint8)
    drawn = {}
    for view in ("heatmap", "opacity", "contour", "masked"):
        made = maker.make(MapChoice(image=IMAGE, view=view))
        drawn[view] = draw_map(made, grey)
        for kind in ("png", "svg", "pdf", "csv"):
            if kind in ("png", "csv") or view == "heatmap":
                assert write_map(made, grey, tmp_path / f"{view}.{kind}").stat().st_size > 100
    made = maker.make(MapChoice(image=IMAGE))
    assert (drawn["masked"][~made.mask] == 0).all()
    assert (drawn["masked"][made.mask] == 128).all()
    top, left, bottom, right = made.boxes[0]
    inner = (slice(top + 8, bottom - 8), slice(left + 8, right - 8))
    assert (drawn["heatmap"][inner] == heatmap(grey, made.map)[inner]).all()
    assert read_table(tmp_path / "heatmap.csv", ["image", "kept_mass"])["viewers"].tolist() == [2]


def test_the_difference_of_two_groups_lies_where_they_looked(groups: Material) -> None:
    maker = MapMaker(groups)
    asked = {"image": "a.jpg", "view": "difference", "who": "group", "name": "group=left", "versus": "group=right"}
    made = maker.make(MapChoice(**asked))
    found = made.difference
    assert found.people == (3, 3)
    half = found.difference.shape[1] // 2
    assert found.difference[:, :half].sum() > 0.9
    assert found.difference[:, half:].sum() < -0.9
    red, _, blue = draw_map(made, np.full((400, 500, 3), 128, np.uint8))[200, 110]
    assert red > blue
    one = maker.make(MapChoice(image="a.jpg", who="group", name="group=left"))
    assert one.viewing.participants == ["left0", "left1", "left2"]
    with pytest.raises(InputError, match="share people"):
        maker.make(MapChoice(**asked | {"versus": "group=left"}))
    with pytest.raises(InputError, match="nobody of the group"):
        maker.make(MapChoice(**asked | {"versus": "group=none"}))
    with pytest.raises(ConfigError, match="choose both"):
        MapChoice(image="a.jpg", view="difference")


def test_what_is_excluded_leaves_the_maps_at_once(groups: Material) -> None:
    maker = MapMaker(groups)
    assert len(maker.make(MapChoice(image="a.jpg")).viewing.participants) == 6
    exclude(groups.folder / EXCLUSIONS, [Exclusion(participant="left0", image="a.jpg", reason="head moved")])
    made = maker.make(MapChoice(image="a.jpg"))
    assert "left0" not in made.viewing.participants
    assert made.facts()["excluded"] == ["1 trial of left0 excluded: head moved"]


def test_the_copied_lines_of_a_group_and_of_a_difference_run(
    groups: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / "listed"
    listed.mkdir()
    cv2.imwrite(str(listed / "a.jpg"), np.full((400, 500, 3), 128, np.uint8))
    monkeypatch.chdir(tmp_path)
    shown = replace(groups, picture_source=listed)
    asked = {"image": "a.jpg", "who": "group", "name": "group=left"}
    for choice, names in (
        (MapChoice(**asked), {"left", "right"}),
        (MapChoice(**asked, view="difference", versus="group=right"), {"1 group=left", "2 group=right"}),
    ):
        table, command = map_recipe(shown, choice).command.splitlines()
        subprocess.run(["sh", "-c", table], check=True)
        assert set(read_table(Path("groups.csv"), ["participant", "group"])["group"]) == names
        done = CliRunner().invoke(gazekit, [*shlex.split(command)[1:], "--tables-only"])
        assert done.exit_code == 0, done.output
        assert set(read_table(Path("attention/attention.csv"), ["image"])["who"]) == names


def test_a_picture_of_which_everything_is_excluded_does_not_end_the_page(groups: Material) -> None:
    exclude(groups.folder / EXCLUSIONS, [Exclusion(image="a.jpg", reason="wrong picture")])
    page = create_app(groups).test_client()
    assert page.get("/").status_code == 200
    assert page.get("/maps").status_code == 200
    answer = page.get("/maps/facts.json?image=a.jpg")
    assert answer.status_code == 400
    assert "wrong picture" in answer.get_json()["error"]
    state = page.get("/areas/state.json?image=a.jpg").get_json()
    assert (state["people"], state["size"]) == ([], [400, 500])
    assert "wrong picture" in state["excluded"][0]


def test_screens_that_were_given_stand_in_copied_commands(material: Material) -> None:
    sizes = {"width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
    shown = replace(material, screen=sizes)
    commands = map_recipe(shown, MapChoice(image=IMAGE)).command.splitlines()
    commands += areas_recipe(shown, Path("areas.json"), "").command.splitlines()[:2]
    for command in commands:
        assert "--screen-mm 527x296 --distance-mm 630" in command


def test_every_option_of_a_map_has_a_control_and_what_has_none_is_known(material: Material) -> None:
    """What has none can be asked for in the address, and is of the command."""
    client = create_app(material).test_client()
    page = client.get(f"/maps?image={IMAGE}&map=likelihood").get_data(as_text=True)
    controls = set(re.findall(r'<(?:select|input)[^>]* name="([a-z_]+)"', page))
    without = {"window", "first", "sigma_px", "soft_px", "permutations", "share_of"}  # from and to are the window
    assert set(MapChoice.model_fields) - controls == without
    assert '<option value="likelihood" selected>' in page
    facts = client.get(f"/maps/facts.json?image={IMAGE}&map=likelihood").get_json()
    assert "--map likelihood" in facts["command"]
