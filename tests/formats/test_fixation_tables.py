"""Files of fixations without samples, each written here after its maker's layout, straight into the commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
from click.testing import Result
from skimage.io import imsave

from gazekit.core.errors import FormatError, InputError
from gazekit.core.tables import FIXATION_COLUMNS
from gazekit.formats.fixation_tables import import_fixations, layout_of, read_makers_fixations
from tests.formats.conftest import Run

SIZES = {"width_px": 1000.0, "height_px": 800.0, "width_mm": 500.0, "height_mm": 400.0, "distance_mm": 600.0}
# participant, picture, onset ms, duration ms, x, y
LOOKS = [("p1", "ray", 100, 250, 300, 200), ("p1", "ray", 400, 300, 500, 400), ("p2", "ray", 120, 200, 700, 600)]


def data_viewer(folder: Path) -> Path:
    header = "RECORDING_SESSION_LABEL\tTRIAL_INDEX\timage\tCURRENT_FIX_START\tCURRENT_FIX_DURATION"
    header += "\tCURRENT_FIX_X\tCURRENT_FIX_Y"
    rows = [f"{who}\t1\t{image}.jpg\t{t}\t{d}\t{x}\t{y}" for who, image, t, d, x, y in LOOKS]
    path = folder / "report.txt"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def gazepoint(folder: Path) -> Path:
    header = "MEDIA_ID,MEDIA_NAME,CNT,TIME(2026/01/01 10:00:00),TIMETICK(f=10000000),"
    header += "FPOGX,FPOGY,FPOGS,FPOGD,FPOGID,FPOGV,BPOGX,BPOGY"
    rows = [
        f"0,{image},{9 * n},0,0,{x / 1000},{y / 800},{t / 1000},{d / 1000},{n},1,0.1,0.1"
        for n, (_, image, t, d, x, y) in enumerate(LOOKS, start=1)
    ]
    path = folder / "renamed.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def prolab(folder: Path) -> Path:
    header = "Recording timestamp [ms]\tParticipant name\tRecording name\tPresented Media name\tEye movement type"
    header += (
        "\tGaze event duration [ms]\tEye movement type index\tFixation point X [DACS px]\tFixation point Y [DACS px]"
    )
    rows = [
        f"{t + 8 * k}\t{who}\tR1\t{image}.jpg\tFixation\t{d}\t{n}\t{x}\t{y}"
        for n, (who, image, t, d, x, y) in enumerate(LOOKS, start=1)
        for k in range(3)
    ]
    rows.insert(3, "370\tp1\tR1\tray.jpg\tSaccade\t30\t1\t\t")
    path = folder / "lab.tsv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def studio(folder: Path) -> Path:
    header = "RecordingTimestamp\tParticipantName\tMediaName\tGazeEventType\tGazeEventDuration\tFixationIndex"
    header += "\tFixationPointX (MCSpx)\tFixationPointY (MCSpx)"
    rows = [
        f"{t}\t{who}\t{image}.jpg\tFixation\t{d}\t{n}\t{x}\t{y}"
        for n, (who, image, t, d, x, y) in enumerate(LOOKS, start=1)
    ]
    path = folder / "studio.tsv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def osie(folder: Path) -> Path:
    subjects = []
    for name in ("p1", "p2"):
        looks = [row for row in LOOKS if row[0] == name]
        subject = {
            "fix_x": [r[4] + 0.5 for r in looks],
            "fix_y": [r[5] + 0.5 for r in looks],
            "fix_duration": [r[3] for r in looks],
        }
        subjects.append({key: np.array(value, dtype=float) for key, value in subject.items()})
    people = np.empty(2, dtype=object)
    people[:] = subjects
    cells = np.empty((1, 1), dtype=object)
    cells[0, 0] = {"img": "ray.jpg", "subjects": people}
    scipy.io.savemat(folder / "fixations.mat", {"fixations": cells})
    return folder / "fixations.mat"


def figrim(folder: Path) -> Path:
    """Two people at one picture, the second at its second showing too, and one who did not see it."""

    def person(**places: object) -> dict[str, object]:
        return {"trial": 1, "SDT": [4, 1, 1], "fixations": {"enc": [], "rec": [], "rec2": [], **places}}

    people = np.empty(3, dtype=object)
    looks = [[[r[4] + 0.5, r[5] + 0.5] for r in LOOKS if r[0] == name] for name in ("p1", "p2")]
    people[0], people[2] = person(enc=looks[0]), person(enc=looks[1], rec=[[1.0, 1.0], [2.0, 2.0]])
    people[1] = {"trial": [], "SDT": [], "fixations": []}
    fields = [("filename", "O"), ("userdata", "O")]
    structures = np.array(
        [(person_["trial"], person_["SDT"], person_["fixations"]) for person_ in people], dtype="O,O,O"
    )
    structures.dtype.names = ("trial", "SDT", "fixations")
    images = np.array([("ray.jpg", structures)], dtype=fields)
    scipy.io.savemat(folder / "allImages_release.mat", {"allImages": images})
    return folder / "allImages_release.mat"


def test_figrim_gives_the_first_viewing_without_durations(tmp_path: Path, pictures: Path, run: Run) -> None:
    path = figrim(tmp_path)
    table, account = import_fixations(path)
    assert table["participant"].tolist() == ["allImages_release-1", "allImages_release-1", "allImages_release-3"]
    np.testing.assert_allclose(table["x_picture"], [300, 500, 700])
    assert table["duration_ms"].isna().all()
    assert account.left_out == {"of the second and third viewing, as in the authors' own maps": 2}
    assert account.rows == 5
    done = run(
        "attention", path, "--pictures", pictures, "--sigma-px", 24, "--weight", "count", "--out", tmp_path / "maps"
    )
    assert done.exit_code == 0, done.output


def etdb(folder: Path) -> Path:
    path = folder / "etdb.hdf5"
    with h5py.File(path, "w") as file:
        group = file.create_group("Baseline")
        columns = zip(*[(int(w[1]), 7, 12, t, t + d, x, y) for w, _, t, d, x, y in LOOKS], strict=True)
        for name, values in zip(
            ("SUBJECTINDEX", "category", "filenumber", "start", "end", "x", "y"), columns, strict=True
        ):
            group[name] = np.array(values, dtype=float)
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {
    "data viewer": data_viewer,
    "gazepoint": gazepoint,
    "prolab": prolab,
    "studio": studio,
    "osie": osie,
    "etdb": etdb,
}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("ray.jpg", "12.png"):
        imsave(folder / name, np.zeros((800, 1000, 3), np.uint8), check_contrast=False)
    return folder


@pytest.mark.parametrize("kind", list(WRITERS))
def test_every_layout_gives_the_same_looks(tmp_path: Path, kind: str) -> None:
    table = read_makers_fixations(WRITERS[kind](tmp_path), SIZES)
    assert tuple(table.columns) == FIXATION_COLUMNS
    np.testing.assert_allclose(table["duration_ms"], [250, 300, 200])
    np.testing.assert_allclose(table["x_picture"], [300, 500, 700])
    np.testing.assert_allclose(table["y_picture"], [200, 400, 600])
    assert table["participant"].nunique() == (1 if kind == "gazepoint" else 2)
    if kind != "osie":
        np.testing.assert_allclose(table["onset_us"], [100_000, 400_000, 120_000])
        np.testing.assert_allclose(table["offset_us"], [350_000, 700_000, 320_000])


@pytest.mark.parametrize("kind", list(WRITERS))
def test_attention_and_fixations_run_from_each(tmp_path: Path, pictures: Path, run, kind: str) -> None:
    path = WRITERS[kind](tmp_path)
    screen = ["--screen", "1000x800", "--screen-mm", "500x400", "--distance-mm", 600]
    result = run("fixations", path, *screen, "--out", tmp_path / "f.csv")
    assert result.exit_code == 0
    assert len(pd.read_csv(tmp_path / "f.csv")) == 3
    arguments = ["--pictures", pictures, "--sigma-px", 30, *screen, "--tables-only", "--out", tmp_path / "out"]
    assert run("attention", path, *arguments).exit_code == 0
    (row,) = pd.read_csv(tmp_path / "out" / "attention.csv").to_dict("records")
    assert row["fixations"] == 3
    areas = tmp_path / "areas.json"
    areas.write_text(
        json.dumps(
            {name: {"left": [[0, 0], [450, 0], [450, 800], [0, 800]]} for name in ("ray", "ray.jpg", "7/12.png")}
        )
    )
    rows = json.loads(run("aoi", path, areas, *screen, "--json").stdout)
    assert max(row["dwell_ms"] for row in rows) == 250


def said(result: Result) -> str:
    return f"{result.output}{result.exception}"


HEADERS = {
    "start and end": ("image,viewer,x,y,start,end", 1.0),
    "seconds": ("image,viewer,x,y,Start [s],End [s]", 0.001),
    "onset and offset": ("image,subject,x,y,onset_us,offset_us", 1000.0),
    "German": ("Bild,Versuchsperson,x,y,Beginn,Ende", 1.0),
}


def own_table(folder: Path, header: str, unit: float, last: int = 300) -> Path:
    rows = [(100, 120, 0, 200), (500, 400, 240, 490), (700, 600, 500, 500 + last)]
    path = folder / "own.csv"
    lines = [f"ray,P1,{x},{y},{start * unit:g},{end * unit:g}" for x, y, start, end in rows]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.mark.parametrize(("header", "unit"), HEADERS.values(), ids=list(HEADERS))
def test_every_command_takes_start_and_end_for_a_duration(
    tmp_path: Path, pictures: Path, run: Run, header: str, unit: float
) -> None:
    path = own_table(tmp_path, header, unit)
    areas = tmp_path / "areas.json"
    areas.write_text(json.dumps({"ray": {"left": [[0, 0], [550, 0], [550, 800], [0, 800]]}}))
    told = " as duration_ms"
    result = run("aoi", path, areas, "--json")
    assert told in result.output
    (row,) = json.loads(result.stdout)
    assert (row["dwell_ms"], row["first_fixation_ms"], row["first_duration_ms"]) == (450, 0, 200)
    result = run("measures", path, "--out", tmp_path / "m.csv")
    assert told in result.output
    assert pd.read_csv(tmp_path / "m.csv")["fixation_ms"].tolist() == [750]
    result = run("attention", path, "--pictures", pictures, "--sigma-px", 30, "--tables-only", "--out", tmp_path / "o")
    assert (result.exit_code, told in result.output) == (0, True)
    assert told in run("doctor", path).output


@pytest.mark.parametrize("command", ["aoi", "measures", "attention", "doctor"])
def test_an_end_that_is_not_after_its_start_is_refused_with_what_to_do(
    tmp_path: Path, pictures: Path, run: Run, command: str
) -> None:
    path = own_table(tmp_path, HEADERS["start and end"][0], 1.0, last=0)
    areas = tmp_path / "areas.json"
    areas.write_text('{"ray": {"left": [[0, 0], [550, 0], [550, 800]]}}')
    more = {"aoi": [areas], "measures": ["--out", tmp_path / "m.csv"], "doctor": []}
    result = run(command, path, *more.get(command, ["--pictures", pictures, "--sigma-px", 30, "--out", tmp_path / "o"]))
    assert result.exit_code == 1
    assert "in 1 of 3 rows the end is not after the start: the first is 500 to 500 in row 3" in said(result)
    assert "or add a column duration (ms)" in said(result)


@pytest.mark.parametrize("command", ["aoi", "attention"])
def test_a_table_without_durations_is_refused_with_what_to_do(
    tmp_path: Path, pictures: Path, run: Run, command: str
) -> None:
    path = own_table(tmp_path, "image,viewer,x,y,first,last", 1.0)
    areas = tmp_path / "areas.json"
    areas.write_text('{"ray": {"left": [[0, 0], [550, 0], [550, 800]]}}')
    more = [areas] if command == "aoi" else ["--pictures", pictures, "--sigma-px", 30, "--out", tmp_path / "o"]
    result = run(command, path, *more)
    assert result.exit_code == 1
    assert "lacks duration_ms" in said(result)
    assert "durations are a column duration (ms), or columns start and end" in said(result)


@pytest.mark.parametrize("command", ["measures", "doctor"])
def test_a_table_that_is_meant_to_be_of_fixations_is_no_unknown_format(tmp_path: Path, run: Run, command: str) -> None:
    path = tmp_path / "f.csv"
    path.write_text("participant,image,x_picture,y_picture\nA,a.jpg,1,2\n")
    result = run(command, path, *(["--out", tmp_path / "m.csv"] if command == "measures" else []))
    assert result.exit_code == 1
    assert "this fixation table lacks duration_ms; it has participant, image" in said(result)
    assert not (tmp_path / "m.csv").exists()


def test_areas_of_a_table_of_viewer_x_y_and_duration(tmp_path: Path, run: Run) -> None:
    path = tmp_path / "own.csv"
    path.write_text("image,viewer,x,y,duration\nray,P1,700,100,200\nray,P1,100,100,300\nray,P2,100,120,250\n")
    areas = tmp_path / "areas.json"
    areas.write_text('{"ray": {"left": [[0, 0], [550, 0], [550, 800], [0, 800]]}}')
    result = run("aoi", path, areas, "--json", "--transitions", tmp_path / "steps.csv")
    rows = json.loads(result.stdout)
    assert [(row["participant"], row["dwell_ms"], row["first_fixation_ms"]) for row in rows] == [
        ("P1", 300, None),
        ("P2", 250, None),
    ]
    assert "in the order of the file, first_fixation_ms is unknown" in result.output
    assert pd.read_csv(tmp_path / "steps.csv")[["from", "to"]].to_numpy().tolist() == [["outside", "left"]]


@pytest.mark.parametrize(
    ("kind", "renamed"),
    [
        ("data viewer", {"CURRENT_FIX_DURATION": "CURRENT_FIX_END"}),
        ("begaze", {"Event Duration [ms]": "Event End Trial Time [ms]"}),
        ("cloud", {"duration [ms]": "end timestamp [ns]"}),
    ],
)
def test_layouts_with_an_end_and_no_duration(tmp_path: Path, kind: str, renamed: dict[str, str]) -> None:
    path = {**WRITERS, **MORE}[kind](tmp_path)
    expected = read_makers_fixations(path, SIZES)
    separator = "\t" if "\t" in path.read_text() else ","
    table = pd.read_csv(path, sep=separator)
    table = table.drop(columns=[name for name in renamed.values() if name in table])
    ((old, new),) = renamed.items()
    start = next(name for name in table if str(name).lower().endswith(("fix_start", "trial time [ms]", "stamp [ns]")))
    table[old] = table[start] + table[old] * (1_000_000 if new.endswith("[ns]") else 1)
    table.rename(columns=renamed).to_csv(path, sep=separator, index=False)
    found, account = import_fixations(path, SIZES)
    np.testing.assert_allclose(found["duration_ms"], expected["duration_ms"])
    assert next(fact[1] for fact in account.facts if fact[0] == "durations").startswith(f"not in the file: {new} less")


def test_shares_of_the_screen_need_its_size(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--screen WIDTHxHEIGHT"):
        read_makers_fixations(gazepoint(tmp_path))


def test_report_without_a_picture_is_asked_for_one(tmp_path: Path) -> None:
    path = data_viewer(tmp_path)
    path.write_text(path.read_text().replace("\timage\t", "\tcondition\t"))
    with pytest.raises(FormatError, match="no column that names the picture"):
        read_makers_fixations(path)


def test_files_of_samples_are_no_fixations(foreign, tmp_path: Path) -> None:
    for kind, write in foreign.SOUND.items():
        sample = write(tmp_path / kind) if (tmp_path / kind).mkdir() is None else None
        if sample.path.is_file():
            assert layout_of(sample.path) is None, kind


def begaze(folder: Path) -> Path:
    header = "Stimulus\tParticipant\tCategory\tEye L/R\tEvent Start Trial Time [ms]\tEvent Duration [ms]"
    header += "\tFixation Position X [px]\tFixation Position Y [px]"
    looks = [f"{image}.jpg\t{who}\tFixation\t{{}}\t{t}\t{d}\t{x}\t{y}" for who, image, t, d, x, y in LOOKS]
    rows = [look.format(eye) for look in looks for eye in ("Right", "Left")]
    path = folder / "events.txt"
    path.write_text("\n".join([header, *rows[:-1], "ray.jpg\tp1\tSaccade\tRight\t1\t20\t-\t-"]) + "\n")
    return path


def cloud(folder: Path) -> Path:
    header = "section id,recording id,fixation id,start timestamp [ns],end timestamp [ns],duration [ms]"
    header += ",fixation detected in reference image,fixation x [px],fixation y [px]"
    rows = [f"s,{who},{n},{t}000000,0,{d},True,{x},{y}" for n, (who, _, t, d, x, y) in enumerate(LOOKS)]
    (folder / "reference_image.jpeg").write_bytes(b"")
    path = folder / "fixations.csv"
    path.write_text("\n".join([header, *rows, "s,p1,9,1,0,100,False,,"]) + "\n")
    return path


def core(folder: Path) -> Path:
    header = "world_timestamp,world_index,fixation_id,start_timestamp,duration,dispersion,norm_pos_x,norm_pos_y,on_surf"
    rows = [
        f"0,{k},{n},{t / 1000},{d},1,{x / 1000},{1 - y / 800},True"
        for n, (_, _, t, d, x, y) in enumerate(LOOKS)
        for k in range(3)
    ]
    path = folder / "fixations_on_surface_ray.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def on_screen(folder: Path) -> Path:
    """Studio with places on the screen, where the picture stood at (100, 50); how large it is in itself is not said."""
    header = "RecordingTimestamp\tParticipantName\tMediaName\tMediaPosX (ADCSpx)\tMediaPosY (ADCSpx)\tMediaWidth"
    header += "\tMediaHeight\tGazeEventType\tGazeEventDuration\tFixationIndex\tFixationPointX (ADCSpx)"
    header += "\tFixationPointY (ADCSpx)"
    rows = [
        f"{t}\t{who}\t{image}.jpg\t100\t50\t500\t400\tFixation\t{d}\t{n}\t{x + 100}\t{y + 50}"
        for n, (who, image, t, d, x, y) in enumerate(LOOKS, start=1)
    ]
    path = folder / "screen.tsv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


MORE: dict[str, Callable[[Path], Path]] = {"begaze": begaze, "cloud": cloud, "core": core, "on screen": on_screen}
SAID = {
    "begaze": ({"rows of no fixation": 1, "fixations of the other eye": 2}, "pixels of the stimulus"),
    "cloud": ({"fixations off it (fixation detected in reference image)": 1}, "pixels of the reference image"),
    "core": ({"further frames of the same fixations": 6}, "shares of the surface"),
    "on screen": ({}, "pixels of the screen, taken to the picture"),
}


@pytest.mark.parametrize("kind", list(MORE))
def test_further_layouts_and_their_accounts(tmp_path: Path, kind: str) -> None:
    table, account = import_fixations(MORE[kind](tmp_path), SIZES)
    np.testing.assert_allclose(table["x_picture"], [300, 500, 700])
    np.testing.assert_allclose(table["y_picture"], [200, 400, 600])
    np.testing.assert_allclose(table["duration_ms"], [250, 300, 200])
    np.testing.assert_allclose(table["onset_us"], [100_000, 400_000, 120_000])
    left_out, places = SAID[kind]
    assert account.left_out == left_out
    assert account.rows == 3 + sum(left_out.values())
    assert any(fact.what == "places" and fact.value.startswith(places) for fact in account.facts)
    assert ("size of pictures is a guess" in " ".join(account.doubts)) == (kind == "on screen")


@pytest.mark.parametrize("kind", ["data viewer", "gazepoint"])
def test_places_on_the_screen_alone_are_in_doubt(tmp_path: Path, run, kind: str) -> None:
    path = WRITERS[kind](tmp_path)
    printed = run("fixations", path, "--screen", "1000x800", "--out", tmp_path / "f.csv").output
    assert "! placement is a guess: not in the file" in printed
    assert "rows read         3, of which fixations 3" in printed


def test_report_of_both_eyes_gives_one(tmp_path: Path) -> None:
    path = data_viewer(tmp_path)
    header, *rows = path.read_text().splitlines()
    both = [f"{row}\t{eye}" for row in rows for eye in ("RIGHT", "LEFT")][:-1]
    path.write_text("\n".join([f"{header}\tEYE_REPORTED", *both]) + "\n")
    table, account = import_fixations(path)
    assert len(table) == 3
    assert account.left_out == {"fixations of the other eye": 2}


def test_ids_of_fixations_stay_text(tmp_path: Path) -> None:
    path = data_viewer(tmp_path)
    path.write_text(path.read_text().replace("p1\t", "007\t").replace("p2\t", "010\t").replace("ray.jpg", "0012"))
    table = read_makers_fixations(path)
    assert table["participant"].tolist() == ["007", "007", "010"]
    assert table["image"].unique().tolist() == ["0012"]


def test_file_without_a_fixation(tmp_path: Path) -> None:
    path = studio(tmp_path)
    path.write_text(path.read_text().replace("\tFixation\t", "\tSaccade\t"))
    with pytest.raises(FormatError, match="holds no fixation"):
        read_makers_fixations(path)


@pytest.mark.parametrize(
    ("factors", "again", "said"),
    [
        pytest.param((1, 1), 1, "", id="sound"),
        pytest.param((1000, 1), 1, "100% of the fixations lie off the screen", id="pixels for shares"),
        pytest.param((1, 1e6), 1, "seconds given as ms?", id="another unit of duration"),
        pytest.param((1, 1), 2, "3 of 6 rows stand more than once", id="joined to itself"),
    ],
)
def test_impossible_fixations_of_makers_are_told(
    tmp_path: Path, run, factors: tuple[float, float], again: int, said: str
) -> None:
    path = gazepoint(tmp_path)
    table = pd.read_csv(path)
    table[["FPOGX", "FPOGY"]] *= factors[0]
    table["FPOGD"] *= factors[1]
    table.to_csv(path, index=False)
    path.write_text("".join([path.read_text(), *path.read_text().splitlines(keepends=True)[1:] * (again - 1)]))
    result = run("fixations", path, "--out", tmp_path / "f.csv", "--screen", "1000x800")
    assert result.exit_code == 0
    doubts = [line for line in result.stderr.splitlines() if line.startswith("!") or ": warning:" in line]
    doubts += [line for line in result.stderr.splitlines() if ": error:" in line]
    assert (len(doubts), said in "".join(doubts)) == (2 if said else 1, True), result.stderr


@pytest.mark.parametrize("numbers", [[1, 2, 3, 1, 2, 3], [1, 2, 3, 4, 5, 6], [7, 1, 7, 1, 7, 1]])
def test_gazepoints_fixations_of_several_pictures_are_no_samples(tmp_path: Path, numbers: list[int]) -> None:
    path = gazepoint(tmp_path)
    table = pd.read_csv(path)
    pd.concat([table, table.assign(MEDIA_NAME="turtle")]).assign(FPOGID=numbers).to_csv(path, index=False)
    assert read_makers_fixations(path, SIZES)["image"].value_counts().to_dict() == {"ray": 3, "turtle": 3}
