"""A long file comes in parts: what is read of it does not depend on where one ends."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from gazekit.formats import eye_movements, import_recording, text

TEXTS = ["eprime", "gazepoint", "iohub csv", "plain", "prolab", "pupil", "pygaze", "smi idf", "smi begaze", "studio"]
TEXTS += ["titta", "tobii-sdk", "tobii-sdk tuples", "tx300"]


@pytest.mark.parametrize("kind", TEXTS)
def test_a_file_in_parts_is_what_it_is_as_a_whole(
    foreign: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    sample = foreign.SOUND[kind](tmp_path)
    whole = import_recording(sample.path, screen=sample.screen, **sample.options)
    widest = max(map(len, sample.path.read_bytes().splitlines()))
    monkeypatch.setattr(text, "BLOCK_BYTES", 2 * widest + 2)  # about two lines each
    monkeypatch.setattr(text, "LINES", 3)
    parts = import_recording(sample.path, screen=sample.screen, **sample.options)
    for side in ("left", "right"):
        for name in ("gaze", "valid", "pupil_mm"):
            there, here = (getattr(getattr(s.recording, side), name) for s in (whole, parts))
            np.testing.assert_array_equal(here, there)
    np.testing.assert_array_equal(parts.recording.device_time_us, whole.recording.device_time_us)
    np.testing.assert_array_equal(parts.recording.system_time_us, whole.recording.system_time_us)
    for name in ("stimuli", "messages"):
        assert getattr(parts, name).equals(getattr(whole, name))
    assert set(parts.streams) == set(whole.streams)
    assert all(table.equals(whole.streams[name]) for name, table in parts.streams.items())
    accounts = [session.provenance["account"] for session in (parts, whole)]
    rates = [account.pop("rate_hz") for account in accounts]  # of the steps within parts, here very short ones
    assert rates[0] == pytest.approx(rates[1], rel=0.02)
    assert accounts[0] == accounts[1]


def test_events_that_go_on_in_the_next_part_keep_their_number() -> None:
    numbers = eye_movements.Numbers()
    parts = [[0, 1, 1], [1, 2, 0], [], [0, 1], [1]]
    given = [numbers.of(np.array(part, dtype=np.int8)).tolist() for part in parts]
    assert np.nan_to_num(np.concatenate(given), nan=-1).tolist() == [-1, 1, 1, 1, 2, -1, -1, 3, 3]
