"""The whole way from consent to the code with pictures of 5 MB, on four kinds of screen, with the connection cut."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from survey.database import open_store
from survey.rating_export import export_ratings
from tests.fixtures.survey import STUDY, serving, write_study
from tests.survey.test_browser import DESKTOP, PHONE, asked, go_on, pseudonym

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
OFFLINE_MS = 20_000 if os.environ.get("GAZEKIT_LONG") else 3_000
BYTES_A_SECOND = 6_000_000
VIEWS = {
    "desktop": DESKTOP,
    "phone": PHONE,
    "phone-landscape": {"viewport": {"width": 844, "height": 390}, "has_touch": True, "is_mobile": True},
    "zoom-200": {"viewport": {"width": 640, "height": 400}, "device_scale_factor": 2},
}
STEPPING_CLOCK = (  # the wall clock of the browser jumps by an hour at each look at it
    "const now = Date.now; let n = 0; Date.now = () => { n += 1; return now.call(Date) + (n % 2) * 3.6e6; };"
)


@pytest.fixture(scope="module")
def heavy_pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A served study whose pictures are noise of 5 MB and more, 2400 x 1800."""
    changes = {"pictures_per_rater = 6": "pictures_per_rater = 3", "raters_per_picture = 3": "raters_per_picture = 9"}
    text = STUDY
    for old, new in changes.items():
        text = text.replace(old, new)
    study = write_study(tmp_path_factory.mktemp("heavy"), text, pictures=4)
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (1800, 2400, 3), np.uint8)
    for k, file in enumerate(sorted((study.parent / "pictures").iterdir())):
        cv2.imwrite(str(file), np.roll(noise, 100 * k, axis=1), [cv2.IMWRITE_JPEG_QUALITY, 96])
        assert file.stat().st_size >= 5_000_000
    with serving(study) as (url, _):
        yield url, study.with_suffix(".survey.db")


@pytest.mark.parametrize("view", list(VIEWS))
def test_the_whole_way_with_heavy_pictures_and_no_connection_for_a_while(
    browser: Any, heavy_pictures: tuple[str, Path], view: str
) -> None:
    url, database = heavy_pictures
    context = browser.new_context(**VIEWS[view])
    page = context.new_page()
    if view == "desktop":
        page.add_init_script(STEPPING_CLOCK)
    page.goto(url)
    page.get_by_label("I have read this").check()
    go_on(page, "Begin")
    network = context.new_cdp_session(page)
    speed = {"latency": 20, "downloadThroughput": BYTES_A_SECOND, "uploadThroughput": BYTES_A_SECOND}
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", {"offline": False} | speed)
    go_on(page, "Start")
    rated: list[int] = []
    while page.url.endswith("/rate"):
        page.locator("#rating button:enabled").wait_for()
        score = asked(page) or 2 + len(rated)
        slot = page.locator("input[name=slot]").input_value()
        if not asked(page):
            rated.append(score)
            box = page.locator("#picture").bounding_box()
            assert box["height"] >= VIEWS[view]["viewport"]["height"] / 2
        label = page.locator(f"label:has(input[name=score][value='{score}'])")
        if len(rated) == 2 and not asked(page):  # cut the connection with the answer under way
            network.send("Network.emulateNetworkConditions", {"offline": True} | speed)
            label.click()
            page.get_by_role("button", name="Next").click()
            page.get_by_text("There is no connection").wait_for()
            page.wait_for_timeout(OFFLINE_MS)
            assert page.locator("input[name=slot]").input_value() == slot
            network.send("Network.emulateNetworkConditions", {"offline": False} | speed)
            page.locator(f"input[name=slot]:not([value='{slot}'])").wait_for(state="attached")
            continue
        label.click()
        go_on(page, "Next")
    page.locator("#q_age").fill("40")
    go_on(page, "Finish")
    assert len(page.locator("code").inner_text()) == 10
    mine = pseudonym(page, url)
    context.close()
    store = open_store(database)
    table = export_ratings(store, practice=True)
    store.close()
    table = table[(table["rater"] == mine) & (table["kind"] != "check")]
    assert table["score"].tolist() == rated
    assert sorted(table["kind"]) == ["main", "main", "main", "practice"]
    assert table["load_ms"].iloc[0] >= 500  # the first picture was not loaded ahead
    assert (table["shown_h"] > 0).all()
    assert (table["time_ms"] < 120_000).all()
    assert (table["server_ms"] >= table["time_ms"]).all()
