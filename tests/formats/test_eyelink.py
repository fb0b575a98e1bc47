"""EyeLink ASC files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import FormatError, InputError
from gazekit.formats import eyelink, import_recording
from gazekit.formats.registry import detect
from gazekit.formats.text import Head

SIZES = {"width_mm": 380.0, "height_mm": 300.0, "distance_mm": 670.0}


def test_both_eyes(foreign, tmp_path: Path) -> None:
    path = foreign.eyelink.write(tmp_path, foreign.eyelink.BINOCULAR)
    assert detect(Head.of(path)) == "eyelink"
    session = import_recording(path, screen=SIZES)
    gaze = session.recording
    assert (session.screen.width_px, session.screen.height_px, session.tracker.rate_hz) == (1024, 768, 1000)
    assert session.tracker.model == "EYELINK II CL v6.12 Feb  1 2018"
    assert gaze.device_time_us.tolist() == [1000 * ms for ms in range(1002, 1009)]
    np.testing.assert_allclose(gaze.left.gaze[0], [0.25, 0.5])
    np.testing.assert_allclose(gaze.right.gaze[4, 0] * 1024, 310)
    assert gaze.left.valid.tolist() == [True, True, True, True, False, False, True]
    assert gaze.right.valid.tolist() == [True, True, True, True, True, False, True]


def test_its_own_events_label_the_samples(foreign, tmp_path: Path) -> None:
    theirs = import_recording(foreign.eyelink.write(tmp_path, foreign.eyelink.BINOCULAR), screen=SIZES).streams[
        "eye_movements"
    ]
    assert theirs["label"].tolist() == [0, 1, 1, 2, 5, 2, 0]


def test_one_eye_at_2000_hz_with_doubled_stamps(foreign, tmp_path: Path) -> None:
    gaze = import_recording(
        foreign.eyelink.write(tmp_path, foreign.eyelink.MONOCULAR, "RIGHT", "2000.00"), screen=SIZES
    ).recording
    assert gaze.device_time_us.tolist() == [1_002_000, 1_002_500, 1_003_000, 1_003_500]
    assert gaze.right.valid.tolist() == [True, True, True, False]
    assert not gaze.left.valid.any()


def test_pictures_by_messages(foreign, tmp_path: Path, run) -> None:
    path = foreign.eyelink.write(tmp_path, foreign.eyelink.BINOCULAR)
    patterns = {"onset": r"^SHOW (?P<image>.+)", "offset": "^HIDE(?P<image>)"}
    session = import_recording(path, screen=SIZES, onset=patterns["onset"])
    assert session.stimuli[["image", "onset_us"]].to_numpy().tolist() == [["ray 1.jpg", 1_003_000]]
    arguments = ["--screen-mm", "380x300", "--distance-mm", 670, "--set", f"onset={patterns['onset']}"]
    assert run("import", path, *arguments, "--out", tmp_path / "out").exit_code == 0
    with pytest.raises(InputError, match="group"):
        import_recording(path, screen=SIZES, onset="SHOW")
    with pytest.raises(InputError, match="did you mean onset"):
        import_recording(path, screen=SIZES, onsett="SHOW")


def test_cut_off_line(foreign, tmp_path: Path) -> None:
    path = foreign.eyelink.write(
        tmp_path, foreign.eyelink.BINOCULAR.replace("END\t1010 \tSAMPLES\tEVENTS\tRES\t  25.0\t  25.0\n", "1009\t 31")
    )
    session = import_recording(path, screen=SIZES)
    assert len(session.recording) == 7
    assert "the last line was cut off and left out" in session.provenance["notes"]
    assert session.provenance["account"]["damaged"] == {"last line that was cut off": 1}
    with pytest.raises(FormatError, match="1 last line that was cut off"):
        import_recording(path, screen=SIZES, strict=True)


def test_head_referenced_samples_are_refused(foreign, tmp_path: Path) -> None:
    path = foreign.eyelink.write(tmp_path, foreign.eyelink.BINOCULAR)
    path.write_text(path.read_text().replace("SAMPLES\tGAZE", "SAMPLES\tHREF"))
    with pytest.raises(FormatError, match="HREF, not GAZE"):
        import_recording(path, screen=SIZES)


def test_blocks_may_end_anywhere(foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = foreign.eyelink.write(tmp_path)
    lines = path.read_text().splitlines()
    first = next(n for n, line in enumerate(lines) if line[:1].isdigit())
    odd = [*lines[: first + 2], "1234\t  1.0", "", lines[first + 2] + "\textra", *lines[first + 3 :], "1300\t  5"]
    path.write_text("\n".join(odd))
    whole = import_recording(path, screen=foreign.MM)
    assert whole.provenance["account"]["damaged"] == {
        "last line that was cut off": 1,
        "sample lines of another length": 1,
    }
    for size in (1, 7, 64, 300):
        monkeypatch.setattr(eyelink, "_BLOCK", size)
        parts = import_recording(path, screen=foreign.MM)
        np.testing.assert_array_equal(parts.recording.left.gaze, whole.recording.left.gaze)
        pd.testing.assert_frame_equal(parts.streams["eye_movements"], whole.streams["eye_movements"])
        pd.testing.assert_frame_equal(parts.messages, whole.messages)
