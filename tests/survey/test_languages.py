"""The pages in every language of the study: chosen by link, by browser, on the page; and what a language lacks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from gazekit.core.errors import ConfigError
from gazekit.core.messages import catalogue
from gazekit.study import check_study
from gazekit.study import read_study as whole_study
from survey.config import read_study
from survey.database import open_store
from survey.languages import chosen_language
from survey.rating_export import export_answers, export_events, export_raters
from survey.web import create_app
from tests.fixtures.survey import PASSWORD, STUDY, begin, finish, operator, rate_all, send, write_study

WORDS = {
    'title = "How beautiful are these pictures?"': "",
    '{ 1 = "very ugly", 10 = "very beautiful" }': (
        '{ 1 = {en = "very ugly", ar = "قبيحة جداً", de = "sehr hässlich"}, '
        '10 = {en = "very beautiful", ar = "جميلة جداً", de = "sehr schön"} }'
    ),
    '"How old are you?"': '{en = "How old are you?", ar = "كم عمرك؟", de = "Wie alt sind Sie?"}',
    '"Do you take photographs yourself?"': '{en = "Photographs?", ar = "هل تصور؟", de = "Fotos?"}',
    '["Never", "Sometimes", "Often"]': (
        '[{en = "Never", ar = "أبداً", de = "Nie"}, {en = "Often", ar = "كثيراً", de = "Oft"}]'
    ),
    '"Anything you want to tell us?"': '{en = "Anything else?", ar = "شيء آخر؟", de = "Noch etwas?"}',
    "seed = 3": 'seed = 3\nlanguages = ["en", "ar", "de"]',
}


def in_three_languages() -> str:
    text = STUDY
    for old, new in WORDS.items():
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.fixture
def clients(tmp_path: Path) -> Iterator[Callable[[], FlaskClient]]:
    study = write_study(tmp_path, in_three_languages())
    store = open_store(tmp_path / "s.db", durable=False)
    yield create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client
    store.close()


def page_of(client: FlaskClient, path: str, accepted: str = "") -> str:
    return client.get(path, headers={"Accept-Language": accepted}).get_data(as_text=True)


def test_the_language_is_chosen_by_browser_link_or_page(clients: Callable[[], FlaskClient]) -> None:
    client = clients()
    assert '<html lang="en" dir="ltr">' in page_of(client, "/", "fr, *;q=0.1")
    assert '<html lang="de" dir="ltr">' in page_of(client, "/", "fr, de-AT;q=0.8, ar;q=0.2")
    page = page_of(client, "/?lang=ar&PROLIFIC_PID=p1", "de")
    assert '<html lang="ar" dir="rtl">' in page
    assert re.search(r'href="/\?lang=de" lang="de" dir="ltr">Deutsch</a>', page)
    assert '<html lang="ar" dir="rtl">' in page_of(client, "/", "de")  # it stays
    assert '<html lang="ar" dir="rtl">' in page_of(client, "/?lang=xx", "de")
    assert '<html lang="ar" dir="rtl">' in page_of(client, "/nowhere")


def test_the_whole_way_in_arabic_stores_the_same_as_in_english(clients: Callable[[], FlaskClient]) -> None:
    client, other = clients(), clients()
    begin(client, "?lang=ar")
    link = re.search(r"/resume/[\w-]+", page_of(client, "/instructions"))
    assert link
    page = page_of(client, "/rate")
    assert "قبيحة جداً" in page
    assert "very ugly" not in page
    rate_all(client)
    page = page_of(client, "/questions")
    assert "كم عمرك؟" in page
    assert '<input type="radio" name="q_photographs" value="Often"> <span>كثيراً</span>' in page
    assert "اكتب رقماً من فضلك." in send(client, "/questions", q_age="x").get_data(as_text=True)
    assert send(client, "/questions", q_age="30", q_photographs="Often").status_code == 303
    assert "رمز الإتمام" in page_of(client, "/end")
    send(other, link.group())
    assert '<html lang="ar"' in page_of(other, "/end", "de")  # another browser, the same person
    begin(other := clients(), "?lang=de")
    finish(other)
    store = client.application.extensions["survey"].store
    assert export_raters(store)["language"].tolist() == ["ar", "de"]
    assert export_answers(store)["value"].tolist() == ["30", "Often", "30"]
    assert '<html lang="en" dir="ltr">' in page_of(operator(clients()), "/operator/", "ar")


def test_the_language_can_be_changed_on_every_page(clients: Callable[[], FlaskClient]) -> None:
    client = clients()
    assert 'href="/?lang=ar"' in page_of(client, "/")
    begin(client)
    seen = []
    for path, next_step in (("/instructions", None), ("/rate", rate_all), ("/questions", None), ("/mine", None)):
        page = page_of(client, path)
        assert page.count('<nav class="languages"') == 1
        assert f'href="{path}?lang=de" lang="de" dir="ltr">Deutsch</a>' in page
        for language in ("de", "en"):
            seen.append(f'<html lang="{language}"' in page_of(client, f"{path}?lang={language}"))
        if next_step:
            next_step(client)
    assert all(seen)
    faulty = send(client, "/questions", q_age="x").get_data(as_text=True)
    assert 'href="/questions?lang=ar"' in faulty
    assert send(client, "/questions?lang=ar", q_age="30").status_code == 303
    assert '<html lang="ar" dir="rtl">' in page_of(client, "/end?lang=ar")
    store = client.application.extensions["survey"].store
    assert export_raters(store)["language"].tolist() == ["ar"]
    changes = export_events(store).query("kind == 'language'")
    assert changes["detail"].tolist()[:3] == ["en to de, page 1", "de to en, page 1", "en to de, page 1"]
    assert 'href="/?lang=de"' in page_of(client, "/nowhere")
    assert "<nav" not in page_of(clients(), "/operator/login")


def test_a_text_that_a_language_lacks_is_an_error(tmp_path: Path) -> None:
    screen = "width_px = 1920\nheight_px = 1080\nwidth_mm = 527\nheight_mm = 296\ndistance_mm = 630\n"
    text = in_three_languages().replace("width_px = 1920\n", screen)
    study = write_study(tmp_path, text.replace(', de = "Oft"', "").replace('"ar", "de"]', '"ar", "de", "qu"]'))
    words = r"unknown language 'qu'.*photographs choices: is missing in 'de'"
    with pytest.raises(ConfigError, match=re.compile(words, re.DOTALL)):
        check_study(whole_study(study))
    store = open_store(tmp_path / "s.db")
    with pytest.raises(ConfigError, match=re.compile(words, re.DOTALL)):
        create_app(read_study(study), tmp_path, store, password=PASSWORD)
    store.close()


def test_a_study_brings_a_language_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "messages").mkdir()
    texts = {key.partition(".")[2]: text for key, text in catalogue("en").texts.items() if key.startswith("survey.")}
    entries = "\n".join(f"{key} = {json.dumps(text if '{' in text else text.upper())}" for key, text in texts.items())
    head = '[language]\nname = "עברית"\ndirection = "rtl"\n[survey]\n'
    (tmp_path / "messages" / "he.toml").write_text(head + entries)
    text = STUDY.replace("seed = 3", 'seed = 3\nlanguages = ["he"]\nmessages = "messages"')
    study = write_study(tmp_path, text)
    store = open_store(tmp_path / "s.db", durable=False)
    client = create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client()
    page = page_of(client, "/", "en")
    assert '<html lang="he" dir="rtl">' in page
    assert "I HAVE READ THIS AND I AGREE TO TAKE PART." in page
    store.close()


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "zh"),
        ("en-GB", "en"),
        ("fr;q=1, en;q=0.3, de;q=0.5", "de"),
        ("DE", "de"),
        ("de;q=0, en;q=0.1", "en"),
        ("en;q=x, de", "de"),
        (";;;,,q=", "zh"),
        ("x" * 9999, "zh"),
    ],
    ids=["none", "country", "weights", "capitals", "refused", "broken", "nonsense", "long"],
)
def test_what_a_browser_accepts(accepted: str, language: str) -> None:
    assert chosen_language(accepted, ["zh", "de", "en"]) == language


def test_the_catalogue_has_every_text_of_the_pages_and_no_other() -> None:
    folder = Path(__file__).parents[2] / "survey"
    source = "".join(
        file.read_text() for file in [*folder.rglob("*.html"), *(folder / "web").glob("*.py"), folder / "languages.py"]
    )
    named = set(re.findall(r"""["']survey\.([a-z_0-9]+)["']""", source))
    named |= set(re.findall(r"""_rating_page\(["']([a-z_]+)["']""", source))
    named |= set(re.findall(r"""["'](default_\w+)["']""", source))
    named.discard("css")  # a file
    whole = {key.partition(".")[2] for key in catalogue("en").texts if key.startswith("survey.")}
    built = {"problem_", "default_instructions"}  # names that are put together of parts
    assert {name for name in named - whole if not any(name.startswith(part) for part in built)} == set()
    assert {name for name in whole - named if not any(name.startswith(part) for part in built)} == set()
