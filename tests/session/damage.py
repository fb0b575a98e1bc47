"""Ways in which files come to harm, and what a reader may make of them."""

from __future__ import annotations

import numpy as np


def harmed(content: bytes, rng: np.random.Generator) -> bytes:
    """The content cut, with flipped bits, with a stretch lost, doubled or overwritten, or something else altogether."""
    data = bytearray(content)
    size = len(data)
    kind = int(rng.integers(7))
    start, stop = sorted(int(v) for v in rng.integers(0, size, 2))
    stop = min(stop, start + 5000)
    if kind == 0:
        return bytes(data[: int(rng.integers(0, size))])
    if kind == 1:
        for position in rng.integers(0, size, int(rng.integers(1, 20))):
            data[position] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        del data[start:stop]
    elif kind == 3:
        data[start:start] = data[start:stop]
    elif kind == 4:
        data[start:stop] = rng.bytes(stop - start)
    elif kind == 5:
        data[start:stop] = bytes(stop - start)
    else:
        return bytes(rng.bytes(int(rng.integers(0, 3000))))
    return bytes(data)
