"""What a power cut leaves of a journal and of a session file that is being made."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import GazekitError
from gazekit.session import open_session
from gazekit.session.events import Message
from gazekit.session.finalise import recover
from gazekit.session.journal import JournalWriter
from gazekit.session.samples import from_recording
from tests.fixtures.journals import HEADER, some_rows, write_journal
from tests.fixtures.power_loss import Disk

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files are told apart by /proc/self/fd")


def test_every_synced_record_survives_and_nothing_that_was_not_written_appears(
    traced_disk: Disk, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / "P01.gaze.journal"
    journal = JournalWriter(path, HEADER)
    assert ("sync", tmp_path, None, b"") in traced_disk.asked, "the name of the journal is not on the disk"
    parts, safe = [], [(len(traced_disk.asked), 0)]
    for k in range(40):
        parts.append(some_rows(10, rng, 10 * k))
        journal.block("gaze", parts[-1])
        journal.event(Message(k, f"m{k}"))
        if rng.random() < 0.4:
            journal.sync()
            safe.append((len(traced_disk.asked), 10 * (k + 1)))
    journal.close()
    assert traced_disk.asked[-1][0] == "sync", "what came last is not on the disk when the journal is closed"
    rows, outcomes = np.concatenate(parts), {"lost": 0, "recovered": 0}
    for n, moment in enumerate(rng.integers(1, len(traced_disk.asked), 60)):
        image = traced_disk.image(path, int(moment), rng)
        certain = max(samples for asked, samples in safe if asked <= moment) if moment >= safe[0][0] else None
        copy = tmp_path / f"c{n}.gaze.journal"
        copy.write_bytes(image or b"")
        try:
            made = recover(copy)
        except GazekitError:
            assert certain is None, "the header was synced"
            outcomes["lost"] += 1
            continue
        got = from_recording(open_session(made.session).recording)
        assert len(got) >= (certain or 0)
        assert (np.diff(got["device_time_us"]) > 0).all()
        assert got.tobytes() == rows[got["device_time_us"] // 1000].tobytes()
        assert got[: certain or 0].tobytes() == rows[: certain or 0].tobytes()
        outcomes["recovered"] += 1
    assert outcomes["recovered"] > 40


def test_a_session_file_is_on_the_disk_before_its_journal_goes(
    traced_disk: Disk, tmp_path: Path, rng: np.random.Generator
) -> None:
    path, target = tmp_path / "P01.gaze.journal", tmp_path / "P01.gaze.h5"
    rows = write_journal(path, rng)
    kept = path.read_bytes()
    traced_disk.asked.clear()
    recover(path, keep_journal=False)
    asked = [entry[0] for entry in traced_disk.asked]
    renamed, gone = asked.index("replace"), len(asked) - 1 - asked[::-1].index("unlink")
    beside = traced_disk.asked[renamed][1]
    assert traced_disk.asked[gone][1] == path
    # all of the file is synced before it takes its name, and the name before the journal goes
    last_write = max(n for n, entry in enumerate(traced_disk.asked) if entry[0] == "write" and entry[1] == beside)
    assert last_write < asked.index("sync", last_write) < renamed
    assert any(entry[0] == "sync" and entry[1] == tmp_path for entry in traced_disk.asked[renamed:gone])
    whole = target.read_bytes()
    for moment in rng.integers(0, len(asked) + 1, 25):
        target.unlink(missing_ok=True)
        for stale in tmp_path.glob(".*.part"):
            stale.unlink()
        if moment <= gone:
            path.write_bytes(kept)
        if moment > renamed:
            image = traced_disk.image(beside, renamed, rng)
            assert image == whole, "the name came before the bytes"
            if moment > gone or rng.random() < 0.5:  # the name itself may not have come through before its sync
                target.write_bytes(image)
        elif (torn := traced_disk.image(beside, int(moment), rng)) is not None:
            (tmp_path / f".{target.name}.1-dead.part").write_bytes(torn)
        if path.exists():
            recover(path, keep_journal=False)
        assert from_recording(open_session(target).recording).tobytes() == rows.tobytes()
        assert not list(tmp_path.glob(".*.part"))
