"""What cannot be written, and sealed files that hold something else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from gazekit.core.checksum import SESSION, check_seal, sealed_file
from gazekit.core.errors import FormatError, OutputError
from gazekit.session import Calibration, CalibrationPoint, Validation, open_session, write_session
from gazekit.session.events import Message
from gazekit.session.finalise import recover
from gazekit.session.journal import LARGEST, JournalWriter
from gazekit.session.session_file import write_header, write_tables
from tests.fixtures.journals import HEADER, some_rows, write_journal

needs_limits = pytest.mark.skipif(os.name == "nt", reason="limits of the file size are a thing of POSIX")


@contextlib.contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let every write past this many bytes of a file fail, as on a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_journal_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be written"):
        JournalWriter(tmp_path / "file" / "P01.gaze.journal", HEADER)
    with pytest.raises(OutputError, match="cannot be written"):
        JournalWriter(tmp_path / ("long" * 100), HEADER)


def test_a_plan_that_is_longer_than_a_record_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: a record of \d+ bytes; at most 4194304 fit"):
        JournalWriter(tmp_path / "P01.gaze.journal", {**HEADER, "plan": ["x" * 100] * 50_000})
    assert list(tmp_path.iterdir()) == []


@needs_limits
def test_a_journal_whose_header_does_not_fit_leaves_nothing(tmp_path: Path) -> None:
    with files_of_at_most(100), pytest.raises(OutputError, match="cannot be written"):
        JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    assert list(tmp_path.iterdir()) == []


@needs_limits
def test_a_record_that_does_not_fit_leaves_the_journal_as_it_was(tmp_path: Path, rng: np.random.Generator) -> None:
    journal = JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    journal.block("gaze", some_rows(10, rng))
    size = journal.path.stat().st_size
    with files_of_at_most(size + 500), pytest.raises(OSError, match="File too large"):
        journal.block("gaze", some_rows(10, rng, 10))
    assert journal.path.stat().st_size == size
    journal.event(Message(1, "there is room again"))
    journal.close()
    journal.close()
    journal.sync()  # of a closed journal: there is nothing to wait for
    made = recover(journal.path)
    assert (made.samples, made.damaged_bytes, made.missing_records) == (10, 0, 0)
    assert open_session(made.session).messages["text"].tolist() == ["there is room again"]


def test_a_record_that_no_reader_would_take_is_not_written(tmp_path: Path) -> None:
    journal = JournalWriter(tmp_path / "P01.gaze.journal", HEADER)
    with pytest.raises(ValueError, match="at most"):
        journal.write(3, bytes(LARGEST + 1))
    journal.close()


@needs_limits
def test_a_session_file_that_does_not_fit_leaves_the_journal_and_nothing_else(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / "P01.gaze.journal"
    write_journal(path, rng, batches=300)
    with files_of_at_most(20_000), pytest.raises(OutputError, match="cannot be written"):
        recover(path, keep_journal=False)
    assert list(tmp_path.iterdir()) == [path]
    assert recover(path).samples == 3000


CALIBRATION = Calibration(
    5,
    "success",
    (CalibrationPoint((0.1, 0.0), np.array([[0.1, np.nan]]), np.zeros((0, 2)), np.array([True]), np.zeros(0, bool)),),
    b"blob",
)
VALIDATION = Validation(9, pd.DataFrame({"target_x": [0.5], "accuracy_deg": [np.nan], "eye": ["left"]}), True)


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        (replace(CALIBRATION, blob=b"bloc"), "calibrations"),
        (replace(CALIBRATION, status="failure"), "calibrations"),
        (replace(CALIBRATION, points=()), "calibrations"),
        (replace(VALIDATION, passed=None), "validations"),
        (replace(VALIDATION, table=VALIDATION.table.assign(target_x=0.4)), "validations"),
    ],
)
def test_the_journal_stays_where_a_calibration_does_not_read_back(
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
    lost: Calibration | Validation,
    named: str,
) -> None:
    path = tmp_path / "P01.gaze.journal"
    journal = JournalWriter(path, HEADER)
    journal.block("gaze", some_rows(10, rng))
    journal.event(CALIBRATION)
    journal.event(VALIDATION)
    journal.end({"complete": True})
    journal.close()
    whole = recover(path, tmp_path / "whole.gaze.h5")
    (validation,) = open_session(whole.session).validations
    pd.testing.assert_frame_equal(validation.table, VALIDATION.table, check_dtype=False)
    assert validation.table["accuracy_deg"].dtype == float  # though nothing was measured
    with monkeypatch.context() as patch:
        patch.setattr(f"gazekit.session.session_file._read_{named[:-1]}", lambda group: lost)
        with pytest.raises(OutputError, match=f"{named} does not read back as it was written; the journal is kept"):
            recover(path, keep_journal=False)
    assert sorted(tmp_path.iterdir()) == [path, whole.session]


def test_what_nobody_measured_is_no_text_in_a_file_of_0_1_0(tmp_path: Path, rng: np.random.Generator) -> None:
    write_journal(tmp_path / "P01.gaze.journal", rng, batches=2)
    session = open_session(recover(tmp_path / "P01.gaze.journal").session)
    as_then = replace(VALIDATION, table=VALIDATION.table.assign(accuracy_deg=np.array(["None"], dtype=object)))
    path = write_session(replace(session, validations=(as_then,)), tmp_path / "then.gaze.h5")
    assert open_session(path).validations[0].table["accuracy_deg"].isna().all()


def test_blocks_that_are_not_as_many_as_announced_are_an_error(tmp_path: Path, rng: np.random.Generator) -> None:
    write_journal(tmp_path / "P01.gaze.journal", rng, batches=2)
    session = open_session(recover(tmp_path / "P01.gaze.journal").session)
    with pytest.raises(ValueError, match="21 samples were announced, 20 came"):
        write_session(session, tmp_path / "other.gaze.h5", blocks=(21, [some_rows(20, rng)]))
    assert not (tmp_path / "other.gaze.h5").exists()


def _schema(file: h5py.File) -> None:
    file.attrs["schema"] = "gazekit.session/9"


def _no_tracker(file: h5py.File) -> None:
    del file.attrs["tracker"]


def _tracker_of_another_kind(file: h5py.File) -> None:
    file.attrs["tracker"] = "[1]"


def _a_column_less(file: h5py.File) -> None:
    file["stimuli"].attrs["columns"] = '["image"]'


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_schema, "its schema is gazekit.session/9"),
        (_no_tracker, "is damaged"),
        (_tracker_of_another_kind, "should be an object"),
        (_a_column_less, "lacks sha256"),
    ],
    ids=["schema", "attribute", "kind", "column"],
)
def test_a_sealed_file_that_holds_something_else_is_refused(
    tmp_path: Path, rng: np.random.Generator, spoil: Callable[[h5py.File], Any], words: str
) -> None:
    write_journal(tmp_path / "P01.gaze.journal", rng, batches=2)
    session = open_session(recover(tmp_path / "P01.gaze.journal").session)
    with sealed_file(tmp_path / "x.gaze.h5", seal=SESSION) as file:
        write_header(file, session)
        write_tables(file, session)
        spoil(file)
    assert len(check_seal(tmp_path / "x.gaze.h5", SESSION)) == 64
    with pytest.raises(FormatError, match=words):
        open_session(tmp_path / "x.gaze.h5", gaze=False)
