"""The journal and the session file that is made of it."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError, InputError, OutputError
from gazekit.session import open_session
from gazekit.session.events import Response
from gazekit.session.finalise import recover
from gazekit.session.journal import _CHECKED, _HEAD, BLOCK, EVENT, MAGIC, MARKER, JournalWriter, read_header
from gazekit.session.samples import from_recording, to_recording
from tests.fixtures.journals import HEADER, a_stimulus, harm_many, some_rows, write_journal


def test_rows_and_recordings_are_each_others_inverse(rng: np.random.Generator) -> None:
    rows = some_rows(50, rng)
    assert from_recording(to_recording(rows)).tobytes() == rows.tobytes()


def test_a_journal_gives_back_every_sample_and_event(tmp_path: Path, rng: np.random.Generator) -> None:
    rows = write_journal(tmp_path / "P01.gaze.journal", rng)
    made = recover(tmp_path / "P01.gaze.journal")
    session = open_session(made.session)
    assert from_recording(session.recording).tobytes() == rows.tobytes()
    assert session.stimuli["response"].tolist() == [str(k) for k in range(30)]
    assert session.messages["text"].tolist() == [f"m{k}" for k in range(30)]
    assert (made.ended_in_order, made.damaged_bytes, made.missing_samples) == (True, 0, 0)
    assert session.finalised


def test_a_second_recover_finds_the_file_complete_and_may_remove_the_journal(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    journal = tmp_path / "P01.gaze.journal"
    write_journal(journal, rng)
    before = recover(journal).session.read_bytes()
    made = recover(journal, keep_journal=False)
    assert made.session.read_bytes() == before
    assert not journal.exists()


def test_a_session_file_that_holds_something_else_is_never_overwritten(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    write_journal(tmp_path / "P01.gaze.journal", rng)
    before = recover(tmp_path / "P01.gaze.journal").session.read_bytes()
    (tmp_path / "P01.gaze.journal").unlink()
    write_journal(tmp_path / "P01.gaze.journal", rng, batches=31)
    with pytest.raises(OutputError, match=r"never overwritten.*--out"):
        recover(tmp_path / "P01.gaze.journal")
    assert (tmp_path / "P01.gaze.h5").read_bytes() == before
    assert recover(tmp_path / "P01.gaze.journal", tmp_path / "other.gaze.h5").samples == 310


def test_a_journal_cut_anywhere_keeps_all_whole_records(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "P01.gaze.journal"
    rows = write_journal(path, rng)
    whole = path.read_bytes()
    for n, cut in enumerate(rng.integers(len(whole) // 3, len(whole) - 1, 12)):
        part = tmp_path / f"c{n}.gaze.journal"
        part.write_bytes(whole[:cut])
        made = recover(part)
        got = from_recording(open_session(made.session).recording)
        assert got.tobytes() == rows[: len(got)].tobytes()
        assert not made.ended_in_order
        # ten samples a batch: at most the batch that was cut is missing
        batches = whole[:cut].count(b"gaze\0")
        assert len(got) >= 10 * (batches - 1)


def test_damage_in_the_middle_is_left_out_and_said(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "P01.gaze.journal"
    rows = write_journal(path, rng)
    data = bytearray(path.read_bytes())
    at = [i for i in range(len(data)) if data.startswith(b"gaze\0", i)][10] + 100
    data[at] ^= 4
    path.write_bytes(data)
    made = recover(path)
    session = open_session(made.session)
    got = from_recording(session.recording)
    assert got.tobytes() == np.concatenate([rows[:100], rows[110:]]).tobytes()
    assert made.missing_samples == 10
    assert made.missing_records == 1
    assert session.streams["gaps"]["device_time_us"].tolist() == [99_000]
    assert "DAMAGED in the middle" in "\n".join(made.sentences())
    assert session.provenance["missing_records"] == 1


def test_a_response_whose_stimulus_is_lost_goes_to_no_other(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    journal.event(a_stimulus(0))
    journal.event(Response(1, "9"))
    journal.close()
    session = open_session(recover(tmp_path / "P01.gaze.journal").session)
    assert session.stimuli["response"].tolist() == [""]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n not ours", "is not a journal of gazekit"),
        (MAGIC, "lost its header"),
        (MAGIC + b"\0" * 200, "lost its header"),
    ],
    ids=["empty", "png", "only magic", "zeros"],
)
def test_what_is_no_journal_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.gaze.journal"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        recover(path)


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        (1, json.dumps({**HEADER, "schema": "gazekit.journal/9"}).encode(), r"journal/9.*reads gazekit.journal/1"),
        (1, json.dumps({"schema": "gazekit.journal/1"}).encode(), "participant"),
        (1, b"[]", "should hold an object"),
        (1, b"\xff{", "is not a journal that this gazekit wrote"),
    ],
    ids=["another version", "no participant", "a list", "no text"],
)
def test_a_header_with_a_right_checksum_is_still_looked_at(
    tmp_path: Path, kind: int, payload: bytes, message: str
) -> None:
    crc = zlib.crc32(payload, zlib.crc32(_CHECKED.pack(0, len(payload), kind, 0)))
    path = tmp_path / "x.gaze.journal"
    path.write_bytes(MAGIC + _HEAD.pack(MARKER, 0, len(payload), kind, 0, crc) + payload)
    with pytest.raises(FormatError, match=message):
        recover(path)


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        (EVENT, b'{"event": "dance"}', "dance"),
        (EVENT, b'{"no": 1}', "event"),
        (EVENT, b"3", "should hold an object, found 3"),
        (BLOCK, b"gaze\0abc", "holds 3 bytes of stream 'gaze'"),
        (BLOCK, b"nothing\0", "holds 0 bytes of stream 'nothing'"),
    ],
    ids=["unknown event", "no event", "a number", "half a row", "unknown stream"],
)
def test_a_record_that_nobody_writes_is_an_error_not_a_crash(
    tmp_path: Path, kind: int, payload: bytes, message: str
) -> None:
    journal = JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    journal.write(kind, payload)
    journal.close()
    with pytest.raises(FormatError, match=message):
        recover(tmp_path / "P01.gaze.journal")
    assert not (tmp_path / "P01.gaze.h5").exists()


def test_a_journal_makes_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "study" / "sessions" / "P01.gaze.journal"
    JournalWriter(path, HEADER).close()
    assert read_header(path)["schema"] == "gazekit.journal/1"


def test_a_running_session_is_not_written_over(tmp_path: Path) -> None:
    JournalWriter(tmp_path / "P01.gaze.journal", HEADER).close()
    with pytest.raises(OutputError, match=r"exists already.*gazekit recover"):
        JournalWriter(tmp_path / "P01.gaze.journal", HEADER)


def test_the_journal_of_a_running_session_is_left_alone(tmp_path: Path, rng: np.random.Generator) -> None:
    journal = JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    journal.block("gaze", some_rows(5, rng))
    with pytest.raises(InputError, match="still running"):
        recover(tmp_path / "P01.gaze.journal")
    journal.close()
    assert recover(tmp_path / "P01.gaze.journal").samples == 5


def test_the_header_of_a_running_session_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "P01.gaze.journal"
    journal = JournalWriter(path, HEADER)
    assert read_header(path)["participant"] == HEADER["participant"]
    journal.close()
    whole = path.read_bytes()
    for damaged in (b"x" + whole[1:], whole[:30], whole[:-1], MAGIC):
        path.write_bytes(damaged)
        with pytest.raises(FormatError, match="not a journal of gazekit, or has lost its header"):
            read_header(path)
    path.unlink()
    with pytest.raises(InputError, match="no such journal"):
        read_header(path)


def test_harmed_files_are_refused_or_rightly_recovered(tmp_path: Path, rng: np.random.Generator) -> None:
    outcomes = harm_many(tmp_path, rng, 60)
    assert outcomes["refused"] > 40
    assert outcomes["recovered"] > 20
