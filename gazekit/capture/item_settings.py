"""What can be asked: the sections ``[rating]``, ``[[answers]]`` and ``[[questions]]`` of a study file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from gazekit.core.config import Section
from gazekit.core.messages import Text

Kind = Literal["scale", "slider", "choice", "choices", "number", "text"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
MOST_STEPS = 11


class ItemSection(Section):
    """Something that is asked, and how it is answered."""

    name: Name
    text: Text
    kind: Kind = "scale"
    low: int = 1  # the lowest step of a scale
    high: int = 10
    labels: dict[int, Text] = {}  # words under steps of a scale; of a slider, at 0 and 100
    choices: list[Text] = []
    minimum: float | None = None  # the lowest number that is taken
    maximum: float | None = None
    longest: int = Field(default=500, ge=1, le=5000)  # characters of a free text
    required: bool = True

    @field_validator("labels", mode="before")
    @classmethod
    def _whole_keys(cls, value: object) -> object:
        """Turn the keys of a TOML table into whole numbers."""
        if not isinstance(value, dict):
            return value
        return {int(key) if str(key).lstrip("-").isdigit() else key: words for key, words in value.items()}

    @model_validator(mode="after")
    def _fits_its_kind(self) -> ItemSection:
        if self.kind == "scale" and not 2 <= self.high - self.low + 1 <= MOST_STEPS:
            raise ValueError(f"{self.name!r}: a scale has 2 to {MOST_STEPS} steps, low to high; else kind = 'slider'")
        allowed = {"scale": range(self.low, self.high + 1), "slider": (0, 100)}.get(self.kind, ())
        if wrong := [step for step in self.labels if step not in allowed]:
            raise ValueError(f"{self.name!r}: labels of {wrong}, which are no steps of this {self.kind}")
        if (self.kind in ("choice", "choices")) != bool(self.choices):
            raise ValueError(f"{self.name!r}: kinds 'choice' and 'choices' need choices, and only those have them")
        if self.choices and not 2 <= len(self.choices) <= 20:
            raise ValueError(f"{self.name!r}: 2 to 20 choices, found {len(self.choices)}")
        if len(set(map(str, self.choices))) < len(self.choices):
            raise ValueError(f"{self.name!r}: a choice stands twice in {self.choices}")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"{self.name!r}: minimum {self.minimum:g} is above maximum {self.maximum:g}")
        return self


class AnswerSection(ItemSection):
    """``[[answers]]``: one of several things that are asked about each picture."""

    when: Literal["before", "after", "while"] = "after"  # the picture is shown

    @field_validator("name")
    @classmethod
    def _no_time(cls, value: str) -> str:
        if value.endswith("_ms"):
            raise ValueError(f"{value!r}: names that end in _ms are those of the times that answers took")
        return value


class QuestionSection(ItemSection):
    """``[[questions]]``: a question that is asked once, before or after the pictures."""

    kind: Kind = "choice"
    when: Literal["before", "after"] = "after"


class RatingSection(Section):
    """``[rating]``: one score after each picture, by keys or mouse; `[[answers]]` asks more."""

    question: Text = "How beautiful is this picture?"
    low: int = Field(default=1, ge=0)
    high: int = Field(default=10, le=10)
    low_label: Text = "not at all"
    high_label: Text = "very"

    @model_validator(mode="after")
    def _range(self) -> RatingSection:
        if not 2 <= self.high - self.low + 1 <= MOST_STEPS:
            raise ValueError(f"low to high must be 2 to {MOST_STEPS} scores")
        return self

    def as_answer(self) -> AnswerSection:
        """Return the same as one of several answers."""
        return AnswerSection(
            name="rating",
            text=self.question,
            low=self.low,
            high=self.high,
            labels={self.low: self.low_label, self.high: self.high_label},
        )
