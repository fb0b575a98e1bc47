"""What is drawn on the participant's screen."""

from __future__ import annotations

import pandas as pd
import pygame

from gazekit.capture.settings import QuestionSection, RatingSection

_DARK, _LIGHT = (25, 25, 25), (235, 235, 235)
_PALE = (205, 205, 205)
_ACCENT = (200, 60, 40)
_LEFT = (20, 70, 140)
_LONGER = 5.0
Colour = tuple[int, int, int]


def ink(surface: pygame.Surface) -> Colour:
    """Return dark or light ink, whichever stands out more from the background (the colour of the corner; WCAG 2.2)."""
    here = _luminance(tuple(surface.get_at((0, 0)))[:3])
    contrasts = {
        colour: (max(here, _luminance(colour)) + 0.05) / (min(here, _luminance(colour)) + 0.05)
        for colour in (_DARK, _LIGHT)
    }
    return max(contrasts, key=lambda colour: contrasts[colour])


def _luminance(colour: tuple[int, ...]) -> float:
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (c / 255 for c in colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def cross(surface: pygame.Surface) -> None:
    """Draw a fixation cross in the middle."""
    x, y = surface.get_width() // 2, surface.get_height() // 2
    arm = max(8, surface.get_height() // 60)
    pygame.draw.line(surface, ink(surface), (x - arm, y), (x + arm, y), 3)
    pygame.draw.line(surface, ink(surface), (x, y - arm), (x, y + arm), 3)


def target(surface: pygame.Surface, x: float, y: float, size: float) -> None:
    """Draw a calibration target on the display area; ``size`` runs from 1 (large) to 0 (a point with a dark ring)."""
    centre = (round(x * surface.get_width()), round(y * surface.get_height()))
    least, most = surface.get_height() / 75, surface.get_height() / 22
    pygame.draw.circle(surface, ink(surface), centre, round(least + size * (most - least)))
    pygame.draw.circle(surface, _ACCENT, centre, max(2, round(least / 3.5)))


def patch(surface: pygame.Surface) -> None:
    """Draw a white square in the lower right corner, for a photodiode."""
    side = surface.get_height() // 20
    surface.fill((255, 255, 255), (surface.get_width() - side, surface.get_height() - side, side, side))


def alarm(surface: pygame.Surface, words: str) -> None:
    """Draw a red frame about the screen and lines of text."""
    text(surface, words)
    pygame.draw.rect(surface, _ACCENT, surface.get_rect(), width=surface.get_height() // 30)


def text(surface: pygame.Surface, words: str) -> None:
    """Draw lines of text about the middle."""
    font = _font(surface, 26)
    lines = words.split("\n")
    step = round(font.get_linesize() * 1.25)
    top = (surface.get_height() - step * len(lines)) // 2
    for n, line in enumerate(lines):
        _centred(surface, font, line, surface.get_width() // 2, top + n * step)


def scale_boxes(surface: pygame.Surface, n: int) -> list[pygame.Rect]:
    """Return where the scores of a scale are."""
    side = surface.get_height() // 14
    step = round(side * 1.35)
    left = (surface.get_width() - step * (n - 1) - side) // 2
    return [pygame.Rect(left + k * step, surface.get_height() // 2, side, side) for k in range(n)]


def scale(surface: pygame.Surface, section: RatingSection, boxes: list[pygame.Rect]) -> None:
    """Draw the question, the scores, the words at both ends."""
    font = _font(surface, 22)
    _centred(surface, font, section.question, surface.get_width() // 2, surface.get_height() // 3)
    for n, box in enumerate(boxes):
        _button(surface, font, str(section.low + n), box)
    below = boxes[0].bottom + font.get_linesize() // 2
    _centred(surface, font, section.low_label, boxes[0].centerx, below)
    _centred(surface, font, section.high_label, boxes[-1].centerx, below)


def choice_boxes(surface: pygame.Surface, n: int) -> list[pygame.Rect]:
    """Return where the choices of a question are."""
    height = surface.get_height() // 16
    step = round(height * 1.3)
    top = surface.get_height() // 2 - step * n // 2 + step
    width = surface.get_width() // 3
    return [pygame.Rect((surface.get_width() - width) // 2, top + k * step, width, height) for k in range(n)]


def choices(surface: pygame.Surface, section: QuestionSection, boxes: list[pygame.Rect]) -> None:
    """Draw the question and its choices."""
    font = _font(surface, 26)
    _centred(surface, font, section.text, surface.get_width() // 2, boxes[0].top - 3 * font.get_linesize())
    for n, (box, choice) in enumerate(zip(boxes, section.choices, strict=True)):
        _button(surface, font, f"{n + 1}   {choice}", box)


def target_boxes(surface: pygame.Surface, targets: list[tuple[float, float]]) -> list[pygame.Rect]:
    """Return where the targets of a calibration can be clicked."""
    side = surface.get_height() // 12
    width, height = surface.get_size()
    return [pygame.Rect(x * width - side / 2, y * height - side / 2, side, side) for x, y in targets]


def review(
    surface: pygame.Surface, errors: pd.DataFrame, targets: list[tuple[float, float]], chosen: set[int], title: str
) -> None:
    """Draw the error vectors of a calibration: blue the left eye, red the right; chosen points are framed.

    The vectors are five times as long as the errors; the numbers are degrees.
    """
    font, (width, height) = _font(surface, 30), surface.get_size()
    for row in errors.itertuples():
        if row.samples:
            colour = _LEFT if row.eye == "left" else _ACCENT
            start = row.x * width, row.y * height
            end = start[0] + _LONGER * row.dx * width, start[1] + _LONGER * row.dy * height
            pygame.draw.line(surface, colour, start, end, 3)
            side = -1 if row.eye == "left" else 1
            words = font.render(f"{row.error_deg:.2f}", True, colour)
            below = start[0] + side * words.get_width() * 0.7 - words.get_width() / 2, start[1] + font.get_height()
            surface.blit(words, below)
    for n, (box, point) in enumerate(zip(target_boxes(surface, targets), targets, strict=True)):
        pygame.draw.circle(surface, ink(surface), (point[0] * width, point[1] * height), 5)
        _centred(surface, font, str(n + 1), box.centerx, box.top - font.get_height() // 2)
        if n in chosen:
            pygame.draw.rect(surface, ink(surface), box, width=3)
    _centred(surface, font, title, width // 2, round(0.3 * height))


def _button(surface: pygame.Surface, font: pygame.font.Font, words: str, box: pygame.Rect) -> None:
    inside = box.collidepoint(pygame.mouse.get_pos())
    pygame.draw.rect(surface, (255, 255, 255) if inside else _PALE, box, border_radius=box.height // 5)
    pygame.draw.rect(surface, _DARK, box, width=2, border_radius=box.height // 5)
    _centred(surface, font, words, box.centerx, box.centery - font.get_height() // 2, _DARK)


def _centred(
    surface: pygame.Surface, font: pygame.font.Font, words: str, x: int, top: int, colour: Colour | None = None
) -> None:
    if words:
        image = font.render(words, True, colour or ink(surface))
        surface.blit(image, (x - image.get_width() // 2, top))


def _font(surface: pygame.Surface, share: int) -> pygame.font.Font:
    """Return a font whose height is one part in ``share`` of the screen's."""
    return pygame.font.Font(None, max(18, surface.get_height() // share))
