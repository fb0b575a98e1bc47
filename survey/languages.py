"""The survey in the languages of its study: which one a participant reads, and every text in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gazekit.core.config import StudySection
from gazekit.core.messages import Catalogue, Text, catalogue, language_faults, text_faults, text_in
from survey.config import Question, Scale, StudyName, SurveySection


@dataclass(frozen=True)
class Spoken:
    """A survey in one language: the program's texts, and the settings with texts in that language only."""

    texts: Catalogue
    section: SurveySection


def spoken(section: SurveySection, language: str, folder: Path | None = None) -> Spoken:
    """Put a survey into a language; texts that the study leaves empty are the program's.

    Raises
    ------
    ConfigError
        A text of the study is not given in that language.
    """
    texts = catalogue(language, folder)
    task = {"rate": "", "pairs": "_pairs", "best-worst": "_best_worst"}[section.task]
    usual = {
        "title": "default_title",
        "question": "default_question_pairs" if section.task == "pairs" else "default_question",
        "best": "default_best",
        "worst": "default_worst",
        "consent": "default_consent",
        "instructions": f"default_instructions{task}",
    }
    words: dict[str, object] = {}
    for name, key in usual.items():
        given = getattr(section, name)
        words[name] = text_in(given, language) if given else texts(f"survey.{key}").strip()
    words["anchors"] = _words(section.anchors, language)
    words["scales"] = [_scale(scale, language) for scale in section.scales]
    words["questions"] = [_question(question, language) for question in section.questions]
    return Spoken(texts, section.model_copy(update=words))


def survey_faults(section: SurveySection, study: StudyName | StudySection, folder: Path | None = None) -> list[str]:
    """Say which texts of the program or of the study its languages lack, a line each."""
    faults = language_faults(study.languages, ["survey"], folder)
    for where, text in _texts(section):
        faults += text_faults(text, study.languages, where)
    return faults


def chosen_language(accepted: str, languages: Sequence[str]) -> str:
    """Choose a study's language by a browser's ``Accept-Language``; the first one where none is wanted.

    Examples
    --------
    >>> chosen_language("fr, de-AT;q=0.8, en;q=0.9", ["zh", "de", "en"])
    'en'
    >>> chosen_language("*", ["zh", "de"])
    'zh'
    """
    wanted: list[tuple[float, str]] = []
    for part in accepted[:500].split(","):
        tag, _, weight = part.strip().partition(";")
        quality = re.fullmatch(r"\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*", weight) if weight else None
        wanted.append((float(quality.group(1)) if quality else 0.0 if weight else 1.0, tag.strip().lower()))
    for quality_of_tag, tag in sorted(wanted, key=lambda pair: -pair[0]):
        for language in languages:
            same = tag == language.lower() or tag.split("-")[0] == language.lower().split("-")[0]
            if quality_of_tag > 0 and same:
                return language
    return languages[0]


def _words(texts: Mapping[int, Text], language: str) -> dict[int, str]:
    return {score: text_in(text, language) for score, text in texts.items()}


def _scale(scale: Scale, language: str) -> Scale:
    words = {"question": text_in(scale.question, language), "anchors": _words(scale.anchors, language)}
    return scale.model_copy(update=words)


def _question(question: Question, language: str) -> Question:
    choices = [text_in(choice, language) for choice in question.choices]
    return question.model_copy(update={"text": text_in(question.text, language), "choices": choices})


def _texts(section: SurveySection) -> Iterator[tuple[str, Text]]:
    """Go through the study's texts, with the place of each in the file."""
    for name in ("title", "question", "best", "worst", "consent", "instructions"):
        if getattr(section, name):
            yield f"[survey] {name}", getattr(section, name)
    for score, text in section.anchors.items():
        yield f"[survey] anchors {score}", text
    for scale in section.scales:
        yield f"[[survey.scales]] {scale.name} question", scale.question
        for score, text in scale.anchors.items():
            yield f"[[survey.scales]] {scale.name} anchors {score}", text
    for question in section.questions:
        yield f"[[survey.questions]] {question.name} text", question.text
        for choice in question.choices:
            yield f"[[survey.questions]] {question.name} choices", choice
