"""Resumption: every step done exactly once, or refused by name."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from gazekit.capture import record
from gazekit.capture.ledger import all_ledgers
from gazekit.capture.session_setup import prepare_part
from gazekit.cli import gazekit
from gazekit.core.errors import InputError, OutputError, TrackerError
from gazekit.screen import Screen
from gazekit.session import open_session
from gazekit.study import read_study
from tests.fixtures.journals import write_journal
from tests.fixtures.session_study import MakeStudy
from tests.fixtures.stopping_tracker import StoppingTracker

CASES = int(os.environ.get("GAZEKIT_BENCH_RESUMED", "10"))  # the bar is 60
EXTRA = """break_every = 3
[rating]
[[questions]]
name = "lenses"
text = "Lenses?"
choices = ["yes", "no"]
when = "before"
[[questions]]
name = "tired"
text = "Tired?"
choices = ["yes", "no"]
"""


def record_for(study: Path, out: Path, screen: Screen, seconds: float, **options: Any) -> Path:
    """Record until so many seconds of the session are over."""
    tracker = StoppingTracker(screen, seconds)
    return record(read_study(study), "P01", out, realtime=False, tracker=tracker, stop=tracker.stop_event, **options)


def steps_done(out: Path) -> Counter[tuple[str, str]]:
    """Count how often each step was done over all parts, by its content where it is a picture."""
    done: Counter[tuple[str, str]] = Counter()
    for file in out.glob("*.gaze.h5"):
        table = open_session(file, gaze=False).streams["ledger"]
        rows = table[(table["done_us"] >= 0) & (table["kind"] != "break")]
        done.update((row.kind, row.sha256 or row.id) for row in rows.itertuples())
    return done


def change(study: Path, rng: np.random.Generator) -> list[str]:
    """Change the study as people do between two parts; return what has to be said of it."""
    folder, words = study.parent / "pictures", []
    for kind in rng.choice(["add", "remove", "rename", "redraw", "seed", "setting"], int(rng.integers(0, 3)), False):
        present = sorted(folder.glob("p*.png"))
        picture = present[int(rng.integers(len(present)))]
        if kind == "add":
            cv2.imwrite(str(folder / "pnew.png"), rng.integers(0, 255, (40, 50, 3), dtype=np.uint8))
            words.append("pnew.png is new")
        elif kind == "remove":
            picture.unlink()
            words.append(f"{picture.name} is gone")
        elif kind == "rename":
            picture.rename(folder / "pother.png")
            words.append(f"{picture.name} is called pother.png now")
        elif kind == "redraw":
            cv2.imwrite(str(picture), rng.integers(0, 255, (40, 50, 3), dtype=np.uint8))
            words.append(f"{picture.name} has another content")
        elif kind == "seed":
            study.write_text(study.read_text().replace("seed = 11", "seed = 12"))
            words.append("seed was 11, is 12")
        else:
            study.write_text(study.read_text().replace("duration_ms = 400", "duration_ms = 500"))
            words.append("duration_ms was 400, is 500")
    return words


@pytest.mark.parametrize("case", range(CASES))
def test_resumed_sessions_do_every_step_once_or_are_refused_by_name(
    make_study: MakeStudy, screen: Screen, tmp_path: Path, case: int
) -> None:
    rng, out = np.random.default_rng(case), tmp_path / "out"
    study = make_study(pictures=5, extra=EXTRA)
    record_for(study, out, screen, float(rng.uniform(1.0, 18)))
    finished = all_ledgers(out)["P01"].complete
    words = change(study, rng)
    if words and not finished:
        with pytest.raises(InputError, match=r"was begun with another plan(?s:.)*--accept-changes") as refusal:
            record(read_study(study), "P01", out, realtime=False, resume=True)
        assert len(words) > 1 or words[0] in str(refusal.value)  # a second change may hide the first
    for seconds in (float(rng.uniform(3, 9)), 99.0):
        if not finished or words:
            with contextlib.suppress(InputError):  # there is nothing to resume
                record_for(study, out, screen, seconds, resume="accept-changes")
    ledger, done = all_ledgers(out)["P01"], steps_done(out)
    assert ledger.complete
    assert set(done.values()) == {1}
    pictures = {step.sha256 for step in ledger.plan if step.kind == "picture"}
    for kind in ("picture", "rating"):
        assert pictures <= {name for other, name in done if other == kind}
    assert {name for kind, name in done if kind == "question"} == {"lenses", "tired"}
    later = [open_session(file, gaze=False) for file in out.glob("P01.part*.gaze.h5")]
    if words and later:
        assert any(session.provenance["parameters"].get("accepted_changes") for session in later)


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ('text = "Lenses?"', 'text = "Glasses?"', "[questions] lenses.text was 'Lenses?', is 'Glasses?'"),
        (
            'choices = ["yes", "no"]\nwhen',
            'choices = ["no", "yes"]\nwhen',
            "[questions] lenses.choices was ['yes', 'no'], is ['no', 'yes']",
        ),
        ("[rating]", "[rating]\n[[pages]]\ntext = 'Look'", "[[pages]] 1 is new"),
        ("[rating]", "[rating]\n[text]\nsize_px = 60", "[text] size_px was None, is 60"),
        ('name = "four pictures"', 'name = "five pictures"', "[study] name was 'four pictures', is 'five pictures'"),
        ("[rating]", "[rating]\n[interview]\npictures = 1", "[interview] is new"),
    ],
)
def test_another_study_is_refused_by_name(
    make_study: MakeStudy, screen: Screen, tmp_path: Path, before: str, after: str, words: str
) -> None:
    study = make_study(pictures=2, extra=EXTRA)
    record_for(study, tmp_path / "out", screen, 4.0)
    assert before in study.read_text()
    study.write_text(study.read_text().replace(before, after, 1))
    with pytest.raises(InputError) as refusal:
        record(read_study(study), "P01", tmp_path / "out", realtime=False, resume=True)
    assert f"  {words}\n" in str(refusal.value)


def test_an_open_rating_is_asked_again_and_the_end_is_said(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    study = make_study(pictures=2, extra="[rating]")
    whole = open_session(record(read_study(study), "P01", tmp_path / "whole", realtime=False))
    in_rating_s = (whole.stimuli["offset_us"][0] - whole.recording.system_time_us[0]) / 1e6 - 0.1
    first = open_session(record_for(study, tmp_path, screen, in_rating_s))
    assert first.stimuli["response"].tolist() == [""]
    assert first.provenance["end"]["ended_by"] == "a signal"
    assert (first.provenance["end"]["step"], first.provenance["end"]["steps"]) == (2, 4)
    run = CliRunner().invoke(gazekit, ["study", "status", str(tmp_path)])
    assert run.output == "P01: stopped after 1 of 4 steps, 1 part, ended by a signal\n"
    second = open_session(record_for(study, tmp_path, screen, 99.0, resume=True))
    table = second.streams["ledger"]
    assert (table["done_us"] >= 0).tolist() == [False, True, True, True]
    assert 1 <= int(table["answer"][1]) <= 10
    run = CliRunner().invoke(gazekit, ["study", "status", str(tmp_path), "--json"])
    assert json.loads(run.stdout)[0]["complete"] is True


def test_an_exit_line_says_where_a_session_was_ended(make_study: MakeStudy, screen: Screen, tmp_path: Path) -> None:
    from gazekit.session.finalise import recover

    study, tracker = make_study(pictures=3), StoppingTracker(screen, 5.0)
    record(
        read_study(study), "P01", tmp_path, realtime=False, tracker=tracker, stop=tracker.stop_event, keep_journal=True
    )
    words = recover(tmp_path / "P01.gaze.journal").sentences()
    assert any(
        line.startswith("ended early by a signal at step ") and "of 3: go on with --resume" in line for line in words
    )


@pytest.mark.parametrize("name", ["CON", "nul", "Lpt1"])
def test_a_name_that_windows_cannot_store_is_refused(make_study: MakeStudy, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="names a device on Windows"):
        record(read_study(make_study()), name, tmp_path / "out", realtime=False)


def test_a_name_that_differs_in_case_alone_is_refused(make_study: MakeStudy, tmp_path: Path) -> None:
    study = read_study(make_study())
    record(study, "P1", tmp_path, realtime=False)
    with pytest.raises(OutputError, match=r"sessions of P1; p1 would be the same file.*Did you mean P1"):
        record(study, "p1", tmp_path, realtime=False)


@pytest.mark.parametrize("extra", ["", "[[factors]]\nname = 'group'\nlevels = ['a', 'b']\nassign = 'balanced'"])
def test_a_start_that_is_refused_leaves_nothing(
    make_study: MakeStudy, screen: Screen, tmp_path: Path, extra: str
) -> None:
    class Refusing(StoppingTracker):
        def start(self, put: Any) -> None:
            raise TrackerError("the licence does not allow it")

    with pytest.raises(TrackerError, match="licence"):
        record(
            read_study(make_study(extra=extra)), "P01", tmp_path / "out" / "lab" / "today", realtime=False,
            tracker=Refusing(screen, 9.0),
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_plan_is_not_shown_over_a_journal_that_a_crash_left(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    """Nothing is written then: the journal is recovered by whoever looks at it."""
    study, out = make_study(pictures=2), tmp_path / "out"
    record_for(study, out, screen, 4.0, keep_journal=True)
    (out / "P01.gaze.h5").unlink()
    with pytest.raises(OutputError, match=r"P01\.gaze\.journal was left by a crash: gazekit recover"):
        prepare_part(read_study(study), "P01", out, resume=True, write=False)
    assert [file.name for file in out.iterdir()] == ["P01.gaze.journal"]


def test_another_question_is_said_beside_its_settings(make_study: MakeStudy, screen: Screen, tmp_path: Path) -> None:
    study = make_study(pictures=2, extra=EXTRA)
    record_for(study, tmp_path / "out", screen, 4.0)
    study.write_text(study.read_text().replace('name = "lenses"', 'name = "glasses"'))
    with pytest.raises(InputError) as refusal:
        prepare_part(read_study(study), "P01", tmp_path / "out", resume=True)
    assert "the questions were ['lenses', 'tired'], are ['glasses', 'tired']" in str(refusal.value)


def test_a_session_begun_by_version_0_1_is_read_as_a_ledger(tmp_path: Path) -> None:
    old = Path(__file__).parents[1] / "compatibility" / "data" / "sessions" / "P01.gaze.h5"
    shutil.copy(old, tmp_path / "P01.gaze.h5")
    ledger, session = all_ledgers(tmp_path)["P01"], open_session(old)
    assert [step.id for step in ledger.plan] == session.provenance["parameters"]["planned"]
    assert {step.id for step in ledger.done if step.kind == "picture"} == set(session.stimuli["image"])
    assert ledger.complete


def test_parts_before_that_were_recovered_are_backed_up_too(
    make_study: MakeStudy, screen: Screen, tmp_path: Path
) -> None:
    """Of a session that crashed, the first part is made of its journal when it is resumed; its copy is made then."""
    study, out, copies = make_study(extra="[record]\nbackup = '../copies'"), tmp_path / "out", tmp_path / "copies"
    copies.mkdir()
    record_for(study, out, screen, 4.0, keep_journal=True)
    (out / "P01.gaze.h5").unlink()  # as after a crash: the journal alone
    (copies / "P01.gaze.h5").unlink()
    record_for(study, out, screen, 99.0, resume=True)
    for name in ("P01.gaze.h5", "P01.part2.gaze.h5"):
        assert (copies / name).read_bytes() == (out / name).read_bytes()


def test_recover_makes_a_second_copy(tmp_path: Path, rng: np.random.Generator) -> None:
    write_journal(tmp_path / "P01.gaze.journal", rng)
    asked = ["recover", str(tmp_path / "P01.gaze.journal"), "--backup", str(tmp_path / "copies")]
    run = CliRunner().invoke(gazekit, asked)
    assert "there is no folder" in str(run.exception)
    (tmp_path / "copies").mkdir()
    for _ in range(2):  # the second compares
        assert CliRunner().invoke(gazekit, asked, catch_exceptions=False).exit_code == 0
    copy = tmp_path / "copies" / "P01.gaze.h5"
    assert copy.read_bytes() == (tmp_path / "P01.gaze.h5").read_bytes()
    copy.write_bytes(b"another")
    run = CliRunner().invoke(gazekit, asked)
    assert "not the same as" in str(run.exception)
