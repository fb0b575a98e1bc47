"""Every native call of the Tobii SDK with every kind of answer, in whole sessions (CPython 3.10); by hand.

``pytest -n 0 -s -m benchmark tests/benchmarks/test_capture_hostile.py`` writes docs/hostile-device.md. A session that
takes long says where it stands on standard error, and is tried again alone.
"""

from __future__ import annotations

import faulthandler
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures import fake_tobii
from tests.fixtures.hostile_device import CALLS, HANGS_S, PHASES, hostile_session, hostile_study
from tests.fixtures.session_study import MakeStudy

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(0)]
SLOW_S = 20.0  # then it is worth a look where it stands
# one status for each exception that the vendor's layer makes of them, and a time-out, of which it makes none
KINDS = (10, 11, 13, 14, 18, 200, 201, 202, 203, 204, 205, 210, 214, 1001)
PAGE = Path(__file__).resolve().parents[2] / "docs" / "hostile-device.md"
HEAD = """# A hostile device

Whole sessions over the vendor's real Python layer (`tobii-research` on CPython 3.10) and a native module that answers
one call with one status, from one phase of the session on (`loss`: the connection is lost while a picture is shown, and
comes back without any setting). Made by `pytest -n 0 -m benchmark tests/benchmarks/test_capture_hostile.py`; do not
edit by hand. Statuses: {statuses}.
**{sessions} sessions: {files} ended in a session file, {messages} in one message, none in a traceback, none hung** (the
longest took {longest:.0f} s; load {load:.0f} on {cores} cores).
A call that a phase does not make is left out, and a status whose session ended before the call was made.

| call | from | session file after | message after |
|---|---|---|---|
"""


def test_every_call_with_every_answer(make_study: MakeStudy, tmp_path: Path) -> None:
    _, device = fake_tobii.install()
    study, out = hostile_study(make_study), tmp_path / "out"

    def run(call: str, status: int, phase: str) -> dict[str, Any]:
        faulthandler.dump_traceback_later(SLOW_S, repeat=True)
        try:
            return hostile_session(device, study, out, call, status, phase)
        finally:
            faulthandler.cancel_dump_traceback_later()
            shutil.rmtree(out, ignore_errors=True)

    outcomes: list[dict[str, Any]] = []
    for call in CALLS:
        for phase in PHASES:
            for status in KINDS:
                outcome = run(call, status, phase)
                if outcome["seconds"] > SLOW_S:
                    print(f"slow: {outcome}; once more", flush=True)
                    outcome = run(call, status, phase)
                if outcome["met"]:
                    outcomes.append(outcome)
                elif status == KINDS[0]:  # the phase does not make this call
                    break
    PAGE.write_text(page(outcomes))
    assert len(outcomes) > 300
    assert [o for o in outcomes if o["seconds"] > HANGS_S] == []


def page(outcomes: list[dict[str, Any]]) -> str:
    ended = [outcome["ended"] for outcome in outcomes]
    lines = [
        HEAD.format(
            statuses=", ".join(map(str, KINDS)),
            sessions=len(outcomes),
            files=ended.count("session file"),
            messages=ended.count("message"),
            longest=max(outcome["seconds"] for outcome in outcomes),
            load=os.getloadavg()[2],
            cores=os.cpu_count(),
        ).rstrip("\n")
    ]
    for call in CALLS:
        for phase in PHASES:
            rows = [o for o in outcomes if (o["call"], o["phase"]) == (call, phase)]
            if rows:
                cells = [
                    ", ".join(str(o["status"]) for o in rows if o["ended"] == end)
                    for end in ("session file", "message")
                ]
                lines.append(f"| `{call}` | {phase} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"
