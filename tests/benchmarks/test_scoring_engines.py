"""Scoring JPEG files: a plain loop, the Scorer, and the Scorer's pipeline with onnxruntime or OpenVINO in its middle.

pip install onnxruntime openvino; pytest -n 0 -s -m benchmark tests/benchmarks/test_scoring_engines.py
"""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gazekit import models
from gazekit.models.onnx_export import export_onnx
from gazekit.models.scoring import Scorer
from tests.benchmarks.figures import record
from tests.benchmarks.test_models_speed import photographs as photographs  # the fixture
from tests.benchmarks.test_models_speed import pillow_loop

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]
NAME, SIZE, ROUNDS, LOOPED, REPEATED = "nima-mobilenet", 224, 3, 16, 1
Engine = Callable[[np.ndarray], np.ndarray]


class Foreign(nn.Module):
    """Another engine in the place of the network."""

    def __init__(self, engine: Engine, model: nn.Module) -> None:
        super().__init__()
        self.mean, self.std = model.mean, model.std
        self.engine, self.anchor = engine, nn.Parameter(torch.zeros(1), requires_grad=False)

    def forward(self, pictures: Tensor) -> Tensor:
        return torch.from_numpy(self.engine(np.ascontiguousarray(pictures.numpy())))


def by_onnxruntime(file: Path) -> Engine:
    """Give an engine of one thread: each core has a batch of its own."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda pictures: session.run(None, {"pictures": pictures})[0]  # type: ignore[no-any-return]


def by_openvino(file: Path) -> Engine:
    """Give an engine of one stream a core, in the precision that it chooses."""
    import openvino

    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": str(os.cpu_count())}
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)
    own = threading.local()

    def run(pictures: np.ndarray) -> np.ndarray:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        return np.array(own.request.infer({0: pictures})[0])

    return run


def timed(work: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    """Seconds by the clock and of processor, and what came."""
    clock, processor = time.perf_counter(), time.process_time()
    scores = work()
    return time.perf_counter() - clock, time.process_time() - processor, scores


def plain(model: nn.Module, files: list[Path]) -> tuple[float, float, np.ndarray]:
    return timed(lambda: pillow_loop(model, files, SIZE)[0])


def test_the_scorer_beside_other_engines(photographs: list[Path], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = models.create(NAME).eval()
    file = export_onnx(model, tmp_path / "network.onnx", size=SIZE).file
    engines = {"onnxruntime": by_onnxruntime, "OpenVINO": by_openvino}
    scorers = {"Scorer": Scorer(model), "Scorer, float32": Scorer(model, precision="float32")}
    for name, make in engines.items():
        if find_spec(name.lower()) is not None:
            scorers[name] = Scorer(model, precision="float32")
            scorers[name]._networks = {"float32": Foreign(make(file), model)}
    many, times = photographs * REPEATED, {name: [] for name in ("loop", *scorers)}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:  # the Scorer's settings are not its
        for _ in range(ROUNDS + 1):  # by turns: other programs disturb all; the first does not count
            found = {"loop": process.submit(plain, model, photographs[:LOOPED]).result()}
            for name, scorer in scorers.items():
                found[name] = timed(lambda scorer=scorer: np.stack([row for _, row in scorer.files(many)]))  # type: ignore[misc]
            for name, (clock, processor, scores) in found.items():
                times[name].append((clock / len(scores), processor / len(scores)))
    best = {name: np.min(rows[1:], axis=0) for name, rows in times.items()}
    exact, score = found["Scorer, float32"][2], np.arange(1, 11)
    moved = {name: float(np.abs((found[name][2] - exact) @ score).max()) for name in scorers}
    told = [
        f"{name} {1 / clock:.0f} images/s, {1000 * processor:.1f} ms of processor"
        for name, (clock, processor) in best.items()
    ]
    ratio = best["loop"][0] / best["Scorer"][0]
    record(
        "models",
        "JPEG files scored with NIMA on MobileNet: a plain loop, the Scorer, its pipeline with other engines",
        f"{ratio:.1f} times the loop; {'; '.join(told)}; scores move by at most {max(moved.values()):.3f}; "
        f"load {os.getloadavg()[0]:.0f}",
        bar=">= 3 times the loop",
        data=f"{len(photographs)} JPEG files of 1224x816, {REPEATED} times, best of {ROUNDS} by turns; default threads",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_scoring_engines.py",
    )
    assert max(moved.values()) < 0.05
    assert ratio >= 3
