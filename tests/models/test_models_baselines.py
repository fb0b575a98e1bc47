"""The networks and classifiers that paper 2 compares with."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from skimage.feature import SIFT

from gazekit.core.errors import InputError
from gazekit.models.attention import excitation_backprop
from gazekit.models.baselines import FISHER, GIST, HandcraftedModel, MtrlCnn, MultiPatch, adaptive_patches
from gazekit.models.baselines.handcrafted import gist, sift
from gazekit.models.baselines.mna import adaptive_max
from gazekit.models.baselines.patches import random_patches
from tests.models.zoo import created, real_pictures


def test_patches_have_no_order() -> None:
    torch.manual_seed(0)
    for aggregate in ("statistics", "sorting", "both"):
        model = MultiPatch("resnet18", 5, aggregate=aggregate).eval()
        patches = torch.randn(2, 5, 3, 64, 64)
        with torch.no_grad():
            expected = model(patches)
            torch.testing.assert_close(model(patches[:, torch.tensor([3, 0, 4, 1, 2])]), expected, atol=1e-5, rtol=0)
            assert float((model(patches.flip(0)) - expected).abs().max()) > 1e-6
        with pytest.raises(InputError, match="4 patches a picture; this network was built for 5"):
            model(patches[:, :4])
    with pytest.raises(InputError, match=r"unknown aggregation.*sorting"):
        MultiPatch("resnet18", 5, aggregate="sort")


def test_no_pictures_are_no_rows() -> None:
    """The share of a process in a batch smaller than the team; gradients go through it all the same."""
    model = MultiPatch("resnet18", 5).eval()
    found = model(torch.zeros(0, 5, 3, 64, 64))
    assert found.shape == (0, 5)
    found.sum().backward()
    assert all(float(p.grad.abs().max()) == 0 for p in model.parameters() if p.grad is not None)


def test_attention_of_patches_is_put_where_they_lie() -> None:
    model = MultiPatch("resnet18", 5)
    maps = torch.zeros(2, 5, 4, 4)
    maps[0, 3] = 1 / 16
    maps[1, 0, 0, 0], maps[1, 4] = 0.25, 0.75 / 16
    whole = model.whole(maps.flatten(0, 1), (40, 61))
    torch.testing.assert_close(whole.sum((1, 2)), torch.ones(2))
    assert float(whole[0, 20:, 30:].sum()) == pytest.approx(1)
    assert float(whole[1, :8, :12].sum()) == pytest.approx(0.25, abs=1e-6)
    assert float(whole[1, 10:30, 15:46].sum()) == pytest.approx(0.75, abs=1e-6)
    with pytest.raises(InputError, match="give whole pictures"):
        excitation_backprop(created("dma-net"), torch.randn(2, 5, 3, 64, 64))


@pytest.mark.parametrize("aggregate", ["statistics", "sorting"])
def test_aggregation_by_hand(aggregate: str) -> None:
    model = MultiPatch("resnet18", 5, aggregate=aggregate, features=2)
    vectors = torch.tensor([[[5.0, 1], [1, 2], [3, 9], [2, 4], [9, 4]]])
    found = model._aggregated(vectors)[0].tolist()
    if aggregate == "statistics":
        assert found == [1, 1, 9, 9, 3, 4, 4, 4]
    else:
        assert found == [1, 1, 2, 2, 3, 4, 5, 4, 9, 9]


@pytest.mark.parametrize("size", [(14, 14), (5, 19), (12, 9)])
def test_adaptive_pooling_is_torchs(size: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *size)
    for grid in (2, 4, 5):
        torch.testing.assert_close(adaptive_max(maps, grid), torch.nn.functional.adaptive_max_pool2d(maps, grid))


def test_adaptive_patches_find_what_stands_out(rng: np.random.Generator) -> None:
    picture = np.full((400, 600, 3), 90, np.uint8)
    picture[240:340, 360:460] = rng.integers(0, 256, (100, 100, 3))
    patches = adaptive_patches(picture, size=100)
    assert patches.shape == (5, 100, 100, 3)
    assert patches[0].std() > 20
    spots = np.zeros((400, 600))
    spots[:100, :100] = 1
    assert patches[0].std() != adaptive_patches(picture, size=100, salience=spots)[0].std()
    assert adaptive_patches(picture[:50, :60], size=64).shape == (5, 64, 64, 3)
    again = random_patches(picture, np.random.default_rng(3), size=100)
    np.testing.assert_array_equal(again, random_patches(picture, np.random.default_rng(3), size=100))


@pytest.mark.benchmark
def test_mtrlcnn_has_a_head_for_the_subject() -> None:
    model = created("mtrlcnn").eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        aesthetic, semantic = model.tasks(x)
        torch.testing.assert_close(aesthetic, model(x))
    assert semantic.shape == (2, 29)
    torch.testing.assert_close(semantic.sum(1), torch.ones(2))


def test_mtrlcnn_trains_its_subjects_only_where_they_are_given() -> None:
    torch.manual_seed(0)
    model, x = MtrlCnn(5, subjects=3), torch.randn(2, 3, 32, 32)
    model(x)[:, 0].sum().backward()
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name for name, p in model.named_parameters() if p.grad is not None} == trained
    assert not any(name.startswith("semantic.") for name in trained)
    model.learn_subjects()
    aesthetic, semantic = model.tasks(x)
    (aesthetic[:, 0] + semantic[:, 0]).sum().backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in model.parameters())


def textures(rng: np.random.Generator, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Pictures of squares (high) and of noise (low), and their counts."""
    pictures, counts = [], []
    for i in range(count):
        noise = rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)
        if i % 2:
            picture = np.full((96, 128, 3), 128, np.uint8)
            for _ in range(12):
                y, x, value = int(rng.integers(0, 70)), int(rng.integers(0, 100)), int(rng.integers(0, 256))
                cv2.rectangle(picture, (x, y), (x + 25, y + 20), (value, value, value), -1)
            pictures.append(picture)
        else:
            pictures.append(noise)
        counts.append([1, 2, 3, 4, 20] if i % 2 else [20, 4, 3, 2, 1])
    return pictures, np.array(counts)


@pytest.mark.parametrize("descriptor", [GIST, FISHER])
def test_handcrafted_models_tell_two_kinds_of_pictures_apart(descriptor: str, rng: np.random.Generator) -> None:
    pictures, counts = textures(rng, 28)
    model = HandcraftedModel(descriptor, modes=4, keypoints=40).fit(pictures[:20], counts[:20])
    p = model.predict(pictures[20:])
    assert p.shape == (8, 5)
    np.testing.assert_allclose(p.sum(1), 1)
    means = p @ np.arange(1, 6)
    assert means[1::2].min() > means[::2].max()
    again = HandcraftedModel(descriptor, modes=4, keypoints=40).fit(pictures[:20], counts[:20])
    np.testing.assert_array_equal(again.predict(pictures[20:]), p)


def test_high_is_above_half_the_scale(rng: np.random.Generator) -> None:
    pictures, _ = textures(rng, 8)
    counts = np.zeros((8, 10))
    counts[1::2, 4:6] = 2, 1  # squares: a mean of 5.33, which both papers call high
    counts[::2, 1] = 3
    p = HandcraftedModel(GIST).fit(pictures, counts).predict(pictures)
    assert (p @ np.arange(1, 11))[1::2].min() > 3.5
    counts[1::2] = 0
    counts[1::2, 4] = 3  # exactly 5 is low
    with pytest.raises(InputError, match="0 of 8 pictures are of high quality"):
        HandcraftedModel(GIST).fit(pictures, counts)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.eye(8, 5)[:5], r"counts of shape \(5, 5\) for 8 pictures"),
        (np.ones(8), r"counts of shape \(8,\) for 8 pictures"),
        (np.eye(8, 5), r"3 of 8 pictures have no votes.* rows \[5, 6, 7\]"),
        (np.full((8, 5), np.nan), "8 of 8 pictures have no votes"),
    ],
    ids=["fewer", "flat", "no votes", "nan"],
)
def test_counts_that_are_not_the_pictures_own(counts: np.ndarray, message: str, rng: np.random.Generator) -> None:
    with pytest.raises(InputError, match=message):
        HandcraftedModel(GIST).fit(textures(rng, 8)[0], counts)


def test_gist_sees_orientation() -> None:
    stripes = np.where(np.arange(128)[:, None] // 8 % 2, 255, 0).astype(np.uint8)
    picture = np.repeat(np.broadcast_to(stripes, (128, 128))[..., None], 3, 2)
    across, down = (
        gist(picture).reshape(4, 8, 16).mean((0, 2)),
        gist(picture.swapaxes(0, 1)).reshape(4, 8, 16).mean((0, 2)),
    )
    assert gist(picture).shape == (512,)
    assert across.argmax() == 4
    assert down.argmax() == 0


def test_pictures_without_keypoints_and_wrong_use(rng: np.random.Generator) -> None:
    flat = np.full((64, 64, 3), 7, np.uint8)
    assert sift(flat).shape == (0, 128)
    assert sift(real_pictures()[0], keypoints=30).shape == (30, 128)
    pictures, counts = textures(rng, 8)
    with pytest.raises(InputError, match="0 of 4 pictures are of high quality"):
        HandcraftedModel(GIST).fit(pictures[::2], counts[::2])
    with pytest.raises(InputError, match="has not been fitted"):
        HandcraftedModel(GIST).predict(pictures)
    with pytest.raises(InputError, match="has not been fitted"):
        HandcraftedModel(FISHER).describe(pictures)
    with pytest.raises(InputError, match="no picture to describe"):
        HandcraftedModel(GIST).describe([])
    with pytest.raises(InputError, match=r"unknown descriptor.*gist"):
        HandcraftedModel("gis")
    with pytest.raises(InputError, match="0 keypoints in all pictures"):
        HandcraftedModel(FISHER).fit([flat] * 8, counts)


def test_sift_keeps_its_strongest_keypoints() -> None:
    """Faint blobs come first in the picture, bright ones last: those are kept."""
    rows, columns = np.mgrid[:256, :256]
    grey = np.full((256, 256), 60.0)
    for i, (y, x) in enumerate((y, x) for y in range(32, 256, 48) for x in range(32, 256, 48)):
        grey += (25 if y < 128 else 120) * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (4 + i % 3) ** 2))
    picture = np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, 2)
    detector = SIFT(upsampling=1)
    detector.detect_and_extract(picture.astype(np.float64) @ [0.299, 0.587, 0.114] / 255)
    few = sift(picture, 8)
    assert len(few) == 8 < len(sift(picture, 10_000)) == len(detector.descriptors)
    places = [int(np.abs(detector.descriptors - descriptor).sum(1).argmin()) for descriptor in few]
    assert places == sorted(places)
    assert detector.keypoints[places, 0].min() > 108, "a faint one was kept"
    assert places != list(range(8)), "the first ones would have done"
