"""Random numbers of a study: the same seed, participant and purpose give the same."""

from __future__ import annotations

import hashlib

import numpy as np


def random_stream(seed: int, participant: str, purpose: str) -> np.random.Generator:
    """Make random numbers that depend on the study's seed, the participant and what they are for."""
    digest = hashlib.sha256(f"{seed}\0{participant}\0{purpose}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
