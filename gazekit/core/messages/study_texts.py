"""Texts of a study file: one for all, or a table with one for each language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import Field, StringConstraints

from gazekit.core.config import LanguageCode
from gazekit.core.errors import ConfigError

_OneText = Annotated[str, StringConstraints(min_length=1)]
#: a text of a study file: ``"Why?"``, or ``{en = "Why?", de = "Warum?"}``
Text = _OneText | Annotated[dict[LanguageCode, _OneText], Field(min_length=1)]


def text_in(text: str | Mapping[str, str], language: str) -> str:
    """Return a study's text in a language.

    Raises
    ------
    ConfigError
        It is not given in that language.

    Examples
    --------
    >>> text_in({"en": "Why?", "de": "Warum?"}, "de")
    'Warum?'
    >>> text_in("1-10", "zh")
    '1-10'
    """
    if isinstance(text, str):
        return text
    if language not in text:
        raise ConfigError(f"the text {next(iter(text.values()))!r} is missing in the language {language!r}")
    return text[language]


def text_faults(text: str | Mapping[str, str], languages: Iterable[str], where: str) -> list[str]:
    """Say in which of a study's languages a text is missing, a line each.

    One text for all is a fault where a study names several languages, unless it has no letter.

    Examples
    --------
    >>> text_faults({"en": "Why?"}, ["en", "zh"], "[rating] question")
    ["[rating] question: is missing in 'zh'; [study] languages names it"]
    """
    names = list(languages)
    if isinstance(text, str):
        if len(names) < 2 or not any(character.isalpha() for character in text):
            return []
        table = ", ".join(f'{name} = "..."' for name in names)
        return [f"{where}: {text!r} is in one language, [study] languages names {len(names)}; write {{{table}}}"]
    lines = [f"{where}: is missing in {name!r}; [study] languages names it" for name in names if name not in text]
    return lines + [
        f"{where}: is in {name!r}, which [study] languages does not name" for name in text if name not in names
    ]
