"""All that is to be measured on a GPU, in ten minutes: training, features and scoring against the bare network.

python -m tests.benchmarks.gpu_ten_minutes [OUT.json]         on a machine with a GPU
python -m tests.benchmarks.gpu_ten_minutes --small [OUT.json]  the same on a CPU with small networks: does it run?

Each part is by itself: what fails is named, and the rest goes on. The figures are printed and written as they come.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import skimage.data
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.dataset import DatasetSpec, build_dataset
from gazekit.models.inputs import example_inputs
from gazekit.models.probe import FrozenFeatures
from gazekit.models.scoring import Scorer
from gazekit.pictures import Picture

SMALL = "--small" in sys.argv
DEVICE, SIZE = ("cpu", 64) if SMALL else ("cuda", 224)
TRAINED = ["nima-narrow"] if SMALL else ["nima-vgg16", "residual-attention-56", "gpf-vgg16"]
FROZEN = "probe-timm:" + ("mobilenetv3_small_050" if SMALL else "vit_small_patch14_dinov2.lvd142m")
SCORED = "nima-narrow" if SMALL else "nima-mobilenet"
BATCH, STEPS, ROUNDS = (4, 2, 1) if SMALL else (64, 20, 3)
Figures = dict[str, object]


def seconds(work: Callable[[], object]) -> float:
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if DEVICE == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def by_turns(*works: Callable[[], object]) -> list[float]:
    """Median seconds of each, after one round that does not count."""
    times = [[seconds(work) for work in works] for _ in range(ROUNDS + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def on_host() -> list[Tensor]:
    """Batches of uint8 pictures as a loader gives them."""
    fed = [torch.randint(0, 256, (BATCH, SIZE, SIZE, 3), dtype=torch.uint8) for _ in range(4)]
    return [pictures.pin_memory() for pictures in fed] if DEVICE == "cuda" else fed


def moved(pictures: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Give pictures of the host to the device, normalised and channels last."""
    there = pictures.to(DEVICE, non_blocking=True).permute(0, 3, 1, 2)
    return (there.float() / 255 - 0.5).to(dtype, memory_format=torch.channels_last)


def steps(model: nn.Module, inputs: tuple[Tensor, ...], fed: list[Tensor] | None) -> None:
    """Take optimiser steps in bfloat16; ``fed`` are uint8 pictures on the host, else the inputs are there already."""
    optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], 1e-4, momentum=0.9)
    for step in range(STEPS):
        views = inputs if fed is None else (moved(fed[step % len(fed)]), *inputs[1:])
        with torch.autocast(DEVICE, torch.bfloat16):
            loss = (model(*views) - 0.1).square().sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def training(name: str) -> Figures:
    model = models.create(name).to(DEVICE, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    inputs = tuple(
        x.to(DEVICE).contiguous(memory_format=torch.channels_last) for x in example_inputs(model, SIZE, BATCH)
    )
    fed = on_host()
    bare, ours = by_turns(lambda: steps(model, inputs, None), lambda: steps(model, inputs, fed))
    images = BATCH * STEPS
    return {"bare images/s": images / bare, "fed images/s": images / ours, "ratio": bare / ours, "bar": ">= .9"}


def photographs(folder: Path, count: int) -> list[Path]:
    """JPEG files of 1224x816."""
    names = ("astronaut", "coffee", "chelsea", "rocket")
    for i in range(count):
        part = np.ascontiguousarray(
            getattr(skimage.data, names[i % 4])()[:230, 5 * (i // 4) : 5 * (i // 4) + 345, ::-1]
        )
        assert cv2.imwrite(str(folder / f"{i:02d}.jpg"), cv2.resize(part, (1224, 816), interpolation=cv2.INTER_CUBIC))
    return sorted(folder.glob("*.jpg"))


def scoring(network: nn.Module, files: list[Path]) -> Figures:
    """Measure the network on tensors that are there, fed from the host, and scoring with decoding on all cores."""
    scorer = Scorer(network.to(DEVICE), size=SIZE, batch=BATCH, precision="float32" if SMALL else "bfloat16")
    many, dtype = files * (1 if SMALL else 40), torch.float32 if SMALL else torch.bfloat16
    there = moved(on_host()[0], dtype)
    ready, fed = scorer._network(scorer.precision), on_host()

    def batches(views: Callable[[int], Tensor]) -> None:
        with torch.no_grad():
            for step in range(STEPS):
                ready(views(step))

    bare, ours, whole = by_turns(
        lambda: batches(lambda step: there),
        lambda: batches(lambda step: moved(fed[step % len(fed)], dtype)),
        lambda: list(scorer.files(many)),
    )
    images = BATCH * STEPS
    return {"bare images/s": images / bare, "fed images/s": images / ours, "ratio": bare / ours, "bar": ">= .9",
            "images/s from JPEG of 1224x816": len(many) / whole, "cores": os.cpu_count()}  # fmt: skip


def nccl(folder: Path, files: list[Path]) -> Figures:
    """Train in one process that torchrun started: nccl on one device (gloo on a CPU)."""
    pictures = [Picture(file.name, file) for file in files]
    counts = np.random.default_rng(0).multinomial(20, [0.1] * 10, len(files))
    ratings = pd.DataFrame({"image": [p.image for p in pictures]} | {f"c{k + 1}": counts[:, k] for k in range(10)})
    spec = DatasetSpec(split=(0.5, 0.2, 0.3), near_duplicates=None)
    path = build_dataset(pictures, None, ratings, folder / "d.dataset.h5", spec)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1", "-m", "gazekit"]
    command += ["train", str(path), "--out", str(folder / "run"), "--model", "nima-narrow", "--condition", "original"]
    command += ["--seeds", "1", "--epochs", "1", "--size", "32", "--no-compare", "--device", DEVICE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    there = list((folder / "run").rglob("predictions.csv"))
    return {"exit": done.returncode, "predictions": len(there), "stderr": done.stderr[-500:] if done.returncode else ""}


def main(out: Path | None) -> None:
    """Measure one part after the other."""
    start = time.perf_counter()
    device = torch.cuda.get_device_name() if DEVICE == "cuda" else "cpu"
    figures: dict[str, Figures] = {"machine": {"device": device, "torch": torch.__version__}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = photographs(folder, 40)
        parts: dict[str, Callable[[], Figures]] = {
            **{f"training {model}": lambda model=model: training(model) for model in TRAINED},  # type: ignore[misc]
            f"features {FROZEN}": lambda: scoring(FrozenFeatures(models.create(FROZEN).eval()), files),  # type: ignore[arg-type]
            f"scoring {SCORED}": lambda: scoring(models.create(SCORED).eval(), files),
            "one process by torchrun": lambda: nccl(folder, files),
        }
        for part, measure in parts.items():
            try:
                figures[part] = measure()
            except Exception as error:  # the other parts are worth having
                figures[part] = {"failed": f"{type(error).__name__}: {error}"[:500]}
            figures[part]["minute"] = round((time.perf_counter() - start) / 60, 2)
            print(part, json.dumps(figures[part]), flush=True)
            if out is not None:
                out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(next((Path(word) for word in sys.argv[1:] if not word.startswith("--")), None))
