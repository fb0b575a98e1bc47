"""Fixations of sessions on their pictures, the command, and detectors that a plug-in brings."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli.fixations_ import command
from gazekit.core.errors import InputError
from gazekit.core.tables import FIXATION_COLUMNS, read_table, without_cut
from gazekit.events import detect_fixations, detectors, label_samples, session_fixations
from gazekit.events.saccades import SACCADE_COLUMNS
from gazekit.gaze import GazeRecording
from gazekit.session import Session, write_session
from tests.fixtures.gazes import SCREEN, a_session, at_degrees


def on_two_pictures() -> Session:
    """Two rests: at pixel (1000, 512) while a.jpg is shown, at (100, 100), off the picture, while b.jpg is."""
    time = np.arange(2000) * 1000
    x = np.repeat([1000.0, 100.0], 1000)
    y = np.repeat([512.0, 100.0], 1000)
    stimuli = pd.DataFrame(
        {
            "image": ["a.jpg", "b.jpg"],
            "sha256": "",
            "picture_width": 400,
            "picture_height": 200,
            "onset_us": [0, 1_000_000],
            "offset_us": [1_000_000, 2_000_000],
            "x": 800.0,
            "y": 412.0,
            "width": 800.0,
            "height": 400.0,
            "order": [0, 1],
            "response": "",
        }
    )
    return Session("007", SCREEN, GazeRecording.from_pixels(time, x, y, SCREEN), stimuli=stimuli)


def test_fixations_lie_in_picture_pixels_or_off_the_picture() -> None:
    table = session_fixations(on_two_pictures())
    assert list(table.columns) == list(FIXATION_COLUMNS)
    assert table["image"].tolist() == ["a.jpg", "b.jpg"]
    np.testing.assert_allclose(table["x_picture"], [100, np.nan], atol=1e-6)
    np.testing.assert_allclose(table["y_picture"], [50, np.nan], atol=1e-6)
    assert set(table["participant"]) == {"007"}
    assert set(table["detector"]) == {"adaptive"}
    assert table["since_onset_ms"].tolist() == [0, 0]


def test_no_fixation_reaches_into_the_next_picture() -> None:
    session = on_two_pictures()
    still = GazeRecording.from_pixels(np.arange(2000) * 1000, np.full(2000, 1000.0), np.full(2000, 512.0), SCREEN)
    table = session_fixations(Session("P", SCREEN, still, stimuli=session.stimuli), "idt")
    assert table["onset_us"].tolist() == [0, 1_000_000]


def test_a_session_without_pictures_is_detected_whole() -> None:
    table = session_fixations(Session("P", SCREEN, at_degrees(np.arange(1000), np.zeros(1000))))
    assert table["image"].tolist() == [""]
    assert table[["x_picture", "since_onset_ms"]].isna().all(axis=None)


def test_fixations_count_from_their_picture_on_the_clock_that_showed_it() -> None:
    """The tracker's clock is two hours behind the host's; a look begins 0.3 s after each picture came."""
    session = on_two_pictures()
    device = np.arange(2000) * 1000
    place = np.where(np.arange(2000) % 1000 < 300, 900.0, 1200.0)
    eyes = GazeRecording.from_pixels(device, place, np.full(2000, 512.0), SCREEN)
    apart = GazeRecording(device, device + 7_200_000_000, eyes.left, eyes.right)
    late = session.stimuli.assign(**{name: session.stimuli[name] + 7_200_000_000 for name in ("onset_us", "offset_us")})
    table = session_fixations(Session("P", SCREEN, apart, stimuli=late))
    assert table["image"].tolist() == ["a.jpg", "a.jpg", "b.jpg", "b.jpg"]
    np.testing.assert_allclose(table["since_onset_ms"], [0, 300, 0, 300], atol=12)


def test_the_command_writes_one_table(tmp_path: Path, rng: np.random.Generator) -> None:
    write_session(a_session(rng, "007"), tmp_path / "in" / "one.gaze.h5")
    write_session(a_session(rng, "P2"), tmp_path / "in" / "two.gaze.h5")
    (tmp_path / "in" / "bad.gaze.h5").write_bytes(b"")
    out = tmp_path / "f.csv"
    arguments = [str(tmp_path / "in"), "--out", str(out)]
    result = CliRunner().invoke(
        command, [*arguments, "--detector", "idt", "-p", "max_dispersion_deg=0.8", "--json"], standalone_mode=False
    )
    assert result.exception is None
    assert "left out" in result.stderr
    summary = json.loads(result.stdout)
    assert summary.pop("plausibility")["fixation_percent"] > 80
    table = read_table(out, FIXATION_COLUMNS)
    assert summary == {"out": str(out), "sessions": 2, "fixations": len(table), "detector": "idt"}
    assert sorted(set(table["participant"])) == ["007", "P2"]
    assert set(table["image"]) == {"a.jpg", "b.jpg"}
    assert json.loads(table["parameters"].iloc[0])["max_dispersion_deg"] == 0.8
    made = json.loads((tmp_path / "f.csv.json").read_text())
    assert made["parameters"] == {"detector": "idt", "max_dispersion_deg": 0.8}
    assert len(made["inputs"]) == 2
    jumps = tmp_path / "s.csv"
    again = CliRunner().invoke(command, [*arguments, "--saccades", str(jumps)], standalone_mode=False)
    assert again.exception is None
    found = read_table(jumps, ["participant", "image", *SACCADE_COLUMNS])
    assert 12 <= len(found) <= 20
    assert found["amplitude_deg"].between(2, 15).all()
    strict = CliRunner().invoke(command, [*arguments, "--strict"], standalone_mode=False)
    assert isinstance(strict.exception, InputError)


PLUGIN = """
import numpy as np
from gazekit.events.labels import Events


def all_fixation(samples, *, label=1):
    return Events.from_labels(np.full(len(samples), label, dtype=np.int8))
"""


def test_a_plug_in_brings_a_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gazekit_detector_for_test.py").write_text(PLUGIN)
    info = tmp_path / "gazekit_detector_for_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gazekit-detector-for-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[gazekit.detectors]\nwhole = gazekit_detector_for_test:all_fixation\n"
        "broken = gazekit_detector_for_test:no_such\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert detectors()[-2:] == ["broken", "whole"]
    recording = at_degrees(np.arange(10), np.zeros(10))
    assert detect_fixations(recording, SCREEN, "whole")["duration_ms"].tolist() == [10.0]
    assert (label_samples(recording, SCREEN, "whole", label=4) == 4).all()
    with pytest.raises(InputError, match="'broken' of the plug-in gazekit_detector_for_test:no_such cannot be loaded"):
        detect_fixations(recording, SCREEN, "broken")


def test_fixations_that_a_picture_cuts_say_so_and_count_as_asked(tmp_path: Path) -> None:
    """A look that begins before a.jpg and ends in it, one inside, one that goes on into b.jpg."""
    session = on_two_pictures()
    place = np.select([np.arange(2000) < 300, np.arange(2000) < 700], [900.0, 1000.0], 1200.0)
    recording = GazeRecording.from_pixels(np.arange(2000) * 1000, place, np.full(2000, 512.0), SCREEN)
    session = Session("P", SCREEN, recording, stimuli=session.stimuli)
    for detector in ("adaptive", "ivt"):
        table = session_fixations(session, detector)
        assert table["cut_start"].tolist() == [True, False, False, True]
        assert table["cut_end"].tolist() == [False, False, True, True]
        assert len(session_fixations(session, detector, cut="drop-start")) == 2
        assert session_fixations(session, detector, cut="drop")["x_px"].round().tolist() == [1000.0]
    with pytest.raises(InputError, match="unknown way to treat cut fixations 'dorp'; did you mean drop"):
        session_fixations(session, cut="dorp")  # type: ignore[arg-type]
    write_session(session, tmp_path / "p.gaze.h5")
    out = tmp_path / "f.csv"
    arguments = [str(tmp_path / "p.gaze.h5"), "--out", str(out), "--cut", "drop"]
    assert CliRunner().invoke(command, arguments, standalone_mode=False).exception is None
    assert len(pd.read_csv(out)) == 1
    every = CliRunner().invoke(command, [*arguments[:2], str(tmp_path / "all.csv")], standalone_mode=False)
    assert every.exception is None
    assert without_cut(pd.read_csv(tmp_path / "all.csv"), "drop")["x_px"].round().tolist() == [1000.0]
    with pytest.raises(InputError, match="does not say which fixations are cut"):
        without_cut(pd.DataFrame({"image": ["a.jpg"]}), "drop")
    assert json.loads((tmp_path / "f.csv.json").read_text())["parameters"]["cut"] == "drop"
