"""EyeLink ASC files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError, InputError
from gazekit.formats import import_recording
from gazekit.formats.registry import detect
from gazekit.formats.text import Head

SIZES = {"width_mm": 380.0, "height_mm": 300.0, "distance_mm": 670.0}
HEAD = """** CONVERTED FROM D:\\p1.edf using edfapi 4.2 on Mon Nov  2 10:00:00 2026
** DATE: Mon Nov  2 09:00:00 2026
** TYPE: EDF_FILE BINARY EVENT SAMPLE TAGGED
** VERSION: EYELINK II 1
** EYELINK II CL v6.12 Feb  1 2018
**
MSG\t1000 !CAL CALIBRATION HV9 LR LEFT  GOOD
MSG\t1001 RECCFG CR 1000 2 1 {reccfg}
MSG\t1001 GAZE_COORDS 0.00 0.00 1023.00 767.00
PRESCALER\t1
PUPIL\tAREA
EVENTS\tGAZE\t{eyes}\tRATE\t{rate}\tTRACKING\tCR\tFILTER\t2
SAMPLES\tGAZE\t{eyes}\tRATE\t{rate}\tTRACKING\tCR\tFILTER\t2\tINPUT
START\t1002 \t{eyes}\tSAMPLES\tEVENTS
"""
BINOCULAR = """1002\t  256.0\t  384.0\t 1500.0\t  260.0\t  384.0\t 1400.0\t    0.0\t.....
SFIX L   1003
MSG\t1003 SHOW ray 1.jpg
1003\t  256.5\t  384.0\t 1500.0\t  260.5\t  384.0\t 1400.0\t    0.0\t.....
1004\t  257.0\t  384.0\t 1500.0\t  261.0\t  384.0\t 1400.0\t    0.0\t.....
EFIX L   1003\t1004\t2\t  256.7\t  384.0\t   1500
SSACC L  1005
1005\t  300.0\t  384.0\t 1500.0\t  304.0\t  384.0\t 1400.0\t    0.0\t.....
SBLINK L 1006
1006\t   .\t   .\t    0.0\t  310.0\t  384.0\t 1400.0\t    0.0\t.C...
EBLINK L 1006\t1006\t1
1007\t   .\t   .\t    0.0\t   .\t   .\t    0.0\t    0.0\t.C.C.
ESACC L  1005\t1007\t3\t  300\t  384\t  310\t  384\t   1.0\t   50
1008\t  310.0\t  384.0\t 1500.0\t  311.0\t  384.0\t 1400.0\t    0.0\t.....
MSG\t1009 HIDE
END\t1010 \tSAMPLES\tEVENTS\tRES\t  25.0\t  25.0
"""
MONOCULAR = """1002\t  512.0\t  384.0\t 1500.0\t...
1002\t  513.0\t  384.0\t 1500.0\t...
1003\t  514.0\t  384.0\t 1500.0\t...
1003\t   .\t   .\t    0.0\t.C.
END\t1004 \tSAMPLES\tEVENTS
"""


def write(folder: Path, body: str, eyes: str = "LEFT\tRIGHT", rate: str = "1000.00") -> Path:
    path = folder / "p1.asc"
    path.write_text(HEAD.format(eyes=eyes, rate=rate, reccfg="LR") + body)
    return path


def test_both_eyes(tmp_path: Path) -> None:
    path = write(tmp_path, BINOCULAR)
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


def test_its_own_events_label_the_samples(tmp_path: Path) -> None:
    theirs = import_recording(write(tmp_path, BINOCULAR), screen=SIZES).streams["eye_movements"]
    assert theirs["label"].tolist() == [0, 1, 1, 2, 5, 2, 0]


def test_one_eye_at_2000_hz_with_doubled_stamps(tmp_path: Path) -> None:
    gaze = import_recording(write(tmp_path, MONOCULAR, "RIGHT", "2000.00"), screen=SIZES).recording
    assert gaze.device_time_us.tolist() == [1_002_000, 1_002_500, 1_003_000, 1_003_500]
    assert gaze.right.valid.tolist() == [True, True, True, False]
    assert not gaze.left.valid.any()


def test_pictures_by_messages(tmp_path: Path, run) -> None:
    path = write(tmp_path, BINOCULAR)
    patterns = {"onset": r"^SHOW (?P<image>.+)", "offset": "^HIDE(?P<image>)"}
    session = import_recording(path, screen=SIZES, onset=patterns["onset"])
    assert session.stimuli[["image", "onset_us"]].to_numpy().tolist() == [["ray 1.jpg", 1_003_000]]
    arguments = ["--screen-mm", "380x300", "--distance-mm", 670, "--set", f"onset={patterns['onset']}"]
    assert run("import", path, *arguments, "--out", tmp_path / "out").exit_code == 0
    with pytest.raises(InputError, match="group"):
        import_recording(path, screen=SIZES, onset="SHOW")
    with pytest.raises(InputError, match="did you mean onset"):
        import_recording(path, screen=SIZES, onsett="SHOW")


def test_cut_off_line(tmp_path: Path) -> None:
    path = write(tmp_path, BINOCULAR.replace("END\t1010 \tSAMPLES\tEVENTS\tRES\t  25.0\t  25.0\n", "1009\t 31"))
    session = import_recording(path, screen=SIZES)
    assert len(session.recording) == 7
    assert "1 sample lines of another length were left out" in session.provenance["notes"]
    with pytest.raises(FormatError, match="another length"):
        import_recording(path, screen=SIZES, strict=True)


def test_head_referenced_samples_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, BINOCULAR)
    path.write_text(path.read_text().replace("SAMPLES\tGAZE", "SAMPLES\tHREF"))
    with pytest.raises(FormatError, match="HREF, not GAZE"):
        import_recording(path, screen=SIZES)
