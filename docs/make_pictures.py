"""Make the pictures of the documentation from the product itself: python docs/make_pictures.py [NAME ...].

Without names all that need neither torch nor a browser. `survey-rate` and `report` need playwright's Chromium, and
`report` a folder of a finished demo (GAZEKIT_DEMO). Screens of a session are drawn by `gazekit record` under SDL's
dummy driver and are not made here.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import skimage
from PIL import Image

from gazekit.cli import main

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "pictures"
SAMPLE = ROOT / "sample_data"
COMPARISON = SAMPLE / "comparison"
FROM_COMPARISON = ("--pictures", COMPARISON / "pictures", "--sigma-px", "8")


def gazekit(*arguments: object) -> None:
    """Run a command; anything but success ends the script."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as end:
        if end.code not in (0, None):
            sys.exit(f"gazekit {' '.join(map(str, arguments))} ended with {end.code}")


def sample_dataset(work: Path) -> Path:
    """Build the dataset of the sample, once."""
    out = work / "sample.dataset.h5"
    if not out.exists():
        tables = ("--ratings", COMPARISON / "histograms.csv", "--fixations", COMPARISON / "fixations.csv")
        gazekit("build-dataset", *FROM_COMPARISON, *tables, "--split", "0.6,0.2,0.2", "--out", out)
    return out


def attention_sheet(work: Path, out: Path) -> None:
    """Show picture, scanpaths, map and masked picture."""
    table = pd.read_csv(COMPARISON / "fixations.csv")
    table[table["image"].isin(sorted(table["image"].unique())[:3])].to_csv(work / "few.csv", index=False)
    gazekit("attention", work / "few.csv", *FROM_COMPARISON, "--out", work / "attention")
    shutil.copy(work / "attention" / "contact-sheet.png", out)


def dataset_masks(work: Path, out: Path) -> None:
    """Show original and masks of each condition."""
    names = ("human", "human-removed", "centre", "shuffled")
    conditions = [part for name in names for part in ("--condition", name)]
    rows = ("--sheet", out, "--sheet-rows", "4")
    gazekit("export-images", sample_dataset(work), "--out", work / "masked", *conditions, *rows)


def dataset_samples(work: Path, out: Path) -> None:
    """Show pictures with mean and standard deviation of their ratings."""
    gazekit("dataset", "plot", sample_dataset(work), "--out", work / "plots")
    shutil.copy(work / "plots" / "samples.png", out)


def quality(work: Path, out: Path) -> None:
    """Show data quality of the sample's sessions."""
    gazekit("quality", SAMPLE / "sessions", "--out", work / "quality.csv", "--picture", out)


def view_trial(work: Path, out: Path) -> None:
    """Show one trial with its scanpath and pupils."""
    session = SAMPLE / "sessions" / "P01.gaze.h5"
    gazekit("view", session, "--trial", "3", "--pictures", skimage.data_dir, "--out", out)


def survey_rate(work: Path, out: Path) -> None:
    """Show a rating page in a browser."""
    from playwright.sync_api import sync_playwright
    from werkzeug.serving import make_server

    from survey.config import read_study
    from survey.database import open_store
    from survey.web import create_app

    shutil.copytree(COMPARISON / "pictures", work / "pictures")
    study = work / "study.toml"
    anchors = 'anchors = { 1 = "very ugly", 10 = "very beautiful" }\npractice = 0'
    study.write_text(f'[study]\nname = "reef"\n[pictures]\nfolder = "pictures"\n[survey]\n{anchors}\n')
    store = open_store(work / "survey.db", durable=False)
    app = create_app(read_study(study), work, store, password="not asked for here")
    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as browsers:
        page = browsers.chromium.launch(executable_path=shutil.which("chromium")).new_page(
            viewport={"width": 960, "height": 600}
        )
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        for _ in range(2):
            for box in page.query_selector_all("input[type=checkbox]"):
                box.check()
            page.click("button[type=submit]")
        page.wait_for_timeout(500)
        page.screenshot(path=str(out))
    server.shutdown()


def report(work: Path, out: Path) -> None:
    """Show the first page of the demo's report."""
    from playwright.sync_api import sync_playwright

    file = Path(os.environ.get("GAZEKIT_DEMO", "demo")).resolve() / "report.html"
    if not file.is_file():
        sys.exit(f"no {file}: run gazekit demo, and name its folder in GAZEKIT_DEMO")
    with sync_playwright() as browsers:
        page = browsers.chromium.launch(executable_path=shutil.which("chromium")).new_page(
            viewport={"width": 1200, "height": 1500}
        )
        page.goto(file.as_uri())
        page.screenshot(path=str(out))


MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "attention-sheet": attention_sheet,
    "dataset-masks": dataset_masks,
    "dataset-samples": dataset_samples,
    "quality": quality,
    "view-trial": view_trial,
}
BY_NAME = MAKERS | {"survey-rate": survey_rate, "report": report}


def shrink(path: Path, widest: int = 1200) -> None:
    """Make a picture small enough for a page: at most so wide, and 256 colours."""
    with Image.open(path) as picture:
        picture = picture.convert("RGB")
    picture.thumbnail((widest, 2 * widest))
    picture.quantize(256).save(path, optimize=True)


def make(names: list[str], folder: Path = OUT) -> None:
    """Make pictures by name into a folder."""
    with tempfile.TemporaryDirectory() as work:
        for name in names:
            BY_NAME[name](Path(work), folder / f"{name}.png")
            shrink(folder / f"{name}.png")
            print(folder / f"{name}.png")


if __name__ == "__main__":
    make(sys.argv[1:] or list(MAKERS))
