"""Rare states of the explorer: nothing to show, too much kept, files that changed or are of other kinds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from flask.testing import FlaskClient

from gazekit.core.errors import ConfigError, FormatError, InputError
from gazekit.explore import BoardChoice, Material, create_app, load_material, make_board
from gazekit.explore.areas_store import AreaStore, merged
from gazekit.explore.maps import MapChoice, MapMaker
from gazekit.explore.maps_pages import map_recipe
from gazekit.explore.trial_reading import read_trial
from gazekit.session import write_session
from tests.conftest import ROOT
from tests.fixtures.looks import looks

IMAGE = "astronaut.png"
SQUARE, LARGER, SMALLER = ([[0, 0], [side, 0], [side, side]] for side in (4, 9, 2))


@pytest.fixture
def bitmap(tmp_path: Path) -> Material:
    """Two people; of a.jpg only a bitmap of another size is there, of b.jpg nothing."""
    for n, place in enumerate([(100.0, 200.0, 500.0), (400.0, 200.0, 400.0)]):
        session = looks([("a.jpg", [place]), ("b.jpg", [place])], participant=f"P{n}")
        started = replace(session, started_utc=f"2026-01-0{2 - n}T10:00:00+00:00")
        write_session(started, tmp_path / f"P{n}.gaze.h5")
    cv2.imwrite(str(tmp_path / "a.bmp"), np.full((20, 30, 3), 77, np.uint8))
    (tmp_path / "pictures.csv").write_text("image,file\na.jpg,a.bmp\n")
    return load_material([tmp_path], pictures=tmp_path / "pictures.csv", keep=False)


def test_a_board_is_chosen_and_ordered_by_what_sessions_say(bitmap: Material) -> None:
    assert make_board(bitmap, BoardChoice(sort_people="date")).people == ["P1", "P0"]
    verdicts = [len(make_board(bitmap, BoardChoice(verdict=name)).trials) for name in ("pass", "fail")]
    assert sum(verdicts) == len(make_board(bitmap).trials) == 4
    with pytest.raises(InputError, match="'group' is not of the form group=a"):
        make_board(bitmap, BoardChoice(level=("group",)))
    with pytest.raises(InputError, match="unknown block 'z'"):
        make_board(bitmap, BoardChoice(block="z"))


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"who": "person"}, "say whose map"),
        ({"who": "group", "name": "a"}, "a group is FACTOR=LEVEL"),
        ({"view": "difference"}, "a difference is between two groups"),
    ],
)
def test_maps_that_cannot_be_asked_for_are_refused(asked: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        MapChoice(image=IMAGE, **asked)  # type: ignore[arg-type]


def test_a_map_of_nothing_is_refused_and_of_many_the_last_are_kept(material: Material) -> None:
    maker = MapMaker(material)
    for asked in ({"window": "2999:3000"}, {"window": "2999:3000", "who": "person", "name": "P02"}):
        with pytest.raises(InputError, match="no fixation lies on"):
            maker.make(MapChoice(image=IMAGE, **asked))  # type: ignore[arg-type]
    first = maker.make(MapChoice(image=IMAGE))
    assert maker.make(MapChoice(image=IMAGE)) is first
    for k in range(1, 6):
        maker.make(MapChoice(image=IMAGE, first=k))
    again = maker.make(MapChoice(image=IMAGE))
    assert again is not first
    np.testing.assert_array_equal(again.map, first.map)


def test_the_copied_line_of_patches_says_how_many(material: Material) -> None:
    recipe = map_recipe(material, MapChoice(image=IMAGE, mask="patches", patches=3, patch_share=0.1))
    assert "--patches 3 --patch-share 0.1" in str(recipe)


@pytest.mark.parametrize("page", ["maps", "areas"])
def test_pictures_that_browsers_do_not_know_are_sent_as_png_and_those_that_are_not_there_grey(
    bitmap: Material, page: str
) -> None:
    client = create_app(bitmap).test_client()
    for image, grey, size in (("a.jpg", 77, (20, 30)), ("b.jpg", 160, (400, 500))):
        answer = client.get(f"/{page}/picture?image={image}")
        assert answer.headers["Content-Type"] == "image/png"
        pixels = cv2.imdecode(np.frombuffer(answer.get_data(), np.uint8), cv2.IMREAD_COLOR)
        assert pixels.shape[:2] == size
        assert (pixels == grey).all()


@pytest.mark.parametrize("page", ["maps", "areas"])
def test_a_page_says_why_grey_stands_for_a_picture(bitmap: Material, page: str, tmp_path: Path) -> None:
    client = create_app(bitmap).test_client()
    said = {image: client.get(f"/{page}?image={image}").get_data(as_text=True) for image in ("a.jpg", "b.jpg")}
    assert "The file of this picture has 30 x 20 pixels, and the one that was shown had 500 x 400" in said["a.jpg"]
    assert "The file of this picture is not there: grey stands for it." in said["b.jpg"]
    cv2.imwrite(str(tmp_path / "a.bmp"), np.full((400, 500, 3), 77, np.uint8))
    assert 'id="grey"' not in client.get(f"/{page}?image=a.jpg").get_data(as_text=True)
    (tmp_path / "a.bmp").write_bytes(b"no picture")
    assert "grey stands for it" in client.get(f"/{page}?image=a.jpg").get_data(as_text=True)


def test_a_picture_of_another_size_is_not_drawn_under_a_map(bitmap: Material) -> None:
    maker = MapMaker(bitmap)
    drawn = maker.picture(maker.make(MapChoice(image="a.jpg", view="opacity")))
    assert drawn.shape[:2] == (400, 500)


def test_the_picture_of_a_trial_is_sent_or_said_to_be_missing(bitmap: Material) -> None:
    client = create_app(bitmap).test_client()
    place = f"/trial/{bitmap.sessions[0].key}"
    assert client.get(f"{place}/1/picture").headers["Content-Type"] == "image/png"
    missing = client.get(f"{place}/2/picture")
    assert missing.status_code == 404
    assert "not among the pictures that were named" in missing.get_data(as_text=True)


@pytest.mark.parametrize("address", ["/board.exe", "/trial/{key}/1/trial.exe", "/trial/{key}/99", "/trial/none/1"])
def test_what_is_not_there_is_not_found(client: FlaskClient, material: Material, address: str) -> None:
    answer = client.get(address.format(key=material.sessions[0].key))
    assert answer.status_code in (400, 404)
    assert "Traceback" not in answer.get_data(as_text=True)


def test_a_session_that_was_written_anew_is_not_mixed_with_the_old(tmp_path: Path) -> None:
    path = write_session(looks([("a.jpg", [(100, 200, 500)])]), tmp_path / "P1.gaze.h5")
    (facts,) = load_material([tmp_path], keep=False).sessions
    with pytest.raises(InputError, match="the session has 1 trial; there is no trial 2"):
        read_trial(facts, 2)
    path.unlink()
    write_session(looks([("a.jpg", [(300, 200, 500)])]), path)
    with pytest.raises(FormatError, match="is another file than when gazekit explore began; start it again"):
        read_trial(facts, 1)


def test_sessions_without_pictures_have_no_maps(tmp_path: Path) -> None:
    session = looks([("a.jpg", [(100, 200, 500)])])
    write_session(replace(session, stimuli=session.stimuli.iloc[:0]), tmp_path / "P1.gaze.h5")
    client = create_app(load_material([tmp_path], keep=False)).test_client()
    for page in ("maps", "areas"):
        answer = client.get(f"/{page}")
        assert answer.status_code == 400
        assert "no picture was shown in these sessions" in answer.get_data(as_text=True)


def test_what_to_explore_is_one_study_or_sessions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(ROOT / "sample_data" / "study.toml", tmp_path)
    shutil.copy(ROOT / "sample_data" / "pictures.csv", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="name one study file, or sessions"):
        load_material([tmp_path / "study.toml", tmp_path])
    with pytest.raises(InputError, match=r"there is no folder .*say where the sessions are with --sessions"):
        load_material([tmp_path / "study.toml"])


def test_another_programs_file_is_imported_once(tmp_path: Path) -> None:
    from tests.fixtures.foreign import MM, smi

    path = smi.write_begaze(tmp_path)
    screen = {"width_px": 1680, "height_px": 1050, **MM}
    load_material([path], screen=screen)
    (kept,) = (tmp_path / ".explore").glob("*.session")
    before = kept.stat().st_mtime_ns
    (facts,) = load_material([path], screen=screen).sessions
    assert facts.participant == "p06"
    assert kept.stat().st_mtime_ns == before


# -- areas ------------------------------------------------------------------------------------------------------------


def test_what_two_delete_and_change_is_kept_and_told() -> None:
    base = {"face": SQUARE, "hand": SQUARE, "rest": SQUARE}
    mine = {"face": LARGER, "face (2)": SQUARE}
    areas, told, renamed = merged(base, mine, {"face": SMALLER, "hand": LARGER, "rest": SQUARE}, "Ann")
    assert areas == {"face": SMALLER, "face (2)": SQUARE, "face (3)": LARGER, "hand": LARGER}
    assert renamed == {"face": "face (3)"}
    assert "you deleted 'hand', and Ann changed it: it is kept" in told


def test_a_file_that_says_the_same_in_another_way_is_no_new_state(tmp_path: Path) -> None:
    store = AreaStore(tmp_path)
    version = store.save("a", 0, {"rest": SQUARE}, "Ann").change.version
    file = tmp_path / "areas.json"
    text = file.read_text()
    file.write_text(json.dumps(json.loads(text), indent=7))
    assert store.newest("a").version == version
    assert file.read_text() == text
    mask = np.zeros((4, 5), bool)
    assert store.keep_mask(mask) == store.keep_mask(mask)
    assert len(list(tmp_path.rglob("*.png"))) == 1
