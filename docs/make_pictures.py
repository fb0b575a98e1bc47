"""Make the pictures of the documentation from the product itself: python docs/make_pictures.py [NAME ...].

Without names all that need neither torch nor a browser. `survey-...`, `record-operator`, `operator-page`, `explore-...`
and `report` need playwright's Chromium, and `report` a folder of a finished demo (GAZEKIT_DEMO).
Other screens of a session are drawn by `gazekit record` under SDL's dummy driver and are not made here.
"""

from __future__ import annotations

import contextlib
import io
import os
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import skimage
from PIL import Image

from gazekit.cli import main
from gazekit.explore import Material
from gazekit.session import open_session, write_session

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from gazekit.capture.desk import Desk
    from gazekit.capture.recorder import Recorder
    from gazekit.capture.session_loop import State
    from survey.config import SurveyStudy
    from survey.database import Store

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "pictures"
SAMPLE = ROOT / "sample_data"
COMPARISON = SAMPLE / "comparison"
PASSWORD = "not asked for here"
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
    _survey_page(work, out, 'anchors = { 1 = "very ugly", 10 = "very beautiful" }')


def survey_pairs(work: Path, out: Path) -> None:
    """Show a page that compares two pictures, one of them chosen."""
    _survey_page(work, out, 'task = "pairs"', chosen=2)


def survey_arabic(work: Path, out: Path) -> None:
    """Show a rating page that is read from right to left."""
    anchors = 'anchors = { 1 = "قبيحة جداً", 10 = "جميلة جداً" }'
    _survey_page(work, out, anchors, language="ar", size=(390, 844))


def _survey_page(
    work: Path,
    out: Path,
    settings: str,
    *,
    language: str = "en",
    size: tuple[int, int] = (960, 600),
    chosen: int | None = None,
) -> None:
    with _survey(work, f"{settings}\npractice = 0", language) as (url, _, _), _browser() as browser:
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.goto(url)
        for _ in range(2):
            for box in page.query_selector_all("input[type=checkbox]"):
                box.check()
            page.click("button[type=submit]")
        page.wait_for_timeout(500)
        if chosen is not None:
            page.locator(".picture").nth(chosen - 1).click()
        page.screenshot(path=str(out))


@contextlib.contextmanager
def _survey(work: Path, settings: str, language: str = "en") -> Iterator[tuple[str, SurveyStudy, Store]]:
    """Serve a survey of the comparison's pictures: its address, its study, its database."""
    from werkzeug.serving import make_server

    from survey.config import read_study
    from survey.database import open_store
    from survey.web import create_app

    shutil.copytree(COMPARISON / "pictures", work / "pictures")
    file = work / "study.toml"
    head = f'[study]\nname = "reef"\nlanguages = ["{language}"]\n[pictures]\nfolder = "pictures"\n[survey]\n'
    file.write_text(f"{head}{settings}\n", encoding="utf-8")
    study, store = read_study(file), open_store(work / "survey.db", durable=False)
    server = make_server("127.0.0.1", 0, create_app(study, work, store, password=PASSWORD), threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/", study, store
    server.shutdown()


@contextlib.contextmanager
def _browser() -> Iterator[Browser]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as browsers:
        yield browsers.chromium.launch(executable_path=shutil.which("chromium"))


def report(work: Path, out: Path) -> None:
    """Show the first page of the demo's report."""
    file = Path(os.environ.get("GAZEKIT_DEMO", "demo")).resolve() / "report.html"
    if not file.is_file():
        sys.exit(f"no {file}: run gazekit demo, and name its folder in GAZEKIT_DEMO")
    with _browser() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 1500})
        page.goto(file.as_uri())
        page.screenshot(path=str(out))


def record_pages(work: Path, out: Path) -> None:
    """Show pages of a session in four scripts: ready, the head, several choices with a mark, a number that is wrong."""
    os.environ["SDL_VIDEODRIVER"] = "dummy"
    import pygame

    from gazekit.capture.display import PageContent
    from gazekit.capture.head import HeadView
    from gazekit.capture.item_pages import page_of
    from gazekit.capture.items import Item
    from gazekit.capture.look import Look
    from gazekit.capture.pages import HeadPage, TextPages
    from gazekit.core.messages import catalogue

    size, tiles = (800, 500), []
    pygame.display.init()
    surface = pygame.display.set_mode(size)
    for language in ("en", "zh", "ar", "hi"):
        words = catalogue(language)
        look, text = Look(words, 22), words.section("session")
        scale = Item("beauty", "scale", text["ready"], tuple(range(1, 11)), {1: text["skip"], 10: text["done"]})
        typed = page_of(surface, Item("age", "number", text["text"], minimum=18, maximum=99), look)
        for event in (pygame.event.Event(pygame.TEXTINPUT, text="7"),
                      pygame.event.Event(pygame.KEYDOWN, key=pygame.K_RETURN, unicode="\r")):  # fmt: skip
            typed.take(event)
        pages = [
            TextPages(surface, [PageContent("\n\n".join((text["practice"], text["mark"])))], look),
            HeadPage(surface, look, lambda: HeadView(((-0.1, 0.0), (0.2, 0.0)), 0.5, "closer")),
            page_of(surface, scale, look),
            typed,
        ]
        for page in pages:
            surface.fill((128, 128, 128))
            page.draw()
            tiles.append(pygame.surfarray.array3d(surface).swapaxes(0, 1))
    sheet = Image.new("RGB", (4 * size[0], 4 * size[1]))
    for n, tile in enumerate(tiles):
        sheet.paste(Image.fromarray(tile), ((n // 4) * size[0], (n % 4) * size[1]))
    sheet.save(out)
    pygame.display.quit()


@contextlib.contextmanager
def _session(work: Path, desk: Desk, state: State, watch: Callable[[Recorder, State], None]) -> Iterator[None]:
    """Let a simulated person look at the sample's pictures; go on when two have a verdict and the third is shown."""
    from gazekit.capture.session_setup import prepare_part, record_part
    from gazekit.study import read_study

    part, stop = prepare_part(read_study(SAMPLE / "study.toml"), "P07", work), threading.Event()
    options = {"realtime": True, "keep_journal": False, "headless": True, "state": state, "stop": stop, "desk": desk}
    session = threading.Thread(target=lambda: record_part(part, watch=watch, **options))
    session.start()
    while len(state.verdicts) < 2 or state.phase != "picture":
        time.sleep(0.1)
    yield
    stop.set()
    session.join()


def operator_page(work: Path, out: Path) -> None:
    """Show the operator's page while a simulated person looks at the sample's pictures."""
    from gazekit.capture.desk import Desk
    from gazekit.capture.operator_page import OperatorPage
    from gazekit.capture.session_loop import State
    from gazekit.study import read_study

    desk, state = Desk(), State()
    screen = read_study(SAMPLE / "study.toml").screen.screen()
    with OperatorPage(desk, state, screen) as page, _session(work, desk, state, page.watch), _browser() as browser:
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(page.link)
        tab.wait_for_timeout(1500)
        tab.screenshot(path=str(out))


def record_operator(work: Path, out: Path) -> None:
    """Show the operator's view in the terminal."""
    from rich.console import Console

    from gazekit.capture.desk import Desk
    from gazekit.capture.operator import Operator
    from gazekit.capture.session_loop import State

    state = State()
    operator, terminal = Operator(state, quiet=True), Console(record=True, width=100, file=io.StringIO())
    with _session(work, Desk(), state, operator.watch):
        operator.panel()
        time.sleep(1)  # a rate is of some time
        terminal.print(operator.panel())
    drawing = out.with_suffix(".svg")
    drawing.write_text(terminal.export_svg(title="gazekit record"), encoding="utf-8")
    with _browser() as browser:
        tab = browser.new_page(viewport={"width": 1240, "height": 564})
        tab.goto(drawing.as_uri())
        tab.locator("svg").screenshot(path=str(out))
    drawing.unlink()


def survey_operator(work: Path, out: Path) -> None:
    """Show the operator's page of a rehearsal: simulated raters, of whom some do not look."""
    from survey.simulate import fill

    settings = "raters_per_picture = 10\npictures_per_rater = 20\nattention_checks = 1\nrepeats = 2\npractice = 0"
    with _survey(work, settings) as (url, study, store), _browser() as browser:
        truth = {path.name: 2 + 6 * n / 40 for n, path in enumerate(sorted((COMPARISON / "pictures").iterdir()))}
        shares = {"careful": 0.8, "random": 0.1, "straight-lining": 0.1}
        fill(store, truth, raters=14, kinds=shares, section=study.survey, seed=3, start=time.time())
        tab = browser.new_page(viewport={"width": 1000, "height": 1500})
        tab.goto(f"{url}operator/")
        tab.fill("input[type=password]", PASSWORD)
        tab.click("button[type=submit]")
        tab.wait_for_timeout(3000)
        tab.screenshot(path=str(out))


def explore_board(work: Path, out: Path) -> None:
    """Show the board of the sample, with a session that lost much of its gaze."""
    _explore_page(work, out, lambda _: "/?sort_people=value", "#cells[data-ready]", (1200, 760))


def explore_trial(work: Path, out: Path) -> None:
    """Show the page of a trial with two detectors."""

    def address(material: Material) -> str:
        facts = next(facts for facts in material.sessions if facts.participant == "P02")
        return f"/trial/{facts.key}/2?detector=ivt&velocity_threshold_deg_s=60&beside.detector=idt"

    _explore_page(work, out, address, "#trial[data-ready]", (1200, 1330))


def explore_areas(work: Path, out: Path) -> None:
    """Show four areas on a picture of the sample, and what people did in them."""

    def address(material: Material) -> str:
        from gazekit.explore.areas_store import AreaStore

        suit = [[100, 260], [200, 215], [330, 230], [430, 330], [440, 500], [90, 500]]
        stroke = {"points": [[30, 60], [60, 140], [50, 330]], "radius": 35}
        areas = {
            "face": {"ellipse": [170, 60, 110, 150], "colour": "#0072b2", "group": "person"},
            "suit": {"polygon": suit, "colour": "#e69f00", "group": "person"},
            "shuttle": {"rectangle": [330, 10, 130, 260], "colour": "#009e73"},
            "flag": {"brush": [stroke], "colour": "#cc79a7"},
        }
        AreaStore(material.folder).save("astronaut.png", 0, areas)
        return "/areas?image=astronaut.png"

    _explore_page(work, out, address, "#figures tr:nth-child(6)", (1280, 1180))


def explore_maps(work: Path, out: Path) -> None:
    """Show the map of a picture of the sample with its best patches."""
    address = "/maps?image=astronaut.png&sigma_deg=1.4&mask=patches"
    _explore_page(work, out, lambda _: address, "#drawing[data-shown]", (1280, 1000))


def _explore_page(
    work: Path, out: Path, address: Callable[[Material], str], wait_for: str, size: tuple[int, int]
) -> None:
    from gazekit.explore import load_material, serve

    sessions = work / "sessions"
    if not sessions.exists():
        shutil.copytree(SAMPLE / "sessions", sessions, ignore=shutil.ignore_patterns(".explore"))
        session = open_session(sessions / "P01.gaze.h5")
        lost = session.recording.system_time_us < session.trials()[3].onset_us
        lost[::4] = False
        sides = {side: getattr(session.recording, side) for side in ("left", "right")}
        sides = {side: replace(eye, valid=eye.valid & ~lost) for side, eye in sides.items()}
        recording = replace(session.recording, **sides)
        write_session(replace(session, participant="P03", recording=recording), sessions / "P03.gaze.h5")
    material, links = load_material([sessions], pictures=SAMPLE / "pictures.csv"), queue.Queue[str]()
    threading.Thread(target=serve, args=(material,), kwargs={"ready": links.put}, daemon=True).start()
    with _browser() as browser:
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.goto(links.get(timeout=30))
        page.goto(page.url.rstrip("/") + address(material))
        page.wait_for_selector(wait_for)
        page.wait_for_timeout(500)
        page.screenshot(path=str(out))


MAKERS: dict[str, Callable[[Path, Path], None]] = {
    "attention-sheet": attention_sheet,
    "dataset-masks": dataset_masks,
    "dataset-samples": dataset_samples,
    "quality": quality,
    "record-pages": record_pages,
    "view-trial": view_trial,
}
BY_NAME = MAKERS | {
    "survey-rate": survey_rate,
    "survey-pairs": survey_pairs,
    "survey-arabic": survey_arabic,
    "survey-operator": survey_operator,
    "report": report,
    "record-operator": record_operator,
    "operator-page": operator_page,
    "explore-areas": explore_areas,
    "explore-board": explore_board,
    "explore-maps": explore_maps,
    "explore-trial": explore_trial,
}


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
