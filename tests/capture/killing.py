"""Kill recording processes at random moments and look at what is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from gazekit.core.errors import InputError
from gazekit.session import open_session
from gazekit.session.finalise import recover

# Waits for lines "participant"; each forks a child that records, so that a kill costs no start of Python.
_ZYGOTE = """
import os, sys
from gazekit.capture import record
from gazekit.study import read_study
import gazekit.session.finalise, cv2, h5py, pandas
study, out = sys.argv[1:3]
print("ready", flush=True)
pid = 0
for line in sys.stdin:
    if pid:
        os.waitpid(pid, 0)
    pid = os.fork()
    if not pid:
        record(read_study(study), line.strip(), out, realtime=True, headless=True)
        os._exit(0)
    print(pid, flush=True)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # its number stays taken until the next line
    print("gone", flush=True)
"""
RATE_HZ = 600


@dataclass
class Outcome:
    """What became of the killed sessions."""

    sessions: int = 0
    worst_loss_ms: float = 0.0
    phases: dict[str, int] = field(default_factory=dict)

    def count(self, phase: str) -> None:
        self.sessions += 1
        self.phases[phase] = self.phases.get(phase, 0) + 1


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.002)


def short_study(make_study: Callable[..., Path]) -> Path:
    """About two seconds: calibration of two points, validation of one, three pictures."""
    path = make_study(rate=RATE_HZ, duration=250, pictures=3)
    text = path.read_text().replace("points = 5", "points = [[0.2, 0.2], [0.8, 0.8]]")
    path.write_text(text.replace("points = 4", "points = [[0.5, 0.5]]"))
    return path


def kill_many(study: Path, out: Path, rng: np.random.Generator, kills: int) -> Outcome:
    """Record and kill; every third time while the session file is being made."""
    out.mkdir(parents=True, exist_ok=True)
    outcome = Outcome()
    zygote = subprocess.Popen(
        [sys.executable, "-c", _ZYGOTE, str(study), str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert zygote.stdin is not None
    assert zygote.stdout is not None
    assert zygote.stdout.readline() == "ready\n"
    try:
        for n in range(kills):
            participant = f"K{n:03d}"
            print(participant, file=zygote.stdin, flush=True)
            pid = int(zygote.stdout.readline())
            killed_us = _kill(pid, out, participant, rng, in_file_making=n % 3 == 2)
            assert zygote.stdout.readline() == "gone\n"
            _examine(out, participant, killed_us, outcome)
    finally:
        zygote.stdin.close()
        zygote.wait(30)
        zygote.stdout.close()
    return outcome


def _kill(pid: int, out: Path, participant: str, rng: np.random.Generator, *, in_file_making: bool) -> int:
    """Kill a recording; gives the moment on the clock of the samples."""
    if in_file_making:
        session = out / f"{participant}.gaze.h5"
        wait_for(lambda: session.exists() or any(out.glob(f".{participant}.*.part")), 60)
        time.sleep(float(rng.uniform(0, 0.06)))
    else:
        time.sleep(float(rng.uniform(0.02, 2.6)))
    moment = time.monotonic_ns() // 1000
    os.kill(pid, signal.SIGKILL)
    return moment


def _examine(out: Path, participant: str, killed_us: int, outcome: Outcome) -> None:
    journal, session = out / f"{participant}.gaze.journal", out / f"{participant}.gaze.h5"
    if not journal.exists():
        if session.exists():
            assert len(open_session(session).stimuli) == 3
        outcome.count("complete" if session.exists() else "before the journal")
        return
    try:
        made = recover(journal)
    except InputError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:  # killed between the journal's creation and its header: nothing was recorded yet
        assert journal.stat().st_size < 200
        assert re.search("is empty|lost its header|does not begin", refusal)
        outcome.count("before the header")
        return
    recording = open_session(made.session).recording
    steps = np.diff(recording.device_time_us)
    assert (steps > 0).all(), "a sample stands twice"
    assert (steps < 1.5e6 / RATE_HZ).all(), "samples are missing in the middle"
    assert made.damaged_bytes == made.missing_records == 0
    if made.ended_in_order:
        outcome.count("file making")
        assert made.stimuli == 3
        return
    last_us = made.last_system_us
    if last_us is None:  # the tracker had not started: the journal holds its header and what was measured
        assert made.last_event in ("", "display")
        outcome.count("before the tracker")
        return
    outcome.count("recording")
    outcome.worst_loss_ms = max(outcome.worst_loss_ms, (killed_us - last_us) / 1000)
