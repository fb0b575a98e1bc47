"""Probes, predicted attention and whole collections: how long they take, in processor time, and how that grows.

pytest -n 0 -s -m benchmark tests/benchmarks/test_scale.py
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from gazekit import models
from gazekit.attention.fixation_io import read_fixations
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.models.attention_study import fit_attention_model
from gazekit.models.input_spec import Look
from gazekit.models.probe import FrozenFeatures, fit_head
from gazekit.models.scoring import Scorer
from gazekit.pictures import Picture, list_pictures
from gazekit.training.loading import Reader
from gazekit.training.probes import _stream
from tests.benchmarks.figures import record
from tests.fixtures.cluster import dask_cluster
from tests.fixtures.dataset_collection import made_up_ratings
from tests.needs import need

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]
COMMAND = "OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 pytest -n 0 -s -m benchmark tests/benchmarks/test_scale.py -k "


def processor_seconds(work: Callable[[], object]) -> float:
    before = os.times()
    work()
    after = os.times()
    return float(np.sum(after[:4]) - np.sum(before[:4]))


def load() -> str:
    return f"load {os.getloadavg()[0]:.0f}"


def test_features_come_as_fast_as_scores(real_data: Path, tmp_path: Path) -> None:
    cv2.setNumThreads(1)
    files = sorted((real_data / "osie" / "stimuli").glob("*.jpg"))
    pictures = [Picture(f.name, f) for f in files]
    looks = read_fixations(real_data / "osie" / "fixations.csv", one_based=True)
    path = build_dataset(pictures, looks, made_up_ratings([p.image for p in pictures]), tmp_path / "d.h5",
                         DatasetSpec(sigma_px=24))  # fmt: skip
    network = models.create("probe-nima-mobilenet", 10).eval()
    reader = Reader(open_dataset(path), "human", Look("view", 224))
    features = np.full((len(files), network.head.in_features), np.nan, np.float32)  # type: ignore[union-attr]
    scorer = Scorer(FrozenFeatures(network), size=224, precision="float32", workers=2)  # type: ignore[arg-type]
    scored, streamed = [], []
    numbers = np.tile(np.arange(len(files)), 5)
    for _ in range(3):
        scored.append(processor_seconds(lambda: list(scorer.files(files * 5))))
        streamed.append(processor_seconds(lambda: _stream(network, reader, numbers, features, 2)))
    assert np.isfinite(features).all()
    ratio = min(scored) / min(streamed)
    record(
        "models",
        "features of masked pictures for a probe, against the Scorer on the same files, processor time",
        f"{ratio:.2f} of its speed ({1000 * min(streamed) / len(numbers):.0f} and "
        f"{1000 * min(scored) / len(numbers):.0f} ms a picture; {load()})",
        bar=">= .9 of its speed",
        data="99 photographs of OSIE at 800x600, condition human, five times, MobileNet at 224 px, 2 threads, 3 rounds",
        command=COMMAND + "features",
    )
    assert ratio >= 0.9


def test_a_study_of_probes_in_a_minute() -> None:
    torch.set_num_threads(1)
    rng, count, length = np.random.default_rng(0), 500, 2560
    latent = rng.standard_normal((count, 200))
    features = np.maximum(latent @ rng.standard_normal((200, length)) + rng.standard_normal((count, length)), 0)
    mean = 5.5 + 0.5 * latent[:, 0] + 0.3 * rng.standard_normal(count)
    shares = np.exp(-((np.arange(1, 11) - mean[:, None]) ** 2) / 4)
    truth = np.stack([rng.multinomial(20, row / row.sum()) for row in shares]) / 20
    fold = np.arange(count) % 10

    def fits() -> None:
        for k in range(3):
            train, validation = ~np.isin(fold, [k, (k + 1) % 10]), fold == (k + 1) % 10
            fit_head(features[train], truth[train], (features[validation], truth[validation]))

    seconds = min(processor_seconds(fits) for _ in range(3)) / 3 * 150 / 2
    record(
        "models",
        "a study of probes after its features: 5 conditions, 10 folds, 3 seeds, 500 pictures, on two cores",
        f"{seconds:.0f} s (processor time of 3 of 150 fits, scaled, halved; {load()})",
        bar="<= 60 s",
        data="made-up features of the length of EfficientNet-Lite0's (2,560), softmax head, 15 ridges",
        command=COMMAND + "study_of_probes",
    )
    assert seconds <= 60


def test_predicted_attention_is_fitted_to_100_pictures_in_a_minute(real_data: Path) -> None:
    torch.set_num_threads(1)
    fixations = read_fixations(real_data / "osie" / "fixations.csv", one_based=True)
    pictures = list_pictures(real_data / "osie" / "stimuli")
    seconds = processor_seconds(lambda: fit_attention_model(fixations, pictures, weights=None, sigma_px=24)) / 2
    record(
        "models",
        "attention-model fit on 99 pictures with 15 viewers, on two cores",
        f"{seconds:.0f} s (processor time, halved; {load()})",
        bar="<= 60 s",
        data="OSIE at 800x600, EfficientNet-Lite0 with random weights at 640 px, 10 folds",
        command=COMMAND + "predicted_attention",
    )
    assert seconds <= 60


def stand_ins(folder: Path, count: int, *, kills: int = 0, scheduler: str | None = None) -> dict[str, dict[str, float]]:
    """Run the stages, killed so often on the way; seconds, memory and disk of each stage's last start."""
    command = [sys.executable, "-m", "tests.benchmarks.stand_ins", str(folder), str(count)]
    command += [scheduler] if scheduler else []
    rng, stages = np.random.default_rng(0), {}
    while True:
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            killed = bool(kills)
            if killed:
                time.sleep(rng.uniform(15, 60))
                process.send_signal(signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
                kills -= 1
            out, _ = process.communicate()
        stages |= {row["stage"]: row for row in map(json.loads, out.splitlines())}
        if process.returncode == 0:
            return stages
        assert killed, "a stage failed by itself"


@pytest.mark.parametrize("count", [10_000, 40_000])
def test_a_collection_grows_linearly(count: int, tmp_path: Path) -> None:
    few = stand_ins(tmp_path / "few", 2000)
    assert growth(few, stand_ins(tmp_path / "many", count), count) <= 1.2


def growth(few: dict[str, dict[str, float]], many: dict[str, dict[str, float]], count: int) -> float:
    """Record what a picture takes; by how much more than at 2,000 in the stage that grows most."""
    parts, grown = [], []
    for name, row in many.items():
        each, before = row["s"] / count, few[name]["s"] / 2000
        grown.append(each / before)
        parts.append(
            f"{name} {1000 * each:.1f} ms ({grown[-1]:.2f} times), {row['kB'] / count:.1f} kB, {row['MB']:.0f} MB"
        )
    record(
        "studies",
        f"{count:,} stand-ins end to end: a picture's processor time (against that at 2,000), disk, peak memory so far",
        "; ".join(parts) + f"; {load()}",
        bar="growth at most linear",
        data="JPEG of 64x48, MobileNetV3 small with random weights at 64 px, 2 conditions",
        command=COMMAND + "collection",
    )
    return max(grown)


def same_tables(whole: Path, other: Path) -> None:
    for name in ("predicted/attention.csv", "scores.csv"):
        tables = [pd.read_csv(side / name) for side in (whole, other)]
        for table, side in zip(tables, (whole, other), strict=True):
            table["image"] = table["image"].str.replace(str(side), "")
        pd.testing.assert_frame_equal(tables[1], tables[0], rtol=1e-5)


def test_a_collection_that_is_killed_ends_in_the_same_tables(tmp_path: Path) -> None:
    stand_ins(tmp_path / "whole", 500)
    stand_ins(tmp_path / "killed", 500, kills=4)
    same_tables(tmp_path / "whole", tmp_path / "killed")


def test_a_cluster_makes_the_same_of_a_collection(tmp_path: Path) -> None:
    need(find_spec("distributed"), "dask[distributed]")
    stand_ins(tmp_path / "here", 1100)
    begun = shutil.ignore_patterns("d.dataset.h5*", "runs", "scores.csv", "index.done", "probe.done", "scores.done")
    shutil.copytree(tmp_path / "here", tmp_path / "there", ignore=begun)
    (tmp_path / "dask").mkdir()
    with dask_cluster(tmp_path / "dask", 2) as address:
        assert list(stand_ins(tmp_path / "there", 1100, scheduler=address)) == ["index", "probe", "scores"]
    same_tables(tmp_path / "here", tmp_path / "there")
    files = [*(tmp_path / "here").glob("d.dataset.h5*/*.h5"), *(tmp_path / "here").glob("runs/**/predictions.csv")]
    assert len(files) == 3 + 2
    for file in (tmp_path / "here" / "d.dataset.h5", *files):
        assert file.read_bytes() == (tmp_path / "there" / file.relative_to(tmp_path / "here")).read_bytes()
