"""Makes ``tests/compatibility/data`` with gazekit 0.1.0; run by hand, once.

In a checkout of 0.1.0 (commit 67b8c78, with the extra ``train``), from any folder::

    PYTHONPATH=path/to/this/checkout path/to/0.1.0/.venv/bin/python -m tests.compatibility.make_fixtures 0.1.0-folder

``0.1.0-folder`` is that checkout: its ``gazekit`` is the one that is imported. Later versions never make the files
again: they are what 0.1.0 wrote. People, raters and the eye tracker are simulated, pictures are crops of those that
scikit-image carries, and everything is seeded; new are only the survey's times and secrets.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import skimage
from PIL import Image

from tests.compatibility.chain import MODEL, both, steps
from tests.compatibility.content import digest, machine

DATA = Path(__file__).parent / "data"
PHOTOGRAPHS = ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg")
PICTURES = 20
KEPT = (
    "sessions/P01.gaze.h5",
    "recovered/*",
    "imported/*",
    "gaze/*.csv*",
    "attention/*/*.csv",
    "attention/*/*.json",
    "survey/*",
    "datasets/info.json",
    "datasets/rectangle.dataset.h5",
    *(path for name in ("patches", "region", "sharded") for path in (both(name)[0], f"{both(name)[1]}/*")),
    "runs/*.csv",
    "runs/*.json",
    "runs/report-tables/*",
    "runs/synthetic/*/*.npz",
    "runs/runs/*/*/*/*.json",
    "runs/runs/*/*/*/*.jsonl",
    "runs/runs/*/*/*/*.csv",
    f"runs/runs/{MODEL}/original/seed0/best.pt",
    "scores.csv",
)
STUDY = """\
# Participants, raters and the eye tracker are simulated.
[study]
name = "compatibility"
seed = 11

[screen]
width_px = 1920
height_px = 1080
width_mm = 527
height_mm = 296
distance_mm = 630

[pictures]
list = "{pictures}"

[tracker]
kind = "simulated"
rate_hz = 60
interest = "{pictures}"

[calibration]
points = 5

[presentation]
duration_ms = 500
cross_ms = 100
order = "random"
"""
ASKED = """
[rating]
question = "How beautiful is this picture?"
low = 1
high = 10

[[questions]]
name = "glasses"
text = "Do you wear glasses?"
choices = ["no", "glasses", "contact lenses"]
when = "before"
"""
SURVEY = """
[survey]
scale = 10
raters_per_picture = 10
pictures_per_rater = 12
practice = 1
repeats = 1
attention_checks = 1
"""
DATASET = """
[attention]
mask = "patches"
patches = 2
patch_share = 0.3
sigma_deg = 0.8

[dataset]
out = "datasets/study.dataset.h5"
sessions = ["sessions/P01.gaze.h5"]
ratings = "ratings.csv"
scale = 10
min_ratings = 5
folds = 3
conditions = ["original", "human", "random"]
"""
MAPPING = """\
[time]
column = "t"
unit = "ms"

[gaze]
unit = "px"
origin = "centre"
missing = [0.0]

[left]
x = "lx"
y = "ly"
pupil_mm = "lp"

[right]
x = "rx"
y = "ry"

[stimulus]
column = "picture"
none = ["blank"]

[message]
column = "note"
"""
EYELINK = """\
** CONVERTED FROM made.edf using edfapi 4.2 on Mon Nov  2 10:00:00 2026
** DATE: Mon Nov  2 09:00:00 2026
** TYPE: EDF_FILE BINARY EVENT SAMPLE TAGGED
** VERSION: EYELINK II 1
** EYELINK II CL v6.12 Feb  1 2018
**
MSG\t1000 !CAL CALIBRATION HV9 LR LEFT  GOOD
MSG\t1001 RECCFG CR 250 2 1 LR
MSG\t1001 GAZE_COORDS 0.00 0.00 1919.00 1079.00
PRESCALER\t1
PUPIL\tAREA
EVENTS\tGAZE\tLEFT\tRIGHT\tRATE\t 250.00\tTRACKING\tCR\tFILTER\t2
SAMPLES\tGAZE\tLEFT\tRIGHT\tRATE\t 250.00\tTRACKING\tCR\tFILTER\t2\tINPUT
START\t1002 \tLEFT\tRIGHT\tSAMPLES\tEVENTS
"""


def main(old: Path) -> None:
    """Make the inputs, run the chain of commands, and keep what is small."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_inputs(folder, old)
        inputs = [path.relative_to(folder) for path in files(folder)]
        for step in steps():
            print(step.name)
            run(old, folder, step.command, folder / step.printed if step.printed else None)
        shutil.rmtree(DATA, ignore_errors=True)
        kept = {path.relative_to(folder) for pattern in KEPT for path in folder.glob(pattern) if path.is_file()}
        for path in {*kept, *inputs}:
            (DATA / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / path, DATA / path)
        digests = {str(path.relative_to(folder)): digest(path) for path in files(folder) if path.suffix != ".journal"}
        write_json("digests.json", {name: found for name, found in digests.items() if Path(name) not in inputs})
    write_json("inputs.json", [str(path) for path in inputs])
    write_json("machine.json", machine())
    write_opened(old)


def write_opened(old: Path) -> None:
    """Write down what 0.1.0 sees when it opens its own files."""
    here = str(Path(__file__).resolve().parents[2])
    lines = (
        f"import sys, gazekit, pipelines, survey; sys.path.insert(0, {here!r})",
        "import json, pathlib; from tests.compatibility import opened as o; d = pathlib.Path('.')",
        "see = lambda look, found: {str(p): look(p) for p in sorted(found)}",
        "s = see(o.session, d.glob('*/*.gaze.h5')); t = see(o.dataset, d.glob('datasets/*.h5'))",
        "u = see(o.drawn, d.glob('datasets/*.h5'))",
        "print(json.dumps({'sessions': s, 'datasets': t, 'drawn': u}, indent=1))",
    )
    printed = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=DATA, env=environment(old), check=True, stdout=-1
    )
    (DATA / "opened.json").write_bytes(printed.stdout)


def environment(code: Path) -> dict[str, str]:
    """Return an environment in which ``gazekit`` is that of a checkout."""
    return os.environ | {"PYTHONPATH": str(code.resolve()), "SDL_VIDEODRIVER": "dummy", "MPLBACKEND": "Agg"}


def run(code: Path, folder: Path, command: tuple[str, ...], printed: Path | None = None) -> None:
    """Run a command of gazekit in a folder with the code of a checkout."""
    done = subprocess.run(
        [sys.executable, "-m", "gazekit", *command], cwd=folder, env=environment(code), check=True, stdout=-1
    )
    if printed:
        printed.parent.mkdir(parents=True, exist_ok=True)
        printed.write_bytes(done.stdout)


def files(folder: Path) -> list[Path]:
    """Return every file below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def write_json(name: str, value: object) -> None:
    """Write a JSON file beside the fixtures."""
    (DATA / name).write_text(json.dumps(value, indent=1, sort_keys=True) + "\n")


def make_inputs(folder: Path, old: Path) -> None:
    """Write everything that the chain of commands starts from."""
    rng = np.random.default_rng(5)
    pictures = make_pictures(folder, rng)
    write_studies(folder)
    write_tables(folder, pictures)
    write_recordings(folder, rng)
    for person in ("P01", "P02", "P03"):
        run(old, folder, ("record", "study.toml", "-p", person, "--fast", "--out", "first"))
    run(old, folder, ("fixations", "first", "--detector", "ivt", "--out", "fixations.csv"))
    run(old, folder, ("record", "short.toml", "-p", "P08", "--fast", "--out", "first", "--keep-journal"))
    journal = (folder / "first/P08.gaze.journal").read_bytes()
    (folder / "P08.gaze.journal").write_bytes(journal[: len(journal) * 3 // 4])
    survey = ("--database-url", "survey.db")
    run(old, folder, ("survey", "simulate", "study.toml", *survey))
    run(old, folder, ("survey", "export", "study.toml", *survey, "--out", "ratings.csv"))
    run(old, folder, ("survey", "aggregate", "ratings.csv", "--min-ratings", "5", "--out", "histograms.csv"))
    shutil.rmtree(folder / "first")
    for name in ("fixations", "histograms"):
        table = pd.read_csv(folder / f"{name}.csv", dtype=str)
        write_csv(table[table["image"].isin(pictures["image"].head(5))], folder / f"few_{name}.csv")


def make_pictures(folder: Path, rng: np.random.Generator) -> pd.DataFrame:
    """Write small crops of photographs as PNG, and their list with a place of interest in each."""
    (folder / "pictures").mkdir()
    rows = []
    for number in range(PICTURES):
        photograph = Image.open(Path(skimage.__file__).parent / "data" / PHOTOGRAPHS[number % 4]).convert("RGB")
        width, height = (64, 48) if number % 5 else (45, 60)
        left, top = rng.integers(photograph.width - 3 * width), rng.integers(photograph.height - 3 * height)
        crop = np.asarray(photograph)[top : top + 3 * height : 3, left : left + 3 * width : 3]
        image = f"{number:02d}.png"
        Image.fromarray(crop // 16 * 16).save(folder / "pictures" / image, optimize=True)
        x, y = rng.uniform(12, 33, 2).round(1)
        rows.append((image, f"pictures/{image}", x, y, 8))
    table = pd.DataFrame(rows, columns=["image", "file", "interest_x", "interest_y", "interest_radius"])
    write_csv(table, folder / "pictures.csv")
    write_csv(table.head(5), folder / "few.csv")
    return table


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table, with the same line ends everywhere."""
    table.to_csv(path, index=False, lineterminator="\n")


def write_studies(folder: Path) -> None:
    """Write the study files."""
    study = STUDY.format(pictures="pictures.csv")
    (folder / "study.toml").write_text(study + SURVEY)
    (folder / "short.toml").write_text(STUDY.format(pictures="few.csv") + ASKED)
    (folder / "dataset.toml").write_text(study + DATASET)


def write_tables(folder: Path, pictures: pd.DataFrame) -> None:
    """Write categories, groups, a list of splits, areas of interest and a wide table of ratings."""
    images = pictures["image"]
    kinds = np.where(np.arange(PICTURES) % 4, "landscape", "portrait")
    write_csv(pd.DataFrame({"image": images, "category": kinds}), folder / "categories.csv")
    write_csv(pd.DataFrame({"image": images, "group": np.arange(PICTURES) // 2}), folder / "groups.csv")
    parts = np.array(["train", "validation", "test"])[np.arange(PICTURES) % 3]
    write_csv(pd.DataFrame({"image": images, "split": parts}), folder / "fixed.csv")
    areas = {"01.png": {"left": [[0, 0], [30, 0], [30, 48], [0, 48]], "right": [[34, 0], [64, 0], [64, 48], [34, 48]]}}
    (folder / "areas.json").write_text(json.dumps(areas, indent=1) + "\n")
    scores = np.random.default_rng(8).integers(1, 8, (12, 4))
    wide = pd.DataFrame(scores, columns=[f"{number:02d}.png" for number in range(4)])
    wide.insert(0, "rater", [f"r{number:02d}" for number in range(12)])
    write_csv(wide, folder / "wide.csv")


def write_recordings(folder: Path, rng: np.random.Generator) -> None:
    """Write two recordings as other programs would: an EyeLink text file and a plain table, of two pictures each."""
    places = np.repeat(rng.uniform([500, 300], [1400, 800], (8, 2)), 31, axis=0)
    gaze = (places + rng.normal(0, 1.5, places.shape)).round(1)
    lines = []
    for number, (x, y) in enumerate(gaze):
        time = 1002 + 4 * number
        if number % 120 == 10:
            lines.append(f"MSG\t{time} SHOW 0{number // 120}.png")
        lost = number in range(80, 90)
        eyes = [".\t   .\t    0.0"] * 2 if lost else [f"{x:.1f}\t{y:.1f}\t1500.0", f"{x + 3:.1f}\t{y:.1f}\t1450.0"]
        lines.append(f"{time}\t" + "\t".join(eyes) + "\t    0.0\t.....")
    end = f"END\t{1002 + 4 * len(gaze)} \tSAMPLES\tEVENTS\tRES\t  25.0\t  25.0\n"
    (folder / "eyelink.asc").write_text(EYELINK + "\n".join(lines) + "\n" + end)
    shown = np.where(np.arange(len(gaze)) < 20, "blank", np.where(np.arange(len(gaze)) < 130, "02.png", "03.png"))
    x, y = (gaze - [960, 540]).T.round(1)
    plain = pd.DataFrame({"t": 5000 + 4 * np.arange(len(gaze)), "lx": x, "ly": y, "lp": 3.2, "rx": x + 2, "ry": y})
    plain = plain.assign(picture=shown, note=np.where(np.arange(len(gaze)) == 40, "door opened", ""))
    write_csv(plain, folder / "plain.csv")
    (folder / "mapping.toml").write_text(MAPPING)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
