"""What the other tests of the journal and the session file leave: CI measures that every branch is tried."""

from __future__ import annotations

import itertools
import json
import os
import resource
import struct
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

from gazekit.core.errors import FormatError, InputError
from gazekit.session import Calibration, CalibrationPoint, Session, Validation, open_session, write_session
from gazekit.session.events import Message
from gazekit.session.journal import MARKER, Journal, JournalWriter, read_header
from gazekit.session.session_file import json_attribute
from tests.fixtures.journals import HEADER, some_rows, write_journal
from tests.fixtures.looks import looks


def test_calibrations_and_validations_come_back(tmp_path: Path) -> None:
    """Attempts with and without points, and all three verdicts of a validation."""
    rng = np.random.default_rng(3)
    point = CalibrationPoint(
        (0.5, 0.25), rng.random((4, 2)), rng.random((3, 2)), rng.random(4) > 0.5, rng.random(3) > 0.5
    )
    table = pd.DataFrame({"target": ["0.5,0.5", ""], "eye": ["left", "right"], "trueness_deg": [0.4, np.nan]})
    attempts = (Calibration(5, "failure"), Calibration(9, "success", (point, point), b"blob"))
    verdicts = tuple(Validation(n, table, passed) for n, passed in enumerate((True, False, None)))
    session = replace(looks([("a.jpg", [(100, 100, 300)])]), calibrations=attempts, validations=verdicts)
    write_session(session, tmp_path / "P1.gaze.h5")
    back = open_session(tmp_path / "P1.gaze.h5")
    assert [(c.time_us, c.status, len(c.points), c.blob) for c in back.calibrations] == [
        (5, "failure", 0, b""),
        (9, "success", 2, b"blob"),
    ]
    for name in ("left", "right", "left_used", "right_used"):
        np.testing.assert_array_equal(getattr(back.calibrations[1].points[1], name), getattr(point, name))
    assert back.calibrations[1].points[0].target == (0.5, 0.25)
    assert [validation.passed for validation in back.validations] == [True, False, None]
    pd.testing.assert_frame_equal(back.validations[2].table, table, check_dtype=False)
    assert isinstance(back, Session)


def test_an_object_that_no_attribute_can_hold_comes_back(tmp_path: Path) -> None:
    """HDF5 takes 64 kB in an attribute; a plan of thousands of pictures is longer."""
    planned = [f"picture{n:05d}.jpg" for n in range(5000)]
    session = replace(looks([("a.jpg", [(100, 100, 300)])]), provenance={"parameters": {"planned": planned}})
    write_session(session, tmp_path / "P1.gaze.h5")
    assert open_session(tmp_path / "P1.gaze.h5").provenance["parameters"]["planned"] == planned
    with h5py.File(tmp_path / "wrong.h5", "w") as file:
        file.attrs["display"] = "[1, 2]"
        with pytest.raises(FormatError, match="display should be an object"):
            json_attribute(file, "display")


def test_what_is_written_is_synced_and_a_failure_ends_the_syncing(tmp_path: Path) -> None:
    writer, stop, failed = JournalWriter(tmp_path / "P01.gaze.journal", HEADER), threading.Event(), []
    thread = threading.Thread(target=lambda: failed.append(writer.keep_synced(stop)))
    thread.start()
    writer.end({"complete": True})
    threading.Event().wait(0.2)  # synced once, then nothing is new
    assert thread.is_alive()
    stop.set()
    thread.join()
    assert failed == [None]
    with open(os.devnull, "wb") as gone:  # a disk that no longer syncs
        os.dup2(gone.fileno(), writer._file.fileno())
    error = writer.keep_synced(threading.Event())
    assert isinstance(error, OSError)
    with pytest.raises(OSError, match="Invalid argument"):
        writer.close()
    assert writer._file.closed


def test_a_journal_that_cannot_be_opened_is_said(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "P01.gaze.journal"
    write_journal(path, rng)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        for read in (Journal, read_header):
            with pytest.raises(InputError, match="cannot be read: Too many open files"):
                read(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_record_without_a_payload_is_whole_at_the_very_end(tmp_path: Path) -> None:
    path = tmp_path / "P01.gaze.journal"
    writer = JournalWriter(path, HEADER)
    writer.write(9, b"")
    writer.close()
    journal = Journal(path)
    assert journal.damage == []
    assert [record.kind for record in journal.others()] == [1, 9]


def test_a_marker_at_the_very_end_is_no_record(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "P01.gaze.journal"
    write_journal(path, rng)
    whole = path.stat().st_size
    with open(path, "ab") as file:
        file.write(b"torn" + MARKER)
    journal = Journal(path)
    assert sum(1 for _ in journal.others()) > 0
    assert [(d.offset, d.length, d.at_end) for d in journal.damage] == [(whole, 4 + len(MARKER), True)]


def a_record(sequence: int, kind: int, payload: bytes) -> bytes:
    """A record as the format says, written here a second time: what writer and reader share cannot drift together."""
    crc = zlib.crc32(payload, zlib.crc32(struct.pack("<IIHH", sequence, len(payload), kind, 0)))
    return struct.pack("<4sIIHHI", b"\xa5gz\x1a", sequence, len(payload), kind, 0, crc) + payload


def test_the_bytes_of_a_journal_are_those_of_the_format(tmp_path: Path, rng: np.random.Generator) -> None:
    path, rows = tmp_path / "P01.gaze.journal", some_rows(1000, rng)
    writer = JournalWriter(path, HEADER)
    writer.block("gaze", rows)
    writer.event(Message(7, "a text"))
    writer.end({"samples": 1000, "complete": True})
    writer.close()
    fit = 65536 // rows.dtype.itemsize
    parts = [b"gaze\0" + rows[start : start + fit].tobytes() for start in range(0, len(rows), fit)]
    header = json.dumps({"schema": "gazekit.journal/1", **HEADER}, sort_keys=True).encode()
    message = b'{"event": "message", "text": "a text", "time_us": 7}'
    records = [(1, header), *((2, part) for part in parts), (3, message), (4, b'{"complete": true, "samples": 1000}')]
    expected = b"GAZEKJ\r\n" + b"".join(a_record(n, *entry) for n, entry in enumerate(records))
    assert len(parts) > 2
    assert path.read_bytes() == expected
    assert [(entry.sequence, entry.kind) for entry in Journal(path).records()] == [
        (n, kind) for n, (kind, _) in enumerate(records)
    ]


def test_records_of_four_megabytes_fit_and_no_longer_ones(tmp_path: Path) -> None:
    path = tmp_path / "P01.gaze.journal"
    writer = JournalWriter(path, HEADER)
    writer.write(3, b" " * (4 << 20))
    with pytest.raises(ValueError, match=r"a record of 4194305 bytes; at most 4194304 fit"):
        writer.write(3, b" " * ((4 << 20) + 1))
    writer.close()
    whole = Journal(path)
    assert [len(entry.payload) for entry in whole.others()][1] == 4 << 20
    assert whole.damage == []
    with open(path, "ab") as file:
        file.write(a_record(2, 3, b" " * ((4 << 20) + 1)))
    assert Journal(path).damage[0].at_end


def test_a_running_journal_is_synced_twenty_times_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, stop, synced, fsync = JournalWriter(tmp_path / "P01.gaze.journal", HEADER), threading.Event(), [], os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: (synced.append(number), fsync(number)))
    thread = threading.Thread(target=writer.keep_synced, args=(stop,), daemon=True)
    began = time.monotonic()
    thread.start()
    for n in itertools.count():
        writer.event(Message(n, "m"))
        threading.Event().wait(0.01)
        if n >= 60 and len(synced) >= 3:
            break
    stop.set()
    thread.join(60)
    assert not thread.is_alive()
    writer.close()
    assert len(synced) <= (time.monotonic() - began) / 0.05 + 2


def test_a_damaged_marker_or_a_byte_between_costs_no_other_record(tmp_path: Path) -> None:
    """The checksum does not hold the marker; and a record may begin one byte after where it should."""
    path = tmp_path / "P01.gaze.journal"
    writer = JournalWriter(path, HEADER)
    starts = []
    for n in range(3):
        starts.append(path.stat().st_size)  # every record is in the file at once
        writer.event(Message(n, "m"))
    writer.close()
    whole, size = path.read_bytes(), starts[1] - starts[0]
    assert len(whole) == starts[0] + 3 * size
    path.write_bytes(whole[: starts[1]] + b"?" + whole[starts[1] + 1 :])
    damaged = Journal(path)
    assert [entry.sequence for entry in damaged.others()] == [0, 1, 3]
    assert (damaged.missing_records, [(d.offset, d.length, d.at_end) for d in damaged.damage]) == (
        1,
        [(starts[1], size, False)],
    )
    path.write_bytes(whole[: starts[1]] + b"?" + whole[starts[1] :])
    shifted = Journal(path)
    assert [entry.sequence for entry in shifted.others()] == [0, 1, 2, 3]
    assert [(d.offset, d.length, d.at_end) for d in shifted.damage] == [(starts[1], 1, False)]
    path.write_bytes(whole[: starts[1]] + MARKER + whole[starts[1] :])
    assert [entry.sequence for entry in Journal(path).others()] == [0, 1, 2, 3]
    for cut in (1, size - 1):  # of the payload, and of all but a byte
        path.write_bytes(whole[:-cut])
        assert [(d.offset, d.length, d.at_end) for d in Journal(path).damage] == [(starts[2], size - cut, True)]


def test_a_header_that_is_no_object_is_named_by_its_record(tmp_path: Path) -> None:
    path = tmp_path / "P01.gaze.journal"
    path.write_bytes(b"GAZEKJ\r\n" + a_record(0, 1, b"[1]"))
    with pytest.raises(FormatError, match=r"^record 0 of the journal should hold an object, found \[1\]"):
        read_header(path)
    path.write_bytes(b"GAZEKJ\r\n")
    with pytest.raises(FormatError, match="is not a journal of gazekit, or has lost its header"):
        read_header(path)
