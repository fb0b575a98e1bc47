"""Areas: what is drawn is kept, two who draw lose nothing, a killed server loses nothing that was saved."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from gazekit.cli import gazekit
from gazekit.core.errors import FormatError, InputError
from gazekit.core.tables import read_table
from gazekit.explore import Material, create_app, load_material
from gazekit.explore.areas_store import BY_HAND, AreaStore
from gazekit.session import write_session
from gazekit.session.exclusions import EXCLUSIONS, Exclusion, exclude
from gazekit.session.model import REGION_COLUMNS
from tests.fixtures.looks import looks

IMAGE = "astronaut.png"
FACE: dict[str, Any] = {"ellipse": [60, 40, 120, 160], "colour": "#009e73"}
HAND: dict[str, Any] = {"rectangle": [10, 20, 150, 90.5], "group": "skin"}
REST: list[list[int]] = [[0, 0], [400, 0], [400, 300], [0, 300]]
PAINT: dict[str, Any] = {"brush": [{"points": [[50, 50], [150, 80]], "radius": 25}], "group": "skin"}
FIVE = {
    "face": FACE,
    "hand": HAND,
    "rest": REST,
    "paint": PAINT,
    "low": {"polygon": [[0, 250], [400, 250], [200, 400]]},
}
ORIGIN = {"Origin": "http://localhost"}


@pytest.fixture
def own(material: Material, tmp_path: Path) -> FlaskClient:
    """A browser whose areas are kept in a folder of the test."""
    return create_app(replace(material, folder=tmp_path)).test_client()


def post(client: FlaskClient, address: str, body: Any, code: int = 200) -> Any:
    answer = client.post(address, json=body, headers=ORIGIN)
    assert answer.status_code == code, answer.get_data(as_text=True)
    return answer.get_json()


def test_areas_are_kept_with_every_state_that_they_had(tmp_path: Path) -> None:
    store = AreaStore(tmp_path)
    first = store.save("a", 0, {"face": FACE}, "Ann").change
    second = store.save("a", first.version, {"face": FACE, "rest": REST}, "Ann").change
    store.save("b", 0, {"hand": HAND}, "Ann")
    assert store.save("a", second.version, second.areas, "Ann").change == second  # the same again is no state
    again = AreaStore(tmp_path)
    assert again.newest("a").areas == {"face": FACE, "rest": REST}
    assert [list(change.areas) for change in again.history("a")] == [["face", "rest"], ["face"]]
    assert json.loads((tmp_path / "areas.json").read_text()) == {"a": {"face": FACE, "rest": REST}, "b": {"hand": HAND}}
    assert set(again.areas()) == {"a", "b"}


def test_two_who_draw_on_one_picture_lose_nothing_and_the_second_is_told(tmp_path: Path) -> None:
    ann, bert = AreaStore(tmp_path), AreaStore(tmp_path)
    base = ann.save("a", 0, {"face": FACE, "hand": HAND, "rest": REST}, "Ann").change.version
    moved, wider = {"ellipse": [70, 40, 120, 160]}, {"ellipse": [60, 40, 180, 160]}
    assert not ann.save("a", base, {"face": moved, "rest": REST}, "Ann").told
    saved = bert.save("a", base, {"face": wider, "hand": HAND, "rest": REST, "low": REST}, "Bert")
    assert saved.change.areas == {"face": moved, "rest": REST, "face (2)": wider, "low": REST}
    assert saved.told[0] == "Ann saved areas of this picture meanwhile; both are kept"
    assert any("yours is now 'face (2)'" in line for line in saved.told)
    assert ann.newest("a").areas == saved.change.areas
    kept = bert.save("a", saved.change.version, {"face (2)": wider}, "Bert").change
    late = ann.save("a", saved.change.version, {**saved.change.areas, "rest": [[0, 0], [9, 0], [9, 9]]}, "Ann")
    assert late.change.areas == {"face (2)": wider, "rest": [[0, 0], [9, 0], [9, 9]]}
    assert kept.version < late.change.version


def test_an_answer_that_got_lost_makes_nothing_twice(tmp_path: Path) -> None:
    store = AreaStore(tmp_path)
    store.save("a", 0, {"paint": PAINT}, "Ann", "page 1")  # the answer does not arrive
    saved = store.save("a", 0, {"paint": PAINT, "rest": REST}, "Ann", "page 1")
    assert saved.told == ()
    assert saved.change.areas == {"paint": PAINT, "rest": REST}
    other = store.save("a", 0, {"paint": FACE}, "Ann", "page 2")  # of the same browser
    assert set(other.change.areas) == {"paint", "rest", "paint (2)"}
    assert other.theirs == {"paint": PAINT, "rest": REST}


def test_a_file_that_was_changed_by_hand_is_the_newest_state(tmp_path: Path) -> None:
    (tmp_path / "areas.json").write_text(json.dumps({"a": {"rest": REST}, "b": {"low": REST}}))
    store = AreaStore(tmp_path)
    assert store.newest("a").who == BY_HAND
    store.save("a", store.newest("a").version, {"rest": REST, "face": FACE}, "Ann")
    (tmp_path / "areas.json").write_text(json.dumps({"a": {"face": FACE}}))
    assert store.newest("a").areas == {"face": FACE}
    assert store.newest("b").areas == {}
    assert [list(change.areas) for change in store.history("b")] == [[], ["low"]]
    (tmp_path / "areas.json").unlink()
    assert AreaStore(tmp_path).newest("a").areas == {"face": FACE}
    assert json.loads((tmp_path / "areas.json").read_text()) == {"a": {"face": FACE}}


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # CPython 3.12, of any process with threads
def test_a_server_that_is_killed_while_somebody_draws_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    """50 processes save states of a stroke as fast as they can, and are killed at any moment."""
    if not hasattr(os, "fork"):
        pytest.skip("this system has no fork")
    rng = random.Random(5)
    AreaStore(tmp_path).save("a", 0, {"rest": REST})
    torn = 0
    for _ in range(50):
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            _draw_until_killed(tmp_path, write)
        os.close(write)
        os.read(read, 1)  # it began
        time.sleep(rng.uniform(0.001, 0.04))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        said = b""
        while part := os.read(read, 65536):
            said += part
        os.close(read)
        content = (tmp_path / "areas.history.jsonl").read_bytes()
        torn += not content.endswith(b"\n")
        known = AreaStore(tmp_path)
        points = known.newest("a").areas["paint"]["brush"][0]["points"] if "paint" in known.newest("a").areas else []
        saved = int(said.split()[-1]) if said.split() else 0
        assert len(points) in (saved, saved + 1) or not saved
        assert json.loads((tmp_path / "areas.json").read_text())["a"] == known.newest("a").areas
    assert len(AreaStore(tmp_path).history("a")) > 10  # hundreds, but for a busy machine
    with open(tmp_path / "areas.history.jsonl", "ab") as file:
        file.write(b'1234abcd {"version": 9')  # half of a line
    store = AreaStore(tmp_path)
    assert store.newest("a").areas
    assert store.save("a", store.newest("a").version, {"rest": REST}).change.areas == {"rest": REST}
    assert AreaStore(tmp_path).newest("a").areas == {"rest": REST}


def _draw_until_killed(folder: Path, write: int) -> None:
    store = AreaStore(folder)
    os.write(write, b" ")
    for n in range(1, 10_000):
        version = store.newest("a").version
        store.save(
            "a", version, {"rest": REST, "paint": {"brush": [{"points": [[k, k] for k in range(n)], "radius": 5}]}}
        )
        os.write(write, f"{n} ".encode())
    os._exit(0)


def test_a_damaged_line_of_the_history_is_named(tmp_path: Path) -> None:
    store = AreaStore(tmp_path)
    store.save("a", 0, {"rest": REST})
    store.save("b", 0, {"rest": REST})
    content = bytearray((tmp_path / "areas.history.jsonl").read_bytes())
    content[40] ^= 1
    (tmp_path / "areas.history.jsonl").write_bytes(content)
    with pytest.raises(FormatError, match="is damaged"):
        AreaStore(tmp_path).newest("a")


@pytest.mark.parametrize(
    ("areas", "words"),
    [
        ({"": REST}, "needs a name"),
        ({"whole": REST}, "has a meaning in tables"),
        ({"a\nb": REST}, "needs a name"),
        ({"x": {"mask": "../../etc/passwd"}}, "no such mask here"),
        ({"x": {"mask": "areas/0123456789abcdef.png"}}, "no such mask here"),
        ({"x": REST, "y": {"rectangle": [0, 0, 1, 1], "group": "x"}}, "is the name of an area"),
        ({"x": {"rectangle": [0, 0, 1e300, 1]}}, "finite numbers of pixels"),
    ],
)
def test_what_cannot_be_an_area_is_refused_and_nothing_is_written(tmp_path: Path, areas: Any, words: str) -> None:
    with pytest.raises(InputError, match="(?s)" + words):
        AreaStore(tmp_path).save("a", 0, areas)
    assert not (tmp_path / "areas.json").exists()


def test_the_page_measures_as_the_command_does(own: FlaskClient, material: Material, tmp_path: Path) -> None:
    drawn = {"astronaut.png": FIVE, "chelsea.png": {"face": FACE, "hand": HAND}, "coffee.png": {"rest": REST}}
    images = [str(name) for name in material.trials["image"].unique()]
    drawn = dict(zip(images, drawn.values(), strict=False))
    exclude(tmp_path / EXCLUSIONS, [Exclusion(participant="P02", image=images[1], reason="head moved")])
    for image, areas in drawn.items():
        assert post(own, "/areas/save.json", {"image": image, "base": 0, "areas": areas, "who": "Ann"})["version"]
    arguments = ["measures", *map(str, material.asked), "--areas", str(tmp_path / "areas.json"), "--out"]
    arguments += [str(tmp_path / "m.csv"), "--window", "200:2500", "--exclusions", str(tmp_path / EXCLUSIONS)]
    done = CliRunner().invoke(gazekit, arguments)
    assert done.exit_code == 0, done.output
    measured = read_table(tmp_path / "m.csv", ["participant"]).set_index(["participant", "image", "area"])
    compared = 0
    for image, areas in drawn.items():
        body = {"image": image, "areas": areas, "window": "200:2500"}
        found = post(own, "/areas/figures.json", body)
        expected = {*areas} | ({"skin"} if any("group" in a for a in areas.values() if isinstance(a, dict)) else set())
        assert set(found["people"]) == expected
        for name, rows in found["people"].items():
            for row in rows:
                theirs = measured.loc[(row["participant"], image, name)]
                for column in (
                    "fixations",
                    "fixation_ms",
                    "dwell_share",
                    "time_to_first_ms",
                    "first_fixation_ms",
                    "visits",
                ):
                    value = np.nan if row[column] is None else row[column]
                    assert value == pytest.approx(theirs[column], abs=1e-9, rel=0, nan_ok=True)
                    compared += 1
        shares = {row["area"]: row for row in found["summary"]}
        whole = measured.xs((image, "whole"), level=("image", "area"))
        assert shares["whole"]["fixation_ms"] == pytest.approx(whole["fixation_ms"].mean(), abs=1e-9)
    assert compared >= 6 * 2 * 8
    state = own.get(f"/areas/state.json?image={images[1]}").get_json()
    assert state["people"] == ["P01"]
    assert state["excluded"] == ["1 trial of P02 excluded: head moved"]


def test_transitions_are_those_of_the_command(own: FlaskClient, material: Material, tmp_path: Path) -> None:
    post(own, "/areas/save.json", {"image": IMAGE, "base": 0, "areas": FIVE})
    run = CliRunner().invoke
    fixations = ["fixations", *map(str, material.asked), "--out", str(tmp_path / "f.csv")]
    assert run(gazekit, fixations).exit_code == 0
    aoi = ["aoi", str(tmp_path / "f.csv"), str(tmp_path / "areas.json"), "--out", str(tmp_path / "a.csv")]
    assert run(gazekit, [*aoi, "--transitions", str(tmp_path / "t.csv")]).exit_code == 0
    theirs = pd.read_csv(tmp_path / "t.csv")[["from", "to", "count"]]
    ours = pd.DataFrame(post(own, "/areas/figures.json", {"image": IMAGE, "areas": FIVE})["steps"])
    assert sorted(ours[["from", "to", "count"]].values.tolist()) == sorted(theirs.values.tolist())


def test_masks_come_and_go_as_pictures(own: FlaskClient) -> None:
    size = own.get(f"/areas/state.json?image={IMAGE}").get_json()["size"]
    mask = np.zeros(size, np.uint8)
    mask[30:90, 40:200] = 255
    content = cv2.imencode(".png", mask)[1].tobytes()
    answer = own.post(f"/areas/mask.json?image={IMAGE}", data=content, headers=ORIGIN).get_json()
    areas = {"hand": {"mask": answer["mask"], "group": "skin"}, "box": {"rectangle": [40, 30, 160, 60]}}
    post(own, "/areas/save.json", {"image": IMAGE, "base": 0, "areas": areas})
    for name in areas:
        back = own.get(f"/areas/mask.png?image={IMAGE}&name={name}").get_data()
        assert (cv2.imdecode(np.frombuffer(back, np.uint8), cv2.IMREAD_GRAYSCALE) == mask).all()
    found = {row["area"]: row for row in post(own, "/areas/figures.json", {"image": IMAGE, "areas": areas})["summary"]}
    assert found["hand"]["fixation_ms"] == found["box"]["fixation_ms"] == found["skin"]["fixation_ms"]
    small = cv2.imencode(".png", mask[:10])[1].tobytes()
    refused = own.post(f"/areas/mask.json?image={IMAGE}", data=small, headers=ORIGIN)
    assert refused.status_code == 400
    assert "must be alike" in refused.get_json()["error"]


def test_areas_are_copied_and_imported_beside_those_that_are_there(own: FlaskClient, material: Material) -> None:
    other = next(str(name) for name in material.trials["image"].unique() if name != IMAGE)
    post(own, "/areas/save.json", {"image": IMAGE, "base": 0, "areas": {"face": FACE, "paint": PAINT}})
    post(own, "/areas/save.json", {"image": other, "base": 0, "areas": {"face": REST}})
    body = {"image": IMAGE, "names": ["face", "paint"], "to": [other], "scaled": True}
    told = post(own, "/areas/copy.json", body)["told"]
    assert told[0].startswith(f"{other}: 2 areas copied; both changed 'face'")
    sizes = [own.get(f"/areas/state.json?image={name}").get_json() for name in (IMAGE, other)]
    scale = sizes[1]["size"][1] / sizes[0]["size"][1]
    assert sizes[1]["areas"]["face"] == REST
    assert sizes[1]["areas"]["face (2)"]["ellipse"][0] == pytest.approx(60 * scale)
    told = post(own, "/areas/import.json", {"areas": {other: {"new": REST}, "no.png": {"x": REST}}})["told"]
    assert told[1] == "no.png: left out, it is none of the pictures here"
    assert "new" in own.get(f"/areas/state.json?image={other}").get_json()["areas"]
    whole = own.get("/areas/areas.json").get_json()
    assert set(whole) == {IMAGE, other}


def test_layers_of_two_people_are_compared(own: FlaskClient) -> None:
    for layer, left in (("anna", 0), ("bert", 20)):
        areas = {"face": {"rectangle": [left, 0, 40, 60]}}
        post(own, "/areas/save.json", {"image": IMAGE, "layer": layer, "base": 0, "areas": areas})
    pairs = own.get(f"/areas/agreement.json?image={IMAGE}").get_json()["drawn"]
    overlap = {(row["person_1"], row["person_2"]): row["overlap"] for row in pairs}
    assert overlap[("anna", "bert")] == pytest.approx(1 / 3, abs=0.02)
    assert 'value="anna"' in own.get(f"/areas?image={IMAGE}&layer=anna").get_data(as_text=True)


def test_what_participants_marked_is_a_layer_and_is_compared(tmp_path: Path) -> None:
    for person, left in (("P1", 100), ("P2", 150)):
        session = looks([("a.jpg", [(120, 100, 300)]), ("b.jpg", [(120, 100, 300)])], participant=person)
        rows = [(0, image, "", n, left, 50, 100, 80, "") for n, image in enumerate(("a.jpg", "b.jpg"))]
        regions = pd.DataFrame(rows, columns=list(REGION_COLUMNS))
        write_session(replace(session, streams={"regions": regions}), tmp_path / f"{person}.gaze.h5")
    client = create_app(load_material([tmp_path])).test_client()
    state = client.get("/areas/state.json?image=a.jpg").get_json()
    assert state["marked"] == {"P1": [[100, 50, 100, 80]], "P2": [[150, 50, 100, 80]]}
    marked = client.get("/areas/agreement.json?image=a.jpg").get_json()["marked"]
    assert marked == {"people": 2, "overlap": pytest.approx(1 / 3, abs=0.02)}
    people = post(client, "/areas/figures.json", {"image": "a.jpg", "areas": {}})["people"]
    assert [row["fixations"] for row in people["marked"]] == [1, 0]


@pytest.mark.parametrize("kind", ["png", "svg", "pdf", "csv"])
def test_areas_are_given_out(own: FlaskClient, kind: str) -> None:
    post(own, "/areas/save.json", {"image": IMAGE, "base": 0, "areas": FIVE})
    content = own.get(f"/areas/areas.{kind}?image={IMAGE}").get_data()
    begins = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "csv": b"participant,image,showing,area"}
    assert content.startswith(begins[kind])
    if kind == "csv":
        assert content.count(b"\n") == 1 + 2 * (5 + 2)  # whole and the group too


HOSTILE = [
    ("/areas/save.json", []),
    ("/areas/save.json", {"image": "../../etc/passwd", "areas": {}}),
    ("/areas/save.json", {"image": IMAGE, "areas": 5}),
    ("/areas/save.json", {"image": IMAGE, "areas": {"x": None}}),
    ("/areas/save.json", {"image": IMAGE, "areas": {"x": {"rectangle": "abcd"}}}),
    ("/areas/save.json", {"image": IMAGE, "areas": {"x": {"brush": [{"points": 3, "radius": []}]}}}),
    ("/areas/save.json", {"image": IMAGE, "areas": {"x": {"polygon": [[0, 0], [1, {}], [2, 2]]}}}),
    ("/areas/save.json", {"image": IMAGE, "areas": {"x": {"polygon": [[[0]]], "colour": 5}}}),
    ("/areas/save.json", {"image": IMAGE, "base": "x", "areas": {}}),
    ("/areas/save.json", {"image": IMAGE, "layer": "../x", "areas": {}}),
    ("/areas/save.json", {"image": {}, "areas": {}}),
    ("/areas/figures.json", {"image": IMAGE, "areas": {}, "window": "nan:inf"}),
    ("/areas/figures.json", {"image": IMAGE, "areas": {}, "window": "5:1"}),
    ("/areas/copy.json", {"image": IMAGE, "names": [{}], "to": [IMAGE]}),
    ("/areas/copy.json", {"image": IMAGE, "names": "x", "to": []}),
    ("/areas/import.json", {"areas": {IMAGE: []}}),
    ("/areas/mask.json?image=" + IMAGE, {}),
]


@pytest.mark.parametrize(("address", "body"), HOSTILE)
def test_hostile_requests_are_answered_with_what_is_wrong(own: FlaskClient, address: str, body: Any) -> None:
    answer = own.post(address, json=body, headers=ORIGIN)
    assert answer.status_code == 400
    assert answer.get_json()["error"]


@pytest.mark.parametrize(
    "address",
    [
        "/areas?image=x",
        "/areas/state.json",
        "/areas/state.json?image=../x",
        f"/areas/mask.png?image={IMAGE}&name=x",
        f"/areas/areas.exe?image={IMAGE}",
        f"/areas/areas.csv?image={IMAGE}&window=x",
        f"/areas/history.json?image={IMAGE}&layer=%2e%2e",
        "/areas/picture?image=..%2f..%2fetc%2fpasswd",
        "/maps?image=x",
        f"/maps/level.bin?image={IMAGE}&who=person&name=P99",
        f"/maps/level.bin?image={IMAGE}&sigma_deg=nan",
        f"/maps/level.bin?image={IMAGE}&share=0",
        f"/maps/level.bin?image={IMAGE}&view=difference",
        f"/maps/facts.json?image={IMAGE}&window=1e9:2e9",
        f"/maps/shown.jpg?image={IMAGE}&fill=x",
        f"/maps/map.exe?image={IMAGE}",
    ],
)
def test_addresses_of_nothing_are_refused(own: FlaskClient, address: str) -> None:
    answer = own.get(address)
    assert answer.status_code in (400, 404), answer.get_data(as_text=True)
    assert b"root:" not in answer.get_data()


def test_a_folder_that_may_only_be_read_says_so(material: Material, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    client = create_app(replace(material, folder=tmp_path / "file")).test_client()
    answer = client.post("/areas/save.json", json={"image": IMAGE, "base": 0, "areas": FIVE}, headers=ORIGIN)
    assert answer.status_code == 400
    assert "cannot be written" in answer.get_json()["error"]


def test_only_what_was_loaded_is_shown(tmp_path: Path, sample_data: Path) -> None:
    alone = load_material([sample_data / "sessions" / "P01.gaze.h5"])
    state = create_app(replace(alone, folder=tmp_path)).test_client().get(f"/areas/state.json?image={IMAGE}")
    assert state.get_json()["people"] == ["P01"]
