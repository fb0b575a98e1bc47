"""Speed of the models, as ratios within one run.

    pytest -m benchmark tests/benchmarks/test_models_speed.py -s

Both sides of a ratio are timed by turns, so that other work on the machine meets both.
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.models.attention import excitation_backprop
from gazekit.models.inputs import example_inputs, look_of
from gazekit.models.pixels import normalised
from gazekit.models.scoring import Scorer
from tests.models.zoo import created, fit, real_inputs, set_statistics

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]


def seconds(work: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


def by_turns(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median seconds of both, after one round that does not count."""
    times = [(seconds(first), seconds(second)) for _ in range(rounds + 1)][1:]
    return statistics.median(a for a, _ in times), statistics.median(b for _, b in times)


@pytest.mark.parametrize(
    "name",
    [
        "nima-mobilenet",
        "nima-vgg16",
        "nima-inception-resnet",
        "nima-xception",
        "nima-inception",
        "alexnet",
        "resnet18",
        "resnet50",
        "residual-attention-56",
    ],
)
def test_excitation_backprop_takes_at_most_twice_a_forward_pass(name: str) -> None:
    torch.manual_seed(0)
    model = models.create(name).eval()
    (pictures,) = example_inputs(model, models.info(name).size, 8)

    def forward() -> None:
        with torch.no_grad():
            model(pictures)

    plain, attention = by_turns(forward, lambda: excitation_backprop(model, pictures), 5)
    print(f"\n{name}: forward {plain:.3f} s, with excitation backprop {attention:.3f} s: {attention / plain:.2f} times")
    assert attention <= 2.0 * plain


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Sixty-four JPEG files of 1224 x 816."""
    folder = tmp_path_factory.mktemp("photographs")
    names = ("astronaut", "coffee", "chelsea", "rocket")
    for i in range(64):
        picture = getattr(skimage.data, names[i % 4])()
        top, left = 3 * (i // 4), 5 * (i // 4)
        part = np.ascontiguousarray(picture[top : top + 230, left : left + 345, ::-1])
        cv2.imwrite(str(folder / f"{i:02d}.jpg"), cv2.resize(part, (1224, 816), interpolation=cv2.INTER_CUBIC))
    return sorted(folder.iterdir())


def pillow_loop(model: nn.Module, paths: list[Path], size: int) -> tuple[np.ndarray, float]:
    """What people write: open, resize, normalise, one picture a forward pass; its scores, and seconds a picture."""
    from PIL import Image

    mean, std = torch.tensor(model.mean).reshape(3, 1, 1), torch.tensor(model.std).reshape(3, 1, 1)
    found = []
    start = time.perf_counter()
    for path in paths:
        picture = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        x = (torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255 - mean) / std
        with torch.no_grad():
            found.append(model(x[None])[0].numpy())
    return np.stack(found), (time.perf_counter() - start) / len(paths)


def one_alone(model: nn.Module, path: Path, size: int) -> np.ndarray:
    """A picture's probabilities by an ordinary forward pass over what the Scorer sees of it."""
    (view,) = look_of(model, size).decoded(path.read_bytes(), path.name)
    with torch.no_grad():
        return model(normalised(view, model.mean, model.std))[0].numpy()  # type: ignore[no-any-return]


def rated(name: str) -> nn.Module:
    """A model that tells pictures apart: it knows eight by heart, with mean ratings from 4 to 7 as in AVA.

    Of VGG16, which learns slowly, the last layer alone is trained.
    """
    model = created(name).train()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    means, buckets = torch.linspace(4, 7, 8), torch.arange(1.0, 11.0)
    q = torch.softmax(-((buckets - means[:, None]) ** 2) / (2 * 1.4**2), 1)
    pictures = real_inputs(name, model, models.info(name).size)
    if name == "nima-vgg16":
        with torch.no_grad():
            features = model.trunk(*pictures)
        nn.init.zeros_(model.head.weight)  # what is learnt from there is no more than is needed
        losses = fit(nn.Sequential(model.head, nn.Softmax(dim=1)), (features,), q, 3e-3)
    else:
        losses = fit(model, real_inputs(name, model), q, 3e-4)
    assert losses[-1] < 0.05
    return set_statistics(model, pictures)


@pytest.mark.parametrize(
    ("name", "in_loop", "scored"),
    [("nima-mobilenet", 64, 512), ("nima-inception-resnet", 16, 128), ("nima-vgg16", 16, 128)],
)
def test_scoring_a_folder_beats_a_plain_loop_three_times(
    name: str, in_loop: int, scored: int, photographs: list[Path]
) -> None:
    model = rated(name)
    size = models.info(name).size
    scorer = Scorer(model)
    folder = photographs * (scored // len(photographs))
    loop, ours = [], []
    moved = 0.0

    def engine(paths: list[Path]) -> np.ndarray:
        return np.stack([p for _, p in scorer.files(paths)])

    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:  # the Scorer's settings are not its
        process.submit(pillow_loop, model, photographs[:4], size).result()
        engine(photographs[:32])
        exact = np.stack([p for _, p in Scorer(model, precision="float32").files(photographs)])
        for _ in range(5):
            expected, seconds_each = process.submit(pillow_loop, model, photographs[:in_loop], size).result()
            start = time.perf_counter()
            found = engine(folder)
            loop.append(seconds_each)
            ours.append((time.perf_counter() - start) / scored)
            moved = max(moved, float(np.abs((found[: len(exact)] - exact) @ np.arange(1, 11)).max()))
    ratio = statistics.median(loop) / statistics.median(ours)
    rates = f"{1 / statistics.median(loop):.1f} images/s in a loop, {1 / statistics.median(ours):.1f} by Scorer"
    spread = float((expected @ np.arange(1, 11)).std())
    print(f"\n{name}: {rates}: {ratio:.2f} times; {scorer.precision}, scores move by {moved:.4f} of {spread:.2f}")
    assert spread > 0.1
    agreement = np.corrcoef(found[:in_loop] @ np.arange(1, 11), expected @ np.arange(1, 11))[0, 1]
    assert agreement > 0.95  # JPEGs are decoded small, as datasets do: not the loop's pixels
    alone = np.stack([one_alone(model, path, size) for path in photographs[:in_loop]])
    assert np.abs((exact[:in_loop] - alone) @ np.arange(1, 11)).max() < 1e-3
    assert moved < 0.01
    assert ratio >= 3.0


def train_steps(model: nn.Module, inputs: tuple[Tensor, ...], batches: list[Tensor] | None, half: bool) -> None:
    """Ten optimiser steps; `batches` are uint8 pictures on the host, else the inputs are used as they are."""
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-4, momentum=0.9)
    for step in range(10):
        views = inputs
        if batches is not None:
            moved = batches[step % len(batches)].to("cuda", non_blocking=True).permute(0, 3, 1, 2)
            views = (moved.float() / 255 - 0.5, *inputs[1:])
            views = tuple(x.contiguous(memory_format=torch.channels_last) for x in views)
        with torch.autocast("cuda", torch.bfloat16, enabled=half):
            loss = (model(*views) - 0.1).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


@pytest.mark.parametrize("name", ["nima-vgg16", "residual-attention-56", "gpf-vgg16"])
def test_training_on_a_gpu(name: str) -> None:
    """bfloat16 and channels last against float32, and against tensors that are already there (90 % or more)."""
    if not torch.cuda.is_available():
        pytest.skip("there is no GPU on this machine")
    torch.manual_seed(0)
    model = models.create(name).cuda().train()
    inputs = example_inputs(model, 224, 64)
    plain = seconds(lambda: train_steps(model, inputs, None, False)) and seconds(
        lambda: train_steps(model, inputs, None, False)
    )
    model = model.to(memory_format=torch.channels_last)
    laid_out = tuple(x.contiguous(memory_format=torch.channels_last) for x in inputs)
    pictures = [torch.randint(0, 256, (64, 224, 224, 3), dtype=torch.uint8).pin_memory() for _ in range(4)]
    bare, fed = by_turns(
        lambda: train_steps(model, laid_out, None, True), lambda: train_steps(model, laid_out, pictures, True), 3
    )
    rates = [640 / t for t in (plain, bare, fed)]
    print(f"\n{name}: float32 {rates[0]:.0f}, bfloat16 {rates[1]:.0f} on tensors there, {rates[2]:.0f} fed, images/s")
    assert rates[2] > rates[0]
    assert rates[2] >= 0.9 * rates[1]
