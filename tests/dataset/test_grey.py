"""Pictures that a build need not keep are decoded grey and small: what is refused, and the hash, stay the same."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from skimage import data

from gazekit.core.errors import FormatError
from gazekit.dataset.duplicates import HASHED, perceptual_hash
from gazekit.pictures import decode_picture, examine_grey, examine_picture

PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket", "retina")


def jpeg(name: str) -> bytes:
    return cv2.imencode(".jpg", getattr(data, name)()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_the_hash_of_a_small_grey_picture_is_that_of_the_whole(name: str) -> None:
    encoded = jpeg(name)
    info, grey = examine_grey(encoded, name, HASHED)
    whole, rgb = examine_picture(encoded, name)
    assert info.upright == whole.upright == rgb.shape[:2]
    assert grey.ndim == 2
    assert min(grey.shape) >= HASHED
    assert bin(perceptual_hash(grey) ^ perceptual_hash(rgb)).count("1") <= 2


def test_damage_is_refused_as_by_the_whole_decoder(rng: np.random.Generator) -> None:
    encoded, refused = jpeg("coffee"), []
    for n in range(60):
        damaged = bytearray(encoded)
        if n % 2:
            damaged = damaged[: int(rng.integers(4, len(encoded)))]
        else:
            at = int(rng.integers(2, 700))
            damaged[at : at + 3] = rng.integers(0, 256, 3, dtype=np.uint8).tobytes()
        answers = []
        for reading in (lambda d: examine_grey(d, "x", HASHED)[0].upright, lambda d: decode_picture(d, "x").shape[:2]):
            try:
                answers.append(reading(bytes(damaged)))
            except FormatError:
                answers.append(None)
        assert answers[0] == answers[1]
        refused.append(answers[0] is None)
    assert 20 < sum(refused) < 60
