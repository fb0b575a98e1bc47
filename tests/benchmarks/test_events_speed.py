"""Speed of the detectors as ratios to the field's tools, from raw columns to the fixation table, in one run.

``pytest -m benchmark tests/benchmarks/test_events_speed.py -s`` with the ``bench`` extra. One thread each, and time is
the processor's, so that a busy machine slows neither side.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from gazekit.events import detect_fixations
from gazekit.gaze import GazeRecording
from gazekit.screen import Screen
from tests.benchmarks.figures import record
from tests.needs import need

for threads in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[threads] = "1"  # before a test imports the library that reads it

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(600)]
SCREEN = Screen(1920, 1080, 527.0, 296.0, 630.0)
N = 600_000  # at 1000 Hz
COMMAND = "pytest -n 0 -s -m benchmark tests/benchmarks/test_events_speed.py"
Columns = tuple[npt.NDArray[np.int64], npt.NDArray[np.float64], npt.NDArray[np.float64]]


@pytest.fixture(scope="module")
def columns() -> Columns:
    """Ten minutes at 1000 Hz: rests of 300 ms, saccades of 40 ms, noise of 0.03 deg, blinks of 150 ms."""
    rng = np.random.default_rng(20261121)
    places = rng.uniform([200, 150], [1720, 930], (N // 300 + 1, 2))
    t = np.arange(N)
    k, part = t // 300, np.clip((t % 300 - 260) / 40, 0, 1)[:, None]
    rise = 3 * part**2 - 2 * part**3
    gaze = places[k] * (1 - rise) + places[np.minimum(k + 1, len(places) - 1)] * rise
    gaze += rng.normal(0, 0.03 * SCREEN.pixels_per_degree, (N, 2))
    for start in rng.integers(1000, N - 1000, 100):
        gaze[start : start + 150] = np.nan
    return t * 1000, gaze[:, 0].copy(), gaze[:, 1].copy()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """The peers warn and log; that is no business of a benchmark."""
    logging.disable(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


def best(work: Callable[[], object], times: int) -> float:
    """The shortest of several runs, seconds of processor time."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def ours(columns: Columns, detector: str) -> Callable[[], pd.DataFrame]:
    return lambda: detect_fixations(GazeRecording.from_pixels(*columns, SCREEN), SCREEN, detector)


def report(what: str, peer: float, own: float) -> float:
    print(f"\n{what}: peer {N / peer / 1e6:.3f} M samples/s, gazekit {N / own / 1e6:.2f} M: {peer / own:.1f} times")
    return peer / own


def note(what: str, ratio: float, bar: float) -> None:
    data = "simulated, 600,000 samples at 1000 Hz"
    record("events", what, f"{ratio:.1f} times", data=data, command=COMMAND, bar=f"{bar:g} times")


def pymovements_gaze(columns: Columns, method: str, **parameters: float) -> object:
    pymovements = pytest.importorskip("pymovements")
    polars = pytest.importorskip("polars")
    experiment = pymovements.Experiment(
        screen_width_px=1920,
        screen_height_px=1080,
        screen_width_cm=52.7,
        screen_height_cm=29.6,
        distance_cm=63.0,
        origin="upper left",
        sampling_rate=1000,
    )
    frame = polars.DataFrame({"time": columns[0] // 1000, "x": columns[1], "y": columns[2]})
    gaze = pymovements.Gaze(frame, experiment, time_column="time", time_unit="ms", pixel_columns=["x", "y"])
    gaze.pix2deg()
    if method == "ivt":
        gaze.pos2vel("savitzky_golay", window_length=7, degree=2)
    gaze.detect(method, **parameters)
    return gaze.events


def test_ivt_against_pymovements(columns: Columns) -> None:
    peer = best(lambda: pymovements_gaze(columns, "ivt", velocity_threshold=30.0, minimum_duration=60), 3)
    ratio = report("ivt / pymovements Gaze", peer, best(ours(columns, "ivt"), 9))
    note("ivt against pymovements 0.28 Gaze, processor time", ratio, 25)
    assert ratio >= 25


def test_idt_against_pymovements(columns: Columns) -> None:
    peer = best(lambda: pymovements_gaze(columns, "idt", dispersion_threshold=1.0, minimum_duration=100), 1)
    assert report("idt / pymovements", peer, best(ours(columns, "idt"), 7)) >= 20


def test_adaptive_against_remodnav(columns: Columns) -> None:
    remodnav = pytest.importorskip("remodnav")

    def work() -> object:
        classifier = remodnav.EyegazeClassifier(px2deg=1 / SCREEN.pixels_per_degree, sampling_rate=1000.0)
        data = np.rec.fromarrays(columns[1:], names="x,y")
        return classifier(classifier.preproc(data), classify_isp=True, sort_events=True)

    ratio = report("adaptive / REMoDNaV", best(work, 2), best(ours(columns, "adaptive"), 7))
    note("adaptive against REMoDNaV 1.1.2, processor time", ratio, 40)
    assert ratio >= 40


@pytest.mark.parametrize("detector", ["ivt", "adaptive"])
def test_holes_cost_nothing(columns: Columns, detector: str) -> None:
    """A pause of two seconds every six."""
    paused = (columns[0] + np.cumsum(np.arange(N) % 6000 == 5999) * 2_000_000, *columns[1:])
    works = [ours(each, detector) for each in (columns, paused)]
    whole, holed = np.min([[best(work, 1) for work in works] for _ in range(25)], axis=0)  # in turn: a fair load
    record(
        "events",
        f"{detector} with 100 holes in ten minutes against the same without, processor time",
        f"{holed / whole:.2f} times",
        data="simulated, 600,000 samples at 1000 Hz",
        command=COMMAND,
        bar="1 (no slower)",
    )
    assert holed / whole <= 1.05


def test_i2mc_against_i2mc(columns: Columns) -> None:
    need(pytest.importorskip("I2MC"), "I2MC")
    import I2MC

    time_ms = columns[0] / 1000
    frame = pd.DataFrame({"time": time_ms, "L_X": columns[1], "L_Y": columns[2]})
    options = {
        "xres": 1920.0,
        "yres": 1080.0,
        "freq": 1000.0,
        "missingx": np.nan,
        "missingy": np.nan,
        "scrSz": [52.7, 29.6],
        "disttoscreen": 63.0,
    }
    peer = best(lambda: I2MC.I2MC(frame.copy(), options), 1)
    assert report("i2mc / I2MC", peer, best(ours(columns, "i2mc"), 3)) >= 5
