"""Models on real photographs: scored from files, and looked at."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

if find_spec("torch") is None:
    pytest.skip("torch is not installed", allow_module_level=True)

import torch

from gazekit import models
from gazekit.attention import attended_rectangle, rectangle_of_area
from gazekit.models.attention import synthetic_attention
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.inputs import look_of
from gazekit.models.pixels import box_in_picture, foveal_crop, normalised, peripheral_view, resize
from gazekit.models.scoring import Scorer
from gazekit.pictures import read_picture


def photographs(folder: Path, count: int) -> list[Path]:
    return sorted((folder / "osie").rglob("*.jpg"))[:count]


def test_photographs_are_scored_as_one_by_one(real_data: Path) -> None:
    torch.manual_seed(0)
    model, paths = models.create("nima-mobilenet").eval(), photographs(real_data, 12)
    assert len(paths) == 12
    found = np.stack([p for _, p in Scorer(model, size=96, batch=5, precision="float32").files(paths)])
    look = look_of(model, 96)
    for path, one in zip(paths, found, strict=True):
        (view,) = look.decoded(path.read_bytes(), path.name)
        whole = resize(read_picture(path), (96, 96))
        assert np.abs(view.astype(int) - whole).mean() < 2  # a JPEG is decoded small
        with torch.no_grad():
            np.testing.assert_allclose(one, model(normalised(view, model.mean, model.std))[0], atol=1e-5)


@pytest.mark.parametrize("method", ["masks", "excitation", "gradcam"])
def test_synthetic_rectangles_have_the_area_that_is_asked_for(method: str, real_data: Path) -> None:
    torch.manual_seed(0)
    model = models.create("residual-attention-narrow")
    pictures = np.stack([resize(read_picture(path), (72, 96)) for path in photographs(real_data, 4)])
    maps = synthetic_attention(model, normalised(pictures, model.mean, model.std), method).numpy()
    for one in maps:
        top, left, bottom, right = attended_rectangle(one)
        assert one[top:bottom, left:right].sum() >= 0.7 - 1e-4
        top, left, bottom, right = rectangle_of_area(one, 1500)
        assert abs((bottom - top) * (right - left) - 1500) <= 96


def test_the_fovea_sees_the_originals_pixels(real_data: Path) -> None:
    torch.manual_seed(0)
    model = models.create("gpf-resnet18", fovea=64).eval()
    assert isinstance(model, PeripheralFoveal)
    picture = read_picture(photographs(real_data, 1)[0])
    view = peripheral_view(picture)
    assert view.shape[:2] == (168, 224)
    (box,) = model.boxes(normalised(view, model.mean, model.std))
    top, left, bottom, right = box_in_picture(box, view.shape[:2], picture.shape[:2])
    crop = foveal_crop(picture, box, view.shape[:2], 64)
    np.testing.assert_array_equal(crop, resize(picture[top:bottom, left:right], (64, 64)))
