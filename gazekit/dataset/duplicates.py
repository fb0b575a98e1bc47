"""Near-duplicate pictures, found by perceptual hash, and groups of pictures that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.pictures import Pixels

SIDE, LOW = 32, 8
DISTANCE = 7  # bits of 64 that may differ
_BITS = np.array([bin(i).count("1") for i in range(256)], dtype=np.uint8)


def perceptual_hash(pixels: Pixels) -> int:
    """A 64-bit hash that hardly changes when a picture is scaled, recompressed or slightly changed in tone.

    The lowest 8 x 8 coefficients of the cosine transform of the grey picture at 32 x 32, each above or below their
    median (Zauner 2010, pHash). The constant term says only how bright the picture is, and counts as it falls.
    """
    small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    low = cv2.dct(grey)[:LOW, :LOW].ravel()
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">u8")[0])


def near_pairs(hashes: npt.NDArray[np.uint64], distance: int = DISTANCE) -> list[tuple[int, int]]:
    """Every pair of hashes that differ in at most so many bits (0 to 7), ascending.

    Of two that differ in at most 7 bits one of the 8 bytes is equal, so only hashes that share a byte are compared.
    """
    table = np.ascontiguousarray(hashes).astype(">u8").view(np.uint8).reshape(-1, 8)
    found: set[tuple[int, int]] = set()
    for byte in range(8):
        order = np.argsort(table[:, byte], kind="stable")
        starts = np.flatnonzero(np.diff(table[order, byte], prepend=-1))
        for members in np.split(order, starts[1:]):
            found.update(_pairs_among(table, np.sort(members), distance))
    return sorted(found)


def _pairs_among(table: npt.NDArray[np.uint8], members: npt.NDArray[np.intp], distance: int) -> list[tuple[int, int]]:
    pairs = []
    chosen = table[members]
    for n in range(len(members) - 1):
        apart = _BITS[chosen[n + 1 :] ^ chosen[n]].sum(axis=1)
        pairs += [(int(members[n]), int(members[n + 1 + m])) for m in np.flatnonzero(apart <= distance)]
    return pairs


def components(
    ids: Sequence[str], groups: Mapping[str, str], pairs: Iterable[tuple[int, int]]
) -> npt.NDArray[np.int64]:
    """A number for each picture, equal for pictures that must stay together, directly or through others.

    ``groups`` names the group of a picture (photographer, burst); ``pairs`` are near-duplicates.
    """
    parent = list(range(len(ids)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str, int] = {}
    links = [(i, first.setdefault(groups[name], i)) for i, name in enumerate(ids) if name in groups]
    for a, b in [*links, *pairs]:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    return np.array([root(i) for i in range(len(ids))], dtype=np.int64)
