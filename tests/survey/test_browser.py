"""A participant's whole way in a real browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from survey.config import read_study
from survey.database import open_store
from survey.rating_export import export_answers, export_events, export_ratings
from tests.fixtures.survey import PASSWORD, SCALES, STUDY, serving, write_study

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True, "device_scale_factor": 2}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    study = write_study(tmp_path_factory.mktemp("served"), pictures=40)
    with serving(study, "--database-url", str(study.with_suffix(".db"))) as (url, _):
        yield url, study.with_suffix(".db")


def go_on(page: Any, button: str) -> None:
    """A click by itself does not wait for the page that it leads to."""
    with page.expect_navigation():
        page.get_by_role("button", name=button).click()


def agree(page: Any, url: str) -> None:
    page.goto(url)
    page.get_by_label("I have read this").check()
    go_on(page, "Begin")
    go_on(page, "Start")
    assert page.url.endswith("/rate")


def asked(page: Any) -> int | None:
    check = page.locator(".check strong")
    return int(check.inner_text()) if check.count() else None


def choose(page: Any, score: int) -> None:
    page.locator(f"input[name=score][value='{asked(page) or score}']").check(force=True)
    go_on(page, "Next")


def ratings_of(database: Path, rater: str) -> Any:
    store = open_store(database)
    table = export_ratings(store, practice=True)
    store.close()
    return table[table["rater"] == rater]


def pseudonym(page: Any, url: str) -> str:
    page.goto(f"{url}/mine")
    return str(page.locator("main p strong").first.inner_text())


def faults(page: Any) -> list[str]:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page)
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found.response["violations"]]


def test_keyboard_alone_leads_from_consent_to_the_code(browser: Any, server: tuple[str, Path]) -> None:
    url, database = server
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    page.goto(f"{url}/?PROLIFIC_PID=abc123&STUDY_ID=s1&SESSION_ID=t1")
    press(page, "Tab", "Space", "Tab", "Enter")
    page.wait_for_url("**/instructions")
    press(page, "Tab", "Tab", "Enter")
    page.wait_for_url("**/rate")
    shown = 0
    while page.url.endswith("/rate"):
        shown += 1
        page.locator("#rating button:enabled").wait_for()
        page.keyboard.type(str(asked(page) or 10))
        with page.expect_navigation():
            page.keyboard.press("Enter")
    assert shown == 9  # 1 practice, 6 pictures, 1 repeat, 1 check
    press(page, "Tab", "4", "2", "Tab", "Space", "Tab", "Tab", "Enter")
    page.wait_for_url("**/end")
    code = page.locator("code").inner_text()
    assert page.get_by_role("link", name="Return").get_attribute("href") == (
        f"https://example.org/back?code={code}&who=abc123"
    )
    mine = ratings_of(database, pseudonym(page, url))
    assert set(mine["score"][mine["kind"] != "check"]) == {10}
    assert (mine["entered"] == "keys").all()
    assert (mine["time_ms"] > 0).all()
    assert mine["viewport_w"].tolist() == [1280] * 9
    context.close()


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


@pytest.mark.parametrize("script", [True, False], ids=["script-on", "script-off"])
def test_a_phone_shows_picture_scale_and_button_at_once(browser: Any, server: tuple[str, Path], script: bool) -> None:
    url, database = server
    context = browser.new_context(**PHONE, java_script_enabled=script)
    page = context.new_page()
    agree(page, url)
    for part in ("#picture", "input[name=score][value='1']", "input[name=score][value='10']", "button[type=submit]"):
        box = page.locator(part).first.bounding_box()
        assert box is not None, part
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= 844
        assert box["x"] + box["width"] <= 390
    while page.url.endswith("/rate"):
        score = asked(page) or 7
        page.locator(f"label:has(input[name=score][value='{score}'])").tap()
        with page.expect_navigation():
            page.get_by_role("button", name="Next").tap()
    page.locator("#q_age").fill("33")
    with page.expect_navigation():
        page.get_by_role("button", name="Finish").tap()
    assert len(page.locator("code").inner_text()) == 10
    mine = ratings_of(database, pseudonym(page, url))
    assert len(mine) == 9
    assert mine["time_ms"].notna().all()
    assert mine["entered"].isna().all() == (not script)
    context.close()


def test_back_and_a_second_tab_do_no_harm(browser: Any, server: tuple[str, Path]) -> None:
    url, database = server
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    agree(page, url)
    other = context.new_page()
    other.goto(f"{url}/rate")
    choose(page, 3)
    second = page.locator("input[name=slot]").input_value()
    choose(other, 9)  # the same picture once more
    assert other.locator("input[name=slot]").input_value() == second
    page.go_back()
    page.wait_for_load_state()
    if page.url.endswith("/rate"):
        assert page.locator("input[name=slot]").input_value() == second
    page.goto(f"{url}/rate")
    choose(page, 4)
    mine = ratings_of(database, pseudonym(page, url))
    assert [s for s, kind in zip(mine["score"], mine["kind"], strict=True) if kind != "check"] == [3, 4]
    context.close()


def test_a_double_click_counts_once(browser: Any, server: tuple[str, Path]) -> None:
    url, database = server
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    agree(page, url)
    page.locator("label:has(input[name=score][value='6'])").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Next").dblclick()
    assert len(ratings_of(database, pseudonym(page, url))) == 1
    context.close()


def test_closed_and_resumed_by_the_link_in_another_browser(browser: Any, server: tuple[str, Path]) -> None:
    url, database = server
    first = browser.new_context(**DESKTOP)
    page = first.new_page()
    page.goto(url)
    page.get_by_label("I have read this").check()
    go_on(page, "Begin")
    link = page.locator(".link a").inner_text()
    assert link.startswith(f"{url}/resume/")
    go_on(page, "Start")
    choose(page, 2)
    due = page.locator("input[name=slot]").input_value()
    first.close()
    second = browser.new_context(**PHONE)
    page = second.new_page()
    page.goto(link)
    go_on(page, "Yes, go on")
    assert page.url.endswith("/rate")
    assert page.locator("input[name=slot]").input_value() == due
    assert len(ratings_of(database, pseudonym(page, url))) == 1
    second.close()


def test_the_next_picture_is_loaded_ahead(browser: Any, server: tuple[str, Path]) -> None:
    url, _ = server
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    asked_for: list[str] = []
    page.on("requestfinished", lambda request: asked_for.append(request.url) if "/picture/" in request.url else None)
    agree(page, url)
    limit = time.monotonic() + 60
    while len(asked_for) < 2 and time.monotonic() < limit:
        page.wait_for_timeout(50)
    page.wait_for_load_state("networkidle")
    assert len(asked_for) == 2
    shown = page.locator("#picture").get_attribute("src")
    assert asked_for[0].endswith(shown) or asked_for[1].endswith(shown)
    context.close()


def test_every_page_passes_axe(browser: Any, server: tuple[str, Path]) -> None:
    url, database = server
    context = browser.new_context(**DESKTOP, bypass_csp=True)
    page = context.new_page()
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        found[name] = faults(page)

    page.goto(url)
    look("consent")
    page.get_by_label("I have read this").check()
    go_on(page, "Begin")
    look("instructions")
    go_on(page, "Start")
    look("practice")
    while page.url.endswith("/rate"):
        look("check" if asked(page) else "rating")
        choose(page, 8)
    look("questions")
    page.locator("form").evaluate("form => { form.noValidate = true; }")
    go_on(page, "Finish")
    look("questions with a fault")
    page.locator("#q_age").fill("40")
    page.locator("#q_comment").fill("<script>alert(1)</script>")
    go_on(page, "Finish")
    look("end")
    page.goto(f"{url}/mine")
    look("mine")
    page.goto(f"{url}/nowhere")
    look("problem")
    page.goto(f"{url}/operator/login")
    look("login")
    page.get_by_label("Password").fill(PASSWORD)
    go_on(page, "Enter")
    look("operator")
    assert {name: fault for name, fault in found.items() if fault} == {}
    assert len(found) == 12
    store = open_store(database)
    assert "<script>alert(1)</script>" in export_answers(store)["value"].tolist()
    store.close()
    context.close()


def slow_pictures(page: Any, seconds: float, fails: int = 0) -> list[str]:
    """Let every picture come late, or not at all the first times; the addresses that were asked for."""
    asked_for: list[str] = []

    def handle(route: Any) -> None:
        asked_for.append(route.request.url)
        time.sleep(seconds)
        if sum(address.split("?")[0] == route.request.url.split("?")[0] for address in asked_for) <= fails:
            route.abort()
        else:
            route.continue_()

    page.route("**/picture/**", handle)
    return asked_for


def test_nothing_is_rated_before_it_is_seen(browser: Any, server: tuple[str, Path]) -> None:
    url, database = server
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    agree(page, url)
    who = pseudonym(page, url)
    page.add_init_script(
        "window.attempts = 0; const press = () => { const form = document.getElementById('rating'); if (!form) return;"
        "const next = form.querySelector('button[type=submit]'); if (!next || !next.disabled) return;"
        "window.attempts += 1; document.dispatchEvent(new KeyboardEvent('keydown', {key: '7', code: 'Digit7'}));"
        "document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', code: 'Enter'}));"
        "next.click(); form.requestSubmit(); };"
        "window.setInterval(() => { for (let turn = 0; turn < 5; turn += 1) { press(); } }, 5);"
    )
    slow_pictures(page, 0.8)
    attempts = 0
    while attempts < 1000:
        page.goto(f"{url}/rate")
        page.locator("#rating button:enabled").wait_for()
        attempts += page.evaluate("window.attempts")
        assert page.locator("input[name=score]:checked").count() == 0
    assert ratings_of(database, who).empty
    choose(page, 6)
    mine = ratings_of(database, who)
    assert len(mine) == 1
    assert mine["load_ms"].iloc[0] >= 0
    assert mine["shown_h"].iloc[0] > 0
    assert mine["server_ms"].iloc[0] >= mine["time_ms"].iloc[0]
    context.close()


@pytest.mark.parametrize("fails", [2, 9], ids=["comes-late", "never-comes"])
def test_a_picture_that_fails_is_asked_for_again_then_replaced(
    browser: Any, server: tuple[str, Path], fails: int
) -> None:
    url, database = server
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    page.goto(url)
    page.get_by_label("I have read this").check()
    go_on(page, "Begin")
    asked_for = slow_pictures(page, 0.0, fails if fails < 9 else 10**6)
    go_on(page, "Start")
    first = page.locator("input[name=slot]").input_value()
    if fails < 9:
        page.locator("#rating button:enabled").wait_for()
        assert sum(f"/picture/{first}" in address for address in asked_for) == fails + 1
    else:
        page.locator(f"input[name=slot]:not([value='{first}'])").wait_for(state="attached")
        page.unroute("**/picture/**")
        page.reload()
        choose(page, 4)
        store = open_store(database)
        events = export_events(store)
        store.close()
        assert "picture failed" in set(events["kind"])
    context.close()


@pytest.fixture(scope="module")
def wordy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A served study whose question is six lines long."""
    question = "Please say how beautiful this underwater picture is to you, whatever others may think of it. " * 6
    changed = STUDY.replace("practice = 1", f'practice = 1\nquestion = "{question}"')
    with serving(write_study(tmp_path_factory.mktemp("wordy"), changed)) as (url, _):
        yield url


@pytest.mark.parametrize(
    ("width", "height"), [(390, 844), (844, 390), (640, 400), (1280, 800), (320, 568)],
    ids=["phone", "phone-landscape", "zoom-200", "desktop", "small-phone"],
)  # fmt: skip
def test_half_of_the_window_is_picture_whatever_the_question(browser: Any, wordy: str, width: int, height: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    agree(page, wordy)
    page.locator("#rating button:enabled").wait_for()
    box = page.locator("#picture").bounding_box()
    assert box["height"] >= height / 2
    assert box["width"] > 0.8 * width
    page.get_by_role("button", name="Enlarge").click()
    large = page.locator("#picture").bounding_box()
    assert (large["width"], large["height"]) == (width, height)
    page.keyboard.press("Escape")
    assert page.locator("#picture").bounding_box()["height"] < height
    choose(page, 7)
    context.close()


def test_a_french_keyboard_needs_no_shift_and_the_last_rating_can_be_changed(
    browser: Any, server: tuple[str, Path]
) -> None:
    url, database = server
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    agree(page, url)
    page.locator("#rating button:enabled").wait_for()
    slot = page.locator("input[name=slot]").input_value()
    page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'é', code: 'Digit2', bubbles: true}))")
    assert page.locator("input[name=score]:checked").get_attribute("value") == "2"
    go_on(page, "Next")
    go_on(page, "Change my last rating")
    assert page.locator("input[name=slot]").input_value() == slot
    assert page.get_by_role("button", name="Change my last rating").count() == 0
    choose(page, 9)
    mine = ratings_of(database, pseudonym(page, url))
    assert mine["score"].tolist() == [9]
    assert mine["changes"].tolist() == [1]
    context.close()


def test_without_a_connection_nothing_is_lost_or_doubled(browser: Any, server: tuple[str, Path]) -> None:
    url, database = server
    context = browser.new_context(**DESKTOP)
    page = context.new_page()
    agree(page, url)
    page.locator("#rating button:enabled").wait_for()
    context.set_offline(True)
    page.locator(f"input[name=score][value='{asked(page) or 8}']").check(force=True)
    page.get_by_role("button", name="Next").click()
    page.get_by_text("There is no connection").wait_for()
    page.wait_for_timeout(4000)
    slot = page.locator("input[name=slot]").input_value()
    context.set_offline(False)
    page.locator(f"input[name=slot]:not([value='{slot}'])").wait_for(state="attached")
    assert ratings_of(database, pseudonym(page, url))["score"].tolist() == [8]
    context.close()


def test_consent_can_be_declined_and_a_platform_id_joins_once(browser: Any, server: tuple[str, Path]) -> None:
    url, _ = server
    pages = []
    for session in ("s1", "s1", "s2"):
        context = browser.new_context(**DESKTOP)
        page = context.new_page()
        page.goto(f"{url}/?PROLIFIC_PID=only-one&STUDY_ID=x&SESSION_ID={session}")
        if not pages:
            go_on(page, "I do not want to take part")
            assert page.get_by_role("heading", name="You are not taking part").count() == 1
            page.goto(f"{url}/?PROLIFIC_PID=only-one&STUDY_ID=x&SESSION_ID={session}")
        page.get_by_label("I have read this").check()
        go_on(page, "Begin")
        pages.append(page.locator("h1").inner_text())
        context.close()
    assert pages == ["What to do", "What to do", "You have joined already"]


@pytest.fixture(scope="module")
def scales(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    changed = STUDY.replace("[[survey.questions]]", SCALES + "[[survey.questions]]", 1)
    study = write_study(tmp_path_factory.mktemp("scales"), changed)
    with serving(study) as (url, _):
        yield url, study


@pytest.mark.parametrize("view", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_several_questions_and_a_slider_without_a_start_value(
    browser: Any, scales: tuple[str, Path], view: dict[str, Any]
) -> None:
    url, study = scales
    context = browser.new_context(**view, bypass_csp=True)
    page = context.new_page()
    agree(page, url)
    page.locator("#rating button:enabled").wait_for()
    assert faults(page) == []
    slider = page.locator("input[type=range]")
    assert slider.get_attribute("class") == "untouched"
    page.keyboard.type("7")
    page.wait_for_timeout(1100)
    page.keyboard.type("10")
    page.keyboard.press("Enter")  # the slider has no answer yet
    assert page.locator("input[type=range]:focus").count() == 1
    slider.press("End")
    go_on(page, "Next")
    for score in (3, 4):
        page.locator("#rating button:enabled").wait_for()
        if asked(page):
            choose(page, 1)
            continue
        for name in ("score", "score_natural"):
            page.locator(f"label:has(input[name={name}][value='{score}'])").click()
        slider.click()  # in the middle
        go_on(page, "Next")
    mine = pseudonym(page, url)
    store = open_store(study.with_suffix(".survey.db"))
    table = export_ratings(store, practice=True, scales=read_study(study).survey.asked)
    store.close()
    table = table[table["rater"] == mine]
    first = table[table["kind"] == "practice"].set_index("attribute")["score"]
    assert first.to_dict() == {"beauty": 7, "natural": 10, "familiar": 10}
    middle = table[(table["kind"] == "main") & (table["attribute"] == "familiar")]["score"]
    assert middle.isin([5, 6]).all()
    assert len(middle) >= 1
    context.close()


def test_a_timed_picture_is_shown_for_its_time_between_cross_and_mask(browser: Any, tmp_path: Path) -> None:
    study = write_study(tmp_path, STUDY.replace("practice = 1", "practice = 1\nexposure_ms = 400\nfixation_ms = 300"))
    with serving(study) as (url, _):
        context = browser.new_context(**DESKTOP)
        page = context.new_page()
        page.add_init_script(
            "window.seen = []; window.watch = () => { const stage = document.querySelector('.stage'); if (stage) {"
            "const shown = document.getElementById('picture') || stage;"
            "const state = stage.className + ' ' + getComputedStyle(shown).visibility;"
            "const last = window.seen[window.seen.length - 1];"
            "if (!last || last[0] !== state) window.seen.push([state, performance.now()]); }"
            "requestAnimationFrame(window.watch); }; requestAnimationFrame(window.watch);"
        )
        agree(page, url)
        page.locator("#rating button:enabled").wait_for()
        states = page.evaluate("window.seen")
        assert [state for state, _ in states if "waiting" not in state] == [
            "stage fixating hidden", "stage visible", "stage masked hidden",
        ]  # fmt: skip
        choose(page, 5)
        while asked(page):
            choose(page, 5)
        page.locator("#rating button:enabled").wait_for()
        choose(page, 6)
        mine = ratings_of(study.with_suffix(".survey.db"), pseudonym(page, url))
        shown = mine[mine["kind"] != "check"]["exposed_ms"]
        assert shown.between(385, 3000).all()  # a busy machine drops frames; it never cuts one
        context.close()
