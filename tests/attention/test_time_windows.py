"""Windows of time: which fixations they take, on the command line and in Python."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.attention.fixation_io import read_fixations
from gazekit.cli.attention_ import command
from gazekit.core.errors import ConfigError, InputError
from gazekit.core.time_windows import TimeWindow, onsets_ms


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        (who, image, 5_000_000 * k + 300_000 * n, 250.0, 20.0 + 30 * n, 40.0)
        for k, (who, image) in enumerate((w, i) for w in ("p1", "p2") for i in ("a.png", "b.png"))
        for n in range(5)
    ]
    columns = ["participant", "image", "onset_us", "duration_ms", "x_picture", "y_picture"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.parametrize(
    ("asked", "name", "kept"),
    [
        ({"window": "0:600"}, "0-600ms", [0, 1]),
        ({"window": "300:901"}, "300-901ms", [1, 2, 3]),
        ({"after": 900}, "after900ms", [3, 4]),
        ({"first": 2}, "first2", [0, 1]),
        ({"after": 300, "first": 2}, "after300ms-first2", [1, 2]),
    ],
)
def test_what_is_taken(table: pd.DataFrame, asked: dict[str, object], name: str, kept: list[int]) -> None:
    window = TimeWindow.of(**asked)  # type: ignore[arg-type]
    assert str(window) == name
    shuffled = table.sample(frac=1, random_state=0)
    chosen = window.chosen(shuffled)  # type: ignore[union-attr]
    assert sorted(chosen.index) == [5 * k + n for k in range(4) for n in kept]


def test_times_since_the_picture_came_go_before(table: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> None:
    late = table.assign(since_onset_ms=onsets_ms(table) + 500)
    assert "first fixation" in capsys.readouterr().err
    assert TimeWindow.of("0:600").chosen(late).index.tolist() == [0, 5, 10, 15]  # type: ignore[union-attr]
    assert not capsys.readouterr().err
    mixed = late.drop(columns="onset_us").sample(frac=1, random_state=0)
    first = TimeWindow.of(first=1).chosen(mixed)  # type: ignore[union-attr]
    assert sorted(first.index) == [0, 5, 10, 15], "the order of rows does not say which came first"


@pytest.mark.parametrize("asked", [{"window": "1000"}, {"window": "5:5"}, {"window": "0:9", "after": 3}, {"first": 0}])
def test_what_is_no_window_is_refused(asked: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        TimeWindow.of(**asked)  # type: ignore[arg-type]


def test_without_times_only_the_first_can_be_taken(table: pd.DataFrame) -> None:
    plain = table.drop(columns="onset_us")
    assert len(TimeWindow.of(first=1).chosen(plain)) == 4  # type: ignore[union-attr]
    with pytest.raises(InputError, match="no onset_us"):
        TimeWindow.of("0:500").chosen(plain)  # type: ignore[union-attr]
    with pytest.raises(InputError, match="none of 20 fixations lies in the window after99999ms"):
        TimeWindow.of(after=99_999).chosen(table)  # type: ignore[union-attr]


def test_maps_masks_and_agreement_of_a_window(table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "p" / name), np.full((100, 200, 3), 90, np.uint8))
    table.to_csv(tmp_path / "f.csv", index=False)
    table[table.index % 5 < 2].to_csv(tmp_path / "early.csv", index=False)
    found = []
    for name, extra in (("f.csv", ["--window", "0:600"]), ("early.csv", [])):
        out = tmp_path / f"out-{name}"
        arguments = [str(tmp_path / name), "--pictures", str(tmp_path / "p"), "--sigma-px", "8", "--out", str(out)]
        assert CliRunner().invoke(command, [*arguments, *extra], catch_exceptions=False).exit_code == 0
        found.append([pd.read_csv(out / t) for t in ("attention.csv", "agreement.csv", "ceiling.csv")])
        found[-1].append((out / "maps" / "a.png.png").read_bytes())
    for one, other in zip(found[0][:3], found[1][:3], strict=True):
        pd.testing.assert_frame_equal(one, other)
    assert found[0][3] == found[1][3]
    assert '"window": "0-600ms"' in (tmp_path / "out-f.csv" / "attention.csv.json").read_text()


def test_maps_without_fixations_that_their_picture_cuts(table: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / "p" / name), np.full((100, 200, 3), 90, np.uint8))
    first, last = table.index % 5 == 0, table.index % 5 == 4
    table.assign(cut_start=first, cut_end=last).to_csv(tmp_path / "cut.csv", index=False)
    table[~first].to_csv(tmp_path / "drop-start.csv", index=False)
    table[~first & ~last].to_csv(tmp_path / "drop.csv", index=False)
    shared = ["--pictures", str(tmp_path / "p"), "--sigma-px", "8", "--no-agreement", "--tables-only"]
    for choice in ("drop-start", "drop"):
        maps = []
        for name, extra in (("cut.csv", ["--cut", choice]), (f"{choice}.csv", [])):
            out = tmp_path / f"{choice}-{name}"
            arguments = [str(tmp_path / name), *shared, "--out", str(out), *extra]
            assert CliRunner().invoke(command, arguments, catch_exceptions=False).exit_code == 0
            maps.append(pd.read_csv(out / "attention.csv"))
        pd.testing.assert_frame_equal(*maps)


def test_fixations_without_times_are_in_the_order_that_a_column_numbers(tmp_path: Path, table: pd.DataFrame) -> None:
    table = table.drop(columns="onset_us").assign(FixationNumber=[1, 2, 3, 4, 5] * 4)
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "f.csv", index=False)
    read = read_fixations(tmp_path / "f.csv")
    for _, viewing in read.groupby(["participant", "image"]):
        assert viewing["FixationNumber"].tolist() == [1, 2, 3, 4, 5]
    first = TimeWindow.of(first=2)
    assert first is not None
    assert set(first.chosen(read)["x_picture"]) == {20.0, 50.0}


@pytest.mark.parametrize("numbers", [[1, 2, 3, 1, 2], [5, 4, 3, 2, None], [1, 2, 3, 4, 5]])
def test_numbers_that_tell_no_order_leave_the_rows_as_they_are(
    tmp_path: Path, table: pd.DataFrame, numbers: list[float]
) -> None:
    table.drop(columns="onset_us").assign(index=numbers * 4).to_csv(tmp_path / "f.csv", index=False)
    assert read_fixations(tmp_path / "f.csv")["x_picture"].tolist() == table["x_picture"].tolist()


def test_times_go_before_numbers(tmp_path: Path, table: pd.DataFrame) -> None:
    table.assign(index=[5, 4, 3, 2, 1] * 4).to_csv(tmp_path / "f.csv", index=False)
    assert read_fixations(tmp_path / "f.csv")["x_picture"].tolist() == table["x_picture"].tolist()
