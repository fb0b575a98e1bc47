"""BIDS eye tracking: exports that the official validator accepts, and the way back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import FormatError, InputError, OutputError
from gazekit.events import detect_fixations
from gazekit.formats import export_bids, import_recording
from gazekit.formats.bids_out import from_text, to_text
from gazekit.formats.settings import BidsSection
from gazekit.gaze import Eye, GazeRecording
from gazekit.session import Session, Validation, open_session, write_session


def test_validator_accepts_two_participants_with_sessions(bids_issues, full_session: Session, tmp_path: Path) -> None:
    one_eye = replace(full_session.recording, right=Eye.missing(len(full_session.recording)))
    sessions = [
        full_session,
        replace(full_session, name="evening", calibrations=(), validations=()),
        replace(full_session, participant="P-01", recording=one_eye, messages=full_session.messages.iloc[:0]),
    ]
    folder = export_bids(sessions, tmp_path / "bids", name="reefs")
    assert bids_issues(folder, "error") == []
    people = pd.read_csv(folder / "participants.tsv", sep="\t")
    assert people["participant_id"].tolist() == ["sub-P01", "sub-P01x2"]
    assert people["participant"].tolist() == ["P 01", "P-01"]


def test_validator_finds_what_is_broken(bids_issues, full_session: Session, tmp_path: Path) -> None:
    folder = export_bids([full_session], tmp_path / "bids")
    sidecar = next(folder.rglob("*eye1_physio.json"))
    document = json.loads(sidecar.read_text("utf-8"))
    del document["RecordedEye"]
    sidecar.write_text(json.dumps(document))
    assert [issue["code"] for issue in bids_issues(folder, "error")] == ["SIDECAR_KEY_REQUIRED"]


def test_there_and_back(same_session, full_session: Session, tmp_path: Path) -> None:
    same_session(import_recording(export_bids([full_session], tmp_path / "bids")), full_session)


def test_one_eye_there_and_back(same_session, full_session: Session, tmp_path: Path) -> None:
    for side in ("left", "right"):
        lost = replace(full_session.recording, **{side: Eye.missing(len(full_session.recording))})
        session = replace(full_session, recording=lost)
        folder = export_bids([session], tmp_path / side)
        assert len(list(folder.rglob("*_physio.tsv.gz"))) == 1
        same_session(import_recording(folder), session)


def test_session_without_samples(same_session, full_session: Session, tmp_path: Path) -> None:
    empty = replace(full_session, recording=GazeRecording.empty())
    same_session(import_recording(export_bids([empty], tmp_path / "bids")), empty)


def test_commands_there_and_back(same_session, full_session: Session, tmp_path: Path, run) -> None:
    for n in (1, 2):
        write_session(replace(full_session, participant=f"p{n}", name=""), tmp_path / f"p{n}.gaze.h5")
    result = run("export", tmp_path, "--out", tmp_path / "bids", "--json")
    assert json.loads(result.output)["written"] == [str(tmp_path / "bids")]
    assert run("import", tmp_path / "bids", "--out", tmp_path / "back").exit_code == 0
    again = json.loads(run("import", tmp_path / "bids", "--out", tmp_path / "back", "--json").output)
    assert (again["imported"], again["faults"]) == ([], {})
    assert len(again["done_before"][str(tmp_path / "bids")]) == 2
    for n in (1, 2):
        back = open_session(tmp_path / "back" / f"bids_p{n}.gaze.h5")
        made = {name: value for name, value in back.provenance.items() if name != "import"}
        same_session(replace(back, provenance=made), open_session(tmp_path / f"p{n}.gaze.h5"))


def test_same_session_same_bytes(full_session: Session, tmp_path: Path) -> None:
    for name in ("a", "b"):
        export_bids([full_session], tmp_path / name, name="same")
    for file in (tmp_path / "a").rglob("*.*"):
        if file.is_file():
            assert file.read_bytes() == (tmp_path / "b" / file.relative_to(tmp_path / "a")).read_bytes()


@pytest.mark.parametrize("text", ["", "n/a", "a\tb\nc\\d\r", "\\n", "n\\/a", 'quote "x"'])
def test_cells(text: str) -> None:
    assert from_text(to_text(text)) == text
    assert "\t" not in to_text(text)


def test_never_over_another_folder_and_nothing_half_written(full_session: Session, tmp_path: Path) -> None:
    export_bids([full_session], tmp_path / "bids")
    with pytest.raises(OutputError, match="exists already"):
        export_bids([full_session], tmp_path / "bids")
    with pytest.raises(InputError, match="no sessions"):
        export_bids([], tmp_path / "none")
    assert [path.name for path in tmp_path.iterdir()] == ["bids"]


@pytest.mark.parametrize(("unit", "scale"), [("pixel", (1, 1)), ("mm", (0.5, 0.5)), ("cm", (0.05, 0.05))])
@pytest.mark.parametrize("time_unit", ["s", None])
def test_dataset_of_another_program(
    foreign, tmp_path: Path, unit: str, scale: tuple[float, float], time_unit: str | None
) -> None:
    session = import_recording(foreign.bids.write(tmp_path / "bids", unit, scale, time_unit))
    assert (session.participant, session.task, session.screen.distance_mm) == ("07", "look", 600)
    assert session.recording.device_time_us.tolist() == [10_000_000 + 4000 * n for n in range(6)]
    np.testing.assert_allclose(session.recording.left.gaze[:5], [[0.75, 0.25]] * 5)
    assert session.recording.left.valid.tolist() == [True] * 5 + [False]
    assert np.isnan(session.recording.left.pupil_mm).all()


def test_gaze_in_an_unknown_unit(foreign, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="gaze is in furlong; known are pixel, mm, cm, m"):
        import_recording(foreign.bids.write(tmp_path / "bids", "furlong", (1, 1), "s"))


def test_truncated_physio_file(full_session: Session, tmp_path: Path) -> None:
    folder = export_bids([full_session], tmp_path / "bids")
    file = next(folder.rglob("*eye1_physio.tsv.gz"))
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(FormatError, match="cannot be read as a BIDS table"):
        import_recording(folder)


def test_fixations_among_the_events(same_session, bids_issues, full_session: Session, tmp_path: Path, run) -> None:
    still = Eye.from_gaze(np.repeat([[0.2, 0.3], [0.6, 0.7], [0.4, 0.4]], 200, axis=0))
    moving = replace(full_session, recording=replace(full_session.recording, right=still))
    full_session = open_session(write_session(moving, tmp_path / "p01.gaze.h5"))
    result = run("export", tmp_path / "p01.gaze.h5", "--fixations", "ivt", "--out", tmp_path / "bids")
    assert result.exit_code == 0, result.output
    assert bids_issues(tmp_path / "bids", "error") == []
    file = next((tmp_path / "bids").rglob("*eye2_physioevents.tsv.gz"))
    columns = json.loads(file.with_name(file.name.replace(".tsv.gz", ".json")).read_text("utf-8"))["Columns"]
    events = pd.read_csv(file, sep="\t", names=columns, quoting=3)
    found = detect_fixations(full_session.recording, full_session.screen, detector="ivt", eye="right")
    fixations = events[events["trial_type"] == "fixation"]
    assert len(found) == 3
    assert fixations["onset"].tolist() == found["onset_us"].tolist()
    assert (events["trial_type"] == "message").sum() == 3
    same_session(import_recording(tmp_path / "bids"), full_session)


ABOUT = BidsSection(
    authors=["Ada Reef", "Ben Ray", "Cy Coral"],
    licence="CC0",
    source="https://example.org/data",
    hed_version="8.4.0",
    task_description="Look at pictures as long as you like",
    instructions="Look at the pictures.",
    cognitive_atlas="https://www.cognitiveatlas.org/task/id/tsk_4a57abb949bcd/",
    cogpo="http://www.cogpo.org/ontologies/CogPOver1.owl#CogPO_00049",
    institution="Reef University",
    institution_address="1 Shore Road",
    department="Psychology",
)


def test_no_warning_is_left_that_an_option_could_have_filled(
    bids_issues, full_session: Session, tmp_path: Path
) -> None:
    folder = export_bids([full_session], tmp_path / "bids", about=ABOUT)
    assert bids_issues(folder, "error") == []
    assert [(i["code"], i.get("subCode"), i["location"]) for i in bids_issues(folder, "warning")] == []


def test_study_file_and_options_say_who_and_what(full_session: Session, tmp_path: Path, run) -> None:
    write_session(full_session, tmp_path / "p01.gaze.h5")
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "reefs"\n[screen]\nwidth_px = 1920\nheight_px = 1080\nwidth_mm = 527\nheight_mm = 296\n'
        'distance_mm = 630\n[pictures]\nfolder = "p"\n[bids]\nauthors = ["Ada Reef"]\nlicence = "CC0"\n'
    )
    options = ["--study", tmp_path / "study.toml", "--licence", "CC-BY-4.0", "--instructions", "Look."]
    result = run("export", tmp_path / "p01.gaze.h5", *options, "--out", tmp_path / "bids")
    assert result.exit_code == 0, result.output
    said = json.loads((tmp_path / "bids" / "dataset_description.json").read_text())
    assert (said["Authors"], said["License"]) == (["Ada Reef"], "CC-BY-4.0")
    assert json.loads(next((tmp_path / "bids").rglob("*_events.json")).read_text())["Instructions"] == "Look."


def test_pauses_are_filled_with_rows_that_keep_time(
    bids_issues, same_session, full_session: Session, tmp_path: Path
) -> None:
    gaze = full_session.recording
    later = np.where(np.arange(len(gaze)) < 300, 0, 2_000_000)
    paused = replace(gaze, device_time_us=gaze.device_time_us + later, system_time_us=gaze.system_time_us + later)
    session = replace(full_session, recording=paused)
    folder = export_bids([session], tmp_path / "bids", about=ABOUT)
    assert bids_issues(folder, "error") == []
    file = next(folder.rglob("*eye1_physio.tsv.gz"))
    sidecar = json.loads(file.with_name(file.name.replace(".tsv.gz", ".json")).read_text("utf-8"))
    table = pd.read_csv(file, sep="\t", names=sidecar["Columns"], na_values="n/a")
    steps = np.diff(table["timestamp"])
    assert steps.max() < 2 * np.median(steps)
    assert (table["recorded"] == 0).sum() > 1000
    assert table.loc[table["recorded"] == 0, "x_coordinate"].isna().all()
    time = paused.device_time_us
    assert sidecar["RecordedStretches"] == [[int(time[0]), int(time[299])], [int(time[300]), int(time[-1])]]
    same_session(import_recording(folder), session)


def test_what_a_study_asked_is_described_and_comes_back(same_session, full_session: Session, tmp_path: Path) -> None:
    stimuli = full_session.stimuli.assign(
        block=["warm", "warm"], ended_by=["key", "time"], answer_liking=["5", ""], answer_liking_ms=[812.5, np.nan]
    )
    session = replace(full_session, stimuli=stimuli)
    folder = export_bids([session], tmp_path / "bids")
    same_session(import_recording(folder), session)
    described = json.loads(next(folder.rglob("*_events.json")).read_text("utf-8"))
    assert {name: described[name] for name in stimuli.columns[-4:]} == {
        "block": {"Description": "Block of the study"},
        "ended_by": {"Description": "What ended it: time, key, mouse, touch, button, answer"},
        "answer_liking": {"Description": "Answer to the question liking"},
        "answer_liking_ms": {"Description": "From the question's appearance to the answer: liking", "Units": "ms"},
    }


def test_two_sessions_of_one_name_stand_apart(full_session: Session, tmp_path: Path) -> None:
    """The second gets a number; the errors are those of the last validation that has them."""
    other = full_session.validations[0].table.rename(columns={"accuracy_deg": "offset"})
    again = replace(full_session, validations=(*full_session.validations, Validation(9, other, None)))
    folder = export_bids([full_session, again], tmp_path / "bids")
    assert sorted(path.name for path in folder.glob("sub-*/*")) == ["ses-morning", "ses-morning02"]
    table = pd.read_csv(folder / "participants.tsv", sep="\t")
    assert table.to_dict("records") == [{"participant_id": "sub-P01", "participant": "P 01"}]
    for sidecar in folder.rglob("*eye1_physio.json"):
        assert json.loads(sidecar.read_text("utf-8"))["AverageCalibrationError"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("eye1_physio.tsv.gz", "eye1_physio.json describes an eye without samples: its .tsv.gz is missing"),
        ("eye1_physio.json", "eye1_physio.tsv.gz was passed by: no JSON beside it says its PhysioType"),
    ],
)
def test_an_eye_of_which_a_file_is_missing_is_doubted(
    full_session: Session, tmp_path: Path, run, gone: str, said: str
) -> None:
    folder = export_bids([full_session], tmp_path / "bids")
    next(folder.rglob(f"*{gone}")).unlink()
    result = run("import", folder, "--out", tmp_path / "back")
    assert (result.exit_code, any(line.endswith(said) for line in result.output.splitlines())) == (0, True)
    assert run("import", folder, "--out", tmp_path / "strict", "--strict").exit_code == 1
