"""Orders of pictures and blocks: random, listed, blocked, balanced Latin squares, pictures that come again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from gazekit.capture.randomness import random_stream


def order_of(n: int, kind: str, participant: str, seed: int, *, purpose: str = "order", size: int = 0) -> list[int]:
    """Return the order of n things: ``listed``, ``random``, ``blocked`` (of ``size``) or ``latin-square``."""
    if kind == "listed":
        return list(range(n))
    if kind == "random":
        return [int(i) for i in random_stream(seed, participant, purpose).permutation(n)]
    if kind == "blocked":
        return _blocked(n, size or n, random_stream(seed, participant, purpose))
    return latin_row(n, row_of(participant, n))


def _blocked(n: int, size: int, rng: np.random.Generator) -> list[int]:
    """Return the list's blocks in random order, pictures in random order within each."""
    blocks = [list(range(start, min(start + size, n))) for start in range(0, n, size)]
    return [int(i) for b in rng.permutation(len(blocks)) for i in rng.permutation(blocks[int(b)])]


def latin_row(n: int, row: int) -> list[int]:
    """Return a row of a balanced Latin square (Williams 1949).

    Over n rows (2n for odd n) each picture stands once at each place, and directly after each other picture equally
    often.
    """
    first = [0] + [(k + 1) // 2 if k % 2 else n - k // 2 for k in range(1, n)]
    shifted = [(value + row) % n for value in first]
    return shifted[::-1] if n % 2 and row >= n else shifted


def row_of(participant: str, n: int) -> int:
    """Return the row of a participant: the number in the pseudonym, else a hash of it."""
    rows = n if n % 2 == 0 else 2 * n
    digits = "".join(c for c in participant if c.isdigit())
    number = int(digits) - 1 if digits else int(hashlib.sha256(participant.encode()).hexdigest()[:12], 16)
    return number % rows


def with_again(order: Sequence[int], again: Sequence[int], after: int, rng: np.random.Generator) -> list[int]:
    """Put some things into an order a second time, at least ``after`` places behind their first.

    One that stands too late for that changes places with another that stands early enough.
    """
    placed, last = list(order), len(order) - after
    for thing in again:
        if placed.index(thing) > last:
            early = [n for n in range(last + 1) if placed[n] not in again]
            first, other = placed.index(thing), int(rng.choice(early)) if early else 0
            placed[first], placed[other] = placed[other], placed[first]
    for thing in again:
        first = placed.index(thing)
        placed.insert(int(rng.integers(first + after, len(placed) + 1)), thing)
    return placed
