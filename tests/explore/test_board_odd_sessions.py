"""Sessions that nobody hopes for: without samples, without gaze, of one eye, a picture shown twice, broken files."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from gazekit.explore import Material, create_app, load_material, make_board
from gazekit.gaze import Eye, GazeRecording
from gazekit.session import open_session, write_session


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("odd")
    session = open_session("sample_data/sessions/P01.gaze.h5")
    recording = session.recording.take(slice(0, 1200))
    eyes = {side: getattr(recording, side) for side in ("left", "right")}
    unseen = {side: replace(eye, valid=eye.valid & False) for side, eye in eyes.items()}
    pictures, none = session.stimuli.iloc[:2], session.stimuli.iloc[:0]
    again = pd.concat([pictures, pictures.assign(order=pictures["order"] + 2)], ignore_index=True)
    for name, gaze, stimuli in (
        ("no samples", GazeRecording.empty(), none),
        ("no samples on pictures", GazeRecording.empty(), pictures),
        ("one sample", recording.take(slice(0, 1)), none),
        ("no gaze", replace(recording, **unseen), pictures),
        ("one eye", replace(recording, right=Eye.missing(len(recording))), none),
        ("twice", recording, again),
    ):
        changed = replace(session, participant=name, recording=gaze, stimuli=stimuli, streams={})
        write_session(changed, folder / f"{name.replace(' ', '-')}.gaze.h5")
    (folder / "nonsense.gaze.h5").write_bytes(b"nonsense")
    (folder / "nothing.gaze.h5").touch()
    load_material([folder])
    return load_material([folder])  # out of what was kept


def test_broken_files_are_named_and_the_others_shown(odd: Material) -> None:
    assert len(odd.left_out) == 2
    assert "nonsense.gaze.h5" in odd.left_out[0]
    assert "nothing.gaze.h5 is empty" in odd.left_out[1]
    board = make_board(odd)
    assert len(board.people) == 6
    people = board.people_table.set_index("participant")
    assert people["trials"]["twice"] == 4
    assert people["left_out"]["no gaze"] == 2
    assert (board.row[board.people.index("twice")] >= 0).sum() == 2


def test_every_page_of_them_opens(odd: Material) -> None:
    page = create_app(odd).test_client()
    addresses = ["/", "/board.json", "/trials", "/board.png?colour=timing", "/?sort_people=value&sort_pictures=viewers"]
    for facts in odd.sessions:
        at = f"/trial/{facts.key}/1"
        addresses += [
            at,
            f"{at}/view.json?detector=ivt&beside.detector=i2mc",
            f"{at}/view.json",
            f"{at}/detections.json",
        ]
    addresses += [f"/trial/{odd.sessions[n].key}/1/trial.svg" for n in range(3)]
    for address in addresses:
        with page.get(address) as answer:
            assert answer.status_code == 200, address
