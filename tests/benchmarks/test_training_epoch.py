"""An epoch of ``gazekit train`` against the loop that everybody writes: PyTorch, a DataLoader, the same JPEG files.

OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 pytest -n 0 -s -m benchmark tests/benchmarks/test_training_epoch.py
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from gazekit import models
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.pictures import Picture
from gazekit.training import train
from tests.benchmarks.figures import record

COUNT, BATCH, SIZE, ROUNDS = 200, 32, 224, 3


def photographs(source: Path, folder: Path) -> tuple[list[Picture], pd.DataFrame]:
    """Pieces of 640x480 cut from photographs, with made-up ratings."""
    rng, pictures = np.random.default_rng(0), []
    files = sorted(source.glob("*.jpg"))
    for n in range(COUNT):
        whole = cv2.imread(str(files[n % len(files)]))
        top, left = (int(rng.integers(side - size + 1)) for side, size in zip(whole.shape, (480, 640), strict=False))
        picture = Picture(f"{n:03d}.jpg", folder / f"{n:03d}.jpg")
        assert cv2.imwrite(str(picture.file), whole[top : top + 480, left : left + 640])
        pictures.append(picture)
    counts = pd.DataFrame(rng.multinomial(20, [0.1] * 10, COUNT), columns=[f"c{k + 1}" for k in range(10)])
    counts.insert(0, "image", [picture.image for picture in pictures])
    return pictures, counts


class Files(torch.utils.data.Dataset[tuple[Tensor, Tensor]]):
    """What people write: open, resize, to a tensor, normalise, mirror half."""

    def __init__(self, files: list[Path], truth: Tensor, network: nn.Module) -> None:
        self.files, self.truth = files, truth
        self.mean, self.std = (torch.tensor(v).reshape(3, 1, 1) for v in (network.mean, network.std))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        picture = Image.open(self.files[i]).convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR)
        pixels = (torch.from_numpy(np.array(picture)).permute(2, 0, 1) / 255 - self.mean) / self.std
        return pixels.flip(-1) if torch.rand(()) < 0.5 else pixels, self.truth[i]


def plain_epochs(files: dict[str, list[Path]], truth: dict[str, Tensor], epochs: int) -> None:
    network = models.create("nima-mobilenet", 10)
    optimiser = torch.optim.Adam(network.parameters(), 1e-4)
    loaders = {
        name: torch.utils.data.DataLoader(Files(files[name], truth[name], network), BATCH, shuffle=name == "train")
        for name in ("train", "validation")
    }

    def loss(pixels: Tensor, expected: Tensor) -> Tensor:
        gap = (network(pixels) - expected).cumsum(1)
        return (gap**2).mean(1).sqrt().mean()

    for _ in range(epochs):
        network.train()
        for pixels, expected in loaders["train"]:
            optimiser.zero_grad()
            loss(pixels, expected).backward()
            optimiser.step()
        network.eval()
        with torch.no_grad():
            for pixels, expected in loaders["validation"]:
                loss(pixels, expected)


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_an_epoch_takes_at_most_a_tenth_more_than_a_plain_loop(real_data: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    (tmp_path / "p").mkdir()
    pictures, ratings = photographs(real_data / "osie" / "stimuli", tmp_path / "p")
    spec = DatasetSpec(split=(0.8, 0.1, 0.1), near_duplicates=None)
    path = build_dataset(pictures, None, ratings, tmp_path / "d.dataset.h5", spec)
    data = open_dataset(path)
    shares = torch.from_numpy(data.counts / data.counts.sum(1, keepdims=True)).float()
    index = {name: data.indices(name) for name in ("train", "validation")}  # type: ignore[arg-type]
    files = {name: [pictures[i].file for i in rows] for name, rows in index.items()}
    truth = {name: shares[rows] for name, rows in index.items()}

    def seconds_of(work: Callable[[], object]) -> float:
        start = time.process_time()
        work()
        return time.process_time() - start

    def ours(epochs: int, n: int, channels_last: bool) -> float:
        options = {"epochs": epochs, "batch": BATCH, "threads": 1, "seeds": 1, "conditions": ["original"]}
        out = tmp_path / f"{epochs}-{n}-{channels_last}"
        return seconds_of(
            lambda: train(path, out, models=["nima-mobilenet"], channels_last=channels_last, **options)  # type: ignore[arg-type]
        )

    measured: dict[str, list[float]] = defaultdict(list)
    for n in range(ROUNDS):  # by turns, and the least of each: other programs disturb all
        for epochs in (1, 3):
            measured[f"ours {epochs}"].append(ours(epochs, n, False))
            measured[f"last {epochs}"].append(ours(epochs, n, True))
        measured["plain"].append(seconds_of(lambda: plain_epochs(files, truth, 2)) / 2)
    least = {name: min(values) for name, values in measured.items()}
    one, last = ((least[f"{way} 3"] - least[f"{way} 1"]) / 2 for way in ("ours", "last"))
    load = f"load {os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else ""
    for what, seconds, bar in (("", one, "<= 1.1 times"), (" with channels last", last, "")):
        record(
            "training",
            f"an epoch of NIMA(MobileNet){what} at 224 px on 200 JPEGs, against a plain loop with a DataLoader, "
            "processor time",
            f"{seconds / least['plain']:.2f} times ({seconds:.1f} and {least['plain']:.1f} s; {load})",
            bar=bar,
            data="pieces of 640x480 of OSIE's photographs; 160 to train on, 20 for validation; one thread; "
            f"least of {ROUNDS} rounds",
            command="OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 pytest -n 0 -s -m benchmark "
            "tests/benchmarks/test_training_epoch.py",
        )
    assert one <= 1.1 * least["plain"]
