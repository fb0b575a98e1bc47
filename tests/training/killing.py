"""Kill a command at given moments and start it again until it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

Moment = Callable[[float], bool]  # seconds since the start -> whether to kill now


def run_to_the_end(arguments: Sequence[str], moments: Iterable[Moment] = ()) -> int:
    """Start ``gazekit``, kill it with SIGKILL at the first moment, start it again, and so on; at last it may end.

    Only the process itself is killed: those that it started must notice. Returns how often it was killed; a run that
    ends before its moment has come is not started again for the next one.
    """
    killed = 0
    for moment in [*moments, lambda seconds: False]:
        process = subprocess.Popen([sys.executable, "-m", "gazekit", *arguments], stderr=subprocess.PIPE, text=True)
        start = time.monotonic()
        while process.poll() is None and not moment(time.monotonic() - start):
            time.sleep(0.002)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
            killed += 1
            continue
        assert process.returncode == 0, process.communicate()[1]
        process.communicate()
        break
    return killed


def after(seconds: float) -> Moment:
    """A moment so long after the start."""
    return lambda passed: passed >= seconds


def when_epochs(path: Path, count: int) -> Moment:
    """The moment when a cell has done so many epochs."""
    return lambda passed: path.exists() and path.read_text().count("\n") >= count


def leftovers(folder: Path) -> list[str]:
    """Temporary files that a kill left behind."""
    return sorted(path.name for path in folder.rglob("*.part"))
