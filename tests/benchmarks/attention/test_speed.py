"""How fast maps, rectangles and areas under the ROC are made, against peers and floors of the same run.

Run with OMP_NUM_THREADS=1: every figure is of one thread.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from gazekit.attention import attended_rectangle, attention_map, saliency
from tests.benchmarks.figures import record

pytestmark = pytest.mark.benchmark


def load_average() -> str:
    """How many programs wanted the processors in the last minute."""
    return f"{os.getloadavg()[0]:.0f}" if hasattr(os, "getloadavg") else "not known"


def milliseconds(call: Callable[[], object], repeat: int = 15) -> float:
    """The shortest time of a call: what it takes when nothing else runs."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


@pytest.mark.parametrize("viewers", [15, 100])
def test_a_map_of_15_viewers_in_15_ms_and_5_times_faster_than_a_filter(
    viewers: int, rng: np.random.Generator, record_property: Callable[[str, object], None]
) -> None:
    n, sigma = 10 * viewers, 38.9  # 3 s of free viewing; 1 degree on the study's screen
    x, y, weight = rng.normal(960, 300, n), rng.normal(540, 200, n), rng.gamma(3, 80, n)
    on = (x >= 0) & (x < 1920) & (y >= 0) & (y < 1080)
    impulses = np.zeros((1080, 1920), dtype=np.float32)
    np.add.at(impulses, (y[on].astype(int), x[on].astype(int)), weight[on].astype(np.float32))
    amap = attention_map(x, y, weight, size=(1080, 1920), sigma_px=sigma)
    peer = gaussian_filter(impulses, sigma, mode="constant")
    peer = peer / peer.sum(dtype=np.float64)
    assert np.abs(amap - peer).max() / peer.max() <= 1e-3
    assert np.abs(amap - peer).sum() <= 1e-3
    own = milliseconds(lambda: attention_map(x, y, weight, size=(1080, 1920), sigma_px=sigma))
    theirs = milliseconds(lambda: gaussian_filter(impulses, sigma, mode="constant"), 3)
    print(
        f"\nmap of {viewers} viewers at 1920x1080: {own:.1f} ms; gaussian_filter {theirs:.0f} ms, {theirs / own:.0f}x"
    )
    assert theirs / own >= 5
    assert own <= 15 * viewers / 15


@pytest.mark.parametrize("kind", ["fixations", "spread", "noise", "flat"])
def test_the_rectangle_of_a_224_map_within_3_ms(kind: str, rng: np.random.Generator) -> None:
    amap = {
        "fixations": lambda: attention_map(
            rng.normal(112, 30, 150), rng.normal(100, 40, 150), size=(224, 224), sigma_px=8
        ),
        "spread": lambda: attention_map(rng.uniform(0, 224, 9), rng.uniform(0, 224, 9), size=(224, 224), sigma_px=8),
        "noise": lambda: rng.random((224, 224)),
        "flat": lambda: np.ones((224, 224)),
    }[kind]()
    own = milliseconds(lambda: attended_rectangle(amap))
    print(f"\nrectangle on 224x224 ({kind}): {own:.2f} ms")
    assert own <= 3


def test_the_rectangle_equals_brute_force_on_300_maps_with_ties(rng: np.random.Generator) -> None:
    from tests.fixtures.rectangles import brute_force

    for k in range(300):
        size = tuple(rng.integers(1, 13, 2))
        amap = rng.integers(0, 2 + k % 5, size).astype(float)
        amap.flat[rng.integers(amap.size)] += 1
        share = (0.3, 0.5, 0.7, 0.9)[k % 4]
        assert attended_rectangle(amap, share) == brute_force(amap, share)


def test_an_auc_takes_about_as_long_as_sorting_its_map(rng: np.random.Generator) -> None:
    smap, x, y = rng.random((768, 1024)), rng.uniform(0, 1024, 200), rng.uniform(0, 768, 200)
    own, floor = milliseconds(lambda: saliency.auc_judd(smap, x, y)), milliseconds(lambda: np.sort(smap, axis=None))
    print(f"\nAUC-Judd at 1024x768: {own:.1f} ms; sorting alone {floor:.1f} ms")
    assert own <= 2 * floor


@pytest.fixture(scope="module")
def photographs_600(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 photographs, 249 of OSIE's under several names, with the fixations of 15 viewers on each."""
    folders, home = [real_data / "osie", real_data / "osie-more"], tmp_path_factory.mktemp("photographs")
    files = sorted(file for folder in folders for file in folder.rglob("*.jpg"))
    table = pd.concat([pd.read_csv(folder / "fixations.csv") for folder in folders])
    (home / "stimuli").mkdir()
    for n, file in enumerate((files * 3)[:600]):
        (home / "stimuli" / f"{n // len(files)}-{file.name}").symlink_to(file.resolve())
    copies = [table.assign(image=f"{n}-" + table["image"].astype(str)) for n in range(3)]
    names = {file.stem for file in (home / "stimuli").iterdir()}
    every = pd.concat(copies)
    every[every["image"].str.removesuffix(".jpg").isin(names)].to_csv(home / "fixations.csv", index=False)
    return home


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("draw", "bar"),
    [pytest.param(False, 8.0, id="tables"), pytest.param(True, 25.0, id="drawn")],
)
def test_the_command_on_600_photographs_with_15_viewers_in_two_processes(
    photographs_600: Path, tmp_path: Path, draw: bool, bar: float
) -> None:
    words = [str(photographs_600 / "fixations.csv"), "--pictures", str(photographs_600 / "stimuli"), "--one-based"]
    words += [
        "--sigma-px",
        "24",
        "--out",
        str(tmp_path / "out"),
        "--workers",
        "2",
        *([] if draw else ["--tables-only"]),
    ]
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-m", "gazekit", "attention", *words], check=True, capture_output=True)
    clock, after = time.perf_counter() - started, os.times()
    seconds = (after.children_user + after.children_system - before.children_user - before.children_system) / 2
    assert len(pd.read_csv(tmp_path / "out" / "attention.csv")) == 600
    record(
        "attention",
        f"gazekit attention on 600 photographs, {'with' if draw else 'without'} drawing, on two cores",
        f"{seconds:.1f} s (processor time of the whole command, halved; {clock:.0f} s on the clock; load "
        f"{load_average()})",
        bar=f"<= {bar:.0f} s",
        data="600 photographs of 800x600 (OSIE, 249 of them repeated), 15 viewers each, agreement at 400 px",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/attention/test_speed.py -k 600",
    )
    assert seconds <= bar
