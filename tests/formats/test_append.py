"""Session files written a part at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import OutputError
from gazekit.gaze import Eye, GazeRecording
from gazekit.screen import Screen
from gazekit.session import Session, open_session
from gazekit.session.streaming_writer import CHUNK_ROWS, session_writer

PARTS = [[0], [5], [CHUNK_ROWS], [CHUNK_ROWS - 1, 2], [3, 0, 2 * CHUNK_ROWS, 7], [CHUNK_ROWS + 1] * 3]


def some_recording(rng: np.random.Generator, n: int) -> GazeRecording:
    eyes = [
        Eye.from_gaze(rng.normal(size=(n, 2)), pupil_mm=rng.normal(size=n), valid=rng.random(n) < 0.5) for _ in range(2)
    ]
    return GazeRecording(rng.integers(0, 1 << 60, n), rng.integers(0, 1 << 60, n), *eyes)


@pytest.mark.parametrize("sizes", PARTS, ids=str)
def test_what_is_read_is_what_was_appended(
    sizes: list[int], rng: np.random.Generator, screen: Screen, tmp_path: Path
) -> None:
    recordings = [some_recording(rng, n) for n in sizes]
    labels = [pd.DataFrame({"label": rng.integers(0, 5, n).astype(np.int8), "x_px": rng.normal(size=n)}) for n in sizes]
    with session_writer(tmp_path / "a.gaze.h5") as writer:
        for recording, table in zip(recordings, labels, strict=True):
            writer.append(recording, {"eye_movements": table})
        writer.finish(Session("p", screen, GazeRecording.empty(), name="n"))
    session = open_session(tmp_path / "a.gaze.h5")
    assert (session.participant, session.name, len(session.recording)) == ("p", "n", sum(sizes))
    for name in ("device_time_us", "system_time_us"):
        expected = np.concatenate([getattr(r, name) for r in recordings])
        np.testing.assert_array_equal(getattr(session.recording, name), expected)
    for name in ("gaze", "gaze_mm", "pupil_mm", "valid"):
        expected = np.concatenate([getattr(r.right, name) for r in recordings])
        np.testing.assert_array_equal(getattr(session.recording.right, name), expected)
    pd.testing.assert_frame_equal(session.streams["eye_movements"], pd.concat(labels, ignore_index=True))


def test_nothing_appears_when_it_breaks_off(rng: np.random.Generator, tmp_path: Path) -> None:
    def break_off() -> None:
        with session_writer(tmp_path / "a.gaze.h5") as writer:
            writer.append(some_recording(rng, 10))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    assert list(tmp_path.iterdir()) == []


def test_never_over_another_file(tmp_path: Path) -> None:
    (tmp_path / "a.gaze.h5").write_text("mine")
    with pytest.raises(OutputError, match="exists already"), session_writer(tmp_path / "a.gaze.h5"):
        pass
    assert (tmp_path / "a.gaze.h5").read_text() == "mine"
