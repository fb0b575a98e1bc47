"""Speed and memory of imports. Run by hand: ``pytest -m benchmark tests/benchmarks/test_formats_speed.py -s``."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytestmark = pytest.mark.benchmark

BLOCK = 100_000
SCREEN = {"width_px": 1920, "height_px": 1080, "width_mm": 527, "height_mm": 296, "distance_mm": 630}
IMPORT = """
import json, resource, sys, time
from gazekit.formats.importing import open_source
from gazekit.formats.writing import import_to
start = time.perf_counter()
done = import_to(open_source(sys.argv[1], screen=json.loads(sys.argv[3])), sys.argv[2], "big")
took = time.perf_counter() - start
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([took, usage.ru_maxrss / 1024, sum(item.samples for item in done), usage.ru_utime + usage.ru_stime]))
"""


def pro_lab_export(path: Path, megabytes: float) -> Path:
    """39 columns of simulated samples at 600 Hz as Pro Lab exports them, the same 100,000 over and over."""
    rng = np.random.default_rng(4)
    n = BLOCK
    time_us = np.arange(n) * 1667
    columns: dict[str, object] = {"Recording timestamp [μs]": time_us, "Computer timestamp [μs]": time_us + 10**10}
    columns |= {"Sensor": "Eye Tracker", "Participant name": "P01", "Recording name": "Recording1"}
    columns |= {"Eyetracker timestamp [μs]": time_us + 5 * 10**8, "Event": "", "Event value": ""}
    sides = ("left", "right")
    columns |= {f"Gaze point {s} {a} [DACS px]": rng.normal(900, 100, n).astype(int) for s in sides for a in "XY"}
    columns |= {f"Gaze direction {s} {a} [DACS norm]": rng.normal(0, 0.1, n).round(5) for s in sides for a in "XYZ"}
    columns |= {f"Pupil diameter {s} [mm]": rng.normal(3.5, 0.2, n).round(2) for s in sides}
    columns |= {f"Validity {s}": "Valid" for s in sides}
    columns |= {f"Eye position {s} {a} [DACS mm]": rng.normal(200, 20, n).round(1) for s in sides for a in "XYZ"}
    columns |= {f"Gaze point {s} {a} [MCS norm]": rng.normal(0.5, 0.1, n).round(4) for s in sides for a in "XY"}
    columns |= {"Presented Stimulus name": "reef", "Presented Media width [px]": 1920, "Eye movement type": "Fixation"}
    columns |= {"Gaze event duration [ms]": 233, "Eye movement type index": np.arange(n) // 140}
    columns |= {f"Fixation point {a} [DACS px]": rng.normal(900, 100, n).astype(int) for a in "XY"}
    text = io.BytesIO()
    pd.DataFrame(columns).to_csv(text, sep="\t", index=False, lineterminator="\r\n")
    header, body = text.getvalue().split(b"\r\n", 1)
    with open(path, "wb") as file:
        file.write(header + b"\r\n")
        while file.tell() < megabytes * 1e6:
            file.write(body)
    return path


def bare_parse(path: Path) -> float:
    """Seconds that pyarrow alone takes to parse every cell of the file, kept nowhere: the floor."""
    from pyarrow import csv

    start = time.perf_counter()
    for _ in csv.open_csv(str(path), parse_options=csv.ParseOptions(delimiter="\t")):
        pass
    return time.perf_counter() - start


def timed_import(path: Path, out: Path) -> tuple[float, float, int, float]:
    import json

    command = [sys.executable, "-c", IMPORT, str(path), str(out), json.dumps(SCREEN)]
    took, peak_mb, samples, cpu = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return took, peak_mb, samples, cpu


def test_one_gigabyte(tmp_path: Path) -> None:
    """At least 80 MB/s, in memory that does not grow with the file."""
    small, large = pro_lab_export(tmp_path / "small.tsv", 200), pro_lab_export(tmp_path / "large.tsv", 1000)
    _, small_mb, _, _ = timed_import(small, tmp_path / "small")
    floor = bare_parse(large)
    took, large_mb, samples, cpu = timed_import(large, tmp_path / "large")
    size = os.path.getsize(large) / 1e6
    large.unlink()  # pytest keeps its folders for a while
    print(
        f"\n{size:.0f} MB, {samples} samples: {size / took:.0f} MB/s ({took:.1f} s, "
        f"{cpu:.1f} s of processor: {size / cpu:.0f} MB a second of one core); "
        f"bare parse of all cells {size / floor:.0f} MB/s, ratio {took / floor:.2f}; "
        f"peak memory {large_mb:.0f} MB, of a fifth of the file {small_mb:.0f} MB; load {os.getloadavg()[0]:.1f}"
    )
    assert large_mb < 1.2 * small_mb
    assert took < 2.4 * floor  # the floor is 190 MB/s on a quiet machine: 80 MB/s
