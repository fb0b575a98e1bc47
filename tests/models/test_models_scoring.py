"""The scoring engine: the same scores as a plain loop, in order, whatever the files are like."""

from __future__ import annotations

import gc
import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from gazekit import models
from gazekit.core.allocator import keep_memory
from gazekit.core.errors import FormatError, InputError
from gazekit.models.baselines.patches import fixed_patches
from gazekit.models.foveal import PeripheralFoveal
from gazekit.models.input_spec import Look
from gazekit.models.inputs import look_of
from gazekit.models.onednn import Convolution
from gazekit.models.pixels import foveal_crop, normalised, peripheral_view, resize
from gazekit.models.scoring import Scorer, computes_in_bfloat16
from gazekit.pictures import read_picture
from gazekit.training.recipe import Recipe
from gazekit.training.two_stage import look_for
from tests.models.zoo import created, real_pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i, picture in enumerate(real_pictures()):
        cv2.imwrite(str(tmp_path / f"{i}.png"), picture[: 300 - 10 * i, :, ::-1])
    return tmp_path


def plain_loop(model: nn.Module, paths: list[Path], size: int) -> np.ndarray:
    model.eval()
    found = []
    for path in paths:
        picture = resize(np.ascontiguousarray(cv2.imread(str(path))[..., ::-1]), (size, size))
        with torch.no_grad():
            found.append(model(normalised(picture, model.mean, model.std))[0].numpy())
    return np.stack(found)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "auto"])
@pytest.mark.parametrize("name", ["nima-narrow", "nima-mobilenet", "residual-attention-narrow"])
def test_scores_are_those_of_a_plain_loop(name: str, precision: str, folder: Path) -> None:
    model = created(name)
    paths = sorted(folder.iterdir())
    expected = plain_loop(model, paths, 64)
    model.train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    scorer = Scorer(model, size=64, batch=3, precision=precision)
    found = dict(scorer.files(paths))
    assert list(found) == paths
    scores = np.stack([found[path] for path in paths])
    moved = np.abs((scores - expected) @ np.arange(1, 11)).max()
    assert moved < (1e-4 if scorer.precision == "float32" else 0.1 if precision == "bfloat16" else 0.01)
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    np.testing.assert_allclose(scorer.pictures([cv2.imread(str(paths[0]))[..., ::-1]]), scores[:1], atol=5e-3)


def test_a_bad_file_is_reported_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "2b.png").write_bytes(b"no picture")
    paths = [*sorted(folder.iterdir()), folder / "absent.png", folder / f"{'long' * 200}.png"]
    found = list(Scorer(created("nima-narrow"), batch=4).files(paths))
    assert [path for path, _ in found] == paths
    errors = {path.name: result for path, result in found if isinstance(result, Exception)}
    assert set(errors) == {"2b.png", "absent.png", paths[-1].name}
    assert "File name too long" in str(errors[paths[-1].name])
    assert isinstance(errors["2b.png"], FormatError)
    assert all(abs(float(r.sum()) - 1) < 1e-3 for _, r in found if isinstance(r, np.ndarray))


def test_bfloat16_is_not_used_where_scores_move(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    if not computes_in_bfloat16(torch.device("cpu")):  # oneDNN would refuse what torch computes slowly
        monkeypatch.setattr("gazekit.models.scoring.use_onednn", lambda *of: None)
    monkeypatch.setattr("gazekit.models.scoring.computes_in_bfloat16", lambda device: True)
    model = created("nima-narrow")
    with torch.no_grad():
        model.head.weight.mul_(40)
    scorer = Scorer(model, batch=8)
    paths = sorted(folder.iterdir())
    scores = np.stack([r for _, r in scorer.files(paths) if isinstance(r, np.ndarray)])
    assert scorer.precision == "float32"
    np.testing.assert_allclose(scores, plain_loop(model, paths, 64), atol=1e-4)


def test_a_processor_without_bfloat16_still_computes_it(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr("gazekit.models.scoring.computes_in_bfloat16", lambda device: False)
    model, paths = created("nima-narrow"), sorted(folder.iterdir())
    scorer = Scorer(model, size=64, precision="bfloat16")
    assert not any(isinstance(module, Convolution) for module in scorer._networks["bfloat16"].modules())
    scores = np.stack([r for _, r in scorer.files(paths) if isinstance(r, np.ndarray)])
    np.testing.assert_allclose(scores, plain_loop(model, paths, 64), atol=2e-2)
    assert Scorer(model, size=64).precision == "float32"


def test_gpf_sees_the_original_pixels(folder: Path) -> None:
    model = created("gpf-resnet18").eval()
    assert isinstance(model, PeripheralFoveal)
    pictures = [p[: 200 + 40 * i] for i, p in enumerate(real_pictures()[:4])]
    found = Scorer(model, size=96, batch=4, precision="float32").pictures(pictures)
    for one, picture in zip(found, pictures, strict=True):
        small = peripheral_view(picture, 96)
        view = normalised(small, model.mean, model.std)
        crop = foveal_crop(picture, model.boxes(view)[0], small.shape[:2], 64)
        with torch.no_grad():
            expected = model(view, normalised(crop, model.mean, model.std))[0]
        np.testing.assert_allclose(one, expected, atol=1e-5)
    half = Scorer(model, size=96, batch=4, precision="bfloat16").pictures(pictures)
    np.testing.assert_allclose(half, found, atol=2e-2)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_gpf_attends_to_is_its_own_on_every_thread(precision: str, folder: Path) -> None:
    paths = sorted(folder.iterdir())
    pictures = [read_picture(path) for path in paths]
    model = created("gpf-resnet18")
    alone = Scorer(model, size=96, batch=1, precision=precision).pictures(pictures)
    for _ in range(3):
        scorer = Scorer(model, size=96, batch=4, workers=4, precision=precision)
        together = np.stack([result for _, result in scorer.files(paths)])
        np.testing.assert_allclose(together, alone, atol=1e-5 if precision == "float32" else 1e-2)
        assert not any(m._forward_hooks for m in scorer._networks[precision].modules())


def test_paths_are_taken_as_they_are_needed(folder: Path) -> None:
    paths = sorted(folder.iterdir())
    taken: list[Path] = []

    def endless() -> Iterator[Path]:
        for path in itertools.cycle(paths):
            taken.append(path)
            yield path

    threads = torch.get_num_threads()
    scorer = Scorer(created("nima-narrow"), size=64, batch=4, workers=2)
    found = list(itertools.islice(scorer.files(endless()), 40))
    assert [path for path, _ in found] == taken[:40]
    assert len(taken) < 40 + 30
    for result, again in zip(found[8:16], found[:8], strict=True):
        np.testing.assert_allclose(result[1], again[1], atol=1e-6)  # type: ignore[arg-type]
    gc.collect()
    assert torch.get_num_threads() == threads


TOGETHER = threading.Barrier(2)


class KeepsWhileItWaits(nn.Module):
    """Keeps its input during a pass, as hooks do, and goes on when another thread has kept its own."""

    input_size, mean, std = 64, (0.5,) * 3, (0.5,) * 3

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.wait = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.kept = x
        if self.wait:
            TOGETHER.wait(60)
        return self.weight * self.kept.mean((2, 3))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_a_pass_keeps_belongs_to_its_thread(precision: str) -> None:
    model = KeepsWhileItWaits()
    scorer = Scorer(model, size=64, batch=1, workers=2, precision=precision)  # type: ignore[arg-type]
    for network in scorer._networks.values():
        network.wait = True
    shades = np.linspace(0, 255, 12).astype(np.uint8)
    views = scorer.views(shades.tolist(), lambda shade: (np.full((64, 64, 3), shade, np.uint8),))
    found = np.stack([value for _, value in views])[:, 0]
    np.testing.assert_allclose(found, shades / 127.5 - 1, atol=0.01)
    assert len({id(shell.weight) for shell in (scorer._network(scorer.precision), *scorer._networks.values())}) == 1


def test_encoded_pictures_are_scored_as_files(folder: Path) -> None:
    scorer = Scorer(created("nima-narrow"), size=64, batch=3, precision="float32")
    paths = [*sorted(folder.iterdir()), folder / "bad.png"]
    paths[-1].write_bytes(b"no picture")
    found = scorer.encoded([(path.name, path.read_bytes()) for path in paths])
    for path, result in zip(paths[:-1], found[:-1], strict=True):
        np.testing.assert_allclose(result, dict(scorer.files(paths))[path], atol=1e-6)  # type: ignore[arg-type]
    assert isinstance(found[-1], FormatError)
    assert "bad.png" in str(found[-1])


def test_patches_and_parts_are_the_same_each_time() -> None:
    pictures = real_pictures()[:2]
    for name in ("dma-net", "rapid"):
        scorer = Scorer(created(name), size=64, precision="float32")
        np.testing.assert_array_equal(scorer.pictures(pictures), scorer.pictures(pictures))
    patches = fixed_patches(pictures[0], 64)
    np.testing.assert_array_equal(patches[0], pictures[0][:64, :64])
    np.testing.assert_array_equal(patches[3], pictures[0][-64:, -64:])


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(InputError, match=r"unknown precision.*float32"):
        Scorer(created("nima-narrow"), precision="float3")
    with pytest.raises(InputError, match="batch is 0"):
        Scorer(created("nima-narrow"), batch=0)
    with pytest.raises(InputError, match="no picture"):
        Scorer(created("nima-narrow")).pictures([])
    with pytest.raises(InputError, match="workers is -1"):
        Scorer(created("nima-narrow"), workers=-1)
    for size in (-5, 0, 15):
        with pytest.raises(InputError, match=f"size is {size}; this model takes pictures of 16 x 16"):
            Scorer(created("nima-narrow"), size=size)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((9, 9), np.uint8), np.zeros((0, 9, 3), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3))],
    ids=["grey", "empty", "four channels", "floats"],
)
def test_pictures_that_are_none_are_refused(picture: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"picture 2: uint8 pixels of shape \(height, width, 3\)"):
        Scorer(created("nima-narrow")).pictures([real_pictures()[0], picture])


@pytest.mark.parametrize(("name", "narrowest"), [("gpf-alexnet", 63), ("gpf-resnet18", 1)])
def test_a_panorama_is_seen_larger_or_is_its_own_error(name: str, narrowest: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sizes = {"a": (200, 300), "b": (60, 240), "c": (300, 200), "d": (200, 40), "e": (16, 1600)}
    for stem, (height, width) in sizes.items():
        cv2.imwrite(str(tmp_path / f"{stem}.png"), rng.integers(0, 255, (height, width, 3), np.uint8))
    scorer = Scorer(created(name).eval(), size=96, workers=2)
    results = {path.stem: result for path, result in scorer.files(sorted(tmp_path.iterdir()))}
    assert min(scorer._look.shape(sizes["b"])) >= narrowest
    errors = {stem: str(result) for stem, result in results.items() if isinstance(result, Exception)}
    assert set(errors) == ({"e"} if narrowest > 1 else set())
    if errors:
        assert "e.png is 1600 x 16 pixels: too long for this network, whose views have 63 pixels" in errors["e"]
        with pytest.raises(InputError, match="picture 2 is 1600 x 16 pixels: too long"):
            scorer.pictures([np.zeros((9, 9, 3), np.uint8), np.zeros((16, 1600, 3), np.uint8)])
    assert look_for(created(name), list(sizes.values()), Recipe(size=96)).narrowest == narrowest


def test_views_that_are_wide_enough_stay_as_they_are() -> None:
    for aspects in ((), (0.5, 1.0, 2.0)):
        for size in ((100, 300), (300, 100), (77, 78)):
            assert Look("view", 224, aspects, 63).shape(size) == Look("view", 224, aspects).shape(size)
    assert Look("view", 100, (), 50).shape((100, 400)) == (50, 200)
    assert Look("view", 100, (0.25,), 50).shape((100, 400)) == (50, 200)


def test_mna_cnn_keeps_the_shape_of_pictures() -> None:
    model = models.create("mna-cnn")
    assert look_of(model, 96).shape((300, 600)) == (48, 96)
    assert len(look_for(model, [(100, w) for w in range(60, 200)], Recipe(size=96)).aspects) > 1


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(value: float) -> None:
    model = created("nima-narrow")
    with torch.no_grad():
        model.head.weight[0, 0] = value
    with pytest.raises(InputError, match=r"tensors hold NaN or infinity, e\.g\. head\.weight"):
        Scorer(model).pictures(real_pictures()[:1])


def test_the_machine_is_asked_what_it_can() -> None:
    assert isinstance(computes_in_bfloat16(torch.device("cpu")), bool)
    assert not computes_in_bfloat16(torch.device("meta"))
    assert keep_memory() in (True, False)
    assert models.Scorer is Scorer
