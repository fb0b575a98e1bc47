"""Every page in every language: drawn, within the screen, nothing over anything else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pygame
import pytest

from gazekit.capture.display import PageContent
from gazekit.capture.fonts import font_faults
from gazekit.capture.head import HeadView
from gazekit.capture.item_pages import page_of
from gazekit.capture.items import Item
from gazekit.capture.look import Look
from gazekit.capture.pages import HeadPage, MarkPage, TextPages
from gazekit.core.messages import catalogue
from gazekit.screen import Placement
from tests.needs import need

SIZE = (1280, 1024)
GREY = (128, 128, 128)


@pytest.fixture
def surface() -> Iterator[pygame.Surface]:
    pygame.display.init()
    yield pygame.display.set_mode(SIZE)
    pygame.display.quit()


def drawn_at(surface: pygame.Surface) -> pygame.Rect:
    """Return where anything was drawn."""
    pixels = pygame.surfarray.array3d(surface)
    x, y = np.nonzero((pixels != GREY).any(axis=2))
    return pygame.Rect(x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1)


def items(words: str, labels: tuple[str, str]) -> list[Item]:
    many = tuple(f"{words} {n}" for n in range(12))
    return [
        Item("q", "scale", words, tuple(range(11)), {0: labels[0], 10: labels[1]}),
        Item("q", "scale", words, (-2, -1, 0, 1, 2), dict.fromkeys((-2, -1, 0, 1, 2), labels[0]), required=False),
        Item("q", "slider", words, labels={0: labels[0], 100: labels[1]}),
        Item("q", "choice", words, choices=many[:3], values=many[:3]),
        Item("q", "choices", words, choices=many, values=many, required=False),
        Item("q", "number", words, minimum=1, maximum=9),
        Item("q", "text", words, required=False),
    ]


@pytest.mark.once
@pytest.mark.parametrize("language", ["en", "ru", "zh", "ar", "hi"])
def test_every_page_is_drawn_within_the_screen(surface: pygame.Surface, language: str) -> None:
    words = catalogue(language)
    need(not font_faults("".join(words.texts.values())), "fonts-noto-core fonts-wqy-microhei")
    look = Look(words, 34)
    texts = words.section("session")
    pages = [page_of(surface, item, look) for item in items(texts["practice"], (texts["ready"], texts["required"]))]
    picture = pygame.Surface((900, 700))
    picture.fill((200, 40, 90))
    drawers = [
        *(page.draw for page in pages),
        TextPages(surface, [PageContent("\n\n".join(texts.values()))], look).draw,
        HeadPage(surface, look, lambda: HeadView(((-0.2, 0), (0.2, 0)), 0.4, "closer")).draw,
        MarkPage(surface, look, texts["mark"], picture, Placement(190, 0, 900, 700), [(500, 300, 250)]).draw,
    ]
    for draw in drawers:
        surface.fill(GREY)
        draw()
        assert surface.get_rect().inflate(-4, 0).contains(drawn_at(surface))
    for page in pages:
        boxes = list(page._buttons().values())
        controls = getattr(page, "boxes", [getattr(page, "line", getattr(page, "field", None))])
        boxes += list(controls.values() if isinstance(controls, dict) else controls)
        assert all(not box.colliderect(other) for n, box in enumerate(boxes) for other in boxes[:n])
