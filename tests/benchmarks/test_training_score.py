"""``gazekit score`` on 5,000 pictures: memory flat, three times a plain loop, killed and gone on with.

pytest -m benchmark -s tests/benchmarks/test_training_score.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import psutil
import pytest
import torch
from skimage import data as photographs

from gazekit import models
from gazekit.training.checkpoints import save_checkpoint
from tests.benchmarks.plain_loop import plain_loop
from tests.fixtures.killing_training import after, run_to_the_end

COUNT, UNREADABLE = 5000, 7


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NIMA(MobileNet) at 224 px; its weights do not matter for the speed."""
    path = tmp_path_factory.mktemp("model") / "best.pt"
    torch.manual_seed(0)
    network = models.create("nima-mobilenet", 10)
    identity = {"model": "nima-mobilenet", "buckets": 10, "size": 224, "model_options": {}}
    content = {"identity": identity, "state_dict": network.state_dict()}
    save_checkpoint(path, {**content, "mean": list(network.mean), "std": list(network.std), "aspects": [1.0]})
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5,000 JPEG cuts of 480x360 pixels from real photographs; every 700th file is damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    sources = [photographs.astronaut(), photographs.coffee(), photographs.chelsea()]
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        source = sources[number % 3]
        size = int(rng.integers(200, min(source.shape[:2])))
        top, left = (int(rng.integers(n - size)) for n in source.shape[:2])
        cut = cv2.resize(source[top : top + size, left : left + size], (480, 360))
        encoded = cv2.imencode(".jpg", cut[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
        broken = number % 700 == 699
        (folder / f"{number:05d}.jpg").write_bytes(encoded[:20] if broken else encoded)
    return folder


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_memory_is_flat_and_it_is_three_times_the_loop(model: Path, pictures: Path, tmp_path: Path) -> None:
    files = [p for n, p in enumerate(sorted(pictures.iterdir())) if n % 700 != 699]
    torch.set_num_threads(2)
    plain_loop(model, files[:20])
    warm = plain_loop(model, files[:300])  # in this process, whose memory is warm: the harder yardstick
    plain = [sys.executable, "-m", "tests.benchmarks.plain_loop", str(model), str(pictures)]
    start = time.perf_counter()
    steady = float(subprocess.run(plain, check=True, capture_output=True, text=True).stdout)
    loop = time.perf_counter() - start
    out = tmp_path / "scores.csv"
    command = [sys.executable, "-m", "gazekit", "score", str(model), str(pictures), "--out", str(out), "--json"]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    watched, memory = psutil.Process(process.pid), []
    while process.poll() is None:
        memory.append(watched.memory_info().rss / 1e6)
        time.sleep(0.2)
    seconds = time.perf_counter() - start
    table = pd.read_csv(out)
    third = len(memory) // 3
    middle, end = np.median(memory[third : 2 * third]), np.median(memory[2 * third :])
    print(f"\n{COUNT} pictures, whole programs: loop {loop:.1f} s, score {seconds:.1f} s: {loop / seconds:.2f} times")
    rate = COUNT / seconds
    print(
        f"score {rate:.0f}/s with its start; loop {steady:.0f}/s in a program, {warm:.0f}/s in a warm process: ", end=""
    )
    print(f"{rate / steady:.2f} and {rate / warm:.2f} times")
    print(f"memory: {middle:.0f} MB in the second third, {end:.0f} MB in the last, at most {max(memory):.0f} MB")
    assert table["error"].notna().sum() == UNREADABLE
    assert end < 1.05 * middle
    assert loop >= 3 * seconds
    assert rate >= 3 * warm


@pytest.mark.benchmark
@pytest.mark.timeout(900)
def test_killed_and_gone_on_with(model: Path, pictures: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    tables = []
    for name, moments in (("whole", []), ("killed", list(map(after, rng.uniform(4, 9, 5))))):
        out = tmp_path / f"{name}.csv"
        killed = run_to_the_end(["score", str(model), str(pictures), "--out", str(out)], moments)
        tables.append(pd.read_csv(out))
    print(f"\nkilled {killed} times")
    whole, gone_on = tables
    assert killed >= 2
    assert list(gone_on["image"]) == list(whole["image"]) == [str(p) for p in sorted(pictures.iterdir())]
    pd.testing.assert_frame_equal(gone_on, whole, check_exact=True)
