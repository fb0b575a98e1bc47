"""The survey's part of a study file: ``[survey]``, and what it reads of ``[study]`` and ``[pictures]``."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, StringConstraints, field_validator, model_validator

from gazekit.core.config import LanguageCode, Section, read_toml, validated
from gazekit.core.errors import ConfigError
from gazekit.core.messages import Text


class Question(Section):
    """``[[survey.questions]]``: something asked at the end."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    text: Text
    kind: Literal["choice", "number", "text"] = "text"
    choices: list[Text] = []
    required: bool = False
    minimum: float = 0.0  # the lowest number that is taken
    maximum: float | None = None

    @property
    def values(self) -> list[str]:
        """Return what is stored for each choice, whatever the language: its text in the first one given."""
        return [choice if isinstance(choice, str) else next(iter(choice.values())) for choice in self.choices]

    @model_validator(mode="after")
    def _choices_fit(self) -> Question:
        if (self.kind == "choice") != bool(self.choices):
            raise ValueError(f"question {self.name!r}: kind 'choice' needs choices, and only that kind has them")
        return self


class Scale(Section):
    """``[[survey.scales]]``: a question that is asked of every picture, where there are several."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    question: Text
    anchors: dict[int, Text] = {}  # words under scores; words under all of them make labelled categories
    slider: bool = False  # without a start value

    @field_validator("anchors", mode="before")
    @classmethod
    def _whole_keys(cls, value: Any) -> Any:
        return _whole_keys(value)


def _whole_keys(value: Any) -> Any:
    """Turn the keys of a TOML table into whole numbers."""
    return {int(k) if str(k).isdigit() else k: v for k, v in value.items()} if isinstance(value, dict) else value


class Codes(Section):
    """``[survey.codes]``: completion codes for those who are through, and for those who are not; empty: none."""

    complete: str = ""  # one for all; else each rater has one
    failed_checks: str = ""
    full: str = ""
    no_consent: str = ""
    screened_out: str = ""


Address = Annotated[str, StringConstraints(pattern=r"^[^@\s,<>]+@[^@\s,<>]+$")]


class Mail(Section):
    """``[survey.mail]``: who is written to when every picture has its ratings, and by which server.

    The password, where the server wants one, is in the environment: GAZEKIT_SMTP_PASSWORD.
    """

    to: list[Address] = Field(min_length=1)
    sender: Address | Literal[""] = ""  # else the first of those who are written to
    host: str = "localhost"
    port: int = Field(default=25, ge=1, le=65535)
    starttls: bool = False
    user: str = ""


Rule = Literal[
    "attention",
    "straight-lining",
    "too fast",
    "correlation",
    "bt500",
    "inconsistency",
    "duplicates",
    "repeats",
    "gold",
    "no input",
]


Words = Text | Literal[""]
Task = Literal["rate", "pairs", "best-worst"]


class SurveySection(Section):
    """``[survey]``: what is asked of whom, and how often.

    Texts that are left empty are the program's, in each of its languages (`gazekit.core.messages`).
    """

    title: Words = ""
    question: Words = ""
    scale: int = Field(default=10, ge=2, le=100)
    anchors: dict[int, Text] = {}
    scales: list[Scale] = []  # several questions of every picture, in the place of question and anchors
    task: Task = "rate"  # or pictures are compared: two (the better one) or set_size (the best and the worst one)
    set_size: int = Field(default=4, ge=3, le=9)  # of best-worst
    best: Words = ""  # the two questions of best-worst
    worst: Words = ""
    pairing: Literal["active", "random"] = "active"  # active: with pictures that are about as good, so far
    raters_per_picture: PositiveInt = 10
    stop_width: float | None = Field(default=None, gt=0)  # points: a picture whose interval is narrower has enough
    least: int = Field(default=8, ge=2)  # ratings before a picture may have enough
    pictures_per_rater: PositiveInt = 50
    practice: int = Field(default=2, ge=0, le=20)
    practice_folder: Path | None = None  # pictures for practice only; else some of the study's, which are not rated
    mail: Mail | None = None  # who is written to when every picture has its ratings
    webhook: str = ""  # address that is told when every picture has its ratings
    repeats: int = Field(default=3, ge=0)
    attention_checks: int = Field(default=2, ge=0)
    exposure_ms: int | None = Field(default=None, ge=20, le=60_000)  # how long a picture is shown; else all the time
    fixation_ms: int = Field(default=500, ge=0, le=10_000)  # a cross before a timed picture; a mask follows it
    traces: bool | None = None  # keep what pointer and keys do; not said: if the consent is the program's
    hold_minutes: float = Field(default=15.0, gt=0)
    consent: Words = ""
    consent_version: str = Field(default="1", min_length=1, max_length=30)
    instructions: Words = ""
    contact: str = ""
    questions: list[Question] = []
    completion_code: str = ""
    codes: Codes = Codes()
    return_url: str = ""
    gold: list[tuple[str, str]] = []  # pairs of pictures of known order, the better one first
    gold_pairs: int = Field(default=3, ge=0, le=20)  # of these that every rater is shown
    exclude_by: list[Rule] = []  # rules that leave a rater out while the survey runs, so that pictures open again
    starts_per_hour: PositiveInt = 600
    requests_per_minute: PositiveInt = 240

    @field_validator("anchors", mode="before")
    @classmethod
    def _whole_keys(cls, value: Any) -> Any:
        return _whole_keys(value)

    @property
    def asked(self) -> list[Scale]:
        """Return the questions that are asked of every picture; the first is the one that is monitored."""
        return self.scales or [Scale.model_construct(name="score", question=self.question, anchors=self.anchors)]

    @property
    def together(self) -> int:
        """Return how many pictures are shown at once."""
        return {"rate": 1, "pairs": 2, "best-worst": self.set_size}[self.task]

    @property
    def answers(self) -> int:
        """Return how many answers there are to choose from: the scale's scores, or the pictures that are compared."""
        return self.scale if self.task == "rate" else self.together

    @field_validator("return_url", "webhook")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value and not value.startswith(("https://", "http://")):
            raise ValueError("a web address that begins with https:// was expected")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> SurveySection:
        anchors = [self.anchors, *(scale.anchors for scale in self.scales)]
        beyond = [score for words in anchors for score in words if not 1 <= score <= self.scale]
        if beyond:
            raise ValueError(f"anchors {beyond} are not on the scale 1 to {self.scale}")
        if self.repeats >= self.pictures_per_rater:
            raise ValueError(f"repeats ({self.repeats}) must be fewer than pictures_per_rater")
        pairs = set(self.gold)
        unclear = [pair for pair in self.gold if pair[0] == pair[1] or pair[::-1] in pairs]
        if unclear:
            raise ValueError(f"gold pairs have one order, the better picture first; found {unclear[:5]}")
        if self.task != "rate":
            only_ratings = [name for name in ("scales", "stop_width", "exposure_ms") if getattr(self, name)]
            if only_ratings:
                raise ValueError(f"task {self.task!r} compares pictures; {', '.join(only_ratings)} are for task 'rate'")
        if self.stop_width is not None and self.least > self.raters_per_picture:
            raise ValueError(
                f"least ({self.least}) must not be more than raters_per_picture ({self.raters_per_picture})"
            )
        for names in ([q.name for q in self.questions], [scale.name for scale in self.scales]):
            if len(set(names)) != len(names):
                raise ValueError(f"each question needs a name of its own, found {names}")
        return self


class StudyName(Section):
    """``[study]`` as far as the survey reads it; other rooms may add keys."""

    model_config = {"extra": "ignore", "frozen": True}

    name: str = Field(min_length=1)
    seed: int = 0
    languages: list[LanguageCode] = Field(default=["en"], min_length=1)
    messages: Path | None = None


class PicturePlace(Section):
    """``[pictures]`` as far as the survey reads it: a folder, or a CSV list with the columns image and file."""

    model_config = {"extra": "ignore", "frozen": True}

    folder: Path | None = None
    list: Path | None = None


class SurveyStudy(Section):
    """A study file as the survey sees it: sections of other rooms are left alone."""

    model_config = {"extra": "ignore", "frozen": True}

    study: StudyName
    pictures: PicturePlace = PicturePlace()
    survey: SurveySection = SurveySection()


def read_study(path: str | Path) -> SurveyStudy:
    """Read the survey's part of a study file.

    Raises
    ------
    ConfigError
        There is no such file, it is not TOML, or it is wrong; the message lists every fault.
    """
    content = read_toml(path)
    for name in content:
        if name != "survey" and difflib.get_close_matches(name.lower(), ["survey"], cutoff=0.8):
            raise ConfigError(f"{path}: [{name}] is no section; did you mean [survey]?")
    return validated(SurveyStudy, content, path)
