"""Speed and memory of imports, in processor and wall time, against the libraries that they stand on.

Run by hand: ``pytest -n 0 -s -m benchmark tests/benchmarks/test_formats_speed.py``; ``GAZEKIT_BENCH_MB=100`` makes the
files smaller. What is compared is alternated in one process, and the best of each is taken.
"""

from __future__ import annotations

import io
import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gazekit.formats.importing import open_source
from gazekit.formats.writing import import_to
from tests.benchmarks.figures import record

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900), pytest.mark.filterwarnings("ignore")]  # the peers warn

BLOCK = 100_000
MEGABYTES = float(os.environ.get("GAZEKIT_BENCH_MB", "1000"))
COMMAND = "pytest -n 0 -s -m benchmark tests/benchmarks/test_formats_speed.py"
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
    """39 columns of simulated samples at 600 Hz as Pro Lab exports them, the same 100,000 but for time."""
    rng = np.random.default_rng(4)
    n = BLOCK
    clocks = {"Recording timestamp [μs]": 0, "Computer timestamp [μs]": 10**10, "Eyetracker timestamp [μs]": 5 * 10**8}
    columns: dict[str, object] = {"Sensor": ["Eye Tracker"] * n}
    columns |= {"Participant name": "P01", "Recording name": "Recording1", "Event": "", "Event value": ""}
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
    text = io.StringIO()
    pd.DataFrame(columns).to_csv(text, sep="\t", index=False, lineterminator="\n")
    header, *rows = text.getvalue().splitlines()
    time_us = itertools.count(step=1667)
    with open(path, "w", encoding="utf-8", newline="\r\n") as file:
        file.write("\t".join([*clocks, header]) + "\n")
        while file.tell() < megabytes * 1e6:
            file.writelines(
                "\t".join([*(str(now + zero) for zero in clocks.values()), row]) + "\n"
                for row, now in zip(rows, time_us, strict=False)
            )
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


def alternated(first: Callable[[], object], second: Callable[[], object], times: int = 4) -> dict[str, float]:
    """Best processor and wall seconds of two functions that take turns, as ratios of the first to the second."""
    took: dict[str, list[float]] = {name: [] for name in ("cpu 1", "wall 1", "cpu 2", "wall 2")}
    for _ in range(times):
        for number, work in enumerate((first, second), start=1):
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            took[f"cpu {number}"].append(time.process_time() - cpu)
            took[f"wall {number}"].append(time.perf_counter() - wall)
    best = {name: min(values) for name, values in took.items()}
    print(f"\nload {os.getloadavg()[0]:.1f}; best of {times}: " + ", ".join(f"{n} {v:.2f} s" for n, v in best.items()))
    return best | {name: best[f"{name} 1"] / best[f"{name} 2"] for name in ("cpu", "wall")}


def imported(path: Path, out: Path, **screen: float) -> Callable[[], None]:
    """Import a file to a new folder each time, account and all."""
    numbers = itertools.count()

    def work() -> None:
        folder = out / str(next(numbers))
        (done,) = import_to(open_source(path, screen=screen), folder, "big")
        assert done.account.samples == done.samples > 0
        shutil.rmtree(folder)

    return work


def test_pro_lab_against_a_bare_parse(tmp_path: Path) -> None:
    """1 GB within 1.5 times of pyarrow's bare parse of all cells, in memory that does not grow with the file."""
    path = pro_lab_export(tmp_path / "large.tsv", MEGABYTES)
    ratio = alternated(imported(path, tmp_path / "out", **SCREEN), lambda: bare_parse(path))
    small = pro_lab_export(tmp_path / "small.tsv", MEGABYTES / 5)
    _, small_mb, _, _ = timed_import(small, tmp_path / "small")
    took, large_mb, samples, cpu = timed_import(path, tmp_path / "large")
    size = os.path.getsize(path) / 1e6
    path.unlink()  # pytest keeps its folders for a while
    print(
        f"{size:.0f} MB, {samples} samples: {size / took:.0f} MB a second, {size / cpu:.0f} of one core; "
        f"peak memory {large_mb:.0f} MB, of a fifth of the file {small_mb:.0f} MB"
    )
    record(
        "formats",
        "import of Pro Lab TSV to a session file with its account, against pyarrow's bare parse of all cells",
        f"{ratio['wall']:.2f} times in wall time, {ratio['cpu']:.2f} in processor time; peak {large_mb:.0f} MB, flat",
        data=f"{size:.0f} MB, simulated",
        bar="1.5 times in wall time",
        command=COMMAND,
        developed_on=False,
    )
    assert large_mb < 1.2 * small_mb
    assert ratio["wall"] <= 1.5


def asc_file(path: Path, megabytes: float) -> Path:
    """Binocular samples at 1000 Hz with a message a second, as edf2asc writes them."""
    rng = np.random.default_rng(2)
    numbers = rng.normal([960, 540, 1200, 965, 545, 1210], [200, 150, 20, 200, 150, 20], (BLOCK, 6)).round(1)
    rows = ["\t".join(f"{value:7.1f}" for value in row) for row in numbers]
    with open(path, "w") as file:
        file.write("** CONVERTED FROM a.edf using edfapi 4.2\n** DATE: Sat Nov 28 10:00:00 2026\n")
        file.write("MSG\t1000 DISPLAY_COORDS 0 0 1919 1079\nMSG\t1000 RECCFG CR 1000 2 1 LR\n")
        file.write("START\t1001 \tLEFT\tRIGHT\tSAMPLES\tEVENTS\n")
        file.write("SAMPLES\tGAZE\tLEFT\tRIGHT\tRATE\t1000.00\tTRACKING\tCR\tFILTER\t2\n")
        stamp = 1001
        while file.tell() < megabytes * 1e6:
            file.writelines(f"{stamp + n}\t{row}\t.....\n" for n, row in enumerate(rows))
            stamp += BLOCK
            file.write(f"MSG\t{stamp} TRIAL {stamp}\n")
        file.write(f"END\t{stamp} \tSAMPLES\tEVENTS\tRES\t  33.1\t  34.2\n")
    return path


def test_asc_against_pymovements(tmp_path: Path) -> None:
    """At least 7 times as fast as pymovements' reader, writing the session file included."""
    pymovements = pytest.importorskip("pymovements", reason="a peer, by hand: pip install pymovements")
    path = asc_file(tmp_path / "a.asc", MEGABYTES / 10)
    peer = lambda: pymovements.gaze.from_asc(path)  # noqa: E731
    millimetres = {name: float(SCREEN[name]) for name in ("width_mm", "height_mm", "distance_mm")}
    ratio = alternated(peer, imported(path, tmp_path / "out", **millimetres), times=3)
    record(
        "formats",
        "import of EyeLink ASC to a session file, against pymovements' reader",
        f"{ratio['wall']:.1f} times as fast in wall time, {ratio['cpu']:.1f} in processor time",
        data=f"{path.stat().st_size / 1e6:.0f} MB, binocular, 1000 Hz, simulated",
        bar="7 times as fast",
        command=COMMAND,
        developed_on=False,
    )
    assert ratio["wall"] >= 7
