"""What a participant answers on: a page for each kind of item, drawn and operated with keys, mouse or touch."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import pygame

from gazekit.capture import drawing
from gazekit.capture.items import SLIDER_TOP, Item, plain, read_number, several

if TYPE_CHECKING:
    from gazekit.capture.look import Look

_LINE = (60, 60, 60)
_WARN_S = 2.5
Taken = tuple[str, str]  # the answer, and by what it was given


class ItemPage(ABC):
    """An item in an area of the screen; `take` returns the answer once it is given.

    In a low area, below a picture, everything moves together.
    """

    def __init__(self, surface: pygame.Surface, item: Item, look: Look, area: pygame.Rect | None = None) -> None:
        self.surface, self.item, self.look = surface, item, look
        self.area = area or surface.get_rect()
        self.low = self.area.height < surface.get_height() // 2
        self.content = pygame.Rect(self.area)
        if self.low:  # at its right end are the buttons
            self.content.width = round(0.84 * self.area.width)
        self._warned_s = 0.0
        self._lay_out()

    @property
    def middle(self) -> int:
        """Where the controls are, from above."""
        return self.area.top + round(self.area.height * (0.55 if self.low else 0.5))

    @abstractmethod
    def _lay_out(self) -> None:
        """Decide where the controls are."""

    @abstractmethod
    def _draw_controls(self) -> None:
        """Draw what is answered with."""

    @abstractmethod
    def _take(self, event: pygame.event.Event) -> Taken | None:
        """Look at an event; return the answer once it is given."""

    def hint(self) -> str:
        """Return a sentence on how to answer."""
        return ""

    def draw(self) -> None:
        """Draw the item."""
        question_y = self.area.top + round(self.area.height * (0.15 if self.low else 0.28))
        width = round(self.content.width * 0.85)
        drawing.write(self.surface, self.item.text, self.look, (self.content.centerx, question_y), width=width)
        self._draw_controls()
        for name, box in self._buttons().items():
            drawing.button(self.surface, box, self.look.words(f"session.{name}"), self.look, scale=0.85)
        late = time.monotonic() - self._warned_s < _WARN_S
        words = self._warning() if late else self.hint()
        if words and not (self.low and not late):
            y = self.area.top + round(self.area.height * (0.93 if self.low else 0.7))
            drawing.write(self.surface, words, self.look, (self.content.centerx, y), width=width, scale=0.8)

    def take(self, event: pygame.event.Event) -> Taken | None:
        """Look at an event; return the answer and what it was given by, once it is given."""
        name = self._button_at(event)
        if name == "skip":
            return "", pointed_by(event)
        if name == "done" or is_enter(event):
            return self._finish(pointed_by(event) if name else "key")
        return self._take(event)

    def value(self) -> str | None:
        """Return the answer as it stands; None where there is none yet."""
        return None

    def _finish(self, by: str) -> Taken | None:
        value = self.value()
        if value is None and not self.item.required and not self._begun():
            return "", by
        if value is None:
            self._warned_s = time.monotonic()
            return None
        return value, by

    def _begun(self) -> bool:
        return False

    def _warning(self) -> str:
        return self.look.words("session.required")

    def _needs_done(self) -> bool:
        return True

    def _buttons(self) -> dict[str, pygame.Rect]:
        names = [name for name, there in (("skip", not self.item.required), ("done", self._needs_done())) if there]
        width, height = round(self.surface.get_width() * 0.14), round(self.look.size_px * 1.8)
        if self.low:  # at its right end, one above the other
            width = round(self.area.width * 0.14)
            left = self.area.right - width - 15
            return {
                name: pygame.Rect(left, self.area.bottom - (n + 1) * (height + 12), width, height)
                for n, name in enumerate(names)
            }
        top, step = self.area.top + round(self.area.height * 0.82), round(width * 1.2)
        names = names[::-1] if self.look.from_right else names
        left = self.area.centerx - (step * (len(names) - 1) + width) // 2
        return {name: pygame.Rect(left + n * step, top, width, height) for n, name in enumerate(names)}

    def _button_at(self, event: pygame.event.Event) -> str | None:
        return next((name for name, box in self._buttons().items() if is_click(event, box)), None)


class ScalePage(ItemPage):
    """A scale of steps: a click or a digit answers; the arrow keys mark a step that Enter answers."""

    def _lay_out(self) -> None:
        steps = self.item.steps
        self._marked: int | None = None
        side = min(self.surface.get_height() // 14, round(self.content.width * 0.7 / (1.35 * len(steps))))
        stride = round(side * (1.35 if len(steps) > 5 else 2.2))
        left = self.content.centerx - (stride * (len(steps) - 1) + side) // 2
        boxes = [pygame.Rect(left + n * stride, self.middle - side // 2, side, side) for n in range(len(steps))]
        self._stride = stride
        self.boxes = dict(zip(steps, reversed(boxes) if self.look.from_right else boxes, strict=True))
        ends = {str(step % 10): step for step in steps if 0 <= step <= 10}
        self._keys = ends if len(ends) == len(steps) else {str(step): step for step in steps if 0 <= step <= 9}

    def _draw_controls(self) -> None:
        labels = self.item.labels or {}
        every = len(labels) > 2
        for step, box in self.boxes.items():
            drawing.button(self.surface, box, str(step), self.look, chosen=step == self._marked)
            if labels.get(step):
                width = self._stride - 8 if every else 4 * self._stride
                below = (box.centerx, box.bottom + round(self.look.size_px * 1.1))
                drawing.write(self.surface, labels[step], self.look, below, width=width, scale=0.75)

    def _take(self, event: pygame.event.Event) -> Taken | None:
        for step, box in self.boxes.items():
            if is_click(event, box):
                return str(step), pointed_by(event)
        if (step_of_key := self._keys.get(character_of(event))) is not None:
            return str(step_of_key), "key"
        if (way := arrow_of(event, from_right=self.look.from_right)) != 0:
            steps = self.item.steps
            place = (len(steps) // 2 if self._marked is None else steps.index(self._marked)) + way
            self._marked = steps[max(0, min(len(steps) - 1, place))]
        return None

    def value(self) -> str | None:
        """Return the step that is marked."""
        return None if self._marked is None else str(self._marked)

    def _needs_done(self) -> bool:
        return False


class SliderPage(ItemPage):
    """A line from 0 to 100 without a start value: a click sets the mark, the arrow keys move it."""

    def _lay_out(self) -> None:
        self._value: int | None = None
        width = round(self.content.width * 0.55)
        self.line = pygame.Rect(self.content.centerx - width // 2, self.middle - 2, width, 5)

    def place_of(self, value: int) -> int:
        """Return where on the screen a value is, from the left."""
        share = value / SLIDER_TOP
        return round(self.line.left + self.line.width * (1 - share if self.look.from_right else share))

    def hint(self) -> str:
        """Say that the line is to be clicked."""
        return self.look.words("session.slider") if self._value is None else ""

    def _draw_controls(self) -> None:
        ink = drawing.ink(self.surface)
        pygame.draw.rect(self.surface, ink, self.line)
        for value in (0, SLIDER_TOP):
            x = self.place_of(value)
            pygame.draw.line(self.surface, ink, (x, self.line.top - 12), (x, self.line.bottom + 12), 3)
            if words := (self.item.labels or {}).get(value):
                below = (x, self.line.bottom + round(self.look.size_px * 1.2))
                drawing.write(self.surface, words, self.look, below, width=self.line.width // 2, scale=0.75)
        if self._value is not None:
            mark = pygame.Rect(0, 0, 14, round(self.look.size_px * 1.3))
            mark.center = (self.place_of(self._value), self.line.centery)
            pygame.draw.rect(self.surface, (255, 255, 255), mark, border_radius=5)
            pygame.draw.rect(self.surface, _LINE, mark, width=3, border_radius=5)

    def _take(self, event: pygame.event.Event) -> Taken | None:
        near = self.line.inflate(30, 2 * self.look.size_px)
        held = event.type == pygame.MOUSEMOTION and event.buttons[0] and self._value is not None
        if is_click(event, near) or (held and near.collidepoint(event.pos)):
            share = (event.pos[0] - self.line.left) / self.line.width
            share = 1 - share if self.look.from_right else share
            self._value = round(SLIDER_TOP * max(0.0, min(1.0, share)))
        elif character_of(event).isdecimal() and character_of(event).isascii():
            self._value = 10 * int(character_of(event))
        elif (way := arrow_of(event, from_right=self.look.from_right)) and self._value is not None:
            self._value = max(0, min(SLIDER_TOP, self._value + way))
        return None

    def value(self) -> str | None:
        """Return where the mark is."""
        return None if self._value is None else str(self._value)


class ChoicePage(ItemPage):
    """Choices, one of which is taken by digit or click."""

    one = True

    def _lay_out(self) -> None:
        n = len(self.item.choices)
        self.chosen: set[int] = set()
        if self.low:
            columns, width = n, round(self.content.width * 0.97 / n) - 10
        else:
            columns = 1 if n <= 9 else 2
            width = round(self.content.width * (0.5 if columns == 1 else 0.4))
        rows = -(-n // columns)
        room = 0.42 if not self.low else 0.4
        height = min(round(self.look.size_px * 1.9), round(self.area.height * room / rows) - 6)
        top = self.middle - (height + 8) * rows // 2 + (0 if self.low else round(self.area.height * 0.06))
        left = self.content.left + (self.content.width - columns * (width + 10)) // 2
        self.boxes = []
        for k in range(n):
            column, row = (k, 0) if self.low else divmod(k, rows)
            column = columns - 1 - column if self.look.from_right else column
            self.boxes.append(pygame.Rect(left + column * (width + 10), top + row * (height + 8), width, height))

    def hint(self) -> str:
        """Say how many may be chosen."""
        return "" if len(self.item.choices) > 5 else self.look.words("session.choose_one")

    def _draw_controls(self) -> None:
        for k, (box, choice) in enumerate(zip(self.boxes, self.item.choices, strict=True)):
            words = f"{k + 1}   {choice}" if len(self.item.choices) <= 9 else choice
            drawing.button(self.surface, box, words, self.look, chosen=k in self.chosen, scale=0.9)

    def _take(self, event: pygame.event.Event) -> Taken | None:
        key = character_of(event)
        hit = next((k for k, box in enumerate(self.boxes) if is_click(event, box)), None)
        by_key = int(key) - 1 if hit is None and key.isdecimal() and key.isascii() else None
        number = hit if hit is not None else by_key
        if number is None or not 0 <= number < len(self.boxes):
            return None
        return self._choose(number, pointed_by(event) if hit is not None else "key")

    def _choose(self, number: int, by: str) -> Taken | None:
        return self.item.values[number], by

    def _needs_done(self) -> bool:
        return False


class ChoicesPage(ChoicePage):
    """Choices, any number of which are taken."""

    def hint(self) -> str:
        """Say how many may be chosen."""
        return "" if len(self.item.choices) > 5 else self.look.words("session.choose_several")

    def value(self) -> str | None:
        """Return what is chosen, a JSON list."""
        return several([value for k, value in enumerate(self.item.values) if k in self.chosen]) if self.chosen else None

    def _choose(self, number: int, by: str) -> Taken | None:
        self.chosen ^= {number}
        return None

    def _needs_done(self) -> bool:
        return True


class TypedPage(ItemPage):
    """A number or a free text: typed, in any script and with the input method of the system."""

    def _lay_out(self) -> None:
        self.typed = self.composed = ""
        width = round(self.content.width * (0.25 if self.item.kind == "number" else 0.6))
        height = round(self.look.size_px * (1.8 if self.item.kind == "number" or self.low else 4.5))
        self.field = pygame.Rect(self.content.centerx - width // 2, self.middle - height // 2, width, height)
        pygame.key.start_text_input()
        pygame.key.set_text_input_rect(self.field)

    def hint(self) -> str:
        """Say what is to be typed."""
        words, item = self.look.words, self.item
        if item.kind == "text":
            return words("session.text")
        if item.minimum is None or item.maximum is None:
            return words("session.number_any")
        return words("session.number", low=f"{item.minimum:g}", high=f"{item.maximum:g}")

    def value(self) -> str | None:
        """Return what is typed, where it is what was asked for."""
        if self.item.kind == "text":
            return self.typed.strip() or None
        number = read_number(self.typed, self.item)
        return None if number is None else plain(number)

    def _begun(self) -> bool:
        return bool(self.typed.strip())

    def _warning(self) -> str:
        if self.item.kind == "number" and self._begun() and None not in (self.item.minimum, self.item.maximum):
            low, high = f"{self.item.minimum:g}", f"{self.item.maximum:g}"
            return self.look.words("session.not_a_number", low=low, high=high)
        return self.hint() if self._begun() else self.look.words("session.required")

    def _draw_controls(self) -> None:
        pygame.draw.rect(self.surface, (255, 255, 255), self.field, border_radius=6)
        pygame.draw.rect(self.surface, _LINE, self.field, width=2, border_radius=6)
        words = f"{self.typed}{self.composed}▏"
        style = self.look.style(_LINE, align="start")
        image = drawing.as_surface(words, style, self.field.width - 20)
        where = image.get_rect(midright=(self.field.right - 10, self.field.centery))
        if not self.look.from_right:
            where.left = self.field.left + 10
        self.surface.set_clip(self.field)
        self.surface.blit(image, where)
        self.surface.set_clip(None)

    def _take(self, event: pygame.event.Event) -> Taken | None:
        if event.type == pygame.TEXTINPUT:
            self.typed, self.composed = (self.typed + event.text)[: self.item.longest], ""
        elif event.type == pygame.TEXTEDITING:
            self.composed = event.text
        elif event.type == pygame.KEYDOWN and event.key == pygame.K_BACKSPACE and not self.composed:
            self.typed = self.typed[:-1]
        return None


_PAGES: dict[str, type[ItemPage]] = {
    "scale": ScalePage,
    "slider": SliderPage,
    "choice": ChoicePage,
    "choices": ChoicesPage,
    "number": TypedPage,
    "text": TypedPage,
}


def page_of(surface: pygame.Surface, item: Item, look: Look, area: pygame.Rect | None = None) -> ItemPage:
    """Make the page of an item."""
    return _PAGES[item.kind](surface, item, look, area)


def is_click(event: pygame.event.Event, box: pygame.Rect) -> bool:
    """Whether an event is a click or touch in a box."""
    return bool(event.type == pygame.MOUSEBUTTONDOWN and event.button == 1 and box.collidepoint(event.pos))


def pointed_by(event: pygame.event.Event) -> str:
    """Return mouse or touch."""
    return "touch" if getattr(event, "touch", False) else "mouse"


def is_enter(event: pygame.event.Event) -> bool:
    """Whether an event is Enter."""
    return bool(event.type == pygame.KEYDOWN and event.key in (pygame.K_RETURN, pygame.K_KP_ENTER))


def character_of(event: pygame.event.Event) -> str:
    """Return the character of a key, in small letters; empty for anything else."""
    return str(getattr(event, "unicode", "")).lower() if event.type == pygame.KEYDOWN else ""


def arrow_of(event: pygame.event.Event, *, from_right: bool) -> int:
    """Return 1 for the arrow towards higher values, -1 for the other, 0 for anything else."""
    if event.type != pygame.KEYDOWN or event.key not in (pygame.K_LEFT, pygame.K_RIGHT):
        return 0
    return 1 if (event.key == pygame.K_RIGHT) != from_right else -1
