"""Plain tables by a mapping file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import ConfigError, FormatError, InputError, OutputError
from gazekit.formats import import_recording
from gazekit.formats.batch import import_files
from gazekit.screen import Screen
from gazekit.session import Session

SCREEN = Screen(1000, 800, 500.0, 400.0, 600.0)


@pytest.mark.parametrize(("unit", "factor"), [("s", 1e-3), ("ms", 1.0), ("us", 1e3), ("ns", 1e6)])
def test_units_of_time(foreign, tmp_path: Path, unit: str, factor: float) -> None:
    rows = [f"{1_700_000_000_000 * factor + 4 * n * factor:.{3 if factor < 1 else 0}f},5,5,," for n in range(3)]
    table, mapping = foreign.plain.write(tmp_path, rows, unit=unit)
    time = import_recording(table, screen=SCREEN, mapping=mapping).recording.device_time_us
    assert time.tolist() == [1_700_000_000_000_000 + 4000 * n for n in range(3)]


@pytest.mark.parametrize(
    ("gaze", "origin", "x", "y"),
    [
        ("px", "top-left", 750, 200),
        ("px", "centre", 250, -200),
        ("px", "bottom-left", 750, 600),
        ("display", "top-left", 0.75, 0.25),
        ("mm", "centre", 125, -100),
        ("deg", "centre", np.degrees(np.arctan2(125, 600)), np.degrees(np.arctan2(-100, np.hypot(125, 600)))),
    ],
)
def test_units_and_origins_of_gaze(foreign, tmp_path: Path, gaze: str, origin: str, x: float, y: float) -> None:
    table, mapping = foreign.plain.write(tmp_path, [f"0,{x},{y},,", f"4,{x},{y},,"], gaze=gaze, origin=origin)
    recording = import_recording(table, screen=SCREEN, mapping=mapping).recording
    np.testing.assert_allclose(recording.left.gaze, [[0.75, 0.25]] * 2, atol=1e-12)
    assert not recording.right.valid.any()


def test_sentinels_and_empty_cells_are_missing(foreign, tmp_path: Path) -> None:
    table, mapping = foreign.plain.write(
        tmp_path, ["0,0,0,,", "4,-1,-1,,", "8,,,,", "12,2147483647,5,,", "16,0,5,,", "20,nan,3,,"]
    )
    left = import_recording(table, screen=SCREEN, mapping=mapping).recording.left
    assert left.valid.tolist() == [False, False, False, False, True, False]


def test_pictures_and_messages(foreign, tmp_path: Path) -> None:
    rows = ["0,5,5,blank,", "4,5,5,ray,key: a", "8,5,5,ray,", "12,5,5,blank,", "16,5,5,reef,", "20,5,5,reef,end"]
    session = import_recording(foreign.plain.write(tmp_path, rows)[0], screen=SCREEN, mapping=tmp_path / "map.toml")
    shown = session.stimuli[["image", "onset_us", "offset_us", "picture_width"]].to_numpy().tolist()
    assert shown == [["ray", 4000, 12000, 1000], ["reef", 16000, 20001, 1000]]
    assert session.messages.to_numpy().tolist() == [[4000, "key: a"], [20000, "end"]]
    assert [len(trial.recording) for trial in session.trials()] == [2, 2]


def test_people_of_one_table(tmp_path: Path) -> None:
    table, mapping = tmp_path / "all.csv", tmp_path / "map.toml"
    mapping.write_text(
        '[time]\ncolumn = "t"\nunit = "ms"\n[right]\nx = "x"\ny = "y"\n[participant]\ncolumn = "who"\n'
        "[screen]\nwidth_px = 1000\nheight_px = 800\nwidth_mm = 500\nheight_mm = 400\ndistance_mm = 600\n"
    )
    table.write_text("who;t;x;y\n" + "".join(f"00{n % 2};{n};{n},5;7,25\n" for n in range(10)))
    session = import_recording(table, mapping=mapping, recording="001")
    assert session.participant == "001"
    np.testing.assert_allclose(session.recording.right.gaze[:, 0] * 1000, [1.5, 3.5, 5.5, 7.5, 9.5])


def test_without_a_mapping(foreign, tmp_path: Path) -> None:
    table, _ = foreign.plain.write(tmp_path, ["0,5,5,,"])
    with pytest.raises(InputError, match="--mapping"):
        import_recording(table, screen=SCREEN, format="plain")


def test_column_that_is_not_there(foreign, tmp_path: Path) -> None:
    table, mapping = foreign.plain.write(tmp_path, ["0,5,5,,"])
    mapping.write_text(mapping.read_text().replace('"lx"', '"left_x"'))
    with pytest.raises(FormatError, match=r"lacks the column left_x of .*it has t, lx, ly, picture, note"):
        import_recording(table, screen=SCREEN, mapping=mapping)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[time]\ncolumn = 1\n", "faults"),
        ('[time]\ncolumn = "t"\nunit = "ms"\n', r"\[left\] or \[right\]"),
        ('[time]\ncolumn = "t"\nunit = "hours"\n', "unit"),
        ("no toml", "TOML"),
    ],
    ids=["wrong kinds", "no eye", "unknown unit", "not TOML"],
)
def test_mapping_that_is_wrong(foreign, tmp_path: Path, text: str, words: str) -> None:
    table, mapping = foreign.plain.write(tmp_path, ["0,5,5,,"])
    mapping.write_text(text)
    with pytest.raises(ConfigError, match=words):
        import_recording(table, screen=SCREEN, mapping=mapping)


def test_time_that_is_missing(foreign, tmp_path: Path) -> None:
    table, mapping = foreign.plain.write(tmp_path, ["0,5,5,,", ",6,6,,"], unit="ns")
    with pytest.raises(FormatError, match="the column t has 1 empty cells"):
        import_recording(table, screen=SCREEN, mapping=mapping)
    table, mapping = foreign.plain.write(tmp_path, ["0,5,5,,", ",6,6,,"])
    with pytest.raises(FormatError, match="1 sample has no time stamp, the first in row 2"):
        import_recording(table, screen=SCREEN, mapping=mapping)


def test_direction_of_y_in_degrees_is_in_doubt_where_it_is_not_said(tmp_path: Path) -> None:
    table, mapping = tmp_path / "t.csv", tmp_path / "t.toml"
    table.write_text("t,x,y\n" + "".join(f"{8 * n},1.5,2.5\n" for n in range(20)))
    text = '[time]\ncolumn = "t"\nunit = "ms"\n[left]\nx = "x"\ny = "y"\n[gaze]\nunit = "deg"\n'
    sizes = {"width_px": 1920, "height_px": 1080, "width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
    for more, doubts in (("", 1), ('y = "down"\n', 0)):
        mapping.write_text(text + more)
        account = import_recording(table, mapping=mapping, screen=sizes).provenance["account"]
        assert len(account["doubts"]) == doubts


TARGETS = """
[target]
column = "dot"
x = "dx"
y = "dy"
none = ["-"]
"""


def test_targets_are_a_table_of_when_and_where_each_was(foreign, tmp_path: Path) -> None:
    """Of each person his own; what is between two targets is none."""
    table, mapping = foreign.plain.write(tmp_path, [])
    mapping.write_text(mapping.read_text() + TARGETS + '[participant]\ncolumn = "who"\n')
    dots = [("A", "a", 100, 200), ("A", "a", 100, 200), ("A", "-", "", ""), ("B", "b", 900, 700), ("A", "b", 900, 700)]
    rows = [f"{4 * n},5,5,,,{dot},{x},{y},{who}" for n, (who, dot, x, y) in enumerate(dots)]
    table.write_text("\n".join(["t,lx,ly,picture,note,dot,dx,dy,who", *rows, "20,5,5,,,b,900,700,A"]) + "\n")
    session = import_recording(table, screen=SCREEN, mapping=mapping, recording="A")
    shown = session.streams["targets"].to_numpy().tolist()
    assert shown == [["a", 0, 8000, 100, 200], ["b", 16000, 20001, 900, 700]]
    other = import_recording(table, screen=SCREEN, mapping=mapping, recording="B")
    assert other.streams["targets"]["target"].tolist() == ["b"]


@pytest.mark.parametrize(
    ("shift", "scale", "said"),
    [
        pytest.param((0, 0), 1, "", id="sound"),
        pytest.param((0, 0), 1 / 30, "within 3.2% of the screen about its top left corner", id="degrees for pixels"),
        pytest.param((-960, -540), 1, "likely counts from the middle of the screen", id="from the middle"),
    ],
)
def test_places_about_the_corner_are_doubted(
    tmp_path: Path, shift: tuple[float, float], scale: float, said: str
) -> None:
    places = np.random.default_rng(0).uniform((100, 100), (1820, 980), (200, 2))
    places = (places + shift) * scale
    (tmp_path / "m.toml").write_text('[time]\ncolumn="t"\nunit="ms"\n[left]\nx="x"\ny="y"\n')
    rows = "".join(f"{8 * n},{x:.2f},{y:.2f}\n" for n, (x, y) in enumerate(places))
    (tmp_path / "a.csv").write_text("t,x,y\n" + rows)
    screen = Screen(1920, 1080, 527.0, 296.0, 630.0)
    session = import_recording(tmp_path / "a.csv", screen=screen, mapping=tmp_path / "m.toml")
    doubts = session.provenance["account"]["doubts"]
    assert (len(doubts), said in "".join(doubts)) == (bool(said), True)


def test_a_header_below_other_lines_is_pointed_at_and_read(tmp_path: Path) -> None:
    rows = "".join(f"{8 * n},900.5,500.5\n" for n in range(60))
    (tmp_path / "a.csv").write_text("# made; by hand\n" * 40 + "t,x,y\n" + rows)
    (tmp_path / "m.toml").write_text('[time]\ncolumn="t"\nunit="ms"\n[left]\nx="x"\ny="y"\n')
    screen = Screen(1920, 1080, 527.0, 296.0, 630.0)
    with pytest.raises(FormatError, match=r"line 41 has them: \[table\] skip_rows = 40"):
        import_recording(tmp_path / "a.csv", screen=screen, mapping=tmp_path / "m.toml")
    with open(tmp_path / "m.toml", "a") as file:
        file.write("[table]\nskip_rows = 40\n")
    assert len(import_recording(tmp_path / "a.csv", screen=screen, mapping=tmp_path / "m.toml").recording) == 60


def dated(folder: Path, dates: list[str]) -> Session:
    """Import a table of samples of one millisecond each, whose date stands in front of the time of day."""
    (folder / "d.toml").write_text('[time]\ncolumn = "t"\nunit = "date"\n[left]\nx = "x"\ny = "y"\n')
    rows = [f"{date} 23:59:59.{900 + n}\t{9 * n}.5\t{400 + n}\n" for date in dates[:1] for n in range(60)]
    rows += [f"{date} 00:00:00.{n:03d}\t{9 * n}.5\t{400 + n}\n" for date in dates[1:] for n in range(60)]
    (folder / "d.tsv").write_text("t\tx\ty\n" + "".join(rows))
    return import_recording(folder / "d.tsv", mapping=folder / "d.toml", screen=SCREEN)


@pytest.mark.parametrize(
    ("dates", "day", "source"),
    [
        (["03.11.2026"], "2026-11-03", "format"),
        (["3.11.26"], "2026-11-03", "format"),
        (["12.11.2026", "13.11.2026"], "2026-11-12", "file"),
        (["12/11/2026", "13/11/2026"], "2026-11-12", "file"),
        (["11/12/2026", "11/13/2026"], "2026-11-12", "file"),
        (["11-13-2026"], "2026-11-13", "file"),
        (["03/11/2026"], "2026-03-11", "guess"),
        (["11/11/2026"], "2026-11-11", None),
        (["2026-11-03"], "2026-11-03", None),
    ],
)
def test_days_and_months_of_dates(tmp_path: Path, dates: list[str], day: str, source: str | None) -> None:
    session = dated(tmp_path, dates)
    time = session.recording.system_time_us
    assert time[0] == np.datetime64(f"{day}T23:59:59.900000", "us").astype(np.int64)
    assert np.diff(time).max() <= 41_000  # midnight is no month
    account = session.provenance["account"]
    told = [fact["source"] for fact in account["facts"] if fact["what"] == "dates"]
    assert told == ([source] if source else [])
    assert any("03/11/2026" in doubt for doubt in account["doubts"]) == (source == "guess")


def test_dates_of_both_orders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"days come first in some dates \(13/11/2026\) and months in others"):
        dated(tmp_path, ["11/13/2026", "13/11/2026"])


def test_dates_of_a_long_table_are_read_one_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gazekit.formats.text.BLOCK_BYTES", 1500)  # the second day comes in a block without the first
    time = dated(tmp_path, ["30/11/2026", "01/12/2026"]).recording.system_time_us
    assert np.diff(time).max() <= 41_000
    with pytest.raises(FormatError, match=r"further down the dates are written as day, month, year; those above were"):
        dated(tmp_path, ["03/11/2026", "13/11/2026"])


@pytest.mark.parametrize("columns", ['x = "x"\ny = "x"', 'x = "x"\ny = "t"'])
def test_one_column_is_not_two_things(tmp_path: Path, columns: str) -> None:
    (tmp_path / "m.toml").write_text(f'[time]\ncolumn = "t"\nunit = "ms"\n[left]\n{columns}\n')
    (tmp_path / "a.csv").write_text("t,x,y\n0,5,6\n")
    with pytest.raises(ConfigError, match=r"x and y of \[left\] and the time are three columns; found x = 'x'"):
        import_recording(tmp_path / "a.csv", mapping=tmp_path / "m.toml", screen=SCREEN)


def test_columns_of_one_eye_for_both_are_doubted(tmp_path: Path) -> None:
    eyes = "".join(f'[{side}]\nx = "x"\ny = "y"\n' for side in ("left", "right"))
    (tmp_path / "m.toml").write_text(f'[time]\ncolumn = "t"\nunit = "ms"\n{eyes}')
    (tmp_path / "a.csv").write_text("t,x,y\n" + "".join(f"{2 * n},{500 + n},{300 + n}\n" for n in range(20)))
    session = import_recording(tmp_path / "a.csv", mapping=tmp_path / "m.toml", screen=SCREEN)
    assert session.provenance["account"]["doubts"][0].startswith("both eyes are read from the columns x and y")


def test_people_whose_files_many_disks_take_for_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text(
        '[time]\ncolumn = "t"\nunit = "ms"\n[left]\nx = "x"\ny = "y"\n[participant]\ncolumn = "who"\n'
    )
    rows = [f"{who},{2 * n},{500 + n},300" for who in ("P01", "p01") for n in range(20)]
    (tmp_path / "a.csv").write_text("\n".join(["who,t,x,y", *rows]))
    sizes = {"width_px": 1000, "height_px": 800, "width_mm": 500.0, "height_mm": 400.0, "distance_mm": 600.0}
    with pytest.raises(OutputError, match=r"named a_p01.gaze.h5 and a_P01.gaze.h5, which many disks take for one"):
        import_files([tmp_path / "a.csv"], tmp_path / "out", screen=sizes, mapping=tmp_path / "m.toml", strict=True)
