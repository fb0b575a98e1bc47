"""What an import took for granted, could not tell or passed by is in its account; kinds of files that were silent."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gazekit.core.errors import FormatError
from gazekit.formats import import_recording
from gazekit.formats.batch import import_files
from gazekit.formats.proposal import propose
from gazekit.screen import Screen
from tests.formats.test_faults import GAZE, MM, asc, prolab, still

SCREEN = Screen(1920, 1080, 527.0, 296.0, 630.0)
MAPPING = '[time]\ncolumn = "t"\nunit = "s"\n[gaze]\nunit = "px"\n[left]\nx = "x"\ny = "y"\n'


def account_of(path: Path, **options: Any) -> dict[str, Any]:
    account: dict[str, Any] = import_recording(path, **{"screen": SCREEN, **options}).provenance["account"]
    return account


def plain(folder: Path, places: list[tuple[float, float]]) -> dict[str, Any]:
    (folder / "m.toml").write_text(MAPPING)
    (folder / "a.csv").write_text("t,x,y\n" + "".join(f"{n / 60:.4f},{x},{y}\n" for n, (x, y) in enumerate(places)))
    return account_of(folder / "a.csv", mapping=folder / "m.toml")


def test_shares_taken_for_pixels_are_doubted(tmp_path: Path) -> None:
    assert "all gaze lies in the top left pixels" in plain(tmp_path, [(0.2, 0.4), (0.9, 0.7)] * 5)["doubts"][0]


def test_places_off_the_screen_are_doubted(tmp_path: Path) -> None:
    assert plain(tmp_path, [(-500.0, 300.0)] * 6 + [(100.0, 100.0)] * 4)["doubts"][0].startswith(
        "40 % of the gaze is on"
    )


def test_pictures_without_an_end_end_when_the_next_comes(tmp_path: Path) -> None:
    header = ["RecordingTimestamp", "GazePointX (ADCSpx)", "GazePointY (ADCSpx)", "StudioEvent", "StudioEventData"]
    rows: list[list[object]] = [[8 * n, 900 + n, 500, "", ""] for n in range(60)]
    rows[0][3:], rows[30][3:] = ["ImageStart", "a.jpg"], ["ImageStart", "b.jpg"]
    session = import_recording(prolab(tmp_path / "a.tsv", header, rows), screen=SCREEN)
    assert session.stimuli[["onset_us", "offset_us"]].to_numpy().tolist() == [[0, 240_000], [240_000, 472_001]]
    facts = session.provenance["account"]["facts"]
    assert any(fact["value"].startswith("1 have no event of their end") for fact in facts)


SHOWN_TWICE = {
    "at once": [(10001, "SHOW p"), (10001, "SHOW p"), (10300, "HIDE p"), (10300, "SHOW q"), (10600, "HIDE q")],
    "within a sample": [(10001, "SHOW p"), (10002, "SHOW p"), (10300, "SHOW q"), (10600, "HIDE q"), (10601, "HIDE q")],
    "the end, after the next began": [
        (10001, "SHOW p"), (10300, "HIDE p"), (10300, "SHOW q"), (10300, "HIDE p"), (10600, "HIDE q")
    ],
    "the end, without a name": [
        (10001, "SHOW p"), (10300, "HIDE"), (10300, "SHOW q"), (10300, "HIDE"), (10600, "HIDE")
    ],
}  # fmt: skip


@pytest.mark.parametrize("messages", SHOWN_TWICE.values(), ids=list(SHOWN_TWICE))
def test_messages_that_stand_twice_are_one_viewing(tmp_path: Path, messages: list[tuple[int, str]]) -> None:
    path = asc(tmp_path / "a.asc", [*still(10000, 900), *(f"MSG\t{time} {text}" for time, text in messages)])
    session = import_recording(path, screen=MM, onset="^SHOW (?P<image>.+)", offset="^HIDE ?(?P<image>.*)")
    assert session.stimuli[["image", "onset_us", "offset_us"]].to_numpy().tolist() == [
        ["p", 10_001_000, 10_300_000],
        ["q", 10_300_000, 10_600_000],
    ]
    facts = {fact["what"]: fact["value"] for fact in session.provenance["account"]["facts"]}
    number = 2 if messages == SHOWN_TWICE["within a sample"] else 1
    assert facts["pictures twice"].startswith(f"{number} start{'s or ends stand' if number > 1 else ' or end stands'}")


def test_a_picture_shown_again_at_its_end_is_another_viewing(tmp_path: Path) -> None:
    messages = ["MSG\t10001 SHOW p", "MSG\t10300 HIDE p", "MSG\t10300 SHOW p", "MSG\t10600 HIDE p"]
    path = asc(tmp_path / "a.asc", [*still(10000, 900), *messages])
    session = import_recording(path, screen=MM, onset="^SHOW (?P<image>.+)", offset="^HIDE (?P<image>.+)")
    assert session.stimuli["offset_us"].tolist() == [10_300_000, 10_600_000]
    assert not any(fact["what"] == "pictures twice" for fact in session.provenance["account"]["facts"])


def test_rows_of_events_that_stand_twice_are_one_viewing(tmp_path: Path) -> None:
    header = ["RecordingTimestamp", "GazePointX (ADCSpx)", "GazePointY (ADCSpx)", "StudioEvent", "StudioEventData"]
    rows: list[list[object]] = []
    events = {0: ("ImageStart", "a"), 30: ("ImageEnd", "a"), 60: ("ImageStart", "b"), 80: ("ImageEnd", "b")}
    for n in range(90):
        rows += [[8 * n, "", "", *events[n]]] * 2 if n in events else []
        rows.append([8 * n, 900 + n, 500, "", ""])
    folder = bids(tmp_path / "b", (600, 400), {})
    table = "0.0\t0.05\ta\n0.0\t0.05\ta\n0.1\t0.05\tb\n"
    (folder / "sub-07" / "beh" / "sub-07_task-v_events.tsv").write_text("onset\tduration\tstim_file\n" + table)
    for path, number, times in (
        (prolab(tmp_path / "a.tsv", header, rows), 4, [["a", 0, 240_000], ["b", 480_000, 640_000]]),
        (folder, 1, [["a", 0, 50_000], ["b", 100_000, 150_000]]),
    ):
        session = import_recording(path, screen=SCREEN)
        assert session.stimuli[["image", "onset_us", "offset_us"]].to_numpy().tolist() == times
        facts = {fact["what"]: fact["value"] for fact in session.provenance["account"]["facts"]}
        assert facts["pictures twice"].startswith(f"{number} start")


def test_lost_samples_that_no_column_marks(tmp_path: Path) -> None:
    header = ["Recording timestamp", *GAZE, "Event", "Mouse position X", "Mouse position Y"]
    rows: list[list[object]] = [
        [8333 * n, *([900 + n, 500] * 2 if n % 10 else [""] * 4), "", "", ""] for n in range(60)
    ]
    rows += [[500_000, *[""] * 4, "KeyboardEvent", "", ""], [500_001, *[""] * 4, "", 10, 10]]
    account = account_of(prolab(tmp_path / "a.tsv", header, rows))
    assert (account["samples"], account["with_gaze"]) == (60, 54)
    assert account["left_out"] == {"rows of events and other sensors": 2}
    assert account["doubts"][0].startswith("lost samples is a guess: 6 rows with a time alone")


def test_capitals_and_blanks_of_names_do_not_matter(tmp_path: Path) -> None:
    header = ["Recording Timestamp [ms]", "Participant Name", *(f"Gaze Point  {name[11:]} [DACS px]" for name in GAZE)]
    header = [name.replace("Left", "left") for name in header]
    rows: list[list[object]] = [[8 * n, "P1", 900, 500, 905, 500] for n in range(9)]
    with pytest.raises(FormatError, match="no known format"):
        import_recording(prolab(tmp_path / "b.tsv", ["Stamp", *header[1:]], rows), screen=SCREEN)
    session = import_recording(prolab(tmp_path / "a.tsv", header, rows), screen=SCREEN)
    assert (session.participant, len(session.recording)) == ("P1", 9)


def test_eyelink_whose_eyes_and_rate_change(tmp_path: Path) -> None:
    lines = [*still(10000, 20), "SAMPLES\tGAZE\tLEFT\tRIGHT\tRATE\t500.00\tTRACKING\tCR\tFILTER\t2"]
    lines += [f"{11000 + 2 * n}\t900.0\t500.0\t900.0\t905.0\t501.0\t900.0\t....." for n in range(20)]
    account = account_of(asc(tmp_path / "a.asc", lines), screen=MM)
    facts = {fact["what"]: fact["value"] for fact in account["facts"]}
    assert facts["recording"] == "changes between blocks: left at 1000 Hz, then left and right at 500 Hz"
    assert account["taken"] == ["time", "left x", "left y", "right x", "right y"]
    assert "the rate changes between blocks" in account["doubts"][0]


def test_eyelink_without_coordinates_and_without_samples(tmp_path: Path) -> None:
    path = asc(tmp_path / "a.asc", still(10000, 20))
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "COORDS" not in line) + "\n")
    sources = {fact["what"]: fact["source"] for fact in account_of(path)["facts"]}
    assert sources["gaze"] == "format"
    path = asc(tmp_path / "b.asc", ["EFIX L   10010\t10110\t101\t  600.1\t  400.2\t   1210"])
    with pytest.raises(FormatError, match="events and no samples; convert the EDF file again"):
        import_recording(path, screen=SCREEN)


def test_messages_that_name_pictures_are_pointed_out_with_a_pattern_that_finds_them(tmp_path: Path) -> None:
    messages = ["MSG\t10002 !V IMGLOAD CENTER ray.jpg 960 540", "MSG\t10010 !V IMGLOAD CENTER reef.jpg 960 540"]
    path = asc(tmp_path / "a.asc", [*still(10000, 20), *messages])
    (doubt,) = account_of(path, screen=MM)["doubts"]
    assert "2 of 2 messages name a file" in doubt
    pattern = doubt.split("--set onset='")[1].removesuffix("'")
    assert import_recording(path, screen=MM, onset=pattern).stimuli["image"].tolist() == ["ray.jpg", "reef.jpg"]


SCREENS = [
    ({}, (600, 400), "top left"),
    ({"ScreenOrigin": ["bottom", "left"]}, (600, 680), "bottom left"),
    ({"ScreenOrigin": ["center", "center"]}, (-360, -140), "centre"),
]


@pytest.mark.parametrize(("said", "place", "origin"), SCREENS, ids=["top", "bottom", "centre"])
def test_origins_of_bids(foreign, tmp_path: Path, said: dict[str, Any], place: tuple[int, int], origin: str) -> None:
    session = import_recording(bids(tmp_path / "b", place, said))
    np.testing.assert_allclose(session.recording.left.gaze[0], [600 / 1920, 400 / 1080], atol=1e-9)
    facts = {fact["what"]: fact["value"] for fact in session.provenance["account"]["facts"]}
    assert origin in facts["gaze"]


def test_bids_whose_lengths_are_no_metres(tmp_path: Path) -> None:
    session = import_recording(bids(tmp_path / "b", (600, 400), {"ScreenSize": [52.7, 29.6], "ScreenDistance": 630}))
    assert (session.screen.width_mm, session.screen.distance_mm) == (527, 630)
    doubt = "screen's lengths is a guess: width 52.7 taken for cm, height 29.6 taken for cm, distance 630 taken for mm"
    assert doubt in session.provenance["account"]["doubts"]


def test_bids_events_without_pictures_and_messages_are_said(tmp_path: Path) -> None:
    folder = bids(tmp_path / "b", (600, 400), {})
    beh = folder / "sub-07" / "beh"
    (beh / "sub-07_task-v_events.tsv").write_text("onset\tduration\ttrial_type\n0.0\t1.2\tlook\n")
    (beh / "sub-07_task-v_recording-eye1_physioevents.json").write_text(json.dumps({"Columns": ["onset", "blink"]}))
    (beh / "sub-07_task-v_recording-eye1_physioevents.tsv.gz").write_bytes(gzip.compress(b"0.1\t1\n0.2\t0\n"))
    facts = {fact["what"]: fact["value"] for fact in import_recording(folder).provenance["account"]["facts"]}
    assert facts["events.tsv"] == "1 row without stim_file, not taken (onset, duration, trial_type)"
    assert facts["physioevents"] == "2 rows without messages, not taken (onset, blink)"


def bids(folder: Path, place: tuple[int, int], said: dict[str, Any]) -> Path:
    beh = folder / "sub-07" / "beh"
    beh.mkdir(parents=True)
    (folder / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.11.0"}')
    units = {name: {"Units": "pixel"} for name in ("x_coordinate", "y_coordinate")}
    sidecar = {"PhysioType": "eyetrack", "RecordedEye": "left", "SamplingFrequency": 100, "timestamp": {"Units": "s"}}
    columns = {"Columns": ["timestamp", "x_coordinate", "y_coordinate"]}
    (beh / "sub-07_task-v_recording-eye1_physio.json").write_text(json.dumps({**sidecar, **columns, **units}))
    screen = {"ScreenDistance": 0.63, "ScreenResolution": [1920, 1080], "ScreenSize": [0.527, 0.296], **said}
    (beh / "sub-07_task-v_events.json").write_text(json.dumps({"StimulusPresentation": screen}))
    rows = "".join(f"{n / 100:.2f}\t{place[0]}\t{place[1]}\n" for n in range(20)).encode()
    (beh / "sub-07_task-v_recording-eye1_physio.tsv.gz").write_bytes(gzip.compress(rows))
    return folder


def test_tables_in_a_folder_that_cannot_be_gaze_are_passed_over(foreign, tmp_path: Path) -> None:
    foreign.prolab.write(tmp_path / "a.tsv")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\tsex\tgroup\n07\t33\tf\ta\n")
    (tmp_path / "imu.csv").write_text("timestamp [ns],gyro x [deg/s],gyro y [deg/s]\n1,2,3\n")
    batch = import_files([tmp_path], tmp_path / "out", screen=SCREEN)
    assert not batch.faults
    assert sorted(Path(path).name for path in batch.passed_over) == ["imu.csv", "participants.tsv"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('[{"trial_type": "image", "rt": 1}]', "jsPsych's data without WebGazer's gaze"),
        ('{"wearer_id": "a"}', "the description of a recording of Pupil Labs"),
        ('{"SamplingFrequency": 100}', "a sidecar of BIDS"),
    ],
)
def test_what_json_is(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(FormatError, match=words):
        import_recording(tmp_path / "a.json")


def test_proposal_does_not_offer_itself_for_fixations(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("RECORDING_SESSION_LABEL\tCURRENT_FIX_X\tCURRENT_FIX_DURATION\nP1\t1\t2\n")
    with pytest.raises(FormatError) as caught:
        import_recording(tmp_path / "a.tsv")
    assert "a table of fixations (EyeLink Data Viewer fixation report), which gazekit fixations" in str(caught.value)
    assert "--propose" not in str(caught.value)


@pytest.mark.parametrize("separator", ["|", " ", ";"])
def test_proposal_for_other_separators(tmp_path: Path, separator: str) -> None:
    rows = [
        ["time_ms", "x", "y"],
        *([f"{8.33 * n:.2f}", str(600 + 7 * (n % 90)), str(300 + n % 200)] for n in range(200)),
    ]
    (tmp_path / "a.txt").write_text("\n".join(map(separator.join, rows)) + "\n")
    mapping, _ = propose(tmp_path / "a.txt", tmp_path / "out", {"width_px": 1920, "height_px": 1080})
    session = import_recording(tmp_path / "a.txt", screen=SCREEN, mapping=mapping)
    np.testing.assert_allclose(session.recording.left.gaze[1], [607 / 1920, 301 / 1080])


@pytest.mark.parametrize("day", ["2026-11-28T10:00:", "10:00:"], ids=["date", "time of day"])
def test_stamps_that_are_dates(tmp_path: Path, day: str) -> None:
    rows = "".join(f"{day}{n / 60:09.6f},{600 + n},400\n" for n in range(200))
    (tmp_path / "a.csv").write_text(f"timestamp,x,y\n{rows}")
    mapping, _ = propose(tmp_path / "a.csv", tmp_path / "out", {"width_px": 1920, "height_px": 1080})
    assert 'unit = "date"' in mapping.read_text()
    time = import_recording(tmp_path / "a.csv", screen=SCREEN, mapping=mapping).recording.device_time_us
    np.testing.assert_allclose(time - time[0], np.arange(200) / 60 * 1e6, atol=1)


@pytest.mark.parametrize("good", ["0", "1"])
def test_proposal_takes_the_codes_of_validity_that_have_gaze(tmp_path: Path, good: str) -> None:
    bad = "10"[int(good)]
    rows = [
        f"{8 * n},{600 + n % 90 if n % 5 else 0},{300 + n % 70 if n % 5 else 0},{good if n % 5 else bad}"
        for n in range(200)
    ]
    (tmp_path / "a.csv").write_text("time_ms,x,y,valid\n" + "\n".join(rows) + "\n")
    mapping, _ = propose(tmp_path / "a.csv", tmp_path / "out", {"width_px": 1920, "height_px": 1080})
    assert f'valid_values = ["{good}"]' in mapping.read_text()
    assert import_recording(tmp_path / "a.csv", screen=SCREEN, mapping=mapping).recording.left.valid.sum() == 160


def test_proposal_knows_sides_in_other_languages(tmp_path: Path) -> None:
    header = (
        "Zeit,BlickpunktLinksX (ADCSpx),BlickpunktLinksY (ADCSpx),BlickpunktRechtsX (ADCSpx),BlickpunktRechtsY (ADCSpx)"
    )
    rows = [f"{8 * n},{600 + n},{300 + n},{605 + n},{301 + n}" for n in range(200)]
    (tmp_path / "a.csv").write_text("\n".join([header, *rows]) + "\n")
    mapping, _ = propose(tmp_path / "a.csv", tmp_path / "out", {"width_px": 1920, "height_px": 1080})
    session = import_recording(tmp_path / "a.csv", screen=SCREEN, mapping=mapping)
    np.testing.assert_allclose(session.recording.right.gaze[0], [605 / 1920, 301 / 1080])


def test_proposal_of_what_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps([{"x": n, "y": n} for n in range(5000)]))
    with pytest.raises(FormatError, match="is no table of text: it looks like JSON"):
        propose(tmp_path / "a.json", tmp_path / "out")


def test_times_without_samples_are_counted(tmp_path: Path) -> None:
    rows: list[list[object]] = [[8333 * n + (8_000_000 if n >= 30 else 0), 900 + n, 500, 905, 500] for n in range(60)]
    account = account_of(prolab(tmp_path / "a.tsv", ["Recording timestamp", *GAZE], rows))
    assert (account["holes"], round(account["holes_s"])) == (1, 8)


@pytest.mark.parametrize("kind", ["document", "nested", "text", "csv"])
def test_shapes_of_jspsychs_data(tmp_path: Path, kind: str) -> None:
    points = [{"x": 480.0, "y": 540.0, "t": 20 * n} for n in range(30)]
    trial = {"trial_type": "image", "stimulus": "img/ray.jpg", "time_elapsed": 2000, "rt": 900, "webgazer_data": points}
    path = tmp_path / ("a.csv" if kind == "csv" else "a.json")
    if kind == "csv":
        cells = [json.dumps(v) if isinstance(v, list) else str(v) for v in trial.values()]
        quoted = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        path.write_text(",".join(trial) + "\n" + ",".join(quoted) + "\n")
    else:
        shapes = {"document": {"trials": [trial]}, "nested": [[trial], []]}
        path.write_text(json.dumps(shapes.get(kind, [{**trial, "webgazer_data": json.dumps(points)}])))
    session = import_recording(path, screen=SCREEN)
    assert len(session.recording) == 30
    np.testing.assert_allclose(session.recording.left.gaze[0], [0.25, 0.5])
    assert session.stimuli["image"].tolist() == ["img/ray.jpg"]


def test_renamed_files_of_pupil_cloud_find_each_other(tmp_path: Path) -> None:
    gaze = ["timestamp [ns],gaze x [px],gaze y [px],worn", *(f"{10**18 + 5_000_000 * n},600,400,1" for n in range(9))]
    (tmp_path / "p01_gaze.csv").write_text("\n".join(gaze) + "\n")
    facts = {fact["what"]: fact["value"] for fact in account_of(tmp_path / "p01_gaze.csv")["facts"]}
    assert facts["messages"].startswith("none: no events.csv")
    (tmp_path / "p01_events.csv").write_text(f"timestamp [ns],name,type\n{10**18},go,recording\n")
    states = [f"{10**18 + 5_000_000 * n},3.5,3.6" for n in range(9)]
    header = "timestamp [ns],pupil diameter left [mm],pupil diameter right [mm]"
    (tmp_path / "p01_3d_eye_states.csv").write_text("\n".join([header, *states]) + "\n")
    session = import_recording(tmp_path / "p01_gaze.csv", screen=SCREEN)
    assert session.messages["text"].tolist() == ["go"]
    assert session.recording.left.pupil_mm[0] == 3.5


def test_samples_with_decimal_commas_in_quotes(tmp_path: Path) -> None:
    rows = "".join(f'"{8 * n}","{600 + n},5","400,25"\n' for n in range(20))
    names = '"Recording timestamp [ms]","Gaze point X [DACS px]","Gaze point Y [DACS px]"\n'
    (tmp_path / "a.csv").write_text(names + rows)
    session = import_recording(tmp_path / "a.csv", screen=SCREEN)
    np.testing.assert_allclose(session.recording.left.gaze[1], [601.5 / 1920, 400.25 / 1080])


def test_recordings_of_one_name_are_parted_where_time_starts_anew_with_their_events(tmp_path: Path) -> None:
    header = ["Recording timestamp", "Participant name", "Recording name", *GAZE, "Event", "Event value"]
    rows: list[list[object]] = []
    for picture in ("a", "b"):
        rows.append([0, "P1", "R1", "", "", "", "", "ImageStimulusStart", picture])
        rows += [[8333 * n, "P1", "R1", 900 + n, 500, 905, 500, "", ""] for n in range(60)]
    path = prolab(tmp_path / "a.tsv", header, rows)
    sessions = [import_recording(path, screen=SCREEN, recording=name) for name in ("R1", "R1 recording 2")]
    assert [len(session.recording) for session in sessions] == [60, 60]
    assert [session.stimuli["image"].tolist() for session in sessions] == [["a"], ["b"]]


def test_rows_that_stand_twice_stay_in_one_recording(tmp_path: Path) -> None:
    header = ["Recording timestamp", "Participant name", *GAZE]
    rows: list[list[object]] = [[8333 * n, "P1", 900 + n, 500, 905, 500] for n in (*range(60), *range(40, 90))]
    account = account_of(prolab(tmp_path / "a.tsv", header, rows))
    assert account["samples"] == 110
    assert any(text.startswith("time runs back 1 time, by at most 158.3 ms: rows stand") for text in account["doubts"])


ORDERS = {
    "neighbours": [n + 1 - 2 * (n % 2) for n in range(120)],
    "threes": [3 * (n // 3) + 2 - n % 3 for n in range(120)],
    "blocks of five": [10 * (n // 10) + (n + 5) % 10 for n in range(1200)],
    "backwards": list(range(120))[::-1],
}


@pytest.mark.parametrize("columns", [["Participant name", "Recording name"], []], ids=["named", "unnamed"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=list(ORDERS))
def test_rows_in_disorder_are_refused_however_small_the_steps(
    tmp_path: Path, order: list[int], columns: list[str]
) -> None:
    who = ["P1", "R1"][: len(columns)]
    rows: list[list[object]] = [[8333 * n, *who, 900 + n % 300, 500, 905, 500] for n in order]
    path = prolab(tmp_path / "a.tsv", ["Recording timestamp", *columns, *GAZE], rows)
    with pytest.raises(FormatError, match=r"time runs back at \d+ of \d+ samples: .* sort them by the time"):
        import_recording(path, screen=SCREEN)


def test_rows_in_disorder_of_a_plain_table_are_refused_and_a_jittered_clock_is_not(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(MAPPING)
    for name, order in ORDERS.items():
        (tmp_path / "a.csv").write_text("t,x,y\n" + "".join(f"{n / 60:.4f},{900 + n % 300},500\n" for n in order))
        with pytest.raises(FormatError, match="time runs back at"):
            import_recording(tmp_path / "a.csv", screen=SCREEN, mapping=tmp_path / "m.toml")
        assert name
    stamps = [n / 60 - 0.018 * (n % 4 == 3) for n in range(400)]
    rows = "".join(f"{stamp:.4f},{900 + n % 300},500\n" for n, stamp in enumerate(stamps))
    (tmp_path / "a.csv").write_text("t,x,y\n" + rows)
    account = account_of(tmp_path / "a.csv", mapping=tmp_path / "m.toml")
    assert account["samples"] == 400
    assert [text[:44] for text in account["doubts"]] == ["time runs back 100 times, by at most 1.4 ms:"]


def test_a_recording_that_stands_twice_is_doubted(tmp_path: Path) -> None:
    header = ["Recording timestamp", "Participant name", "Recording name", *GAZE]
    gaze = [[8333 * n, *[900 + n, 500 + n % 7] * 2] for n in range(60)]
    rows = [
        [time, who, name, *places]
        for who, name in (("P1", "one"), ("P1", "two"), ("P2", "one"))
        for time, *places in gaze
    ]
    for row in rows[60:120]:
        row[3] += 1
    prolab(tmp_path / "all.tsv", header, rows)
    prolab(tmp_path / "again.tsv", header, rows[60:120])
    batch = import_files([tmp_path / "all.tsv", tmp_path / "again.tsv"], tmp_path / "out", screen=SCREEN)
    doubts = {item.session.name: [text for text in item.account.doubts if "copy" in text] for item in batch.imported}
    assert doubts == {
        "all_P1_one.gaze.h5": [],
        "all_P1_two.gaze.h5": [],
        "all_P2_one.gaze.h5": ["every sample has the gaze of all.tsv P1 one: is it a copy, or in the file twice?"],
        "again_P1_two.gaze.h5": ["every sample has the gaze of all.tsv P1 two: is it a copy, or in the file twice?"],
    }
    with pytest.raises(FormatError, match=r"every sample has the gaze of all\.tsv P1 one"):
        import_files([tmp_path / "all.tsv"], tmp_path / "strict", screen=SCREEN, strict=True)


def columns(folder: Path, rows: list[str]) -> list[str]:
    (folder / "m.toml").write_text(MAPPING + 'valid = "v"\nvalid_values = ["1"]\n')
    (folder / "a.csv").write_text("\n".join(["t,x,y,v", *rows]))
    doubts: list[str] = account_of(folder / "a.csv", mapping=folder / "m.toml")["doubts"]
    return doubts


@pytest.mark.parametrize(
    ("times", "told"), [(1, []), (2, ["100 samples have the stamp and the gaze of the one above"])]
)
def test_rows_that_stand_twice_are_doubted(tmp_path: Path, times: int, told: list[str]) -> None:
    doubts = columns(tmp_path, [f"{n / 60:.4f},{900 + 3 * n},500,1" for n in range(100) for _ in range(times)])
    assert [doubt.split(":")[0] for doubt in doubts] == told


@pytest.mark.parametrize("lost", [0.1, 0.9])
def test_reversed_verdicts_of_validity_are_doubted(tmp_path: Path, lost: float) -> None:
    doubts = columns(tmp_path, [f"{n / 60:.4f},{900 + n},500,{int(n >= 200 * lost)}" for n in range(200)])
    some = "180 samples have a place on the screen and are lost by their validity, 20 are not: do other values"
    assert [doubt.startswith(some) for doubt in doubts] == ([True] if lost > 0.5 else [])
