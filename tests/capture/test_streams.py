"""Replay, the Lab Streaming Layer over loopback, and the commands about trackers, studies and trials."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.capture import record
from gazekit.capture.lsl import channels
from gazekit.capture.replay import ReplayTracker
from gazekit.capture.settings import TrackerSection
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.tracker import ThreadedTracker, TrackerSetup
from gazekit.capture.view import find_trial
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, GazekitError, InputError
from gazekit.events import session_fixations
from gazekit.gaze import GazeRecording
from gazekit.screen import Screen
from gazekit.session import Session, open_session, write_session
from gazekit.session.samples import from_recording
from gazekit.study import read_study
from tests.needs import need

MakeStudy = Callable[..., Path]


@pytest.mark.parametrize("speed", [4.0, 50.0])
def test_a_replayed_session_gives_the_same_samples(
    make_study: MakeStudy, tmp_path: Path, speed: float, screen: Screen
) -> None:
    path = record(read_study(make_study()), "P01", tmp_path / "out", realtime=False)
    original = open_session(path).recording
    tracker = ReplayTracker(TrackerSetup(TrackerSection(kind="replay", file=path, speed=speed), screen))
    got: list[Any] = []
    ended: list[Any] = []
    tracker.start(lambda stream, item: (got if stream == "gaze" else ended).append(item))
    until = time.monotonic() + 60
    while not ended and time.monotonic() < until:
        time.sleep(0.01)
    tracker.stop()
    rows = np.concatenate(got)
    expected = from_recording(original)
    np.testing.assert_array_equal(rows["device_time_us"], expected["device_time_us"])
    np.testing.assert_array_equal(rows["left_gaze"], expected["left_gaze"])
    span = np.ptp(expected["system_time_us"]) / speed
    assert np.ptp(rows["system_time_us"]) == pytest.approx(span, abs=2)


def test_a_replay_is_recorded_like_a_live_tracker(make_study: MakeStudy, tmp_path: Path) -> None:
    path = record(read_study(make_study(duration=3000)), "P01", tmp_path / "first", realtime=False)
    study = make_study(kind="replay", tracker=f"file = '{path.as_posix()}'\nspeed = 2.0", pictures=2, duration=200)
    session = open_session(record(read_study(study), "P01", tmp_path / "second", tracker=None))
    first = from_recording(open_session(path).recording)
    again = from_recording(session.recording)
    assert len(again) > 50
    np.testing.assert_array_equal(again["left_gaze"], first["left_gaze"][: len(again)])
    assert session.display["replay_speed"] == 2.0
    assert len(session.stimuli) == 4


def test_a_replay_needs_a_file(screen: Screen) -> None:
    with pytest.raises(ConfigError, match="needs file"):
        ReplayTracker(TrackerSetup(TrackerSection(kind="replay"), screen))


def test_a_session_without_samples_cannot_be_played(full_session: Session, tmp_path: Path, screen: Screen) -> None:
    path = write_session(replace(full_session, recording=GazeRecording.empty()), tmp_path / "P01.gaze.h5")
    with pytest.raises(InputError, match=r"P01\.gaze\.h5 holds no samples to replay"):
        ReplayTracker(TrackerSetup(TrackerSection(kind="replay", file=path), screen))


def test_a_tracker_that_was_never_started_is_there_when_it_is_looked_for(make_study: MakeStudy) -> None:
    study = read_study(make_study())
    tracker = SimulatedTracker(study.screen.screen(), 1)
    assert ThreadedTracker.reconnect(tracker)
    got: list[str] = []
    tracker.start(lambda stream, item: got.append(stream))
    assert ThreadedTracker.reconnect(tracker)
    until = time.monotonic() + 60
    while "gaze" not in got and time.monotonic() < until:
        time.sleep(0.01)
    tracker.stop()
    assert "gaze" in got


def test_every_column_of_a_sample_is_a_named_channel_with_a_unit() -> None:
    made = channels()
    labels = [label for label, *_ in made]
    assert len(labels) == len(set(labels)) == 25
    assert {"left_gaze_x", "right_origin_mm_z", "left_pupil_mm", "right_valid"} <= set(labels)
    assert {label: unit for label, _, _, unit in made}["left_origin_mm_x"] == "mm"


_LOOPBACK = """
import sys, time, threading, json
import numpy as np
from gazekit.capture.lsl import LslTracker, Outlet, pylsl
from gazekit.capture.simulation.gaze import Person
from gazekit.screen import Screen
from gazekit.session import TrackerInfo
from gazekit.session.events import StepDone, TrackerFacts
from gazekit.capture.settings import TrackerSection
from gazekit.capture.tracker import TrackerSetup

outlet = Outlet(TrackerInfo("simulated", "m", "SIM-9", "1", 300.0, ""), "P01")
screen = Screen(1920, 1080, 527, 296, 630)
tracker = LslTracker(TrackerSetup(TrackerSection(kind="lsl", address="gazekit"), screen))
lsl = pylsl()
markers = lsl.StreamInlet(lsl.resolve_byprop("name", "gazekit markers", timeout=600)[0])
markers.open_stream(timeout=600)
got, sync = [], []
tracker.start(lambda stream, item: (got if stream == "gaze" else sync).append(item))
time.sleep(1.0)
person = Person(screen, 300.0, 1)
times = time.monotonic_ns() // 1000 + np.arange(600) * 3333
rows, _ = person.sample(times)
rows["device_time_us"], rows["system_time_us"] = times - 77, times
for start in range(0, 600, 30):
    outlet.push(rows[start : start + 30])
outlet.mark_event(StepDone(int(times[4]), "pages", "start"))
outlet.mark_event(TrackerFacts({"sdk": "none"}))  # has no moment
outlet.mark(int(times[5]), "onset p1")
marks = [markers.pull_sample(timeout=600)[0][0] for _ in range(2)]
until = time.monotonic() + 30
while sum(map(len, got)) < 600 and time.monotonic() < until:
    time.sleep(0.02)
tracker.close()
back = np.concatenate(got)
print(json.dumps({
    "samples": len(back),
    "same": all(np.array_equal(back[n], rows[n], equal_nan=back[n].dtype.kind == "f")
                for n in rows.dtype.names if not n.endswith("time_us")),
    "stamp_error_us": int(np.abs(back["system_time_us"] - rows["system_time_us"]).max()),
    "serial": tracker.info.serial, "rate": tracker.info.rate_hz, "marks": marks, "sync": len(sync),
}))
"""


_AGAIN = """
import json, time
from gazekit.capture.lsl import LslTracker, Outlet
from gazekit.capture.simulation.gaze import Person
from gazekit.capture.settings import TrackerSection
from gazekit.capture.tracker import TrackerSetup
from gazekit.core.errors import TrackerError
from gazekit.screen import Screen
from gazekit.session import TrackerInfo
import numpy as np

screen = Screen(1920, 1080, 527, 296, 630)
person = Person(screen, 300.0, 1)

def send(rate, seconds, until=lambda: False):
    outlet = Outlet(TrackerInfo("simulated", "m", "SIM-9", "1", rate, ""), "P01")
    end = time.monotonic() + seconds
    while time.monotonic() < end and not until():
        times = time.monotonic_ns() // 1000 + np.arange(30) * 3333
        rows, _ = person.sample(times)
        rows["device_time_us"] = rows["system_time_us"] = times
        outlet.push(rows)
        yield outlet
        time.sleep(0.05)

got = []
first = send(300.0, 60)
outlet = next(first)
tracker = LslTracker(TrackerSetup(TrackerSection(kind="lsl", address="gazekit"), screen))
tracker.start(lambda stream, item: got.append(len(item)) if stream == "gaze" else None)
while sum(got) < 30:
    next(first)
facts = {"alive": tracker.alive(), "before": sum(got)}
first.close()
del outlet, first
until = time.monotonic() + 60
while tracker.alive() and time.monotonic() < until:
    time.sleep(0.05)
facts["lost"] = not tracker.alive()
facts["in vain"] = tracker.reconnect()
second = send(300.0, 60)
outlet = next(second)
facts["back"], count = tracker.reconnect(), sum(got)
until = time.monotonic() + 30
while sum(got) < count + 30 and time.monotonic() < until:
    next(second)
facts["after"] = sum(got) - count
second.close()
del outlet, second
third = send(120.0, 60)
outlet = next(third)
try:
    facts["other rate"] = tracker.reconnect()
except TrackerError as error:
    facts["other rate"] = str(error)
tracker.close()
wrong = TrackerSection(kind="lsl", address="gazekit", rate_hz=600)
try:
    LslTracker(TrackerSetup(wrong, screen))
except TrackerError as error:
    facts["not the study's"] = str(error)
print(json.dumps(facts))
"""


def run_apart(code: str, folder: Path) -> dict[str, Any]:
    """Run code that speaks LSL, apart from every other stream on this machine; return what it prints last."""
    need(importlib.util.find_spec("pylsl"), "pylsl (the extra lsl)")
    settings = folder / "lsl.cfg"
    lab = f"[lab]\nKnownPeers = {{127.0.0.1}}\nSessionID = gazekit-test-{os.getpid()}-{folder.name}\n"
    settings.write_text(f"[multicast]\nResolveScope = machine\n{lab}")
    environment = {**os.environ, "LSLAPICFG": str(settings)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=600, env=environment, check=False
    )
    assert run.returncode == 0, run.stderr
    facts: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return facts


def test_a_stream_that_was_lost_is_connected_again(tmp_path: Path) -> None:
    facts = run_apart(_AGAIN, tmp_path)
    assert facts["alive"]
    assert facts["before"] >= 30
    assert facts["lost"], "the end of the sender is noticed"
    assert facts["in vain"] is False
    assert facts["back"] is True
    assert facts["after"] >= 30
    assert "is back with 120 Hz instead of 300" in facts["other rate"]
    assert "comes at 120 Hz, [tracker] rate_hz is 600" in facts["not the study's"]


def test_gaze_goes_out_and_comes_back_over_loopback(tmp_path: Path) -> None:
    facts = run_apart(_LOOPBACK, tmp_path)
    if facts["stamp_error_us"] >= 2000:  # the clocks were compared while the machine did something else
        facts = run_apart(_LOOPBACK, tmp_path)
    assert facts["samples"] == 600
    assert facts["same"]
    assert facts["stamp_error_us"] < 2000
    assert (facts["serial"], facts["rate"], facts["marks"]) == ("SIM-9", 300.0, ["step_done", "onset p1"])
    assert facts["sync"] >= 1


def test_the_example_study_is_in_order_and_never_overwrites(tmp_path: Path) -> None:
    from tests.fixtures.session_study import write_pictures

    path = tmp_path / "STUDY.toml"
    run = CliRunner()
    assert run.invoke(gazekit, ["study", "new", str(path)]).exit_code == 0
    write_pictures(tmp_path / "pictures")
    result = run.invoke(gazekit, ["study", "check", str(path), "--json"])
    facts = {"study": "my study", "pictures": 4, "tracker": "simulated"}
    assert json.loads(result.output) == {**facts, "awaited": [], "one_picture_under_several_ids": []}
    before = path.read_bytes()
    assert isinstance(run.invoke(gazekit, ["study", "new", str(path)]).exception, GazekitError)
    assert path.read_bytes() == before


def test_a_trial_is_drawn_or_written_as_a_table(make_study: MakeStudy, tmp_path: Path) -> None:
    study = make_study(duration=1500)
    file = record(read_study(study), "P01", tmp_path, realtime=False)
    run = CliRunner()
    view = ["view", str(file), "-t", "2", "--pictures", str(study.parent / "pictures")]
    result = run.invoke(gazekit, view)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "P01-trial2.png").read_bytes().startswith(b"\x89PNG")
    table = ["--detector", "ivt", "--eye", "left", "-p", "velocity_threshold_deg_s=45", "-o", str(tmp_path / "t.csv")]
    result = run.invoke(gazekit, [*view, *table])
    assert result.exit_code == 0, result.output
    session = open_session(file)
    every = session_fixations(session, "ivt", eye="left", velocity_threshold_deg_s=45)
    expected = every[every["image"] == session.trials()[1].image].reset_index(drop=True)
    assert len(expected) > 1
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), expected, check_dtype=False, atol=1e-9)
    assert "there is no trial 9" in str(run.invoke(gazekit, ["view", str(file), "-t", "9"]).exception)
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "x.png").touch()
    missing = run.invoke(gazekit, ["view", str(file), "--pictures", str(tmp_path / "others")])
    assert "do not hold the picture" in str(missing.exception)
    assert "drawings are written as" in str(run.invoke(gazekit, [*view, "-o", "t.doc"]).exception)


def test_a_session_without_pictures_is_drawn_as_one_trial(full_session: Session, tmp_path: Path) -> None:
    bare = replace(full_session, stimuli=full_session.stimuli.iloc[:0], streams={})
    trial = find_trial(bare, 1)
    assert (trial.image, trial.picture, len(trial.recording)) == ("", (1920, 1080), len(bare.recording))
    write_session(bare, tmp_path / "P01.gaze.h5")
    result = CliRunner().invoke(gazekit, ["view", str(tmp_path / "P01.gaze.h5"), "-o", str(tmp_path / "all.png")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "all.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="there is no trial 2"):
        find_trial(bare, 2)
    with pytest.raises(InputError, match="no pictures and no samples; there is nothing to show"):
        find_trial(replace(bare, recording=GazeRecording.empty()), 1)


def test_a_picture_of_another_size_than_the_one_shown_is_not_drawn_under_the_gaze(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study = make_study(duration=1500, pictures=1)
    file = record(read_study(study), "P01", tmp_path, realtime=False)
    name = open_session(file).stimuli["image"][0]
    cv2.imwrite(str(study.parent / "pictures" / name), np.zeros((30, 40, 3), np.uint8))
    result = CliRunner().invoke(gazekit, ["view", str(file), "--pictures", str(study.parent / "pictures")])
    assert re.search(r"has 40 x 30 pixels; the one shown had 80 x 60", str(result.exception))


def test_trackers_are_listed_as_json() -> None:
    result = CliRunner().invoke(gazekit, ["trackers", "--json"])
    assert result.exit_code == 0
    listed = json.loads(result.stdout.splitlines()[-1])
    assert listed["trackers"][-1]["kind"] == "simulated"
