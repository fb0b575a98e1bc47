"""Two threads of a training on processors that other programs use too: spinning while they wait, and sleeping.

pytest -n 0 -m benchmark -s tests/benchmarks/test_training_shared.py
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

STEPS = """
import time, torch
from gazekit import models
torch.set_num_threads(2)
network = models.create("nima-narrow", 10).train()
pictures = torch.rand(16, 3, 64, 64)
way = torch.optim.Adam(network.parameters())
for step in range(33):
    if step == 3:
        start = time.perf_counter()
    way.zero_grad()
    network(pictures).sum().backward()
    way.step()
print((time.perf_counter() - start) / 30 * 1000)
"""


def step_ms(policy: str) -> float:
    """The mean of 30 steps in a process of its own, ms."""
    surroundings = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | {"OMP_NUM_THREADS": "2"}
    surroundings |= {"OMP_WAIT_POLICY": policy} if policy else {}
    done = subprocess.run([sys.executable, "-c", STEPS], env=surroundings, capture_output=True, check=True, text=True)
    return float(done.stdout.split()[-1])


@contextlib.contextmanager
def busy(programs: int) -> Iterator[None]:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(programs)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@pytest.mark.benchmark
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="OpenMP of GNU")
def test_threads_that_sleep_while_they_wait_share_a_processor() -> None:
    alone = [min(step_ms(policy) for _ in range(3)) for policy in ("", "passive")]
    with busy(2 * (os.cpu_count() or 1)):
        beside = [step_ms(policy) for policy in ("", "passive")]
    print(f"\na step alone: {alone[0]:.1f} ms spinning, {alone[1]:.1f} ms sleeping")
    print(f"beside others: {beside[0]:.1f} ms spinning, {beside[1]:.1f} ms sleeping")
    assert beside[1] < beside[0]
