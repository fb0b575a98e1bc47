"""Sessions with the simulated tracker, from the study file to the session file."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from gazekit.capture import record
from gazekit.capture.recorder import Recorder
from gazekit.capture.session_loop import State
from gazekit.capture.session_setup import prepare_part
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, InputError, OutputError
from gazekit.events import session_fixations
from gazekit.session import open_session
from gazekit.session.samples import from_recording
from gazekit.study import read_study
from tests.fixtures import killing_sessions as killing

MakeStudy = Callable[..., Path]


def test_a_session_holds_every_picture_and_the_gaze_on_it(make_study: MakeStudy, tmp_path: Path) -> None:
    session = open_session(record(read_study(make_study()), "P01", tmp_path / "out", realtime=False))
    assert sorted(session.stimuli["image"]) == ["p0.png", "p1.png", "p2.png", "p3.png"]
    assert (session.stimuli["offset_us"] - session.stimuli["onset_us"] == 400_000).all()
    assert [len(trial.recording) for trial in session.trials()] == pytest.approx([48] * 4, abs=1)
    assert session.finalised
    assert session.calibrations[0].status == "success"
    assert len(session.validations[0].table) == 15
    assert session.provenance["inputs"]["study"]
    assert not list((tmp_path / "out").glob("*.journal"))
    assert len(session_fixations(session)) > 3


def test_the_clock_is_found_from_the_time_sync_stream(make_study: MakeStudy, tmp_path: Path) -> None:
    session = open_session(record(read_study(make_study(duration=4000)), "P01", tmp_path, realtime=False))
    assert session.provenance["clock"] == "time_sync"
    error = session.clock.to_system(session.recording.device_time_us) - session.recording.system_time_us
    assert np.abs(error).max() < 60
    assert 0 < session.clock.residual_us < 60


def test_participants_differ_and_repeat(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study()
    first = record(read_study(study), "P01", tmp_path / "a", realtime=False)
    again = record(read_study(study), "P01", tmp_path / "b", realtime=False)
    other = record(read_study(study), "P02", tmp_path / "a", realtime=False)
    assert first.read_bytes() == again.read_bytes()
    mine, theirs = (from_recording(open_session(path).recording) for path in (first, other))
    assert mine[:100].tobytes() != theirs[:100].tobytes()
    assert open_session(record(read_study(study), "P01", tmp_path / "c", realtime=False, seed=12)).clock is not None


def test_sessions_may_start_side_by_side_in_one_folder(make_study: MakeStudy, tmp_path: Path) -> None:
    study, out = make_study(), tmp_path / "out"
    with ThreadPoolExecutor(16) as pool:
        begun = list(pool.map(lambda n: prepare_part(read_study(study), f"P{n}", out), range(160)))
    assert len(begun) == 160
    assert not out.exists()


def test_an_existing_session_is_never_overwritten(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study()
    path = record(read_study(study), "P01", tmp_path, realtime=False)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=r"exists already and is never overwritten.*--resume"):
        record(read_study(study), "P01", tmp_path, realtime=False)
    assert path.read_bytes() == before


def test_a_stopped_session_goes_on_where_it_stopped(make_study: MakeStudy, tmp_path: Path) -> None:
    study, stop = make_study(pictures=6), threading.Event()

    def stop_at_third(recorder: Recorder, state: State) -> None:
        def wait() -> None:
            while state.trial < 3:
                time.sleep(0.0005)
            stop.set()

        threading.Thread(target=wait, daemon=True).start()

    first = open_session(
        record(read_study(study), "P01", tmp_path, realtime=True, headless=True, stop=stop, watch=stop_at_third)
    )
    shown = len(first.stimuli)
    assert 2 <= shown < 6  # 2, but for a busy machine
    assert "ended before its end" in first.messages["text"].iloc[-1]
    rest = record(read_study(study), "P01", tmp_path, realtime=False, resume=True)
    assert rest.name == "P01.part2.gaze.h5"
    second = open_session(rest)
    assert sorted([*first.stimuli["image"], *second.stimuli["image"]]) == [f"p{k}.png" for k in range(6)]
    assert second.stimuli["order"].tolist() == list(range(shown, 6))
    with pytest.raises(InputError, match="has seen all 6 pictures"):
        record(read_study(study), "P01", tmp_path, realtime=False, resume=True)


def test_in_real_time_no_sample_is_lost_and_stamps_are_in_order(make_study: MakeStudy, tmp_path: Path) -> None:
    session = open_session(
        record(read_study(make_study(rate=1200, pictures=2)), "P01", tmp_path, realtime=True, headless=True)
    )
    assert (np.diff(session.recording.device_time_us) > 0).all()
    assert len(session.streams["gaps"]) == 0
    assert len(session.streams["eye_openness"]) == len(session.recording)


def test_the_window_shows_pictures_and_takes_a_simulated_rating(make_study: MakeStudy, tmp_path: Path) -> None:
    extra = "photodiode = true\n[rating]\n[[questions]]\nname = 'lenses'\ntext = 'Lenses?'\nchoices = ['yes', 'no']\n"
    session = open_session(record(read_study(make_study(pictures=2, extra=extra, duration=200)), "P01", tmp_path))
    assert all(1 <= int(response) <= 10 for response in session.stimuli["response"])
    shown_ms = (session.stimuli["offset_us"] - session.stimuli["onset_us"]) / 1000
    assert shown_ms.between(180, 1000).all()  # never cut; longer on a busy machine
    assert session.display["flips"] > 20
    assert "answer lenses" in "\n".join(session.messages["text"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"extra": "ordr = 'listed'"}, "unknown key; did you mean 'order'"),
        ({"rate": 5000}, "runs at 60 to 1200 Hz"),
        ({"extra": "order = 'blocked'"}, "needs block_size"),
        ({"extra": "display = 0\n[rating]\nlow = 5\nhigh = 5"}, "2 to 11 scores"),
    ],
    ids=["unknown key", "rate", "blocks", "scale"],
)
def test_a_wrong_study_is_refused_before_anything_is_written(
    make_study: MakeStudy, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises((ConfigError, InputError), match=message):
        record(read_study(make_study(**changes)), "P01", tmp_path / "out", realtime=False)
    assert not list(tmp_path.glob("out/*"))


def test_pictures_that_cannot_be_decoded_are_all_named_before_the_session(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study()
    for name in ("p1.png", "p3.png"):
        (study.parent / "pictures" / name).write_bytes(b"not a picture")
    with pytest.raises(ConfigError, match=r"(?s)2 cannot be shown.*p1\.png.*p3\.png"):
        record(read_study(study), "P01", tmp_path / "out", realtime=False)


@pytest.mark.parametrize("name", ["", "Jane Doe", "../up", "a" * 65, "é"])
def test_a_participant_is_a_pseudonym(make_study: MakeStudy, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="pseudonym"):
        record(read_study(make_study()), name, tmp_path, realtime=False)


def test_a_gate_that_is_not_passed_ends_the_session_with_what_was_measured(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study()
    study.write_text(study.read_text().replace("dwell_ms = 300", "dwell_ms = 300\ngate_deg = 0.01"))
    from gazekit.core.errors import TrackerError

    with pytest.raises(TrackerError, match=r"did not pass the gate of 0\.01 deg in 3 attempts"):
        record(read_study(study), "P01", tmp_path / "out", realtime=False)
    runner = CliRunner().invoke(gazekit, ["recover", str(tmp_path / "out" / "P01.gaze.journal")])
    assert runner.exit_code == 0
    session = open_session(tmp_path / "out" / "P01.gaze.h5")
    assert [v.passed for v in session.validations] == [False] * 3
    assert len(session.calibrations) == 4


def test_a_saved_calibration_is_put_back(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study()
    first = record(read_study(study), "P01", tmp_path, realtime=False)
    study.write_text(study.read_text().replace("points = 5", f"reuse = '{first.as_posix()}'"))
    second = open_session(record(read_study(study), "P02", tmp_path, realtime=False))
    assert second.calibrations == ()
    assert "calibration applied from P01.gaze.h5" in second.messages["text"].tolist()
    study.write_text(study.read_text().replace("P01.gaze.h5", "P99.gaze.h5"))
    with pytest.raises(InputError, match=r"no such saved calibration.*P99"):
        record(read_study(study), "P03", tmp_path, realtime=False)


def test_a_folder_that_cannot_be_written_is_said_before_the_first_trial(make_study: MakeStudy, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be written"):
        record(read_study(make_study()), "P01", tmp_path / "file" / "out", realtime=False)


def test_a_dry_run_shows_the_plan_and_writes_nothing(make_study: MakeStudy, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = CliRunner().invoke(gazekit, ["record", str(make_study()), "-p", "P01", "-o", str(out), "--dry-run"])
    assert result.exit_code == 0, result.output
    assert "4 pictures in random order" in result.output
    assert result.output.count(".png") == 4
    assert not out.exists()


@pytest.mark.parametrize(
    ("host", "more", "opened"),
    [("127.0.0.1", [], True), ("0.0.0.0", ["--no-browser"], False)],
    ids=["this machine", "the lab's network"],
)
def test_the_operators_page_is_announced_and_opened_where_it_should(
    make_study: MakeStudy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    more: list[str],
    opened: bool,
) -> None:
    links: list[str] = []
    monkeypatch.setattr("webbrowser.open", links.append)
    path = make_study(pictures=1, duration=200)
    path.write_text(path.read_text().replace("points = 5", "points = 0").replace("points = 4", "points = 0"))
    asked = ["record", str(path), "-p", "P01", "-o", str(tmp_path / "out"), "--headless", "--operator", *more]
    result = CliRunner().invoke(gazekit, [*asked, "--operator-host", host])
    assert result.exit_code == 0, result.output
    (link,) = re.findall(r"operator's page \(the link works once\): (http://\S+)", result.stderr)
    assert ("not encrypted" in result.stderr) != opened
    assert len(links) == opened
    assert all(other.rpartition("/")[0] == link.rpartition("/")[0] for other in links)
    assert len(open_session(tmp_path / "out" / "P01.gaze.h5").stimuli) == 1


def test_a_program_reads_what_was_recorded_and_recovered(make_study: MakeStudy, tmp_path: Path) -> None:
    run, out = CliRunner(), tmp_path / "out"
    arguments = ["record", str(make_study()), "-o", str(out), "--fast", "--keep-journal", "--json", "-p"]
    made = [json.loads(run.invoke(gazekit, [*arguments, name]).stdout) for name in ("P01", "P02")]
    assert [m["stimuli"] for m in made] == [4, 4]
    assert made[0]["ended_in_order"] is True
    (out / "P02.gaze.journal").write_bytes(b"spoilt")
    journals = [str(out / f"{name}.gaze.journal") for name in ("P01", "P02")]
    result = run.invoke(gazekit, ["recover", "--json", *journals])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["samples"] == made[0]["samples"]
    assert "P02.gaze.journal is not a journal of gazekit" in result.stderr


def test_a_disk_that_is_too_full_is_said_before_the_first_trial(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(duration=2_000_000_000, rate=1200)
    with pytest.raises(OutputError, match=r"MB free; this session needs about"):
        record(read_study(study), "P01", tmp_path / "out", realtime=False)


@pytest.mark.skipif(os.name == "nt", reason="limits of the file size are a thing of POSIX")
def test_a_disk_that_fills_up_is_said_and_all_earlier_samples_come_back(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(duration=4000, rate=600)
    whole = record(read_study(study), "P01", tmp_path / "whole", realtime=False)
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1_200_000, -1));"
        "from gazekit.cli import main; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, "record", str(study), "-p", "P01", "-o", str(tmp_path / "out"), "--fast"]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert failed.returncode == 1
    assert "cannot be written any more: File too large" in failed.stderr
    assert "Traceback" not in failed.stderr
    journal = tmp_path / "out" / "P01.gaze.journal"
    assert CliRunner().invoke(gazekit, ["recover", str(journal)]).exit_code == 0
    got = from_recording(open_session(tmp_path / "out" / "P01.gaze.h5").recording)
    assert len(got) > 1000
    assert got.tobytes() == from_recording(open_session(whole).recording)[: len(got)].tobytes()


@pytest.mark.skipif(os.name == "nt", reason="SIGTERM ends a process at once on Windows")
@pytest.mark.parametrize("signals", [["SIGINT"], ["SIGTERM"], ["SIGINT", "SIGINT"]], ids=["int", "term", "int twice"])
def test_signals_end_a_session_in_order_or_at_once(make_study: MakeStudy, tmp_path: Path, signals: list[str]) -> None:
    study = make_study(duration=5000)
    command = [sys.executable, "-m", "gazekit", "record", str(study), "-p", "P01", "-o", str(tmp_path), "--headless"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    journal = tmp_path / "P01.gaze.journal"
    killing.wait_for(lambda: journal.exists() and journal.stat().st_size > 20_000, 200)
    for name in signals:
        process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=600)
    if len(signals) == 1:
        assert process.returncode == 0, errors
        assert "ended before its end" in open_session(tmp_path / "P01.gaze.h5").messages["text"].iloc[-1]
    elif not (tmp_path / "P01.gaze.h5").exists():
        # both came before the first was heeded, or the second while the session was being ended
        assert process.returncode in (0, 130), errors
        assert CliRunner().invoke(gazekit, ["recover", str(journal)]).exit_code == 0
    assert "Traceback" not in errors


@pytest.mark.skipif(os.name == "nt", reason="fork and SIGKILL are things of POSIX")
def test_killed_sessions_recover(make_study: MakeStudy, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    outcome = killing.kill_many(killing.short_study(make_study), tmp_path / "out", rng, 4)
    assert outcome.worst_loss_ms <= 500  # 150 by hand (tests/benchmarks), where no other test runs beside it
    assert outcome.sessions == 4


def test_a_second_copy_is_made_and_compared(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(extra="[record]\nbackup = '../copies'")
    with pytest.raises(OutputError, match=r"\[record\] backup: there is no folder"):
        record(read_study(study), "P01", tmp_path / "out", realtime=False)
    (tmp_path / "copies").mkdir()
    session = record(read_study(study), "P01", tmp_path / "out", realtime=False)
    assert (tmp_path / "copies" / "P01.gaze.h5").read_bytes() == session.read_bytes()
    (tmp_path / "copies" / "P02.gaze.h5").write_bytes(b"of somebody else")
    with pytest.raises(OutputError, match=r"is not the same as .*P02\.gaze\.h5, which is whole"):
        record(read_study(study), "P02", tmp_path / "out", realtime=False)
    assert len(open_session(tmp_path / "out" / "P02.gaze.h5").stimuli) == 4
    assert (tmp_path / "copies" / "P02.gaze.h5").read_bytes() == b"of somebody else"


def test_a_second_copy_that_cannot_be_made_leaves_the_session_whole_and_says_so(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study, copies = read_study(make_study(pictures=1, extra="[record]\nbackup = '../copies'")), tmp_path / "copies"
    copies.mkdir()
    with pytest.raises(OutputError, match=r"copies is the folder of the sessions;"):
        record(study, "P01", copies, realtime=False)
    with pytest.raises(OutputError, match=r"P01\.gaze\.h5 is whole, but has no second copy: there is no folder"):
        record(study, "P01", tmp_path / "out", realtime=False, watch=lambda *_: copies.rmdir())
    assert not copies.exists(), "a folder that was unplugged is not made on another disk"
    copies.mkdir()
    with pytest.raises(OutputError, match=r"P02\.gaze\.h5 is whole, but has no second copy: .*copy it by hand"):
        record(study, "P02", tmp_path / "out", realtime=False, watch=lambda *_: (copies / "P02.gaze.h5").mkdir())
    assert len(open_session(tmp_path / "out" / "P02.gaze.h5").stimuli) == 1
