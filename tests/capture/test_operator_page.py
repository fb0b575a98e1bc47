"""The operator's page: who may come in, what it shows, what it brings about; in a real browser."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from click.testing import CliRunner

from gazekit.capture import operator_page
from gazekit.capture.desk import Desk, Review
from gazekit.capture.operator_page import OperatorPage
from gazekit.capture.session_loop import _BUSY, _SKIPPABLE, State
from gazekit.capture.session_setup import prepare_part, record_part
from gazekit.capture.terminal_keys import TerminalKeys, keys_one_by_one
from gazekit.cli import gazekit
from gazekit.core.errors import InputError
from gazekit.core.messages import catalogue
from gazekit.screen import Screen
from gazekit.session import Session, open_session
from gazekit.study import Study, read_study
from tests.fixtures.session_study import MakeStudy


@pytest.fixture
def place(screen: Screen) -> Iterator[tuple[Desk, State, OperatorPage]]:
    desk, state = Desk(), State()
    with OperatorPage(desk, state, screen) as page:
        yield desk, state, page


class Browser:
    """Requests as a browser makes them, cookie and all."""

    def __init__(self, link: str) -> None:
        parts = urlsplit(link)
        self.host, self.path = parts.netloc, f"{parts.path}?{parts.query}"
        self.cookie = ""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, dict[str, str]]:
        content = None if body is None else json.dumps(body)
        all_headers = {"Cookie": self.cookie, "Host": self.host, **headers}
        with contextlib.closing(http.client.HTTPConnection(self.host, timeout=600)) as connection:
            connection.request(method, path, content, {k.replace("_", "-"): v for k, v in all_headers.items()})
            answer = connection.getresponse()
            got, text = dict(answer.getheaders()), answer.read().decode()
        self.cookie = got.get("Set-Cookie", self.cookie).split(";")[0]
        return answer.status, text, got

    def post(self, body: Any, **headers: str) -> int:
        usual = {"Origin": f"http://{self.host}", "Content_Type": "application/json"}
        return self.ask("POST", "/", body, **{**usual, **headers})[0]


def until(true: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait for what has to come; the limit is for a machine that does much else."""
    end = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return value


def test_a_link_works_once_and_then_a_cookie_does(place: tuple[Desk, State, OperatorPage]) -> None:
    _, _, page = place
    first = page.link
    assert urlsplit(first).hostname == "127.0.0.1"
    browser, other = Browser(first), Browser(first)
    assert browser.ask("GET", "/")[0] == 403
    status, _, headers = browser.ask("GET", browser.path)
    assert (status, headers["Location"]) == (303, "/")
    assert "HttpOnly; SameSite=Strict" in headers["Set-Cookie"]
    assert browser.ask("GET", "/")[0] == 200
    assert other.ask("GET", other.path)[0] == 403
    until(lambda: page.link != first)
    again = Browser(page.link)
    assert again.ask("GET", again.path)[0] == 303


def test_only_the_page_itself_may_want_something(place: tuple[Desk, State, OperatorPage]) -> None:
    desk, _, page = place
    browser = Browser(page.link)
    assert browser.post({"command": "skip"}) == 403
    browser.ask("GET", browser.path)
    assert browser.post({"command": "skip"}, Origin="http://evil.example") == 403
    assert browser.post({"command": "skip"}, Content_Type="text/plain") == 403
    assert browser.ask("GET", "/", Host="evil.example:80")[0] == 421
    for path in ("/server.py", "/../link.py", "/picture", "/page.html/.."):
        assert browser.ask("GET", path)[0] == 404
    assert not list(desk.take())
    assert browser.post({"command": "note", "text": "  two\n lines  "}) == 200
    command = until(lambda: list(desk.take()))[0]
    assert (command.kind, command.text) == ("note", "two lines")
    assert browser.post({"command": "format the disk"}) == 200
    time.sleep(0.1)
    assert not list(desk.take())


def test_the_end_has_to_be_asked_for_twice() -> None:
    desk = Desk()
    assert "once more" in desk.put("end")
    assert not list(desk.take())
    assert desk.put("end") == "done"
    assert [command.kind for command in desk.take()] == ["end"]


def test_a_decision_that_is_none_is_not_taken() -> None:
    desk = Desk()
    for value in ("all", [1, "2"], [True], {"0": 1}, None, [0.5]):
        desk.decide("review", value)
    desk.decide("answer", 3)
    assert desk.decision("review") is None
    desk.decide("review", [1, 0])
    decision = desk.decision("review")
    assert decision is not None
    assert decision.value == [1, 0]


def test_a_port_that_is_taken_is_said(place: tuple[Desk, State, OperatorPage], screen: Screen) -> None:
    port = urlsplit(place[2].link).port
    assert port is not None
    with pytest.raises(InputError, match="is the port taken"):
        OperatorPage(Desk(), State(), screen, port=port).__enter__()


class Sitting:
    """A session that runs in a thread, and the page that belongs to it."""

    def __init__(self, study: Study, folder: Path, language: str = "en") -> None:
        self.desk, self.state, self.stop = Desk(language), State(), threading.Event()
        self.page = OperatorPage(self.desk, self.state, study.screen.screen())
        self.part = prepare_part(study, "P01", folder)
        self._thread = threading.Thread(target=self._record, daemon=True)
        self.failed: list[BaseException] = []

    def _record(self) -> None:
        try:
            record_part(
                self.part, realtime=True, keep_journal=False, headless=True, state=self.state, stop=self.stop,
                watch=self.page.watch, desk=self.desk,
            )  # fmt: skip
        except BaseException as error:
            self.failed.append(error)

    def __enter__(self) -> Sitting:
        self.page.__enter__()
        return self

    def begin(self) -> None:
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def __exit__(self, *what: object) -> None:
        self.stop.set()
        self._thread.join(20)
        self.page.__exit__(None, None, None)

    def session(self) -> Session:
        """Wait for the end."""
        self._thread.join(120)
        assert not self.failed, self.failed
        assert not self._thread.is_alive()
        return open_session(self.part.session)


def quick(path: Path) -> Study:
    """Read a study with few targets."""
    text = path.read_text().replace("points = 5", "points = [[0.5, 0.5], [0.2, 0.2]]")
    path.write_text(text.replace("points = 4", "points = [[0.4, 0.4]]"))
    return read_study(path)


@pytest.fixture
def sitting(make_study: MakeStudy, tmp_path: Path) -> Iterator[Sitting]:
    study = quick(make_study(pictures=4, duration=900, rate=300, extra="[rating]\n"))
    with Sitting(study, tmp_path / "out") as opened:
        yield opened


def see(tab: Any, expression: str) -> None:
    """Wait until the page shows something (its own policy forbids the browser's waiting for functions)."""
    until(lambda: tab.evaluate(expression))


COLLECT_PHASES = """() => {
    const phase = document.querySelector("#phase");
    window.phases = [];
    new MutationObserver(() => window.phases.push(phase.textContent)).observe(
        phase, {childList: true, characterData: true, subtree: true});
}"""


def skip_the_picture(tab: Any) -> bool:
    """Skip what is shown; a key that comes after the end of its picture skips nothing."""
    if tab.evaluate("document.querySelector('#phase').textContent === 'picture'"):
        tab.keyboard.press("s")
        see(tab, "document.querySelector('#phase').textContent !== 'picture'")
    return bool(tab.evaluate("document.querySelector('#trials').textContent.includes('skipped')"))


def violations(tab: Any) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab)
    return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found.response["violations"]]


def test_the_operator_decides_acts_and_notes_in_a_real_browser(sitting: Sitting, browser: Any) -> None:
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    faults: list[str] = []
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    tab.goto(sitting.page.link)
    until(lambda: sitting.desk.attended)
    sitting.begin()
    tab.wait_for_selector("#asked:not([hidden])")  # the calibration waits for the operator, not the participant
    see(tab, "document.querySelector('#question').textContent.includes('Calibration 1 of 3')")
    assert violations(tab) == []
    tab.click("text=Go on")
    see(tab, "document.querySelector('#phase').textContent === 'picture'")
    see(tab, "document.querySelector('#picture').naturalWidth > 0")
    tab.keyboard.press("p")
    see(tab, "document.querySelector('#phase').textContent === 'paused'")
    tab.fill("#note", "coughs, 咳嗽")
    tab.press("#note", "Enter")
    see(tab, "document.querySelector('#notices').textContent.includes('coughs')")
    see(tab, "document.querySelector('#rate').textContent.includes('Hz of 300 planned')")
    see(tab, "document.querySelector('#head').textContent.includes('mm away')")  # not while the simulated eyes blink
    see(tab, "document.querySelectorAll('#trials tr').length === 4")
    assert violations(tab) == []
    see(tab, "Number(document.body.dataset.hz) >= 10")
    tab.evaluate(COLLECT_PHASES)
    tab.evaluate("document.activeElement.blur()")
    tab.keyboard.press("p")
    see(tab, "document.querySelector('#trials').textContent.includes('good')")
    see(tab, "window.phases.includes('rating')")
    until(lambda: skip_the_picture(tab))
    tab.close()  # the session goes on
    session = sitting.session()
    texts = session.messages["text"].tolist()
    for words in ("the operator's page was opened", "the operator decided: review []", "pause (the operator)",
                  "note of the operator: coughs, 咳嗽", "the session goes on", "the operator: skip",
                  "the operator's page was closed"):  # fmt: skip
        assert words in texts
    skipped = [text for text in texts if text.startswith("picture") and text.endswith("was skipped by the operator")]
    assert skipped
    assert session.provenance["end"]["complete"] is True
    assert len(session.stimuli) == 4 - len(skipped)
    assert faults == []
    left = [trial.id for trial in sitting.part.trials if trial.id not in set(session.stimuli["image"])]
    assert len(left) == len(skipped)
    run = CliRunner().invoke(gazekit, ["study", "status", str(sitting.part.session.parent)])
    assert run.output == f"P01: at its end, skipped: {', '.join(left)}, 1 part, ended by the plan\n"
    later = prepare_part(sitting.part.sections, "P01", sitting.part.session.parent, resume=True)
    assert [step.id for step in later.steps] == [name for name in left for _ in range(2)]  # with its rating


@pytest.mark.parametrize("language", ["de", "ar"])
def test_the_page_speaks_the_languages_of_the_program(
    make_study: MakeStudy, tmp_path: Path, browser: Any, language: str
) -> None:
    words = catalogue(language)
    study = quick(make_study(pictures=2, duration=900, extra=""))
    with Sitting(study, tmp_path, language) as sitting:
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        faults: list[str] = []
        tab.on("pageerror", lambda error: faults.append(str(error)))
        tab.goto(sitting.page.link)
        until(lambda: sitting.desk.attended)
        sitting.begin()
        tab.wait_for_selector("#asked:not([hidden])")
        assert tab.evaluate("[document.documentElement.lang, document.documentElement.dir]") == [
            language, words.direction,
        ]  # fmt: skip
        assert words("operator.review", attempt=1, attempts=3) in tab.text_content("#question")
        assert violations(tab) == []
        tab.click(f"#answers >> text={words('operator.go_on')}")
        see(tab, f"document.querySelector('#phase').textContent === '{words('operator.phase_picture')}'")
        see(tab, "document.querySelector('#picture').naturalWidth > 0")
        tab.keyboard.press("p")
        see(tab, f"document.querySelector('#phase').textContent === '{words('operator.phase_paused')}'")
        shown = tab.inner_text("header") + tab.inner_text("main")
        english = catalogue("en").section("operator")
        for name in ("sees", "now", "time_left", "actions", "drift_check", "write_down", "pictures_table", "verdict"):
            assert english[name] not in shown.replace(tab.inner_text("#notices"), "")
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert violations(tab) == []
        tab.screenshot(path=tmp_path / f"{language}.png")
        tab.close()
    assert faults == []


def test_every_text_of_the_page_is_in_the_catalogue_and_none_is_idle() -> None:
    folder = Path(operator_page.__file__).parent
    page, script = ((folder / name).read_text("utf-8") for name in ("page.html", "page.js"))
    loop = (folder.parent / "session_loop.py").read_text("utf-8")
    used = set(re.findall(r"{{(\w+)}}", page)) - {"lang", "direction", "texts"}
    used |= set(re.findall(r'say\((?:paused \? )?"(\w+)"', script)) | {"pause", "go_on"}
    used |= {f"ask_{name}" for name in re.findall(r'_confirm\("(\w+)"', loop)}
    used |= {"ask_calibrate", "ask_all_the_same", "ask_show_again", "ask_without", "ask_thin"}
    phases = set(re.findall(r'state\.phase = "([a-z ]+)"', loop)) | set(_SKIPPABLE) | {*_BUSY, "starting", "over"}
    used |= {f"phase_{name.lower().replace(' ', '_')}" for name in phases} | {"phase_writing_the_session_file"}
    used |= {"verdict_good", "verdict_thin", "verdict_skipped", "reply_done", "reply_ask_once_more_within_10_s"}
    assert used == set(catalogue("en").section("operator"))


def test_a_language_without_an_operators_place_is_refused(make_study: MakeStudy) -> None:
    command = ["record", str(make_study()), "-p", "P01", "--language", "de", "--dry-run"]
    run = CliRunner().invoke(gazekit, command)
    assert run.exit_code == 2
    assert "--given language=CODE" in run.output


def test_the_end_is_asked_for_in_the_page_and_the_session_can_be_resumed(
    make_study: MakeStudy, tmp_path: Path, browser: Any
) -> None:
    study = quick(make_study(pictures=2, duration=600_000, extra=""))  # shown until the operator ends it
    with Sitting(study, tmp_path / "out") as sitting:
        tab = browser.new_page()
        sitting.begin()
        until(lambda: sitting.state.phase == "picture")
        tab.goto(sitting.page.link)
        see(tab, "document.querySelector('#participant').textContent === 'P01'")
        tab.keyboard.press("e")
        tab.click("#sure-no")
        assert sitting.running
        tab.click("#end")
        tab.click("#sure-yes")
        session = sitting.session()
        tab.close()
        later = prepare_part(study, "P01", tmp_path / "out", resume=True)
    assert session.provenance["end"]["ended_by"] == "the operator"
    assert session.provenance["end"]["complete"] is False
    assert [step.id for step in later.steps] == [trial.id for trial in sitting.part.trials]


def test_repeat_calibrate_and_drift_check_are_done_and_written_down(make_study: MakeStudy, tmp_path: Path) -> None:
    study = quick(make_study(pictures=3, duration=600, extra=""))
    with Sitting(study, tmp_path) as sitting:
        sitting.begin()
        until(lambda: sitting.state.verdicts)
        sitting.desk.put("repeat")
        until(lambda: any("is shown again" in line for line in sitting.state.notices))
        sitting.desk.put("drift check")
        until(lambda: sitting.state.phase == "drift check")
        until(lambda: sitting.state.phase == "picture")
        sitting.desk.put("calibrate")
        session = sitting.session()
    assert len(session.calibrations) == 2
    assert len(session.validations) == 3
    assert len(session.stimuli) == 3
    assert np.isfinite(session.validations[1].table["trueness_deg"]).any()
    assert session.provenance["end"]["complete"] is True


def test_the_terminals_keys_are_the_same_wishes(screen: Screen) -> None:
    desk, state = Desk(), State()
    keys = TerminalKeys(desk, state)
    for key in "cdsrbpxe":
        keys.feed(key)
    assert "once more" in keys.lines()[-1]
    keys.feed("e")
    kinds = [command.kind for command in desk.take()]
    assert kinds == ["calibrate", "drift check", "skip", "repeat", "start", "pause", "end"]
    state.phase = "paused"
    for key in "pncouh\x7fghs\n":
        keys.feed(key)
    assert [(command.kind, command.text) for command in desk.take()] == [("go on", ""), ("note", "coughs")]


def test_the_terminal_decides_on_calibrations_and_questions(screen: Screen) -> None:
    desk = Desk()
    keys = TerminalKeys(desk, State())
    desk.publish_question("Worse than 1 deg.", {"r": "again", "c": "go on"})
    assert keys.lines() == ["Worse than 1 deg.", "r again  c go on"]
    keys.feed("x")
    keys.feed("c")
    decision = desk.decision("answer")
    assert decision is not None
    assert decision.value == "c"
    desk.withdraw()
    errors = [{"x": 0.5, "y": 0.5, "eye": "left", "dx": 0.0, "dy": 0.0, "error_deg": 0.31, "samples": 9}]
    desk.publish_review(Review(1, 3, [(0.5, 0.5), (0.1, 0.1)], [1], errors))
    assert keys.lines()[1:3] == [" 1: left 0.31", "*2: "]
    for key in "19 ":
        keys.feed(key)
    decision = desk.decision("review")
    assert decision is not None
    assert decision.value == [0, 1]


def test_a_note_that_is_given_up_is_not_written_down(screen: Screen) -> None:
    desk = Desk()
    keys = TerminalKeys(desk, State())
    for key in "nhead\0":
        keys.feed(key)
    assert keys.lines() == ["note: head▏  (Enter: write down)"]
    keys.feed("\x1b")
    assert keys.lines()[0].startswith("c calibrate")
    assert not list(desk.take())


def test_all_points_are_done_again_by_one_key(screen: Screen) -> None:
    desk = Desk()
    keys = TerminalKeys(desk, State())
    desk.publish_review(Review(1, 3, [(0.5, 0.5), (0.1, 0.1)], [], []))
    desk.decide("answer", "r")  # of a question that is no longer there
    for key in "9r":
        keys.feed(key)
    decision = desk.decision("review")
    assert decision is not None
    assert decision.value == [0, 1]


def test_pages_that_open_beside_another_are_no_news() -> None:
    desk = Desk()
    for number in (1, 2, 1, 0, 0):
        desk.pages(number)
    assert [(command.kind, command.text) for command in desk.take()] == [("page", "opened"), ("page", "closed")]
    assert desk.attended, "a page that is loaded again is waited for"


def test_keys_of_a_windows_console_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = list("né")
    console = SimpleNamespace(kbhit=lambda: bool(typed), getwch=lambda: typed.pop(0))
    monkeypatch.setitem(sys.modules, "msvcrt", console)  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "platform", "win32")
    with keys_one_by_one() as keys:
        assert list(itertools.islice(keys, 3)) == ["n", "é", ""]


def test_keys_of_a_terminal_are_read_until_the_session_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    desk, waiting = Desk(), queue.SimpleQueue[str]()

    @contextlib.contextmanager
    def typed() -> Iterator[Iterator[str]]:
        yield iter(waiting.get, None)

    monkeypatch.setattr("gazekit.capture.terminal_keys.keys_one_by_one", typed)
    with TerminalKeys(desk, State()):
        assert desk.attended
        for key in ("", "s"):
            waiting.put(key)
        assert [command.kind for command in until(lambda: list(desk.take()))] == ["skip"]
    waiting.put("s")
    until(waiting.empty)
    time.sleep(0.01)
    assert not list(desk.take())
    assert not desk.terminal


def test_keys_of_a_real_terminal_come_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pty = pytest.importorskip("pty", reason="a terminal of Linux or macOS")
    master, slave = pty.openpty()
    with os.fdopen(slave, "r") as terminal, _closed(master):
        monkeypatch.setattr("sys.stdin", terminal)
        with keys_one_by_one() as keys:
            os.write(master, "ee咳".encode())
            typed = [key for key in itertools.islice(keys, 12) if key]
    assert typed == ["e", "e", "咳"]


def test_the_operator_at_a_terminal_decides_on_accuracy_and_thin_trials(make_study: MakeStudy, tmp_path: Path) -> None:
    """Worse than the gate: once more, then go on all the same; a drift check that fails calibrates again."""
    path = make_study(pictures=2, duration=400)
    path.write_text(path.read_text().replace("[validation]", "[validation]\ngate_deg = 0.1\ndrift_check_deg = 0.1"))
    sitting = Sitting(quick(path), tmp_path / "out")
    keys, answers = TerminalKeys(sitting.desk, sitting.state), iter("rc")
    sitting.desk.terminal = True
    with sitting:
        sitting.begin()
        until(lambda: _decided(sitting, keys, answers) or sitting.state.phase == "picture")
        sitting.desk.put("drift check")
        until(lambda: _decided(sitting, keys, itertools.repeat("c")) or not sitting.running)
        session = sitting.session()
    texts = session.messages["text"].tolist()
    assert texts.count("the experimenter went on although the validation did not pass the gate") >= 1
    assert "the operator decided: answer r" in texts
    assert "the operator decided: answer c" in texts
    assert any(text.startswith("drift check: worse than 0.1 deg; calibrating again") for text in texts)
    assert len(session.calibrations) >= 3
    assert len(session.stimuli) == 2


def _decided(sitting: Sitting, keys: TerminalKeys, answers: Iterator[str]) -> None:
    """Go on behind each calibration, and answer each question with the next key."""
    if sitting.desk.review is not None:
        keys.feed(" ")
    elif sitting.desk.question is not None:
        keys.feed(next(answers))
        until(lambda: sitting.desk.question is None)


def test_a_session_is_led_from_a_real_terminal(make_study: MakeStudy, tmp_path: Path) -> None:
    """Keys come from the terminal, in which the view is drawn; there the end is asked for twice."""
    pty = pytest.importorskip("pty", reason="a terminal of Linux or macOS")
    path = make_study(pictures=2, duration=60_000)
    path.write_text(path.read_text().replace("points = 5", "points = 0").replace("points = 4", "points = 0"))
    command = [sys.executable, "-m", "gazekit", "record", str(path), "-p", "P01", "-o", str(tmp_path / "out")]
    master, slave = pty.openpty()
    shown: list[bytes] = []
    with _closed(master):
        process = subprocess.Popen(
            [*command, "--headless", "--operator-keys", "--json"], stdin=slave, stdout=subprocess.PIPE, stderr=slave,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
        )  # fmt: skip
        os.close(slave)
        threading.Thread(target=_read_all, args=(master, shown), daemon=True).start()
        until(lambda: b"e end (twice)" in b"".join(shown) and b"picture" in b"".join(shown))
        os.write(master, b"nlights\ree")
        out, _ = process.communicate(timeout=600)
    assert process.returncode == 0, b"".join(shown).decode()
    assert json.loads(out)["session"].endswith("P01.gaze.h5")
    session = open_session(tmp_path / "out" / "P01.gaze.h5")
    assert session.provenance["end"]["ended_by"] == "the operator"
    assert any("lights" in text for text in session.messages["text"])


def _read_all(number: int, shown: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # the terminal's other side is closed
        while content := os.read(number, 65536):
            shown.append(content)


@contextlib.contextmanager
def _closed(number: int) -> Iterator[None]:
    try:
        yield
    finally:
        os.close(number)
