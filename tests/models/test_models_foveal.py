"""The peripheral view, the foveal crop from the original pixels, the two stages, the cache of boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from gazekit.attention import attended_rectangle
from gazekit.core.errors import FormatError, InputError
from gazekit.models.attention import synthetic_attention
from gazekit.models.boxes import attended_boxes
from gazekit.models.foveal import PeripheralFoveal, crop_boxes
from gazekit.models.inputs import look_of
from gazekit.models.pixels import (
    box_in_picture,
    foveal_crop,
    normalised,
    peripheral_view,
    random_crop,
    resize,
    same_size_batches,
    view_size,
)
from tests.models.zoo import created, real_batch, real_pictures


def foveal(seed: int = 0, **options: object) -> PeripheralFoveal:
    model = created("gpf-resnet18", **options)
    assert isinstance(model, PeripheralFoveal)
    return model


@pytest.mark.parametrize(
    ("size", "expected"),
    [((600, 800), (168, 224)), ((800, 600), (224, 168)), ((50, 50), (224, 224)), ((2, 900), (1, 224))],
)
def test_the_view_keeps_the_aspect_ratio(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert view_size(size) == expected
    assert peripheral_view(np.zeros((*size, 3), np.uint8)).shape == (*expected, 3)


def test_the_foveal_crop_is_of_the_original_pixels(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 200, (1200, 1800, 3), dtype=np.uint8)
    picture[431, 977] = (255, 1, 254)
    view = view_size((1200, 1800), 225)
    assert view == (150, 225)
    box = (40, 110, 68, 138)  # 28 x 28 of the view are 224 x 224 of the picture
    crop = foveal_crop(picture, box, view)
    np.testing.assert_array_equal(crop, picture[320:544, 880:1104])
    assert crop[431 - 320, 977 - 880].tolist() == [255, 1, 254]
    smaller = foveal_crop(picture, box, view, size=112)
    assert smaller.shape == (112, 112, 3)
    assert box_in_picture(box, view, (1200, 1800)) == (320, 880, 544, 1104)


def test_a_mapped_box_covers_what_the_view_shows(rng: np.random.Generator) -> None:
    for _ in range(200):
        picture, view = rng.integers(5, 900, 2), rng.integers(5, 224, 2)
        top, left = rng.integers(0, view)
        bottom, right = top + rng.integers(1, view[0] - top + 1), left + rng.integers(1, view[1] - left + 1)
        t, x, b, r = box_in_picture((top, left, bottom, right), tuple(view), tuple(picture))
        scale = picture / view
        assert 0 <= t <= top * scale[0] < bottom * scale[0] <= b + 1e-9 <= picture[0] + 1e-9
        assert 0 <= x <= left * scale[1] < right * scale[1] <= r + 1e-9 <= picture[1] + 1e-9
        assert (b - t) - (bottom - top) * scale[0] < 2


@pytest.mark.parametrize("box", [(0, 0, 0, 5), (-1, 0, 5, 5), (0, 0, 11, 5), (5, 5, 3, 9)])
def test_boxes_outside_the_view_are_refused(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(InputError, match="not a rectangle inside a view of 10 x 10"):
        box_in_picture(box, (10, 10), (100, 100))


def test_resizing_is_antialiased_and_within_a_grey_level_of_pillow() -> None:
    image = pytest.importorskip("PIL.Image")
    picture = real_pictures()[0]
    expected = np.asarray(image.fromarray(picture).resize((64, 64), image.Resampling.BILINEAR)).astype(int)
    assert np.abs(resize(picture, (64, 64)).astype(int) - expected).max() <= 1


def test_normalised_by_hand(rng: np.random.Generator) -> None:
    pictures = rng.integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    found = normalised(pictures, (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)).numpy()
    expected = (pictures / 255 - [0.1, 0.2, 0.3]) / [0.4, 0.5, 0.6]
    np.testing.assert_allclose(found, expected.transpose(0, 3, 1, 2), atol=1e-5)
    with pytest.raises(InputError, match="uint8 pictures"):
        normalised(pictures.astype(np.float32), (0, 0, 0), (1, 1, 1))


def test_batches_hold_one_size_and_every_picture_once(rng: np.random.Generator) -> None:
    sizes = [(224, int(w)) for w in rng.choice([168, 149, 224], 100)]
    for shuffled in (None, rng):
        batches = same_size_batches(sizes, 16, shuffled)
        assert sorted(np.concatenate(batches).tolist()) == list(range(100))
        assert all(len({sizes[i] for i in batch}) == 1 and len(batch) <= 16 for batch in batches)
    assert [b.tolist() for b in batches] != [b.tolist() for b in same_size_batches(sizes, 16)]


def test_random_crops_are_of_the_original(rng: np.random.Generator) -> None:
    picture = np.arange(300 * 400, dtype=np.uint32).view(np.uint8).reshape(300, 400, 4)[..., :3].copy()
    crop = random_crop(picture, 224, rng)
    window = np.lib.stride_tricks.sliding_window_view(picture, (224, 224, 3))[:, :, 0]
    assert any(np.array_equal(crop, w) for row in window for w in row)
    assert random_crop(picture[:50], 224, rng).shape == (224, 224, 3)


def test_the_box_of_a_view_is_that_of_its_map() -> None:
    model, views = foveal(), real_batch("gpf-resnet18")[:3]
    maps = synthetic_attention(model, views).numpy()
    expected = [attended_rectangle(one, 0.7) for one in maps]
    assert model.boxes(views).tolist() == [list(box) for box in expected]
    model.periphery.train()
    assert model.boxes(views).tolist() == [list(box) for box in expected]


def test_without_a_crop_it_is_taken_from_the_view() -> None:
    model, views = foveal().eval(), real_batch("gpf-resnet18")[:2]
    with torch.no_grad():
        torch.testing.assert_close(model(views), model(views, crop_boxes(views, model.boxes(views), model.size)))
        assert float((model(views) - model(views, views)).abs().max()) > 1e-6


def test_bfloat16_without_a_crop() -> None:
    model, views = foveal().eval().bfloat16(), real_batch("gpf-resnet18")[:2].bfloat16()
    boxes = np.array([[3, 5, 40, 50], [0, 0, 64, 64]])
    crop = crop_boxes(views, boxes, 48)
    assert crop.dtype == torch.bfloat16
    torch.testing.assert_close(crop, crop_boxes(views.float(), boxes, 48).bfloat16(), atol=0, rtol=0)
    with torch.no_grad():
        torch.testing.assert_close(model(views), model(views, crop_boxes(views, model.boxes(views), model.size)))


def test_stages_train_what_they_should() -> None:
    model = foveal().train()
    views, q = real_batch("gpf-resnet18")[:4], torch.full((4, 10), 0.1)
    model.set_stage(1)
    assert model(views).shape == (4, 2)
    assert {n.split(".")[0] for n, p in model.named_parameters() if p.requires_grad} == {"periphery"}
    assert model.periphery.training
    model.set_stage(2)
    model.train()
    assert not any(m.training for m in model.periphery.modules())
    assert model.fovea.training
    before = {k: v.clone() for k, v in model.state_dict().items()}
    boxes = model.boxes(views)
    optimiser = torch.optim.SGD(model.parameters(), 0.1, momentum=0.9)
    for _ in range(2):
        optimiser.zero_grad()
        (model(views, views) - q).square().sum().backward()
        optimiser.step()
    changed = {k.split(".")[0] for k, v in model.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"fovea", "fusion", "head"}
    np.testing.assert_array_equal(model.boxes(views), boxes)
    with pytest.raises(InputError, match="stage 3"):
        model.set_stage(3)


def test_boxes_are_computed_once(tmp_path: Path) -> None:
    model, pictures = foveal(), real_pictures()[:4]
    ids, reads, look = [f"p{i}" for i in range(4)], [], look_of(model, 64)

    def read(i: int) -> np.ndarray:
        reads.append(i)
        return pictures[i]

    cache = tmp_path / "boxes.npz"
    found = attended_boxes(model, ids, read, look=look, batch=3, cache=cache)
    assert reads == [0, 1, 2, 3]
    for box, picture in zip(found, pictures, strict=True):
        view = peripheral_view(picture, 64)
        (one,) = model.boxes(normalised(view, model.mean, model.std))
        assert tuple(box) == box_in_picture(one, view.shape[:2], picture.shape[:2])
    np.testing.assert_array_equal(attended_boxes(model, ids, read, look=look, cache=cache), found)
    assert reads == [0, 1, 2, 3]
    with torch.no_grad():
        next(model.periphery.parameters()).mul_(-1)
    attended_boxes(model, ids, read, look=look, cache=cache)
    assert len(reads) == 8
    cache.write_bytes(cache.read_bytes()[:100])
    with pytest.raises(FormatError, match="delete it"):
        attended_boxes(model, ids, read, look=look, cache=cache)
