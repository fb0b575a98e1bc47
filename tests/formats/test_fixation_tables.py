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
from skimage.io import imsave

from gazekit.core.errors import FormatError, InputError
from gazekit.core.tables import FIXATION_COLUMNS
from gazekit.formats.fixation_tables import layout_of, read_makers_fixations

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
    rows = json.loads(run("aoi", path, areas, *screen, "--json").output.splitlines()[-1])
    assert max(row["dwell_ms"] for row in rows) == 250


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
