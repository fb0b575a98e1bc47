"""What a file of another program may lack, or hold besides: it is read without, and said; or refused, and said why."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from gazekit.core.errors import FormatError, InputError, MissingExtraError
from gazekit.formats import import_recording
from gazekit.formats.fixation_tables import import_fixations
from tests.fixtures.foreign.iohub import SAMPLE, samples
from tests.formats import test_fixation_tables as tables

Edit = Callable[[Path], object]


def replacing(pattern: str, before: str, after: str) -> Edit:
    """Replace text in the file of a name."""

    def edit(folder: Path) -> None:
        (file,) = folder.rglob(pattern)
        packed = file.suffix == ".gz"
        text = (gzip.decompress(file.read_bytes()) if packed else file.read_bytes()).decode()
        assert before in text
        content = text.replace(before, after).encode()
        file.write_bytes(gzip.compress(content) if packed else content)

    return edit


def removing(pattern: str) -> Edit:
    """Delete the files of a name."""

    def edit(folder: Path) -> None:
        files = list(folder.rglob(pattern))
        assert files
        for file in files:
            file.unlink()

    return edit


PHYSIO = "*eye1_physio.json"
BIDS_REFUSED = {
    "no-eye": (replacing(PHYSIO, "eyetrack", "generic"), "bids holds no samples"),
    "which-eye": (replacing(PHYSIO, "cyclopean", "third"), "RecordedEye is 'third'"),
    "columns": (replacing(PHYSIO, '"Columns"', '"columns"'), "its JSON sidecar lacks Columns"),
    "gaze": (replacing(PHYSIO, '["timestamp", "x_coordinate"', '["timestamp", "across"'), "lacks x_coordinate"),
    "stamp": (replacing("*eye1_physio.tsv.gz", "10.008\t", "n/a\t"), "1 time stamps are missing"),
    "units": (
        lambda folder: (
            replacing(PHYSIO, '"Units": "s"', '"Units": "moon"')(folder),
            replacing(PHYSIO, '"SamplingFrequency": 250, ', "")(folder),
        ),
        "neither the unit of timestamp nor SamplingFrequency is known",
    ),
}


@pytest.mark.parametrize(("edit", "said"), BIDS_REFUSED.values(), ids=BIDS_REFUSED)
def test_bids_that_does_not_say_what_it_holds_is_refused(
    foreign: ModuleType, tmp_path: Path, edit: Edit, said: str
) -> None:
    folder = foreign.bids.write(tmp_path / "bids")
    edit(folder)
    with pytest.raises((FormatError, InputError), match=said):
        import_recording(folder)


def test_a_distance_from_three_axes_is_that_of_depth(foreign: ModuleType, tmp_path: Path) -> None:
    folder = foreign.bids.write(tmp_path / "bids")
    replacing("task-look_events.json", '"ScreenDistance": 0.6', '"ScreenDistance": [0, 0.1, 0.7]')(folder)
    assert import_recording(folder).screen.distance_mm == 700


def test_a_screen_that_bids_does_not_tell_is_given(foreign: ModuleType, tmp_path: Path) -> None:
    folder = foreign.bids.write(tmp_path / "bids")
    replacing("task-look_events.json", '"ScreenResolution": [1000, 800], "ScreenSize": [0.5, 0.4]', '"x": 1')(folder)
    with pytest.raises(InputError, match="screen"):
        import_recording(folder)
    sizes = {"width_px": 1000, "height_px": 800, "width_mm": 500.0, "height_mm": 400.0}
    session = import_recording(folder, screen=sizes)
    assert (session.screen.width_px, session.screen.distance_mm) == (1000, 600)


GLASSES = {
    "3 without a name": ("glasses 3", removing("participant"), ""),
    "3 without events": ("glasses 3", removing("eventdata.gz"), ""),
    "3 without gaze": ("glasses 3", replacing("gazedata.gz", '"type": "gaze"', '"type": "imu"'), "holds no gaze"),
    "2 without gaze": ("glasses 2", replacing("livedata.json.gz", '"gp"', '"gq"'), r"holds no gaze \(gp\)"),
    "2 without pupils": ("glasses 2", replacing("livedata.json.gz", '"pd"', '"pe"'), ""),
    "2 with other lines": ("glasses 2", replacing("livedata.json.gz", '{"ts": 600000', '\n[1]\n{"ts": 600000'), ""),
    "neon without stamps": ("glasses neon", removing("gaze ps2.time"), "lacks gaze ps2.time"),
    "neon without a name": ("glasses neon", removing("wearer.json"), ""),
    "neon without events": ("glasses neon", removing("event.*"), ""),
}


@pytest.mark.parametrize(("kind", "edit", "fault"), GLASSES.values(), ids=GLASSES)
def test_glasses_whose_files_are_not_all_there(
    foreign: ModuleType, tmp_path: Path, kind: str, edit: Edit, fault: str
) -> None:
    folder = foreign.glasses.write(tmp_path, kind)
    edit(folder)
    if fault:
        with pytest.raises(FormatError, match=fault):
            import_recording(folder, screen=foreign.MM)
        return
    gaze = import_recording(folder, screen=foreign.MM).recording
    assert gaze.left.valid.tolist() == [n != 2 for n in range(20)]


def store(path: Path, rows: np.ndarray, kind: str = "BinocularEyeSampleEvent") -> Path:
    """A data store without messages and without a code of the participant."""
    with h5py.File(path, "w") as file:
        file[f"data_collection/events/eyetracker/{kind}"] = rows
    return path


def test_iohub_with_samples_alone_and_out_of_order(foreign: ModuleType, tmp_path: Path) -> None:
    rows = samples()
    rows[[3, 4]] = rows[[4, 3]]
    session = import_recording(store(tmp_path / "s.hdf5", rows), screen=foreign.ALL)
    assert (np.diff(session.recording.system_time_us) > 0).all()
    assert not len(session.messages)
    facts = {fact["what"]: fact["value"] for fact in session.provenance["account"]["facts"]}
    assert facts["order"] == "sorted by time, which ran back 1 times"


def test_iohub_without_samples_or_gaze_is_refused(foreign: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="holds no samples of an eye tracker, only BlinkStartEvent"):
        import_recording(store(tmp_path / "blinks.hdf5", samples(), "BlinkStartEvent"), screen=foreign.ALL)
    bare = samples()[[name for name in SAMPLE.names or () if "gaze" not in name]]
    with pytest.raises(InputError, match="the samples have no gaze; they have"):
        import_recording(store(tmp_path / "bare.hdf5", np.array(bare.tolist(), dtype=bare.dtype)), screen=foreign.ALL)


def test_trials_without_points_are_refused(foreign: ModuleType, tmp_path: Path) -> None:
    path = foreign.webgazer.write(tmp_path)
    path.write_text(re.sub(r'"webgazer_data": \[[^]]*\]', '"webgazer_data": []', path.read_text()))
    with pytest.raises(FormatError, match="no trial has points in webgazer_data"):
        import_recording(path, screen=foreign.ALL)


def test_eprime_without_seconds_takes_the_trackers_milliseconds(foreign: ModuleType, tmp_path: Path) -> None:
    path = foreign.eprime.write(tmp_path)
    path.write_text(path.read_text().replace("TimestampSec", "Elsewhere"))
    session = import_recording(path, screen=foreign.ALL)
    assert session.recording.device_time_us[:3].tolist() == [0, 16_667, 33_334]
    facts = {fact["what"]: fact["value"] for fact in session.provenance["account"]["facts"]}
    assert facts["time"] == "ms"


def test_begaze_with_one_gaze_of_both_eyes_and_without_kinds(foreign: ModuleType, tmp_path: Path) -> None:
    path = foreign.smi.write_begaze(tmp_path)
    lines = [line for line in path.read_text().splitlines() if "User Event" not in line]
    lines[0] = lines[0].replace("Right X", "Binocular X").replace("Right Y", "Binocular Y")
    lines[0] = lines[0].replace("Regard Left", "Regard Other").replace("Category", "Sort")
    path.write_text("\n".join(lines) + "\n")
    session = import_recording(path, screen=foreign.ALL)
    assert session.recording.left.valid.tolist() == [n != 2 for n in range(20)]
    assert not session.recording.right.valid.any()
    assert session.streams == {}


def test_begaze_rows_of_events_are_no_samples(foreign: ModuleType, tmp_path: Path) -> None:
    """A part of the file may hold nothing else; one without a time is left out and counted."""
    path = foreign.smi.write_begaze(tmp_path)
    lines = path.read_text().splitlines()
    key = next(line for line in lines if "User Event" in line)
    path.write_text("\n".join([*lines, key.replace("5009.0", "-"), key.replace("5009.0", "6000.0")]) + "\n")
    session = import_recording(path, screen=foreign.ALL)
    assert session.messages.to_numpy().tolist() == [[5_009_000, "Space"], [6_000_000, "Space"]]
    account = session.provenance["account"]
    assert account["left_out"] == {"rows of events": 2, "rows of events without a time": 1}
    assert account["samples"] == 20
    path.write_text("\n".join([lines[0], key, key]) + "\n")
    with pytest.raises(FormatError, match="holds no samples"):
        import_recording(path, screen=foreign.ALL)


@pytest.mark.parametrize(
    ("more", "damaged"),
    [
        ("1038000\tSMP", {"last line that was cut off": 1}),
        ("1038000\n", {"lines of another length": 1}),
        ("\n## the end\n", {}),
    ],
    ids=["cut off", "short", "blank"],
)
def test_idf_lines_that_are_too_short_are_counted(
    foreign: ModuleType, tmp_path: Path, more: str, damaged: dict[str, int]
) -> None:
    path = foreign.smi.write_idf(tmp_path)
    path.write_text(path.read_text() + more)
    session = import_recording(path)
    assert len(session.recording) == 20
    assert session.provenance["account"]["damaged"] == damaged


@pytest.mark.parametrize(
    ("kind", "lines"), [("smi idf", 11), ("smi idf", 9), ("pygaze", 1), ("eprime", 1)], ids=lambda value: str(value)
)
def test_a_header_without_samples_is_said(foreign: ModuleType, tmp_path: Path, kind: str, lines: int) -> None:
    sample = foreign.SOUND[kind](tmp_path)
    sample.path.write_text("\n".join(sample.path.read_text().splitlines()[:lines]) + "\n")
    with pytest.raises(FormatError, match="holds no samples"):
        import_recording(sample.path, screen=sample.screen, format=kind.split()[0])


def test_matlab_without_gaze_is_refused_and_without_pupils_read(foreign: ModuleType, tmp_path: Path) -> None:
    path = foreign.titta_matlab.write(tmp_path)
    content = {name: value for name, value in loadmat(path, simplify_cells=True).items() if not name.startswith("_")}
    for side in ("left", "right"):
        del content["data"]["gaze"][side]["pupil"]
    savemat(path, content)
    sizes = foreign.PIXELS | {"distance_mm": 650.0}
    gaze = import_recording(path, screen=sizes).recording
    assert np.isnan(gaze.left.pupil_mm).all()
    assert gaze.right.valid.sum() == 19
    savemat(path, content | {"data": {"timeSync": 1.0}})
    with pytest.raises(FormatError, match="data has no gaze"):
        import_recording(path, screen=sizes)


def test_a_tuple_of_another_length_is_no_gaze(foreign: ModuleType, tmp_path: Path) -> None:
    path = foreign.tobii_sdk.write(tmp_path / "sdk.csv", flat=False)
    path.write_text(path.read_text().replace('"(0.25, 0.5)"', '"(0.25, 0.5, 0.0)"', 1))
    gaze = import_recording(path, screen=foreign.ALL).recording
    assert gaze.left.valid.tolist() == [n != 0 for n in range(20)]


def test_xdf_with_an_empty_stream_of_gaze_reads_the_other(foreign: ModuleType, tmp_path: Path) -> None:
    """As LabRecorder leaves one whose outlet was there and silent; a stream of one eye has no other."""
    path = foreign.xdf.write(tmp_path)
    content, silent = path.read_bytes(), foreign.xdf.CHANNELS[2:4]
    channels = "".join(f"<channel><label>{name}</label></channel>" for name in silent)
    header = foreign.xdf._header(
        3, name="Glasses", type="Gaze", count=2, rate=250, format="double64", channels=channels
    )
    path.write_bytes(content + header)
    session = import_recording(path, screen=foreign.ALL)
    assert (session.tracker.model, len(session.recording)) == ("Spectrum", 20)
    one_eye = content.replace(b"right_gaze", b"other_user")
    path.write_bytes(one_eye)
    recording = import_recording(path, screen=foreign.ALL).recording
    assert recording.left.valid.any()
    assert not recording.right.valid.any()


def test_xdf_without_the_extra_says_which(foreign: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = foreign.xdf.write(tmp_path)
    monkeypatch.setitem(sys.modules, "pyxdf", None)
    with pytest.raises(MissingExtraError, match=r"gazekit\[files\]"):
        import_recording(path, screen=foreign.ALL)


def test_idf_without_the_size_of_its_screen_is_given_it(foreign: ModuleType, tmp_path: Path) -> None:
    path = foreign.smi.write_idf(tmp_path)
    path.write_text(re.sub(r"## (Calibration Area|Head Distance).*\n", "", path.read_text()))
    with pytest.raises(InputError, match="screen"):
        import_recording(path)
    sizes = {"width_px": 1680, "height_px": 1050, "distance_mm": 700.0}
    assert import_recording(path, screen=sizes).screen.width_mm == 474


def test_an_unknown_recording_of_a_file_is_answered_with_those_in_it(foreign: ModuleType, tmp_path: Path) -> None:
    path = foreign.smi.write_begaze(tmp_path)
    with pytest.raises(InputError, match="has 0 recordings 'p99'; it holds p06"):
        import_recording(path, recording="p99", screen=foreign.ALL)


# -- tables of fixations ----------------------------------------------------------------------------------------------


def edited(path: Path, *changes: tuple[str, str]) -> Path:
    text = path.read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text)
    return path


def facts_of(path: Path, **sizes: Any) -> tuple[Any, dict[str, str], list[str]]:
    table, account = import_fixations(path, tables.SIZES | sizes)
    return table, {fact.what: fact.value for fact in account.facts}, account.doubts


def test_a_report_without_onsets_has_0_and_says_so(tmp_path: Path) -> None:
    table, facts, _ = facts_of(edited(tables.data_viewer(tmp_path), ("CURRENT_FIX_START", "OTHER")))
    assert table["onset_us"].tolist() == [0, 0, 0]
    assert facts["onset"] == "not in the file: 0 throughout"


def test_fixations_of_no_known_program_name_those_that_are_known(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FormatError, match=r"is no table of fixations that is known: .*Data Viewer"):
        import_fixations(tmp_path / "t.csv")


def test_fixations_without_picture_or_place_are_in_doubt(tmp_path: Path) -> None:
    path = edited(tables.data_viewer(tmp_path), ("ray.jpg", ""), ("\t300\t200", "\t.\t."))
    _, _, doubts = facts_of(path)
    assert "no column names the pictures" in doubts
    assert "1 fixation has no place" in doubts


def test_a_fixation_without_a_time_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="1 fixation has no time, the first in row 2"):
        facts_of(edited(tables.data_viewer(tmp_path), ("\t400\t300\t", "\t.\t300\t")))


def test_studio_without_kinds_counts_fixations_by_number(tmp_path: Path) -> None:
    path = edited(tables.studio(tmp_path), ("GazeEventType", "Other"))
    path.write_text(path.read_text() + "900\tp2\tray.jpg\tSaccade\t20\t\t\t\n")
    table, _, _ = facts_of(path)
    assert table["duration_ms"].tolist() == [250, 300, 200]


def test_prolab_without_units_of_time_takes_the_only_possible(tmp_path: Path) -> None:
    path = edited(tables.prolab(tmp_path), ("Recording timestamp [ms]", "Recording timestamp"))
    table, facts, _ = facts_of(path)
    assert table["onset_us"].tolist() == [100_000, 400_000, 120_000]
    assert facts["time"] == "ms"


def test_begaze_without_kinds_and_cloud_without_hits_take_every_row(tmp_path: Path) -> None:
    begaze = tables.begaze(tmp_path)
    begaze.write_text("\n".join(line for line in begaze.read_text().splitlines() if "Saccade" not in line) + "\n")
    table, _, _ = facts_of(edited(begaze, ("Category", "Sort")))
    assert len(table) == 3
    cloud = tables.cloud(tmp_path)
    rows = [line for line in cloud.read_text().splitlines() if "False" not in line]
    cloud.write_text("\n".join(rows) + "\n")
    (tmp_path / "reference_image.jpeg").unlink()
    table, facts, _ = facts_of(edited(cloud, ("fixation detected in reference image", "other")))
    assert table["x_picture"].tolist() == [300, 500, 700]
    assert facts["places"] == "pixels of the scene video from its top left"
    assert "picture" not in facts


def test_a_group_of_etdb_that_is_none_is_passed_over(tmp_path: Path) -> None:
    path = tables.etdb(tmp_path)
    with h5py.File(path, "a") as file:
        file["notes"] = "of the authors"
    table, _ = import_fixations(path, tables.SIZES)
    assert len(table) == 3


def test_a_session_of_another_schema_is_refused(full_session: Any, tmp_path: Path) -> None:
    from gazekit.formats import export_bids

    folder = export_bids([full_session], tmp_path / "bids")
    (document,) = folder.rglob("session.json")
    content = json.loads(document.read_text())
    document.write_text(json.dumps(content | {"schema": "gazekit.export/99"}))
    with pytest.raises(FormatError, match=r"the export's schema is gazekit\.export/99"):
        import_recording(folder)
    document.write_text("[1]")
    with pytest.raises(FormatError, match="should hold a JSON object"):
        import_recording(folder)
    document.write_text(json.dumps(content))
    next(folder.rglob("*_events.tsv")).unlink()
    with pytest.raises(FormatError, match=r"lacks .*_events\.tsv"):
        import_recording(folder)


def test_a_file_that_is_called_what_it_is_not_is_refused(tmp_path: Path, foreign: ModuleType) -> None:
    (tmp_path / "t.csv").write_text("LPOGX,LPOGY\n0.5,0.5\n")
    with pytest.raises(FormatError, match="has neither TIMETICK nor TIME"):
        import_recording(tmp_path / "t.csv", format="gazepoint", screen=foreign.ALL)
