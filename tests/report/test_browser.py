"""The report in a browser: it sorts, enlarges, fits a phone, turns dark, prints, and can be used by everyone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gazekit.report import write_report


@pytest.fixture
def page(browser: Any, whole: Path) -> Iterator[Any]:
    """The report, opened; anything that the page complains about fails the test."""
    opened = browser.new_page(viewport={"width": 1280, "height": 900})
    complaints: list[str] = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.on("request", lambda request: complaints.append(request.url) if request.url[:4] == "http" else None)
    opened.goto((whole / "report.html").as_uri())
    yield opened
    opened.close()
    assert complaints == []


def test_a_click_on_a_head_sorts_both_ways(page: Any) -> None:
    table = page.locator("table.sortable").first
    head = table.locator("thead th").nth(5)
    for direction, reverse in (("ascending", False), ("descending", True)):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == direction
        values = [
            float(v) for v in table.locator("tbody tr > :nth-child(6)").evaluate_all("t => t.map(c => c.dataset.sort)")
        ]
        assert values == sorted(values, reverse=reverse)
    table.locator("thead th").nth(0).locator("button").click()
    assert head.get_attribute("aria-sort") is None
    names = table.locator("tbody tr > :nth-child(1)").all_inner_texts()
    assert names == sorted(names)


def test_a_picture_is_enlarged_and_closed_by_keyboard(page: Any) -> None:
    button = page.locator("button.picture").nth(1)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    dialog.wait_for()
    assert dialog.locator("img").get_attribute("alt") == button.locator("img").get_attribute("alt")
    assert dialog.locator("img").bounding_box()["width"] > 2 * button.bounding_box()["width"]
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_passes_axe_in_light_and_dark(page: Any, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page.emulate_media(color_scheme=scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(int(v) for v in paper[4:-1].split(",")) > 380) == (scheme == "light")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_it_fits_a_phone(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    narrow = page.locator("figure svg").first.bounding_box()
    assert 300 < narrow["width"] <= 390


def test_it_prints_whole_tables_on_paper(page: Any) -> None:
    printed = page.pdf(prefer_css_page_size=True)
    assert printed[:5] == b"%PDF-"
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 12
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.set_viewport_size({"width": 688, "height": 1000})  # A4 less its margins
    wide = page.evaluate("[...document.querySelectorAll('table')].map(t => t.getBoundingClientRect().right)")
    assert max(wide) <= 690
    assert not page.locator("nav").is_visible()


def test_the_last_column_of_the_widest_table_is_seen_in_a_window_of_1280(browser: Any, comparison: Path) -> None:
    paired = pd.read_csv(comparison / "paired.csv")
    widest = paired.assign(p_equivalence=0.5, p_not_inferior=0.5, pictures_for_size=1234.0)
    widest.to_csv(comparison / "paired.csv", index=False)
    terms = {"registered_utc": "2026-01-01", "opened_utc": "2026-02-01", "id": "1", "hypotheses": [], "exclusions": []}
    words = json.loads((comparison / "conclusion.json").read_text("utf-8"))
    words |= {"registration": terms | {"departures": []}, "claims": []}
    (comparison / "conclusion.json").write_text(json.dumps(words), "utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.goto(write_report(comparison).as_uri())
    page.evaluate("document.querySelectorAll('details').forEach((long) => { long.open = true; })")
    assert page.locator('[aria-labelledby="paired"] th', has_text="Registered").count()
    widths = page.locator(".scroll").evaluate_all(
        "all => all.map((one) => [one.getAttribute('aria-label'), one.scrollWidth - one.clientWidth])"
    )
    assert [label for label, hidden in widths if hidden > 0] == []
    page.close()
