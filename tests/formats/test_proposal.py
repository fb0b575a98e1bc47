"""Mapping files that are proposed for tables of any program, and that an import by them gives the gaze back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError, OutputError
from gazekit.formats import import_recording
from gazekit.formats.plain import read_mapping
from gazekit.formats.proposal import propose

SIZES = {"width_px": 1920.0, "height_px": 1080.0, "width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}


@pytest.fixture
def looks(rng: np.random.Generator) -> np.ndarray:
    """Shares of the screen of 600 samples, mostly in its upper half, some lost."""
    return np.column_stack([rng.uniform(0.05, 0.95, 600), rng.uniform(0.05, 0.7, 600)])


CASES = {
    "pixels, ms": ("t_ms,x,y", "{ms:.1f},{px:.2f},{py:.2f}", "px", None, "down"),
    "pixels from the centre, s": ("time;gaze_x;gaze_y", "{s:.4f};{cx:.2f};{cy:.2f}", "px", "centre", None),
    "decimal commas": ("Zeit time [ms];X;Y", "{ms:.1f};{px:.2f};{py:.2f}", "px", None, "down"),
    "shares, us": ("timestamp_us\tLeftX\tLeftY", "{us:.0f}\t{x:.5f}\t{y:.5f}", "display", None, "down"),
    "norm": ("time\tgaze_x\tgaze_y", "{s:.4f}\t{nx:.5f}\t{ny:.5f}", "norm", None, "up"),
    "degrees, ns": ("timestamp [ns],gaze x [deg],gaze y [deg]", "{ns:.0f},{dx:.5f},{dy:.5f}", "deg", None, None),
}


@pytest.mark.parametrize("kind", list(CASES))
def test_units_and_origin_are_found_and_the_import_gives_the_gaze_back(
    looks: np.ndarray, tmp_path: Path, screen, kind: str
) -> None:
    header, row, unit, origin, direction = CASES[kind]
    lines = []
    for n, (x, y) in enumerate(looks):
        s, px, py = n / 250, x * 1920, y * 1080
        dx, dy = screen.to_degrees(px, py)
        values = {"s": s, "ms": s * 1e3, "us": s * 1e6, "ns": 1.7e18 + s * 1e9, "px": px, "py": py, "x": x, "y": y}
        values |= {"cx": px - 960, "cy": 540 - py, "nx": 2 * x - 1, "ny": 1 - 2 * y, "dx": float(dx), "dy": float(dy)}
        lines.append(row.format(**values).replace(".", "," if kind == "decimal commas" else "."))
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *lines]) + "\n")
    mapping, picture = propose(path, tmp_path / "out", SIZES)
    plan = read_mapping(mapping)
    assert (plan.gaze.unit, plan.gaze.y) == (unit, direction)
    assert plan.gaze.origin in (origin, "top-left")
    assert picture.read_bytes().startswith(b"\x89PNG")
    if direction is None:  # numbers about 0 do not say it: the person has to
        said = "up" if unit == "px" else "down"
        mapping.write_text(mapping.read_text().replace('# y = "up" or "down"', f'y = "{said}"'))
    gaze = import_recording(path, mapping=mapping, strict=True).recording.left.gaze
    np.testing.assert_allclose(gaze, looks, atol=2e-5)
    assert all("#" in line for line in mapping.read_text().splitlines() if " = " in line)


def test_both_eyes_with_pupils_verdicts_people_and_pictures(looks: np.ndarray, tmp_path: Path) -> None:
    header = "subject,image,time_ms,left_x,left_y,right_x,right_y,left_pupil,right_pupil,left_validity,right_validity"
    header += ",mouse_x,mouse_y"
    rows = []
    for n, (x, y) in enumerate(looks):
        lost = n % 10 == 0
        gaze = "-1,-1,-1,-1" if lost else f"{1920 * x:.1f},{1080 * y:.1f},{1920 * x + 5:.1f},{1080 * y:.1f}"
        rows.append(f"{1 + n // 300},ray{n // 100}.jpg,{(n % 300) * 4},{gaze},3.1,3.2,{4 * lost},{4 * lost},5,5")
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    plan = read_mapping(propose(path, tmp_path, SIZES)[0])
    assert plan.left is not None
    assert plan.right is not None
    assert (plan.left.x, plan.right.y, plan.left.pupil_mm) == ("left_x", "right_y", "left_pupil")
    assert (plan.left.valid, plan.left.valid_values) == ("left_validity", ["0", "1"])
    assert plan.gaze.missing == [-1.0]
    assert plan.stimulus is not None
    assert plan.participant is not None
    assert (plan.stimulus.column, plan.participant.column) == ("image", "subject")


def test_screen_is_the_smallest_common_one_where_it_is_not_given(looks: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(
        "time_ms,x,y\n" + "".join(f"{4 * n},{1900 * x + 90},{1070 * y}\n" for n, (x, y) in enumerate(looks))
    )
    mapping, _ = propose(path, tmp_path)
    assert (read_mapping(mapping).screen.width_px, read_mapping(mapping).screen.height_px) == (1920, 1080)
    assert "measure them" in mapping.read_text()
    with pytest.raises(OutputError, match="exists already"):
        propose(path, tmp_path)


def test_command_prints_the_mapping_and_imports_nothing(looks: np.ndarray, tmp_path: Path, run) -> None:
    path = tmp_path / "table.csv"
    path.write_text("time_ms,x,y\n" + "".join(f"{4 * n},{1900 * x},{1070 * y}\n" for n, (x, y) in enumerate(looks)))
    result = run("import", "--propose", path)
    assert result.exit_code == 0
    assert 'column = "time_ms"' in result.output
    assert sorted(p.name for p in tmp_path.iterdir()) == ["table.csv", "table.png", "table.toml"]
    done = run("import", path, "--mapping", tmp_path / "table.toml", "--screen-mm", "527x296", "--distance-mm", 630,
               "--out", tmp_path / "out")  # fmt: skip
    assert done.exit_code == 0
    with pytest.raises(Exception, match="Missing option '--out'"):
        run("import", path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "is no table"),
        ("1,2,3\n2,3,4\n3,4,5\n", "has no header line"),
        ("name,x,y\na,1,2\nb,2,1\n", "no column of numbers goes forward"),
        ("time,a,b\n1,5,4\n2,5,4\n3,5,4\n", "no two columns are an x and a y"),
    ],
)
def test_tables_that_are_no_gaze(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(FormatError, match=words):
        propose(tmp_path / "t.csv", tmp_path)


def test_lines_before_the_header_and_sides_in_one_word(looks: np.ndarray, tmp_path: Path) -> None:
    header = "Timestamp\tGazePointXLeft\tGazePointYLeft\tGazePointXRight\tGazePointYRight\tPupilSizeLeft\tTrigger"
    places = [f"{1900 * x:.1f}\t{1000 * y:.1f}" for x, y in looks]
    rows = [f"{16.667 * n:.3f}\t{place}\t{place}\t3.2\t" for n, place in enumerate(places)]
    path = tmp_path / "table.txt"
    path.write_text("\n".join(["Experiment 5", "Date: today", "", header, *rows]) + "\n")
    plan = read_mapping(propose(path, tmp_path, SIZES)[0])
    assert plan.table.skip_rows == 3
    assert plan.right is not None
    assert (plan.left.x if plan.left else "", plan.right.x) == ("GazePointXLeft", "GazePointXRight")
    assert plan.message is None


def test_decimal_commas_are_seen_beside_names_of_files(looks: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f"{4 * n};{1920 * x:.1f};{1080 * y:.1f};ray.jpg".replace(".", ",", 2) for n, (x, y) in enumerate(looks)]
    path.write_text("\n".join(["time_ms;Blick X;Blick Y;Bild", *rows]) + "\n")
    mapping, _ = propose(path, tmp_path, SIZES)
    plan = read_mapping(mapping)
    assert plan.left is not None
    assert plan.stimulus is not None
    assert (plan.left.x, plan.stimulus.column) == ("Blick X", "Bild")
    np.testing.assert_allclose(import_recording(path, mapping=mapping).recording.left.gaze, looks, atol=5e-5)


def test_direction_of_y_is_asked_where_numbers_lie_about_0(looks: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f"{4 * n},{1920 * x - 960:.1f},{1080 * y - 540:.1f}" for n, (x, y) in enumerate(looks)]
    path.write_text("\n".join(["time_ms,left_x,left_y", *rows]) + "\n")
    mapping, _ = propose(path, tmp_path, SIZES)
    assert read_mapping(mapping).gaze.y is None
    assert '# y = "up" or "down"' in mapping.read_text()


def test_movements_of_the_head_are_no_gaze(tmp_path: Path) -> None:
    path = tmp_path / "imu.csv"
    path.write_text("timestamp [ns],gyro x [deg/s],gyro y [deg/s]\n" + "".join(f"{n}000000,1,2\n" for n in range(9)))
    with pytest.raises(FormatError, match="no two columns"):
        propose(path, tmp_path)


def test_signs_between_quotes_part_no_cells(looks: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f'"{4 * n}","{1920 * x:.1f}","{1080 * y:.1f}","a, b_jpg"' for n, (x, y) in enumerate(looks)]
    path.write_text("\n".join(['"time_ms","x","y","image"', *(row.replace(".", ",") for row in rows)]) + "\n")
    mapping, _ = propose(path, tmp_path, SIZES)
    session = import_recording(path, mapping=mapping)
    np.testing.assert_allclose(session.recording.left.gaze, looks, atol=5e-5)
    assert session.stimuli["image"].tolist() == ["a, b_jpg"]
