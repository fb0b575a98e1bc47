"""Comparing pictures, reading from right to left, and traces, in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from survey.database import open_store
from survey.rating_export import export_choices, export_ratings
from survey.traces import export_traces
from tests.fixtures.survey import STUDY, serving, write_study
from tests.survey.test_browser import DESKTOP, PHONE, agree, asked, faults, go_on, press
from tests.survey.test_languages import in_three_languages

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
LANDSCAPE = {"viewport": {"width": 844, "height": 390}, "has_touch": True, "is_mobile": True}


def sources(page: Any) -> list[str]:
    page.locator("#rating button:enabled").wait_for()
    return [str(image.get_attribute("src")).split("?")[0] for image in page.locator(".picture").all()]


@pytest.mark.parametrize("task", ["pairs", "best-worst"])
def test_pictures_are_compared_by_click_key_and_number(browser: Any, tmp_path: Path, task: str) -> None:
    text = STUDY.replace("practice = 1", f'practice = 0\ntask = "{task}"').replace("raters_per_picture = 3", "")
    for hidden in ("attention_checks", "repeats"):  # they would come between the two choices, at a place of chance
        text = text.replace(f"{hidden} = 1", f"{hidden} = 0")
    study = write_study(tmp_path, text)
    several = {"pairs": 2, "best-worst": 4}[task]
    with serving(study) as (url, _):
        for view in (DESKTOP, PHONE, LANDSCAPE):
            context = browser.new_context(**view, bypass_csp=True)
            compare_twice(context.new_page(), url, view["viewport"]["height"], several)
            context.close()
    store = open_store(study.with_suffix(".survey.db"))
    table = export_choices(store)
    store.close()
    assert (table["inputs"] > 0).all()
    for _, of_rater in table.groupby("rater"):
        first, second = of_rater.to_dict("records")
        assert (first["best"], second["best"]) == (
            first["picture2" if several == 2 else "picture1"],
            second["picture1"],
        )
        assert first["worst"] == ("" if several == 2 else first["picture2"])
        assert second["worst"] == ("" if several == 2 else second["picture3"])
    assert len(table) == 6


def compare_twice(page: Any, url: str, height: int, several: int) -> None:
    """By clicks on the pictures, then by numbers."""
    agree(page, url)
    assert len(sources(page)) == several
    boxes = [image.bounding_box() for image in page.locator(".picture").all()]
    assert max(b["y"] + b["height"] for b in boxes) - min(b["y"] for b in boxes) >= height / 2
    assert all(b["y"] >= 0 and b["y"] + b["height"] <= height for b in boxes)
    assert height != DESKTOP["viewport"]["height"] or faults(page) == []
    page.locator(".picture").nth(1).click()
    if several > 2:
        page.keyboard.press("Enter")  # the worst is missing
        page.locator(".picture").nth(1).click()  # it cannot be the best one too
        assert page.locator("input[name=score]:checked").count() == 0
        page.locator(".picture").nth(0).click()
        assert page.locator("figure.best, figure.worst").count() == 2
    go_on(page, "Next")
    sources(page)
    if several == 2 and height == DESKTOP["viewport"]["height"]:
        press(page, "ArrowRight", "ArrowLeft")  # the first begins, the second moves on within the choice
    else:
        page.keyboard.type("1" if several == 2 else "13")
    with page.expect_navigation():
        page.keyboard.press("Enter")


@pytest.mark.parametrize(("language", "view"), [("ar", PHONE), ("de", DESKTOP)], ids=["arabic-phone", "german-desktop"])
def test_every_page_passes_axe_in_other_languages(
    browser: Any, tmp_path: Path, language: str, view: dict[str, Any]
) -> None:
    study = write_study(tmp_path, in_three_languages())
    found: dict[str, list[str]] = {}
    with serving(study) as (url, _):
        context = browser.new_context(**view, bypass_csp=True, locale="fr")
        page = context.new_page()

        def look(name: str) -> None:
            found[name] = faults(page)
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), name

        def send_form() -> None:
            with page.expect_navigation():
                page.locator("main form button[type=submit]").last.click()

        page.goto(url)
        page.locator(f".languages a[lang={language}]").click()
        assert page.locator("html").get_attribute("lang") == language
        look("consent")
        page.locator("input[name=agree]").check()
        with page.expect_navigation():
            page.locator("main form button[type=submit]").first.click()
        look("instructions")
        send_form()
        seen = set()
        while page.url.endswith("/rate"):
            kind = "check" if asked(page) else "rating"
            if kind not in seen:
                look(kind)
            seen.add(kind)
            page.locator(f"label:has(input[name=score][value='{asked(page) or 7}'])").click()
            with page.expect_navigation():
                page.locator("#rating button[type=submit]").click()
        look("questions")
        if language == "ar":
            first, last = (
                page.locator(".tick").nth(0).bounding_box(),
                page.locator(".tick input").nth(0).bounding_box(),
            )
            assert last["x"] > first["x"] + first["width"] / 2  # boxes stand at the right
        page.locator("form").evaluate("form => { form.noValidate = true; }")
        send_form()
        look("questions with a fault")
        page.locator("#q_age").fill("40")
        send_form()
        look("end")
        page.goto(f"{url}/mine")
        look("mine")
        page.goto(f"{url}/nowhere")
        look("problem")
        assert {name: fault for name, fault in found.items() if fault} == {}
        assert len(found) == 9
        context.close()
    store = open_store(study.with_suffix(".survey.db"))
    traces, ratings = export_traces(store), export_ratings(store)
    store.close()
    assert set(ratings[ratings["kind"] == "main"]["score"]) == {7}
    assert (ratings["inputs"] >= 2).all()
    assert {"press", "click"} <= set(traces["what"])
    assert (traces["by"] == "person").all()
