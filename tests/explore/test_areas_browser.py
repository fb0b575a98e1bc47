"""The pages of areas and maps in a real browser: drawn by mouse and keyboard, measured, shared, for everyone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from werkzeug.serving import make_server

from gazekit.cli import gazekit
from gazekit.core.tables import read_table
from gazekit.explore import Material, create_app
from gazekit.explore.areas_store import AreaStore
from gazekit.session.exclusions import EXCLUSIONS, Exclusion, exclude

READY = {"areas": '#drawing[data-ready="true"]', "maps": "#drawing[data-shown]", "exclude": "table"}


@dataclass(frozen=True)
class Served:
    address: str
    folder: Path
    images: list[str]


@pytest.fixture
def served(material: Material, tmp_path: Path) -> Iterator[Served]:
    server = make_server("127.0.0.1", 0, create_app(replace(material, folder=tmp_path)), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Served(f"http://127.0.0.1:{server.server_port}", tmp_path, sorted(material.trials["image"].unique()))
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def tab(browser: Any, served: Served) -> Iterator[Any]:
    """A page, closed before its server ends; anything that it complains about fails the test."""
    opened = browser.new_page(viewport={"width": 1300, "height": 1000})
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    opened.close()
    assert complaints == []


def open_areas(tab: Any, served: Served, image: str) -> None:
    tab.goto(f"{served.address}/areas?image={image}")
    tab.wait_for_selector('#drawing[data-ready="true"]')


def places(tab: Any) -> tuple[float, float, float, float]:
    box = tab.locator("#sheet").bounding_box()
    return box["x"], box["y"], box["width"], box["height"]


def drag(tab: Any, tool: str, *points: tuple[float, float], held_ms: int = 0) -> None:
    """Draw with the mouse, through shares of the picture's width and height."""
    tab.click(f'[data-tool="{tool}"]')
    left, top, width, height = places(tab)
    at = [(left + x * width, top + y * height) for x, y in points]
    if tool == "polygon":
        for x, y in at:
            tab.mouse.click(x, y)
        tab.keyboard.press("Enter")
        return
    tab.mouse.move(*at[0])
    tab.mouse.down()
    for x, y in at[1:]:
        tab.mouse.move(x, y, steps=3)
    if held_ms:
        tab.wait_for_timeout(held_ms)
        tab.mouse.move(at[-1][0] - 3, at[-1][1] - 3)
    tab.mouse.up()


def named(tab: Any, name: str) -> None:
    tab.fill("#name", name)
    tab.press("#name", "Enter")


def until_saved(tab: Any, served: Served, image: str, names: set[str]) -> None:
    until(tab, lambda: set(AreaStore(served.folder).newest(image).areas) == names)


def until(tab: Any, true: Callable[[], bool]) -> None:
    """Wait for what has to come; the limit is for a machine that does much else."""
    limit = time.monotonic() + 60
    while not true():
        assert time.monotonic() < limit, "waited in vain"
        tab.wait_for_timeout(50)


def test_a_student_draws_five_areas_on_three_pictures_and_reads_dwell(
    tab: Any, served: Served, material: Material, tmp_path: Path
) -> None:
    drawn: dict[str, dict[str, float]] = {}
    for image in served.images[:3]:
        open_areas(tab, served, image)
        for name, tool, points in (
            ("face", "rectangle", ((0.1, 0.1), (0.5, 0.55))),
            ("eye", "ellipse", ((0.3, 0.2), (0.6, 0.5))),
            ("hand", "polygon", ((0.5, 0.5), (0.95, 0.5), (0.95, 0.95), (0.55, 0.9))),
            ("hair", "brush", ((0.2, 0.8), (0.6, 0.75), (0.9, 0.2))),
            ("rest", "rectangle", ((0.02, 0.6), (0.4, 0.98))),
        ):
            if tool == "brush":
                tab.fill("#radius", "40")
            drag(tab, tool, *points)
            named(tab, name)
        names = {"face", "eye", "hand", "hair", "rest"}
        until_saved(tab, served, image, names)
        tab.wait_for_selector('#figures tr:nth-child(6)[data-area="rest"]')
        rows = tab.eval_on_selector_all(
            "#people tr", "rows => rows.map(r => [r.dataset.participant, r.dataset.area, r.dataset.dwell])"
        )
        drawn[image] = {f"{person} {area}": float(dwell) for person, area, dwell in rows}
        assert len(drawn[image]) == 2 * 5
    arguments = ["measures", *map(str, material.asked), "--areas", str(served.folder / "areas.json")]
    done = CliRunner().invoke(gazekit, [*arguments, "--out", str(tmp_path / "m.csv")])
    assert done.exit_code == 0, done.output
    measured = read_table(tmp_path / "m.csv", ["participant"]).set_index(["image", "participant", "area"])[
        "fixation_ms"
    ]
    assert sum(value > 0 for areas in drawn.values() for value in areas.values()) >= 8
    for image, areas in drawn.items():
        for place, dwell in areas.items():
            assert dwell == pytest.approx(measured.loc[(image, *place.split())], abs=1e-9)


def test_areas_are_drawn_undone_moved_and_deleted_by_keyboard(tab: Any, served: Served) -> None:
    image = served.images[0]
    open_areas(tab, served, image)
    tab.focus("#sheet")
    for keys in (["r"], ["ArrowLeft"] * 3, ["Enter"], ["Shift+ArrowRight"] * 2, ["Shift+ArrowDown"] * 2, ["Enter"]):
        for key in keys:
            tab.keyboard.press(key)

    def saved() -> list[float]:
        return AreaStore(served.folder).newest(image).areas.get("area 1", {}).get("rectangle", [])

    until(tab, lambda: saved()[2:] == [60, 60])  # what is still drawn is saved too
    before = saved()
    tab.keyboard.press("v")
    tab.keyboard.press("Shift+ArrowLeft")
    moved = [before[0] - 10, *before[1:]]
    until(tab, lambda: saved() == moved)
    tab.keyboard.press("Delete")
    until_saved(tab, served, image, set())
    tab.keyboard.press("Control+z")
    until_saved(tab, served, image, {"area 1"})
    tab.keyboard.press("Control+y")
    until_saved(tab, served, image, set())


def test_an_answer_from_before_a_save_does_not_take_it_back(tab: Any, served: Served) -> None:
    """The page asks every four seconds what others did; what it saved meanwhile is newer than the answer."""
    image, held = served.images[0], []
    open_areas(tab, served, image)
    tab.route("**/areas/state.json*", lambda route: held.append((route, route.fetch())))
    until(tab, lambda: bool(held))
    drag(tab, "rectangle", (0.1, 0.1), (0.4, 0.4))
    until_saved(tab, served, image, {"area 1"})
    until(tab, lambda: tab.inner_text("#said") == "saved")
    route, answer = held[0]
    with tab.expect_response("**/areas/state.json*"):
        route.fulfill(response=answer)
    tab.evaluate("new Promise((done) => setTimeout(done, 50))")
    assert tab.locator("#list li").count() == 1
    assert tab.locator("#told").is_hidden()


def test_a_finger_draws_and_areas_are_aligned(browser: Any, served: Served) -> None:
    image = served.images[0]
    context = browser.new_context(viewport={"width": 420, "height": 900}, has_touch=True)
    phone = context.new_page()
    open_areas(phone, served, image)
    finger = context.new_cdp_session(phone)
    for n, corner in enumerate(((0.1, 0.1), (0.5, 0.6)), start=1):
        phone.tap('[data-tool="rectangle"]')
        phone.locator("#sheet").scroll_into_view_if_needed()
        left, top, width, height = places(phone)
        for kind, shift in (("touchStart", 0.0), ("touchMove", 0.1), ("touchMove", 0.25), ("touchEnd", None)):
            at = (
                []
                if shift is None
                else [{"x": left + (corner[0] + shift) * width, "y": top + (corner[1] + shift) * height}]
            )
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": at})
        until_saved(phone, served, image, {f"area {k}" for k in range(1, n + 1)})
    for box in phone.query_selector_all("#list input"):
        box.check()
    phone.click("text=Align the chosen areas")
    phone.click('[data-align="left"]')

    def rectangles() -> list[list[float]]:
        areas = AreaStore(served.folder).newest(image).areas
        return [areas[name]["rectangle"] for name in ("area 1", "area 2")]

    until(phone, lambda: rectangles()[0][0] == rectangles()[1][0])
    assert rectangles()[0][1] != rectangles()[1][1]
    context.close()


@pytest.mark.parametrize("held_ms", [0, 1200], ids=["at once", "saved while it is drawn"])
def test_two_browsers_on_one_picture_lose_nothing(tab: Any, browser: Any, served: Served, held_ms: int) -> None:
    image = served.images[0]
    other = browser.new_context().new_page()
    for page in (tab, other):
        open_areas(page, served, image)
    other.route("**/areas/state.json*", lambda route: route.abort())  # else it may ask every 4 s, and hear of the first
    drag(tab, "rectangle", (0.1, 0.1), (0.4, 0.4))
    until_saved(tab, served, image, {"area 1"})
    drag(other, "ellipse", (0.5, 0.5), (0.9, 0.9), held_ms=held_ms)  # it does not know of the first
    until_saved(other, served, image, {"area 1", "area 1 (2)"})
    other.unroute("**/areas/state.json*")
    other.wait_for_selector("#told:not([hidden])")
    until(other, lambda: "meanwhile; both are kept" in other.inner_text("#told"))
    tab.wait_for_selector("#list li:nth-child(2)")
    first = AreaStore(served.folder).newest(image).areas["area 1"]
    other.click("#undo")  # takes back what it drew, and not what the first one did
    until_saved(other, served, image, {"area 1"})
    assert AreaStore(served.folder).newest(image).areas["area 1"] == first
    other.context.close()


@pytest.mark.parametrize("page", ["areas", "maps", "exclude"])
def test_a_page_passes_axe_in_light_and_dark(tab: Any, served: Served, page: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    AreaStore(served.folder).save(served.images[0], 0, {"face": {"rectangle": [50, 50, 200, 200]}})
    exclude(served.folder / EXCLUSIONS, [Exclusion(participant="P01", image=served.images[1], reason="head moved")])
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        tab.goto(f"{served.address}/{page}?image={served.images[0]}")
        tab.wait_for_selector(READY[page])
        for summary in tab.query_selector_all("details:not([open]) > summary"):
            summary.click()
        found = Axe().run(tab)
        assert [f"{v['id']}: {v['nodes'][0]['html']}" for v in found.response["violations"]] == []


def test_a_reviewer_moves_a_slider_sees_what_changes_and_copies_the_command(tab: Any, served: Served) -> None:
    tab.goto(f"{served.address}/maps?image={served.images[0]}")
    tab.wait_for_selector("#drawing[data-shown]")
    before, area = tab.locator("#sheet").screenshot(), tab.inner_text("#kept_area")
    tab.fill('[name="share"]', "0.4")
    tab.wait_for_selector('#drawing[data-shown*="share=0.4"]')
    assert tab.inner_text("#kept_area") != area
    assert tab.locator("#sheet").screenshot() != before
    tab.select_option('[name="mask"]', "region")
    tab.select_option('[name="view"]', "masked")
    tab.wait_for_selector('#drawing[data-shown*="view=masked"][data-shown*="mask=region"]')
    tab.click("text=Copy the command")
    command = tab.inner_text("#command")
    assert "--mask region --share 0.4" in command
    assert "view='masked'" in tab.inner_text("#python")


def test_no_page_is_wider_than_a_phone(tab: Any, served: Served, material: Material) -> None:
    exclude(
        served.folder / EXCLUSIONS, [Exclusion(participant="P01", image=served.images[1], reason="head moved " * 9)]
    )
    tab.set_viewport_size({"width": 390, "height": 844})
    trial = f"trial/{material.sessions[0].key}/1"
    for page in ("", "trials", trial, "maps", "areas", "exclude"):
        tab.goto(f"{served.address}/{page}", wait_until="load")
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390, page
