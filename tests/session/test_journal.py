"""The journal and the session file that is made of it."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest

from gazekit.core.errors import FormatError, GazekitError, InputError, OutputError
from gazekit.session import open_session
from gazekit.session.events import Message, Response, Stimulus
from gazekit.session.finalise import recover
from gazekit.session.journal import _CHECKED, _HEAD, BLOCK, EVENT, MAGIC, MARKER, JournalWriter
from gazekit.session.samples import Block, empty_samples, from_recording, to_recording
from tests.session.damage import harmed

HEADER = {
    "participant": "P01",
    "name": "n",
    "task": "t",
    "started_utc": "",
    "tracker": {"kind": "test", "rate_hz": 1000.0},
    "screen": {"width_px": 1920, "height_px": 1080, "width_mm": 527, "height_mm": 296, "distance_mm": 630},
}


def some_rows(n: int, rng: np.random.Generator, start: int = 0) -> Block:
    rows = empty_samples(n)
    rows["device_time_us"] = (start + np.arange(n)) * 1000
    rows["system_time_us"] = rows["device_time_us"] + 500
    rows["left_gaze"] = rng.random((n, 2))
    rows["left_valid"] = True
    return rows


def a_stimulus(order: int) -> Stimulus:
    return Stimulus(f"p{order}", "", 8, 6, order * 1000, order * 1000 + 500, 0.0, 0.0, 8.0, 6.0, order, "")


def write_journal(path: Path, rng: np.random.Generator, batches: int = 30) -> Block:
    """A journal of batches of ten samples with events between them; gives all samples."""
    journal = JournalWriter(path, HEADER)
    every = []
    for k in range(batches):
        rows = some_rows(10, rng, 10 * k)
        every.append(rows)
        journal.block("gaze", rows)
        journal.event(a_stimulus(k))
        journal.event(Response(k, str(k)))
        journal.event(Message(k, f"m{k}"))
    journal.end({"complete": True})
    journal.close()
    return np.concatenate(every)


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
    ("kind", "payload"),
    [
        (EVENT, b'{"event": "dance"}'),
        (EVENT, b'{"no": 1}'),
        (EVENT, b"3"),
        (BLOCK, b"gaze\0abc"),
        (BLOCK, b"nothing\0"),
    ],
    ids=["unknown event", "no event", "a number", "half a row", "unknown stream"],
)
def test_a_record_that_nobody_writes_is_an_error_not_a_crash(tmp_path: Path, kind: int, payload: bytes) -> None:
    journal = JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    journal.write(kind, payload)
    journal.close()
    with pytest.raises(FormatError):
        recover(tmp_path / "P01.gaze.journal")
    assert not (tmp_path / "P01.gaze.h5").exists()


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


def harm_many(folder: Path, rng: np.random.Generator, cases: int) -> dict[str, int]:
    """The property of the issue over harmed journals and session files: what came of each."""
    journal = folder / "P01.gaze.journal"
    rows = write_journal(journal, rng)
    session_bytes = recover(journal).session.read_bytes()
    journal_bytes = journal.read_bytes()
    outcomes = {"refused": 0, "recovered": 0, "unharmed": 0}
    for n in range(cases):
        outcomes[_one_journal(folder, n, harmed(journal_bytes, rng), rows)] += 1
        outcomes[_one_session(folder, harmed(session_bytes, rng), session_bytes)] += 1
    return outcomes


def _one_journal(folder: Path, n: int, content: bytes, rows: Block) -> str:
    path = folder / f"h{n}.gaze.journal"
    path.write_bytes(content)
    try:
        made = recover(path)
    except GazekitError as error:
        refusal = str(error)
    else:
        refusal = ""
    path.unlink()
    if refusal:
        assert str(path) in refusal
        assert not path.with_name(f"h{n}.gaze.h5").exists()
        return "refused"
    session = open_session(made.session)
    made.session.unlink()
    got = from_recording(session.recording)
    # every sample that came back is one that was written, bit for bit, in its order, and none twice
    assert (np.diff(got["device_time_us"]) > 0).all()
    assert got.tobytes() == rows[got["device_time_us"] // 1000].tobytes()
    assert all(
        r in ("", image[1:]) for image, r in zip(session.stimuli["image"], session.stimuli["response"], strict=True)
    )
    return "recovered"


def _one_session(folder: Path, content: bytes, whole: bytes) -> str:
    path = folder / "x.gaze.h5"
    path.write_bytes(content)
    try:
        open_session(path)
    except GazekitError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert str(path) in refusal
        return "refused"
    assert content == whole
    return "unharmed"


def test_harmed_files_are_refused_or_rightly_recovered(tmp_path: Path, rng: np.random.Generator) -> None:
    outcomes = harm_many(tmp_path, rng, 60)
    assert outcomes["refused"] > 40
    assert outcomes["recovered"] > 20
