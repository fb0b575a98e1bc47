"""What is drawn on the participant's screen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pygame

from gazekit.capture.contrast import DARK, ink_on
from gazekit.capture.look import Look
from gazekit.capture.text_layout import Align, Colour, TextStyle, text_picture

_PALE = (205, 205, 205)
_ACCENT = (200, 60, 40)
_LEFT = (20, 70, 140)
_LONGER = 5.0
_LEAST_SCALE = 0.4  # of letters on a button


def ink(surface: pygame.Surface) -> Colour:
    """Return the ink that stands out more from the background (the colour of the corner)."""
    return ink_on(tuple(surface.get_at((0, 0)))[:3])


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


def alarm(surface: pygame.Surface, words: str, look: Look) -> None:
    """Draw a red frame about the screen and lines of text."""
    text(surface, words, look)
    pygame.draw.rect(surface, _ACCENT, surface.get_rect(), width=surface.get_height() // 30)


def text(surface: pygame.Surface, words: str, look: Look) -> None:
    """Draw lines of text about the middle."""
    write(surface, words, look, surface.get_rect().center, width=round(surface.get_width() * max(look.width, 0.8)))


def write(
    surface: pygame.Surface,
    words: str,
    look: Look,
    centre: tuple[int, int],
    *,
    width: int,
    colour: Colour | None = None,
    align: Align = "centre",
    scale: float = 1.0,
) -> pygame.Rect:
    """Draw a text about a point, wrapped to a width; return where it is."""
    image = as_surface(words, look.style(colour or ink(surface), align=align, scale=scale), width)
    where = image.get_rect(center=centre)
    surface.blit(image, where)
    return where


def as_surface(words: str, style: TextStyle, width: int) -> pygame.Surface:
    """Lay a text out, and make a surface of it."""
    try:
        pixels = text_picture(words, style, max(1, width)) if words else np.zeros((1, 1, 4), dtype=np.uint8)
    except LookupError:  # somebody typed a letter that no font has: it is kept, and cannot be shown
        plain = "".join(letter if letter.isascii() else "?" for letter in words)
        pixels = text_picture(plain, style, max(1, width))
    return pygame.image.frombuffer(np.ascontiguousarray(pixels).tobytes(), pixels.shape[1::-1], "RGBA")


def button(
    surface: pygame.Surface, box: pygame.Rect, words: str, look: Look, *, chosen: bool = False, scale: float = 1.0
) -> None:
    """Draw a button; it is light under the pointer, and has a thick frame where it is chosen."""
    inside = box.collidepoint(pygame.mouse.get_pos())
    pygame.draw.rect(surface, (255, 255, 255) if inside or chosen else _PALE, box, border_radius=box.height // 5)
    pygame.draw.rect(surface, DARK, box, width=5 if chosen else 2, border_radius=box.height // 5)
    if words:
        image = as_surface(words, replace(look.style(DARK, scale=scale), colour=DARK), box.width - 12)
        while image.get_height() > box.height - 4 and scale > _LEAST_SCALE:  # smaller, until it fits
            scale *= 0.92
            image = as_surface(words, replace(look.style(DARK, scale=scale), colour=DARK), box.width - 12)
        surface.blit(image, image.get_rect(center=box.center))


def target_boxes(surface: pygame.Surface, targets: list[tuple[float, float]]) -> list[pygame.Rect]:
    """Return where the targets of a calibration can be clicked."""
    side = surface.get_height() // 12
    width, height = surface.get_size()
    return [pygame.Rect(x * width - side / 2, y * height - side / 2, side, side) for x, y in targets]


def review(
    surface: pygame.Surface,
    errors: pd.DataFrame,
    targets: list[tuple[float, float]],
    chosen: set[int],
    title: str,
    look: Look,
) -> None:
    """Draw the error vectors of a calibration: blue the left eye, red the right; chosen points are framed.

    The vectors are five times as long as the errors; the numbers are degrees.
    """
    width, height = surface.get_size()
    side_px = look.size_px
    for row in errors.itertuples():
        if row.samples:
            colour = _LEFT if row.eye == "left" else _ACCENT
            start = row.x * width, row.y * height
            end = start[0] + _LONGER * row.dx * width, start[1] + _LONGER * row.dy * height
            pygame.draw.line(surface, colour, start, end, 3)
            across = start[0] + (-1 if row.eye == "left" else 1) * 1.4 * side_px
            below = round(across), round(start[1] + 1.4 * side_px)
            write(surface, f"{row.error_deg:.2f}", look, below, width=width, colour=colour, scale=0.75)
    for n, (box, point) in enumerate(zip(target_boxes(surface, targets), targets, strict=True)):
        pygame.draw.circle(surface, ink(surface), (point[0] * width, point[1] * height), 5)
        write(surface, str(n + 1), look, (box.centerx, box.top), width=width, scale=0.75)
        if n in chosen:
            pygame.draw.rect(surface, ink(surface), box, width=3)
    write(surface, title, look, (width // 2, round(0.3 * height)), width=round(0.9 * width), scale=0.8)
