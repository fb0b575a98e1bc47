"""Pages beside the pictures: texts, the head, practice, the interview; in the participant's language."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pygame
import pytest
from click.testing import CliRunner

from gazekit.capture import fonts
from gazekit.capture.display import PageContent
from gazekit.capture.fonts import font_faults
from gazekit.capture.head import head_view
from gazekit.capture.interview import own_scanpath
from gazekit.capture.look import Look, look_of
from gazekit.capture.pages import MarkPage, TextPages
from gazekit.capture.session_loop import State
from gazekit.capture.session_setup import prepare_part, record_part
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.capture.text_layout import TextStyle, line_width, text_picture, wrapped
from gazekit.capture.window import Window
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError
from gazekit.screen import Placement, Screen
from gazekit.session import Session, open_session
from gazekit.session.samples import empty_samples
from gazekit.study import Study, check_study, read_study
from tests.fixtures.session_study import MakeStudy, write_pictures
from tests.needs import need

UNDRAWABLE = "\U0010fffd"  # of the private use area: no font has it


def record_for(study: Study, participant: str, folder: Path, **given: str) -> Session:
    part = prepare_part(study, participant, folder, given=given)
    recovered = record_part(
        part, realtime=False, keep_journal=False, headless=True, state=State(), stop=threading.Event()
    )
    return open_session(recovered.session)


@pytest.fixture
def surface(make_study: MakeStudy) -> Iterator[pygame.Surface]:
    study = read_study(make_study())
    window = Window(study, SimulatedTracker(study.screen.screen(), 1))
    yield pygame.display.get_surface()
    window.close()


@pytest.fixture
def look(make_study: MakeStudy) -> Look:
    return look_of(read_study(make_study()))


def press(code: int, character: str = "") -> pygame.event.Event:
    return pygame.event.Event(pygame.KEYDOWN, key=code, unicode=character)


def mouse(kind: int, place: tuple[int, int]) -> pygame.event.Event:
    return pygame.event.Event(kind, button=1, pos=place, buttons=(1, 0, 0))


def test_pages_go_on_and_back(surface: pygame.Surface, look: Look) -> None:
    pages = TextPages(surface, [PageContent("one"), PageContent("two"), PageContent("three", button="Start")], look)
    right, left, space = press(pygame.K_RIGHT), press(pygame.K_LEFT), press(pygame.K_SPACE, " ")
    for event, number in ((left, 0), (space, 1), (right, 2), (left, 1), (right, 2), (right, 2)):
        pages.draw()
        assert pages.take(event) is None
        assert pages._number == number
    back = pages._buttons()["back"].center
    assert pages.take(mouse(pygame.MOUSEBUTTONDOWN, back)) is None
    pages.take(space)
    assert pages.take(press(pygame.K_RETURN)) is True


def test_a_text_that_is_too_long_for_its_page_is_made_smaller(surface: pygame.Surface, look: Look) -> None:
    pages = TextPages(surface, [PageContent("many words " * 200)], look)
    scale = pages._scale("many words " * 200, 900, 600)
    assert 0.3 < scale < 1
    pages.draw()


@pytest.mark.parametrize(
    ("shift", "advice"),
    [
        ((0, 0, 0), "good"),
        ((100, 0, 0), "left"),
        ((-100, 0, 0), "right"),
        ((0, 120, 0), "down"),
        ((0, -120, 0), "up"),
        ((0, 0, 90), "closer"),
        ((0, 0, -90), "farther"),
        ((70, 0, 200), "closer"),
        ((np.nan, 0, 0), "unseen"),
    ],
)
def test_the_head_page_says_what_to_do(screen: Screen, shift: tuple[float, float, float], advice: str) -> None:
    rows = empty_samples(1)
    for side, eye in (("left", -31.5), ("right", 31.5)):
        rows[f"{side}_origin_mm"] = np.array([eye, screen.height_mm / 2, screen.distance_mm]) + shift
    assert head_view(rows, None, screen).advice == advice


def test_words_wrap_and_lines_of_scripts_without_spaces_too() -> None:
    style = TextStyle(size_px=24)
    lines = wrapped("one two three four five six seven\n\neight", style, 160)
    assert " ".join(lines[:-2]) == "one two three four five six seven"
    assert lines[-2:] == ["", "eight"]
    assert all(line_width(line, style) <= 160 for line in lines)
    need(not font_faults("中"), "a font with Chinese letters: fonts-wqy-microhei")
    chinese = wrapped("这张图片有多美。" * 6, style, 160)
    assert "".join(chinese) == "这张图片有多美。" * 6
    assert all(line_width(line, style) <= 190 and not line.startswith("。") for line in chinese)


@pytest.mark.parametrize(
    ("text", "direction"),
    [("beauty Ж λ", "ltr"), ("ما مدى جمال هذه الصورة؟", "rtl"), ("כמה יפה התמונה?", "rtl"), ("क्षत्रिय सुंदर", "ltr"),
     ("美しい 사진 图片", "ltr")],
    ids=["european", "arabic", "hebrew", "devanagari", "cjk"],
)  # fmt: skip
def test_every_script_is_drawn_and_shaped(text: str, direction: str) -> None:
    need(not font_faults(text), "fonts of all scripts: fonts-noto-core fonts-wqy-microhei")
    style = TextStyle(size_px=40, direction=direction)  # type: ignore[arg-type]
    whole = text_picture(text, style, 900)
    assert 40 < whole[..., 3].any(axis=0).sum() < 900
    word = max(text.split(), key=len)
    apart = sum(line_width(letter, style) for letter in word)
    if (direction == "rtl" and "ا" in text) or "क्ष" in text:
        assert line_width(word, style) < 0.95 * apart  # letters join


def test_arabic_runs_from_the_right() -> None:
    need(not font_faults("اب"), "a font with Arabic letters: fonts-noto-core")
    style = TextStyle(size_px=60, direction="rtl", align="start")
    alone, line = text_picture("اا", style, 600)[..., 3], text_picture("اا بببببب", style, 600)[..., 3]
    width = alone.any(axis=0).sum()
    tall = (line > 0).sum(axis=0)  # alif is tall and stands first: at the right
    assert tall[-width:].max() > 1.5 * tall[: line.shape[1] // 2].max()


def test_mixed_directions_of_several_fonts_are_put_in_order() -> None:
    need(not font_faults("اب中"), "fonts with Arabic and Chinese letters")
    from gazekit.capture.text_layout import _pieces

    pieces = _pieces("سلام 中文 سلام", TextStyle(direction="rtl"))
    assert [way for _, _, way in pieces] == ["rtl", "ltr", "rtl"]
    assert "中文" in pieces[1][0]


@pytest.mark.parametrize(
    ("platform", "folders"),
    [
        ("win32", ["C:/Windows/Fonts", "AppData/Local/Microsoft/Windows/Fonts"]),
        ("darwin", ["Library/Fonts", "/Library/Fonts", "/System/Library/Fonts"]),
        ("linux", [".fonts", ".local/share/fonts", "/usr/local/share/fonts", "/usr/share/fonts"]),
    ],
)
def test_fonts_are_looked_for_where_each_system_keeps_them(
    platform: str, folders: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("WINDIR", raising=False)
    found = [folder.as_posix() for folder in fonts._folders()]
    assert len(found) == len(folders)
    assert all(path.endswith(end) for path, end in zip(found, folders, strict=True))


def test_letters_that_join_need_a_pillow_that_joins_them(monkeypatch: pytest.MonkeyPatch) -> None:
    need(not font_faults("اب"), "a font with Arabic letters: fonts-noto-core")
    monkeypatch.setattr(fonts, "_shaping", lambda: False)
    (fault,) = font_faults("coral اب")
    assert fault.startswith("Arabic needs Raqm and FriBidi")
    assert "libfribidi0" in fault


def test_without_fontconfig_only_the_folders_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    fonts._by_fontconfig.cache_clear()
    assert fonts._by_fontconfig(0x1F41F) is None
    fonts._by_fontconfig.cache_clear()


def test_a_text_that_no_font_has_fails_study_check(make_study: MakeStudy) -> None:
    assert "no font of this machine has" in font_faults(f"coral {UNDRAWABLE}")[0]
    text = make_study(extra=f'[[pages]]\nplace = "start"\ntext = "coral {UNDRAWABLE}"\n')
    with pytest.raises(ConfigError, match=r"language 'en': no font of this machine has"):
        check_study(read_study(text))


def test_a_text_that_is_missing_in_a_language_fails_study_check(make_study: MakeStudy) -> None:
    path = make_study(
        extra='[[pages]]\ntext = {en = "Look."}\n[[answers]]\nname = "a"\ntext = "How?"\nlabels = {1 = {de = "x"}}\n'
    )
    path.write_text(path.read_text().replace("[study]", '[study]\nlanguages = ["en", "de"]'))
    with pytest.raises(ConfigError) as refusal:
        check_study(read_study(path))
    for words in (
        "(before) text: is missing in 'de'",
        "a text: 'How?' is in one language",
        "label 1: is missing in 'en'",
    ):
        assert words in str(refusal.value)


def test_the_programs_own_question_is_not_shown_in_another_language(make_study: MakeStudy) -> None:
    path = make_study(extra="[rating]\nlow_label = 'wenig'\nhigh_label = 'sehr'\n")
    path.write_text(path.read_text().replace("[study]", '[study]\nlanguages = ["de"]'))
    with pytest.raises(ConfigError, match=r"1 fault:\n  \[rating\] question: is not given"):
        check_study(read_study(path))


def test_font_size_colour_and_alignment_are_the_studys(make_study: MakeStudy, tmp_path: Path) -> None:
    from gazekit.capture.fonts import fonts_found

    path = make_study(extra='[text]\nsize_px = 50\ncolour = [20, 0, 0]\nalign = "end"\nwidth = 0.5\nfont = "own.ttf"\n')
    with pytest.raises(ConfigError, match=r"\[text\] font: no such file"):
        check_study(read_study(path))
    latin = fonts_found()["Latin"]
    need(latin, "a font: fonts-noto-core")
    assert latin is not None
    (path.parent / "own.ttf").write_bytes(latin.read_bytes())
    study = read_study(path)
    check_study(study)
    look = look_of(study)
    style = look.style((0, 0, 0), align=look.align)
    assert (style.size_px, style.colour, style.align, style.font) == (50, (20, 0, 0), "end", path.parent / "own.ttf")
    pixels = text_picture("wide wide wide\ni", style, 600)
    second = pixels[pixels.shape[0] // 2 :, :, 3].any(axis=0)
    assert np.flatnonzero(second).min() > pixels.shape[1] * 0.9  # at the end of the line
    assert (pixels[..., 0][pixels[..., 3] == 255] == 20).all()


PROTOCOL = """
[practice]
folder = "warm-up"
number = 2
[[pages]]
place = "start"
text = {en = "Welcome.", de = "Willkommen."}
[[pages]]
text = {en = "You will see pictures.", de = "Sie sehen Bilder."}
[[pages]]
place = "pictures"
standard = "ready"
[[pages]]
place = "after"
standard = "thanks"
[[answers]]
name = "beauty"
text = {en = "How beautiful?", de = "Wie schön?"}
[[questions]]
name = "age"
kind = "number"
text = {en = "How old are you?", de = "Wie alt sind Sie?"}
minimum = 18
maximum = 99
[interview]
pictures = 2
least = 1
"""


@pytest.fixture
def protocol(make_study: MakeStudy) -> Study:
    path = make_study(pictures=3, duration=1500, extra=PROTOCOL)
    path.write_text(
        path.read_text()
        .replace("[study]", '[study]\nlanguages = ["en", "de"]')
        .replace("[calibration]", "[calibration]\nhead_page = true")
    )
    write_pictures(path.parent / "warm-up", 3)
    return read_study(path)


def test_the_protocol_is_a_plan_of_steps_that_are_all_done(protocol: Study, tmp_path: Path) -> None:
    check_study(protocol)
    session = record_for(protocol, "P01", tmp_path, language="de")
    ledger = session.streams["ledger"]
    steps = [row.kind if row.kind.startswith(("pic", "ans")) else f"{row.kind} {row.id}" for row in ledger.itertuples()]
    assert steps[:7] == [
        "pages start", "pages before", "pages practice", "practice p0.png", "practice p1.png", "pages practice over",
        "pages pictures",
    ]  # fmt: skip
    assert steps[7:13] == ["picture", "answer beauty"] * 3
    assert steps[13] == "question age"
    assert [step.split()[0] for step in steps[14:]] == ["interview", "interview", "pages"]
    assert (ledger["done_us"] >= 0).all()
    assert session.stimuli["image"].is_unique
    assert len(session.stimuli) == 3
    assert session.provenance["parameters"]["assigned"]["language"] == "de"
    assert any(text.startswith("head: ") and "mm away" in text for text in session.messages["text"])


def test_practice_counts_nowhere_and_is_kept(protocol: Study, tmp_path: Path) -> None:
    session = record_for(protocol, "P01", tmp_path)
    practice = session.streams["practice"]
    assert practice["image"].tolist() == ["p0.png", "p1.png"]
    assert all(set(json.loads(answers)) == {"beauty"} for answers in practice["answers"])
    assert (practice["offset_us"] < session.stimuli["onset_us"].min()).all()


def test_marked_regions_are_in_picture_pixels(protocol: Study, tmp_path: Path) -> None:
    session = record_for(protocol, "P01", tmp_path)
    regions = session.streams["regions"]
    assert len(regions) == 2
    assert regions["word"].str.startswith("simulated place").all()
    for row in regions.itertuples():  # pictures are 80 x 60
        assert 0 <= row.x < row.x + row.width <= 80
        assert 0 <= row.y < row.y + row.height <= 60
        assert (row.width, row.height) == (pytest.approx(24), pytest.approx(18))
    areas, table = tmp_path / "areas.json", tmp_path / "fixations.csv"
    for command in (
        ["study", "regions", str(tmp_path), "--out", str(areas)],
        ["fixations", str(tmp_path / "P01.gaze.h5"), "--out", str(table)],
        ["aoi", str(table), str(areas), "--out", str(tmp_path / "aoi.csv")],
    ):
        run = CliRunner().invoke(gazekit, command)
        assert run.exit_code == 0, run.output
    named = json.loads(areas.read_text())
    assert set(named) == set(regions["image"])
    (corners,) = named[regions["image"][0]].values()
    assert corners[2] == pytest.approx([regions["x"][0] + 24, regions["y"][0] + 18])


def test_a_region_is_drawn_with_the_mouse_and_named(surface: pygame.Surface, look: Look) -> None:
    picture = pygame.Surface((800, 600))
    page = MarkPage(
        surface, look, "Mark.", picture, Placement(100, 50, 800, 600), [(300, 200, 250), (500, 300, 180)], 1
    )
    page.draw()
    assert "done" not in page._buttons()
    steps = [
        mouse(pygame.MOUSEBUTTONDOWN, (200, 150)), mouse(pygame.MOUSEMOTION, (300, 200)),
        mouse(pygame.MOUSEBUTTONUP, (1200, 250)), press(pygame.K_RETURN),
        pygame.event.Event(pygame.TEXTINPUT, text="珊瑚 reef"), press(pygame.K_BACKSPACE), press(pygame.K_RETURN),
    ]  # fmt: skip
    for event in steps:
        page.draw()
        assert page.take(event) is None
    (region,) = page.regions
    assert (region.x, region.y, region.width, region.height, region.word) == (200, 150, 700, 100, "珊瑚 ree")
    for event in (mouse(pygame.MOUSEBUTTONDOWN, (300, 300)), mouse(pygame.MOUSEBUTTONUP, (303, 302))):
        page.take(event)
    assert page._frame is None  # a click is no frame
    assert page.take(mouse(pygame.MOUSEBUTTONDOWN, page._buttons()["done"].center)) == [region]
    page.take(mouse(pygame.MOUSEBUTTONDOWN, page._buttons()["mark_undo"].center))
    assert page.regions == []


def test_the_own_scanpath_is_where_the_picture_is_now(protocol: Study, screen: Screen, tmp_path: Path) -> None:
    session = record_for(protocol, "P01", tmp_path)
    trial = session.trials()[0]
    was, now = trial.placement, Placement(400, 0, trial.placement.width / 2, trial.placement.height / 2)
    file = tmp_path / "P01.gaze.h5"
    path = own_scanpath(None, [file], trial.image, screen, (was, now))
    same = own_scanpath(None, [file], trial.image, screen, (was, was))
    assert len(path) == len(same) >= 2
    np.testing.assert_allclose([p[0] for p in path], [400 + (q[0] - was.x) / 2 for q in same])
    assert own_scanpath(None, [file], "nothing.png", screen, (was, now)) == []
