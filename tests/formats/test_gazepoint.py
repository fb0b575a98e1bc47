"""Gazepoint Analysis exports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.formats import import_recording
from gazekit.formats.registry import detect
from gazekit.formats.text import Head
from gazekit.screen import Screen

SCREEN = Screen(1920, 1080, 527.0, 296.0, 630.0)


@pytest.fixture
def export(foreign, tmp_path: Path) -> Path:
    return foreign.gazepoint.write(tmp_path)


def test_samples_on_the_clock_that_does_not_start_anew(export: Path) -> None:
    assert detect(Head.of(export)) == "gazepoint"
    session = import_recording(export, screen=SCREEN)
    gaze = session.recording
    assert (session.participant, session.started_utc) == ("User 3", "2026/01/27 09:39:32.995")
    assert gaze.device_time_us.tolist() == [10_000_000, 10_016_670, 10_033_340, 10_050_010]
    np.testing.assert_array_equal(gaze.left.gaze, [[0.25, 0.5]] * 4)
    np.testing.assert_array_equal(gaze.right.gaze, [[0.75, 0.5]] * 4)
    assert gaze.left.valid.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(gaze.left.pupil_mm, [3.5, np.nan, 3.5, 3.5])


def test_media_fixations_and_user_data(export: Path) -> None:
    session = import_recording(export, screen=SCREEN)
    assert session.stimuli[["image", "onset_us", "offset_us"]].to_numpy().tolist() == [
        ["NewMedia0", 10_000_000, 10_033_340],
        ["NewMedia1", 10_033_340, 10_050_011],
    ]
    assert session.streams["eye_movements"]["label"].tolist() == [1, 1, 0, 0]
    assert session.messages.to_numpy().tolist() == [[10_016_670, "START"]]


def test_best_gaze_where_the_eyes_are_not_apart(export: Path) -> None:
    lines = export.read_text().replace("LPOG", "XPOG").replace("RPOG", "YPOG")
    export.write_text(lines)
    gaze = import_recording(export, screen=SCREEN).recording
    np.testing.assert_array_equal(gaze.left.gaze, [[0.5, 0.5]] * 4)
    assert not gaze.right.valid.any()
    assert gaze.left.pupil_mm[0] == 3.5


def test_a_row_a_fixation_is_another_file_whatever_its_name(foreign, tmp_path: Path) -> None:
    rows = [foreign.gazepoint.row("m", n / 4, n * 2_500_000, 1, 1).replace(",7,1,", f",{n},1,") for n in range(20)]
    fixations = tmp_path / "User 3_all_gaze.csv"
    fixations.write_text("\n".join([foreign.gazepoint.HEADER, *rows]) + "\n")
    with pytest.raises(Exception, match="of no known format"):
        import_recording(fixations, screen=SCREEN)


@pytest.mark.parametrize(
    ("factor", "likely"),
    [
        pytest.param(1000, "milliseconds given as seconds", id="ms for s"),
        pytest.param(1e6, "microseconds given as seconds", id="us for s"),
    ],
)
def test_a_time_in_another_unit_than_the_formats_is_refused(
    foreign, tmp_path: Path, run, factor: float, likely: str
) -> None:
    """No mapping says a unit here: the rate alone tells."""
    head, first, *_ = foreign.gazepoint.write(tmp_path).read_text().splitlines()
    rows = []
    for n in range(80):
        cells = first.split(",")
        cells[4] = str(round(n / 60 * 1e7 * factor))
        rows.append(",".join(cells))
    path = tmp_path / "other_all_gaze.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    result = run(
        "import",
        path,
        "--screen",
        "1920x1080",
        "--screen-mm",
        "527x296",
        "--distance-mm",
        "630",
        "--out",
        tmp_path / "o",
    )
    assert result.exit_code == 1
    assert likely in result.output
    assert not list((tmp_path / "o").glob("*"))
