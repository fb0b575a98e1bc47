"""Pages that are no items: texts that go back and forth, the position of the head, regions that people mark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pygame

from gazekit.capture import drawing
from gazekit.capture.display import MarkedRegion, PageContent
from gazekit.capture.head import HeadView
from gazekit.capture.item_pages import arrow_of, is_click, is_enter
from gazekit.core.types import Pixels
from gazekit.pictures import read_picture
from gazekit.screen import Placement

if TYPE_CHECKING:
    from gazekit.capture.look import Look

_GOOD, _BAD = (40, 130, 60), (200, 60, 40)
_LEAST_PX = 8  # a frame that is narrower was a click


class TextPages:
    """Pages of text or pictures; space, Enter, arrows and buttons go on and back."""

    def __init__(self, surface: pygame.Surface, contents: Sequence[PageContent], look: Look) -> None:
        self._surface, self._contents, self._look = surface, contents, look
        self._number = 0
        self._pictures: dict[Path, pygame.Surface] = {}

    def draw(self) -> None:
        """Draw the page that is open."""
        content, area = self._contents[self._number], self._surface.get_rect()
        width = round(area.width * self._look.width)
        middle = area.centery - area.height // 14
        if content.picture is not None:
            picture = self._picture(content.picture, has_text=bool(content.text))
            top = area.height // 20 if content.text else (area.height - picture.get_height()) // 2 - area.height // 20
            self._surface.blit(picture, ((area.width - picture.get_width()) // 2, top))
            middle = (top + picture.get_height() + round(area.height * 0.84)) // 2
        if content.text:
            room = round(area.height * 0.8) if content.picture is None else 2 * (round(area.height * 0.83) - middle)
            scale = self._scale(content.text, width, room)
            place = (area.centerx, middle)
            drawing.write(
                self._surface, content.text, self._look, place, width=width, align=self._look.align, scale=scale
            )
        for name, box in self._buttons().items():
            words = content.button if name == "next" and content.button else self._look.words(f"session.{name}")
            drawing.button(self._surface, box, words, self._look, scale=0.85)

    def take(self, event: pygame.event.Event) -> bool | None:
        """Go on or back; return True after the last page."""
        boxes = self._buttons()
        way = arrow_of(event, from_right=self._look.from_right)
        space = event.type == pygame.KEYDOWN and event.unicode == " "
        if is_click(event, boxes["next"]) or is_enter(event) or space or way > 0:
            if self._number + 1 == len(self._contents):
                return True if not way else None  # an arrow too many begins nothing
            self._number += 1
        elif ("back" in boxes and is_click(event, boxes["back"])) or way < 0:
            self._number = max(0, self._number - 1)
        return None

    def _buttons(self) -> dict[str, pygame.Rect]:
        area = self._surface.get_rect()
        width, height = round(area.width * 0.16), round(self._look.size_px * 1.9)
        names = ["back", "next"] if self._number else ["next"]
        names = names[::-1] if self._look.from_right else names
        left = area.centerx - (len(names) * width + (len(names) - 1) * 30) // 2
        top = round(area.height * 0.87)
        return {name: pygame.Rect(left + n * (width + 30), top, width, height) for n, name in enumerate(names)}

    def _scale(self, text: str, width: int, room: int) -> float:
        """Make letters smaller where a text is too long for its page."""
        scale = 1.0
        while scale > 0.4:
            style = self._look.style(drawing.ink(self._surface), scale=scale)
            if drawing.as_surface(text, style, width).get_height() <= room:
                return scale
            scale -= 0.1
        return scale

    def _picture(self, path: Path, *, has_text: bool) -> pygame.Surface:
        if path not in self._pictures:
            area = self._surface.get_rect()
            room = (round(area.width * 0.9), round(area.height * (0.5 if has_text else 0.8)))
            self._pictures[path] = scaled_to(read_picture(path), room)
        return self._pictures[path]


def scaled_to(pixels: Pixels, room_wh: tuple[int, int]) -> pygame.Surface:
    """Make a surface of a picture, as large as fits."""
    height, width = pixels.shape[:2]
    scale = min(room_wh[0] / width, room_wh[1] / height)
    surface = pygame.image.frombuffer(pixels.tobytes(), (width, height), "RGB")
    return pygame.transform.smoothscale(surface, (max(1, round(width * scale)), max(1, round(height * scale))))


class HeadPage:
    """Where the head is, live: the eyes as in a mirror, their distance as a bar, and what to do about it."""

    def __init__(self, surface: pygame.Surface, look: Look, view: Callable[[], HeadView]) -> None:
        self._surface, self._look, self._view = surface, look, view

    def draw(self) -> None:
        """Draw the eyes, the zone and the advice."""
        area, view, words = self._surface.get_rect(), self._view(), self._look.words
        frame = pygame.Rect(0, 0, round(area.width * 0.4), round(area.height * 0.4))
        frame.center = (area.centerx, round(area.height * 0.45))
        colour = _GOOD if view.advice == "good" else _BAD
        drawing.write(
            self._surface, words("session.head_title"), self._look, (area.centerx, round(area.height * 0.13)),
            width=round(area.width * 0.85),
        )  # fmt: skip
        pygame.draw.rect(self._surface, colour, frame, width=6, border_radius=24)
        for x, y in view.eyes:
            at = round(frame.centerx + x * frame.width / 2), round(frame.centery - y * frame.height / 2)
            if frame.collidepoint(at):
                pygame.draw.circle(self._surface, (255, 255, 255), at, frame.height // 13)
                pygame.draw.circle(self._surface, (30, 30, 30), at, frame.height // 26)
        bar = pygame.Rect(frame.right + area.width // 30, frame.top, area.width // 60, frame.height)
        pygame.draw.rect(self._surface, (230, 230, 230), bar, border_radius=6)
        zone = bar.inflate(0, -round(bar.height * 0.6))
        pygame.draw.rect(self._surface, (150, 205, 160), zone)
        if view.distance is not None:
            y = round(bar.centery + max(-1.0, min(1.0, view.distance)) * bar.height / 2)
            pygame.draw.rect(self._surface, colour, (bar.left - 10, y - 5, bar.width + 20, 10), border_radius=4)
        advice = (area.centerx, round(area.height * 0.73))
        drawing.write(self._surface, words(f"session.head_{view.advice}"), self._look, advice, width=area.width)
        drawing.button(self._surface, self._button(), words("session.next"), self._look, scale=0.85)

    def take(self, event: pygame.event.Event) -> bool | None:
        """Return True where the participant goes on."""
        space = event.type == pygame.KEYDOWN and event.unicode == " "
        return True if is_click(event, self._button()) or is_enter(event) or space else None

    def _button(self) -> pygame.Rect:
        area = self._surface.get_rect()
        box = pygame.Rect(0, 0, round(area.width * 0.16), round(self._look.size_px * 1.9))
        box.center = (area.centerx, round(area.height * 0.88))
        return box


@dataclass
class MarkPage:
    """A picture, with the person's own scanpath or alone, on which frames are drawn and named."""

    surface: pygame.Surface
    look: Look
    text: str
    picture: pygame.Surface
    placement: Placement
    path: Sequence[tuple[float, float, float]] = ()  # x, y on the screen, duration ms
    least: int = 0
    regions: list[MarkedRegion] = field(default_factory=list)
    _corner: tuple[int, int] | None = None
    _pointer: tuple[int, int] = (0, 0)
    _frame: pygame.Rect | None = None  # that waits for its word
    _typed: str = ""

    def draw(self) -> None:
        """Draw the picture, the scanpath, the frames and the words."""
        area = self.surface.get_rect()
        place = self._place()
        self.surface.blit(self.picture, place)
        self._draw_path()
        for region in self.regions:
            box = pygame.Rect(round(region.x), round(region.y), round(region.width), round(region.height))
            self._draw_frame(box, region.word)
        if self._frame is not None:
            self._draw_frame(self._frame, f"{self.look.words('session.mark_word')} {self._typed}▏")
        elif self._corner is not None:
            pygame.draw.rect(self.surface, (255, 220, 0), _between(self._corner, self._pointer), width=3)
        below = (area.centerx, place.bottom + (round(area.height * 0.9) - place.bottom) // 2)
        drawing.write(self.surface, self.text, self.look, below, width=round(area.width * 0.94), scale=0.8)
        for name, box in self._buttons().items():
            drawing.button(self.surface, box, self.look.words(f"session.{name}"), self.look, scale=0.75)

    def take(self, event: pygame.event.Event) -> list[MarkedRegion] | None:
        """Draw frames, type words, undo; return the regions where the person is done."""
        if self._frame is not None:
            self._take_word(event)
            return None
        for name, box in self._buttons().items():
            if is_click(event, box):
                if name == "mark_undo":
                    self.regions = self.regions[:-1]
                    return None
                return self.regions
        if event.type == pygame.MOUSEBUTTONDOWN and event.button == 1 and self._place().collidepoint(event.pos):
            self._corner = self._pointer = event.pos
        elif event.type == pygame.MOUSEMOTION and self._corner is not None:
            self._pointer = event.pos
        elif event.type == pygame.MOUSEBUTTONUP and self._corner is not None:
            frame = _between(self._corner, event.pos).clip(self._place())
            self._corner = None
            if min(frame.size) >= _LEAST_PX:
                self._frame, self._typed = frame, ""
                pygame.key.start_text_input()
                pygame.key.set_text_input_rect(frame)
        return None

    def _take_word(self, event: pygame.event.Event) -> None:
        assert self._frame is not None
        if event.type == pygame.TEXTINPUT:
            self._typed = (self._typed + event.text)[:80]
        elif event.type == pygame.KEYDOWN and event.key == pygame.K_BACKSPACE:
            self._typed = self._typed[:-1]
        elif is_enter(event) and self._typed.strip():
            frame = self._frame
            self.regions = [
                *self.regions,
                MarkedRegion(frame.x, frame.y, frame.width, frame.height, self._typed.strip()),
            ]
            self._frame = None

    def _place(self) -> pygame.Rect:
        return self.picture.get_rect(topleft=(round(self.placement.x), round(self.placement.y)))

    def _draw_path(self) -> None:
        points = [(round(x), round(y)) for x, y, _ in self.path]
        if len(points) > 1:
            pygame.draw.lines(self.surface, (242, 193, 78), False, points, 3)
        for n, (point, (_, _, duration)) in enumerate(zip(points, self.path, strict=True)):
            radius = max(6, min(40, round((duration**0.5) * 1.1)))
            pygame.draw.circle(self.surface, (242, 193, 78), point, radius, width=4)
            if n == 0:
                pygame.draw.circle(self.surface, (200, 60, 40), point, 6)

    def _draw_frame(self, box: pygame.Rect, words: str) -> None:
        pygame.draw.rect(self.surface, (0, 0, 0), box.inflate(4, 4), width=5)
        pygame.draw.rect(self.surface, (255, 220, 0), box, width=3)
        image = drawing.as_surface(words, self.look.style((20, 20, 20), scale=0.7), max(220, box.width))
        where = image.get_rect(midtop=(box.centerx, box.bottom + 4)).clamp(self.surface.get_rect())
        pygame.draw.rect(self.surface, (255, 255, 235), where.inflate(10, 4), border_radius=4)
        self.surface.blit(image, where)

    def _buttons(self) -> dict[str, pygame.Rect]:
        area = self.surface.get_rect()
        names = (["mark_undo"] if self.regions else []) + (["done"] if len(self.regions) >= self.least else [])
        names = names[::-1] if self.look.from_right else names
        width, height = round(area.width * 0.15), round(self.look.size_px * 1.6)
        left = area.centerx - (len(names) * (width + 20) - 20) // 2
        return {
            name: pygame.Rect(left + n * (width + 20), round(area.height * 0.92), width, height)
            for n, name in enumerate(names)
        }


def _between(corner: tuple[int, int], other: tuple[int, int]) -> pygame.Rect:
    frame = pygame.Rect(corner, (other[0] - corner[0], other[1] - corner[1]))
    frame.normalize()
    return frame
