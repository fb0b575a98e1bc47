"""Near-duplicate pictures, found by perceptual hash, and groups of pictures that belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from gazekit.core.types import Pixels

SIDE, LOW = 32, 8
HASHED = 2 * SIDE  # pixels of the shorter side below which a picture is not halved
DISTANCE = 7  # bits of 64 that may differ
_SET = np.array([bin(i).count("1") for i in range(256)], dtype=np.uint8)
_ROWS = 256


def perceptual_hash(pixels: Pixels) -> int:
    """Return a 64-bit hash that hardly changes when a picture is scaled, recompressed or slightly changed in tone.

    The lowest 8 x 8 coefficients of the cosine transform of the grey picture at 32 x 32, each above or below their
    median (Zauner 2010, pHash). The constant term says only how bright the picture is, and counts as it falls. The
    picture may be grey already, and made smaller.
    """
    grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    while min(grey.shape) >= 2 * HASHED:  # exact halves cost a tenth of averaging at once
        height, width = grey.shape[0] // 2, grey.shape[1] // 2
        grey = cv2.resize(grey[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:LOW, :LOW].ravel()
    bits = low > np.median(low[1:])
    return int(np.packbits(bits).view(">u8")[0])


def near_pairs(hashes: npt.NDArray[np.uint64], distance: int = DISTANCE) -> list[tuple[int, int]]:
    """Return pairs of hashes that differ in at most so many bits (0 to 7), ascending.

    Equal hashes are paired with their first, and only that one with hashes that are near: enough to join groups. Of
    two that differ in at most 7 bits one of the 8 bytes is equal, so only hashes that share a byte are compared.
    """
    unique, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    pairs = {(int(first[u]), i) for i, u in enumerate(which.tolist()) if first[u] != i}
    if len(unique) <= _ROWS:
        near = np.array(_pairs_among(unique, distance), dtype=np.int64).reshape(-1, 2)
        return sorted(pairs | {(int(i), int(j)) for i, j in np.sort(first[near], axis=1)})
    table = unique.astype(">u8").view(np.uint8).reshape(-1, 8)
    for byte in range(8):
        order = np.argsort(table[:, byte], kind="stable")
        starts = np.flatnonzero(np.diff(table[order, byte].astype(np.int16), prepend=-1))
        for members in np.split(order, starts[1:]):
            for a, b in _pairs_among(unique[members], distance):
                i, j = sorted((int(first[members[a]]), int(first[members[b]])))
                pairs.add((i, j))
    return sorted(pairs)


def _pairs_among(hashes: npt.NDArray[np.uint64], distance: int) -> list[tuple[int, int]]:
    """Return pairs (row, row) with row < row, by comparing all with all, some hundred rows at a time."""
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(hashes), _ROWS):
        block = hashes[start : start + _ROWS, None] ^ hashes[None, start:]
        near = np.argwhere(_bits(block) <= distance)
        pairs += [(start + int(a), start + int(b)) for a, b in near if a < b]
    return pairs


def _bits(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint8]:
    """Count the bits that are set."""
    if hasattr(np, "bitwise_count"):  # numpy 2
        return np.asarray(np.bitwise_count(values), dtype=np.uint8)
    split = _SET[np.ascontiguousarray(values).view(np.uint8)].reshape(*values.shape, 8)
    return np.asarray(split.sum(axis=-1), dtype=np.uint8)


def components(
    ids: Sequence[str], groups: Mapping[str, str], pairs: Iterable[tuple[int, int]]
) -> npt.NDArray[np.int64]:
    """Return a number for each picture, equal for pictures that must stay together, directly or through others.

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
