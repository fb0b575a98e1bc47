"""Kill a command at random moments and start it again until it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np


def run_to_the_end(
    arguments: Sequence[str], rng: np.random.Generator, *, kills: int, seconds: tuple[float, float]
) -> int:
    """Start the command, kill it (with SIGKILL, all its processes but those that outlive it) after a random
    time, start it again; after ``kills`` kills it may end. Returns how often it was killed.
    """
    killed = 0
    while True:
        process = subprocess.Popen([sys.executable, "-m", "gazekit", *arguments], stderr=subprocess.PIPE, text=True)
        try:
            limit = float(rng.uniform(*seconds)) if killed < kills else None
            _, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)  # the parent only: its workers must notice by themselves
            process.communicate()
            killed += 1
            continue
        if process.returncode != 0:
            raise AssertionError(f"exit code {process.returncode}: {errors}")
        return killed


def leftovers(folder: Path) -> list[str]:
    """Temporary files that a kill left behind."""
    return sorted(path.name for path in folder.rglob("*.part"))
