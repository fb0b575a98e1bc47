"""The board: what its cells say, in which order, out of which trials."""

from __future__ import annotations

import io
import runpy
import shlex
import shutil
import threading
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from gazekit.capture.desk import Desk
from gazekit.capture.session_loop import State
from gazekit.capture.session_setup import prepare_part, record_part
from gazekit.capture.study_status import study_status
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, InputError
from gazekit.events import session_quality
from gazekit.explore import BoardChoice, Material, create_app, load_material, make_board, write_board
from gazekit.explore import summaries as summaries_module
from gazekit.explore.board_drawing import board_recipe
from gazekit.session import open_session
from gazekit.session.exclusions import Exclusion, exclude, undo_exclusion
from gazekit.study import read_study
from tests.fixtures.session_study import MakeStudy

DESIGN = """
[[factors]]
name = "group"
levels = ["a", "b"]
[design]
people = 2
viewers = 2
"""


def test_cells_are_what_quality_computes(material: Material) -> None:
    for colour, column in (("loss", "loss_percent"), ("delivered", "delivered_percent"), ("precision", "rms_s2s_deg")):
        board = make_board(material, BoardChoice(colour=colour))
        for facts in material.sessions:
            table = session_quality(open_session(facts.file))
            table = table[(table["part"] == "trial") & (table["eye"] == "average")].set_index("image")
            row = board.values[board.people.index(facts.participant)]
            expected = table[column].reindex(board.pictures).to_numpy(dtype=float)
            np.testing.assert_allclose(row, expected, rtol=0, atol=1e-9)


def test_orders_and_filters(material: Material) -> None:
    usual = make_board(material)
    worst = make_board(material, BoardChoice(sort_people="value", sort_pictures="value"))
    means = np.nanmean(worst.values, axis=0)
    assert (np.diff(means) <= 1e-12).all()
    assert make_board(material, BoardChoice(reverse=True)).people == usual.people[::-1]
    assert make_board(material, BoardChoice(search="p02")).people == ["P02"]
    left_out = make_board(material, BoardChoice(show="left-out"))
    assert len(left_out.trials) + len(make_board(material, BoardChoice(show="good")).trials) == len(usual.trials)
    with pytest.raises(InputError, match="unknown level"):
        make_board(material, BoardChoice(level=("group=a",)))
    with pytest.raises(ConfigError, match="colour"):
        BoardChoice(colour="pink")


def test_what_was_read_is_kept_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "P01.gaze.h5"
    shutil.copy("sample_data/sessions/P01.gaze.h5", file)
    first = load_material([file])
    monkeypatch.setattr(summaries_module, "session_quality", None)  # would be called to compute again
    again = load_material([file])
    pd.testing.assert_frame_equal(again.trials, first.trials)
    pd.testing.assert_frame_equal(again.status.participants, first.status.participants)
    file.touch()
    pd.testing.assert_frame_equal(load_material([tmp_path]).trials, first.trials)
    content = bytearray(file.read_bytes())
    content[-1000] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="has been altered"):
        load_material([file])
    shutil.copy("sample_data/sessions/P02.gaze.h5", file)  # another session under the same name
    with pytest.raises(TypeError):
        load_material([file])


def test_the_page_and_its_lists_name_everybody(client: FlaskClient, material: Material) -> None:
    page = client.get("/?sort_people=value").get_data(as_text=True)
    assert all(facts.participant in page for facts in material.sessions)
    facts = client.get("/board.json").get_json()
    assert facts["people"] == ["P01", "P02"]
    assert np.shape(facts["value"]) == (2, 6) == np.shape(facts["session"])
    assert max(map(max, facts["colour"])) <= 63
    key = facts["sessions"][facts["session"][1][2]]
    assert material.by_key[key].participant == "P02"
    listed = client.get("/trials?participant=P02").get_data(as_text=True)
    assert f"/trial/{key}/{facts['number'][1][2]}" in listed
    assert "P01" not in listed
    assert client.get("/?colour=pink").status_code == 400


@pytest.mark.parametrize(("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_the_board_is_drawn(client: FlaskClient, kind: str, begins: bytes) -> None:
    assert client.get(f"/board.{kind}?colour=accuracy").data.startswith(begins)


def test_copied_lines_make_the_same_table(
    client: FlaskClient, material: Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "colour=precision&sort_people=value&show=good"
    shown = pd.read_csv(io.BytesIO(client.get(f"/board.csv?{query}").data))
    assert len(shown) == len(make_board(material, BoardChoice(show="good")).trials)
    choice = BoardChoice(colour="precision", sort_people="value", show="good")
    recipe = board_recipe(make_board(material, choice))
    assert recipe.command.replace("'", "&#39;") in client.get(f"/?{query}").get_data(as_text=True)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(gazekit, shlex.split(recipe.command)[1:])
    assert done.exit_code == 0, done.output
    pd.testing.assert_frame_equal(pd.read_csv("board.csv"), shown)
    Path("board.csv").unlink()
    Path("lines.py").write_text(recipe.python)
    runpy.run_path("lines.py")
    pd.testing.assert_frame_equal(pd.read_csv("board.csv"), shown)


def test_a_board_is_written_as_what_its_suffix_says(material: Material, tmp_path: Path) -> None:
    assert write_board(make_board(material), tmp_path / "b.svg").read_bytes().startswith(b"<?xml")


def test_what_is_excluded_is_marked_as_it_stands_now(tmp_path: Path) -> None:
    shutil.copy("sample_data/sessions/P01.gaze.h5", tmp_path)
    material = load_material([tmp_path])
    page = create_app(material).test_client()
    assert not make_board(material).excluded.any()
    exclude(tmp_path / "exclusions.toml", [Exclusion(participant="P01", image="coffee.png", reason="phone rang")])
    board = make_board(material)
    assert [board.pictures[column] for column in np.flatnonzero(board.excluded[0])] == ["coffee.png"]
    assert make_board(material, BoardChoice(show="excluded")).pictures == ["coffee.png"]
    assert board.people_table["excluded"].tolist() == [1]
    assert board.pictures_table["excluded"].sum() == 1
    shown = page.get("/").get_data(as_text=True)
    assert "better left out, 1 excluded</li>" in shown
    assert shown.count("; 1 excluded</td>") == 2
    number = int(board.trials.loc[board.trials["image"] == "coffee.png", "number"].iloc[0])
    key = material.sessions[0].key
    assert "coffee.png: phone rang" in page.get(f"/trial/{key}/{number}").get_data(as_text=True)
    assert "phone rang" not in page.get(f"/trial/{key}/{1 + number % 6}").get_data(as_text=True)
    undo_exclusion(tmp_path / "exclusions.toml", 1, reason="it was next door")
    assert not make_board(material).excluded.any()


def test_a_study_shows_its_people_groups_notes_and_what_it_needs(make_study: MakeStudy, tmp_path: Path) -> None:
    file, out = make_study(pictures=2, duration=600, extra=DESIGN), tmp_path / "out"
    study = read_study(file)
    for participant, note in (("P01", "left early for the bus"), ("P02", "")):
        desk = Desk()
        if note:
            desk.put("note", note)
        part = prepare_part(study, participant, out)
        options = {"realtime": False, "keep_journal": False, "headless": True, "stop": threading.Event()}
        record_part(part, state=State(), desk=desk, **options)
    material = load_material([file], sessions=out)
    expected = study_status(study, out, study.quality)
    pd.testing.assert_frame_equal(material.status.participants, expected.participants)
    pd.testing.assert_frame_equal(material.status.pictures, expected.pictures)
    assert material.status.needed == expected.needed
    group = expected.participants.set_index("participant")["group"]
    assert material.levels["group"] == sorted(set(group))
    assert make_board(material, BoardChoice(level=(f"group={group['P02']}",))).people == ["P02"]
    page = create_app(material).test_client().get(f"/?level=group%3D{group['P01']}").get_data(as_text=True)
    assert "left early for the bus" in page
    assert expected.needed[0] in unescape(page)
    again = load_material([file], sessions=out)
    pd.testing.assert_frame_equal(again.status.participants, expected.participants)
    assert f"gazekit explore {file} --sessions {out}" in board_recipe(make_board(material)).command


def test_a_board_of_nothing_is_written_too(material: Material, tmp_path: Path) -> None:
    out = write_board(make_board(material, BoardChoice(search="nobody of this name")), tmp_path / "board.png")
    assert out.stat().st_size > 100  # without a warning, which would be an error here
