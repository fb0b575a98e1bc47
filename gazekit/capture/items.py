"""What is asked, in the participant's language, and what comes back; simulated people answer here too."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from gazekit.capture.item_settings import ItemSection, Kind
from gazekit.core.messages import text_in

SLIDER_TOP = 100
_ARABIC_TO_ASCII = {ord(a): str(n % 10) for n, a in enumerate("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९")} | {ord("٫"): "."}


@dataclass(frozen=True)
class Item:
    """Something that is asked of a participant; `choices` are what is read, `values` what is stored."""

    name: str
    kind: Kind
    text: str
    steps: tuple[int, ...] = ()
    labels: Mapping[int, str] | None = None
    choices: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    longest: int = 500
    required: bool = True


@dataclass(frozen=True)
class Given:
    """An answer: what, by what (key, mouse, touch), and when the question stood there and was answered."""

    answer: str
    by: str
    shown_us: int
    time_us: int


def item_in(section: ItemSection, language: str) -> Item:
    """Return what a section asks, in a language; choices are stored in the language that is named first."""
    return Item(
        name=section.name,
        kind=section.kind,
        text=text_in(section.text, language),
        steps=tuple(range(section.low, section.high + 1)) if section.kind == "scale" else (),
        labels={step: text_in(words, language) for step, words in section.labels.items()},
        choices=tuple(text_in(choice, language) for choice in section.choices),
        values=tuple(choice if isinstance(choice, str) else next(iter(choice.values())) for choice in section.choices),
        minimum=section.minimum,
        maximum=section.maximum,
        longest=section.longest,
        required=section.required,
    )


def several(values: list[str]) -> str:
    """Return several choices as one answer: a JSON list.

    Examples
    --------
    >>> several(["calm", "deep"])
    '["calm", "deep"]'
    """
    return json.dumps(values, ensure_ascii=False)


def read_number(typed: str, item: Item) -> float | None:
    """Read a number as people type it (comma or point, any digits); None where it is none, or out of range.

    Examples
    --------
    >>> item = Item("age", "number", "Age?", minimum=18, maximum=99)
    >>> read_number("27,5", item), read_number("٢٧", item), read_number("7", item)
    (27.5, 27.0, None)
    """
    try:
        number = float(typed.strip().translate(_ARABIC_TO_ASCII).replace(",", "."))
    except ValueError:
        return None
    low = -math.inf if item.minimum is None else item.minimum
    high = math.inf if item.maximum is None else item.maximum
    return number if math.isfinite(number) and low <= number <= high else None


def plain(number: float) -> str:
    """Write a number without an exponent, and whole ones without a point.

    Examples
    --------
    >>> plain(1234567.0), plain(27.5)
    ('1234567', '27.5')
    """
    return str(int(number)) if number.is_integer() else repr(number)


def simulated_answer(item: Item, rng: np.random.Generator) -> str:
    """Draw what a simulated person answers."""
    if item.kind == "scale":
        return str(item.steps[int(rng.integers(len(item.steps)))])
    if item.kind == "slider":
        return str(int(rng.integers(SLIDER_TOP + 1)))
    if item.kind == "choice":
        return item.values[int(rng.integers(len(item.values)))]
    if item.kind == "choices":
        return several([value for value in item.values if rng.random() < 0.5] or [item.values[0]])
    if item.kind == "number":
        low = 0.0 if item.minimum is None else item.minimum
        high = low + 100 if item.maximum is None else item.maximum
        return plain(float(low + round(float(rng.random()) * (high - low))))
    return f"simulated words {int(rng.integers(1000))}"[: item.longest]
