"""Everything that can be asked: by keys, mouse and touch, with real pygame events; what study files may say of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pygame
import pytest

from gazekit.capture import record
from gazekit.capture.item_pages import ChoicePage, ItemPage, ScalePage, SliderPage, TypedPage, page_of
from gazekit.capture.item_settings import AnswerSection
from gazekit.capture.items import Item, item_in, simulated_answer
from gazekit.capture.look import look_of
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.window import Window
from gazekit.core.errors import ConfigError
from gazekit.formats import export_bids, import_recording
from gazekit.screen import Screen
from gazekit.session import open_session
from gazekit.study import check_study, read_study
from tests.fixtures.session_study import MakeStudy
from tests.fixtures.stopping_tracker import StoppingTracker

SCALE = {"name": "calm", "text": {"en": "How calm?", "ar": "ما مدى الهدوء؟"}, "low": 0, "high": 10}
CHOICES = ["reef", "fish", {"en": "coral", "ar": "مرجان"}]


@pytest.fixture
def window(make_study: MakeStudy) -> Iterator[Window]:
    study = read_study(make_study())
    opened = Window(study, SimulatedTracker(study.screen.screen(), 1))
    yield opened
    opened.close()


@pytest.fixture
def make_page(window: Window, make_study: MakeStudy) -> Callable[..., Any]:
    def make(language: str = "en", area: pygame.Rect | None = None, **fields: Any) -> ItemPage:
        section = AnswerSection(**{"name": "q", "text": {"en": "Why?", "ar": "لماذا؟"}, **fields})
        look = look_of(read_study(make_study()), language)
        return page_of(pygame.display.get_surface(), item_in(section, language), look, area)

    return make


def key(character: str = "", code: int = 0) -> pygame.event.Event:
    return pygame.event.Event(pygame.KEYDOWN, key=code or ord(character), unicode=character)


def click(place: tuple[float, float], **more: Any) -> pygame.event.Event:
    return pygame.event.Event(pygame.MOUSEBUTTONDOWN, button=1, pos=(int(place[0]), int(place[1])), **more)


RIGHT, LEFT, ENTER = key(code=pygame.K_RIGHT), key(code=pygame.K_LEFT), key(code=pygame.K_RETURN)


def typed(text: str) -> list[pygame.event.Event]:
    return [pygame.event.Event(pygame.TEXTINPUT, text=text)]


def take(page: ItemPage, *events: pygame.event.Event) -> tuple[str, str] | None:
    for event in events:
        page.draw()
        taken = page.take(event)
        if taken is not None:
            return taken
    return None


@pytest.mark.parametrize(
    ("fields", "events", "answer"),
    [
        ({"low": 1, "high": 10}, [key("0")], "10"),
        ({"low": 1, "high": 7}, [key("8"), key("7")], "7"),
        ({"low": 0, "high": 10}, [key("0")], "0"),
        ({"low": 0, "high": 10}, [RIGHT] * 9 + [ENTER], "10"),
        ({"low": -3, "high": 3}, [LEFT, LEFT, ENTER], "-2"),
        ({"low": 1, "high": 2}, [ENTER, key("2")], "2"),
        ({"kind": "slider"}, [ENTER, RIGHT, key("4"), RIGHT, RIGHT, LEFT, ENTER], "41"),
        ({"kind": "choice", "choices": CHOICES}, [key("9"), key("3")], "coral"),
        ({"kind": "choices", "choices": CHOICES}, [ENTER, key("1"), key("3"), key("2"), key("1"), ENTER],
         '["fish", "coral"]'),
        ({"kind": "number", "minimum": 18, "maximum": 99}, [*typed("7"), ENTER, *typed("2"), ENTER], "72"),
        ({"kind": "number"}, [*typed("-2,50"), ENTER], "-2.5"),
        ({"kind": "number"}, [*typed("1234567"), ENTER], "1234567"),
        ({"kind": "text"}, [*typed("  "), ENTER, *typed("coral 珊瑚 مرجان"), ENTER], "coral 珊瑚 مرجان"),
        ({"kind": "text", "longest": 3}, [*typed("abcdef"), key(code=pygame.K_BACKSPACE), ENTER], "ab"),
    ],
    ids=["ten", "seven", "nought", "eleven steps", "negative", "two", "slider", "choice", "choices", "number",
         "comma", "long number", "text", "longest"],
)  # fmt: skip
def test_an_answer_is_given_by_keys(
    make_page: Callable[..., Any], fields: dict[str, Any], events: list[pygame.event.Event], answer: str
) -> None:
    assert take(make_page(**fields), *events) == (answer, "key")


def test_an_answer_is_given_by_mouse_and_touch(make_page: Callable[..., Any]) -> None:
    scale: ScalePage = make_page(**{**SCALE})
    assert take(scale, click((5, 5)), click(scale.boxes[10].center)) == ("10", "mouse")
    assert take(scale, click(scale.boxes[3].center, touch=True)) == ("3", "touch")
    choices: ChoicePage = make_page(kind="choices", choices=CHOICES)
    places = [choices.boxes[2].center, choices._buttons()["done"].center]
    assert take(choices, *map(click, places)) == ('["coral"]', "mouse")
    slider: SliderPage = make_page(kind="slider", labels={0: "low", 100: "high"})
    drag = pygame.event.Event(pygame.MOUSEMOTION, buttons=(1, 0, 0), pos=(slider.place_of(75), slider.line.centery))
    assert take(slider, drag, ENTER) is None  # no start value: nothing to drag, nothing to confirm
    done = slider._buttons()["done"].center
    assert take(slider, click((slider.place_of(20), slider.line.centery)), drag, click(done)) == ("75", "mouse")


def test_scales_run_from_the_right_where_the_script_does(make_page: Callable[..., Any]) -> None:
    scale: ScalePage = make_page("ar", **SCALE)
    assert scale.boxes[0].x > scale.boxes[10].x
    assert take(scale, LEFT, LEFT, ENTER) == ("7", "key")
    slider: SliderPage = make_page("ar", kind="slider")
    assert slider.place_of(0) > slider.place_of(100)
    choice: ChoicePage = make_page("ar", kind="choice", choices=["a", "b", {"en": "coral", "ar": "مرجان"}])
    assert take(choice, key("3")) == ("coral", "key")  # stored in the language that is named first


def test_what_is_not_required_can_be_left_out_and_what_is_cannot(make_page: Callable[..., Any]) -> None:
    free: TypedPage = make_page(kind="text", required=False)
    assert take(free, ENTER) == ("", "key")
    assert take(free, click(free._buttons()["skip"].center)) == ("", "mouse")
    asked: TypedPage = make_page(kind="number", minimum=1, maximum=5)
    assert "skip" not in asked._buttons()
    assert take(asked, *typed("9"), ENTER) is None
    assert "1" in asked._warning()
    assert "5" in asked._warning()


@pytest.mark.parametrize(
    "fields",
    [{}, {"kind": "slider"}, {"kind": "choice", "choices": CHOICES}, {"kind": "choices", "choices": CHOICES},
     {"kind": "number"}, {"kind": "text"}],
    ids=["scale", "slider", "choice", "choices", "number", "text"],
)  # fmt: skip
def test_at_the_foot_of_the_screen_nothing_overlaps(make_page: Callable[..., Any], fields: dict[str, Any]) -> None:
    foot = pygame.Rect(0, 820, 1920, 260)
    page = make_page(area=foot, required=False, **fields)
    page.draw()
    boxes = list(page._buttons().values())
    controls = getattr(page, "boxes", [getattr(page, "line", getattr(page, "field", None))])
    boxes += list(controls.values() if isinstance(controls, dict) else controls)
    assert all(foot.contains(box) for box in boxes)
    assert all(not box.colliderect(other) for n, box in enumerate(boxes) for other in boxes[:n])


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"low": 1, "high": 12}, "2 to 11 steps"),
        ({"labels": {"11": "much"}}, "no steps of this scale"),
        ({"kind": "slider", "labels": {"50": "so so"}}, "no steps of this slider"),
        ({"kind": "choice"}, "need choices"),
        ({"choices": ["a", "b"]}, "need choices"),
        ({"kind": "number", "minimum": 3, "maximum": 2}, "above maximum"),
        ({"kind": "slidr"}, "'scale', 'slider'"),
        ({"name": "calm_ms"}, "the times that answers took"),
    ],
    ids=["steps", "label", "slider", "no choices", "choices of a scale", "range", "kind", "name"],
)
def test_an_item_that_cannot_be_is_refused(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        AnswerSection(**{"name": "q", "text": "Why?", **fields})


ANSWERS = """
shuffle_answers = {shuffle}
[[answers]]
name = "beauty"
text = "How beautiful?"
labels = {{1 = "not at all", 10 = "very"}}
[[answers]]
name = "expectation"
text = "As expected?"
kind = "slider"
[[answers]]
name = "tags"
text = "What is in it?"
kind = "choices"
choices = ["fish", "coral"]
required = false
[[answers]]
name = "mood"
text = "How do you feel?"
kind = "scale"
low = -2
high = 2
when = "before"
[[answers]]
name = "live"
text = "Now?"
kind = "choice"
choices = ["yes", "no"]
when = "while"
"""
NAMES = ("mood", "live", "beauty", "expectation", "tags")


def test_answers_are_columns_of_the_stimuli_and_steps_of_the_ledger(
    make_study: MakeStudy, same_session: Callable[..., None], tmp_path: Path
) -> None:
    study = read_study(make_study(extra=ANSWERS.format(shuffle="false")))
    check_study(study)
    session = open_session(record(study, "P01", tmp_path, realtime=False))
    stimuli, ledger = session.stimuli, session.streams["ledger"]
    assert [c for c in stimuli.columns if c.startswith("answer_")] == [
        column for name in NAMES for column in (f"answer_{name}", f"answer_{name}_ms")
    ]
    assert set(stimuli["answer_beauty"]) <= {str(n) for n in range(1, 11)}
    assert set(stimuli["answer_mood"]) <= {"-2", "-1", "0", "1", "2"}
    assert all(0 <= int(value) <= 100 for value in stimuli["answer_expectation"])
    assert all(set(json.loads(value)) <= {"fish", "coral"} for value in stimuli["answer_tags"])
    assert (stimuli["answer_beauty_ms"] == 1000).all()
    assert stimuli["response"].tolist() == [""] * 4
    first = stimuli["image"][0]
    kinds = ledger["kind"][ledger["id"] == first].tolist()
    assert kinds == ["answer mood", "picture", "answer live", "answer beauty", "answer expectation", "answer tags"]
    assert (ledger["done_us"] >= 0).all()
    assert ledger["answer"][kinds.index("answer beauty")] == stimuli["answer_beauty"][0]
    same_session(import_recording(export_bids([session], tmp_path / "bids")), session)


def test_answers_are_shuffled_anew_for_each_picture_where_asked(make_study: MakeStudy, tmp_path: Path) -> None:
    study = read_study(make_study(pictures=8, extra=ANSWERS.format(shuffle="true")))
    ledger = open_session(record(study, "P01", tmp_path, realtime=False)).streams["ledger"]
    orders = {tuple(rows["kind"]) for _, rows in ledger.groupby("id")}
    assert len(orders) > 2
    assert all(order[:3] == ("answer mood", "picture", "answer live") for order in orders)


def test_a_resumed_session_goes_on_at_the_open_answer(make_study: MakeStudy, screen: Screen, tmp_path: Path) -> None:
    study = make_study(pictures=3, extra=ANSWERS.format(shuffle="false"))
    whole = open_session(record(read_study(study), "P01", tmp_path / "whole", realtime=False)).streams["ledger"]
    begin = int(open_session(tmp_path / "whole" / "P01.gaze.h5").recording.system_time_us[0])
    stop_s = (int(whole["done_us"][7]) - begin) / 1e6 + 0.5  # while the next is asked
    tracker = StoppingTracker(screen, stop_s)
    record(read_study(study), "P01", tmp_path, realtime=False, tracker=tracker, stop=tracker.stop_event)
    record(read_study(study), "P01", tmp_path, realtime=False, resume=True)
    first, second = (open_session(tmp_path / f"P01{part}.gaze.h5").streams["ledger"] for part in ("", ".part2"))
    assert ((first["done_us"] >= 0) ^ (second["done_us"] >= 0)).all()
    assert 0 < (first["done_us"] >= 0).sum() < len(first)
    stopped_at = int((first["done_us"] >= 0).sum())
    assert second["kind"][stopped_at].startswith("answer")
    assert first["kind"].tolist() == second["kind"].tolist() == whole["kind"].tolist()


def test_faults_of_what_is_asked_are_said_by_study_check(make_study: MakeStudy) -> None:
    twice = "display = 0\n" + '[[answers]]\nname = "a"\ntext = "?"\n' * 2
    with pytest.raises(ConfigError, match="name 'a' stands 2 times"):
        check_study(read_study(make_study(extra=twice)))


@pytest.mark.parametrize("kind", ["scale", "slider", "choice", "choices", "number", "text"])
def test_simulated_people_answer_what_is_asked(kind: Any, rng: np.random.Generator) -> None:
    choices = ["a", "b"] if kind.startswith("choice") else []
    item: Item = item_in(AnswerSection(name="q", text="Why?", kind=kind, choices=choices), "en")
    assert all(simulated_answer(item, rng) for _ in range(20))
