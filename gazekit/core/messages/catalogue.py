"""The catalogue of messages: files of texts, read once, and looked up by key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from gazekit.core.config import read_toml
from gazekit.core.errors import ConfigError, InputError, unknown_name

_HERE = Path(__file__).parent
_PLACE = re.compile(r"\{(\w+)\}")
SOURCE = "en"  # the language that has every key
Direction = Literal["ltr", "rtl"]


@dataclass(frozen=True)
class Catalogue:
    """The texts of one language: call it with a key, and with values for the places in braces.

    Examples
    --------
    >>> english = catalogue("en")
    >>> english("session.number", low=3, high=20)
    'Type a number from 3 to 20.'
    >>> english.lang, english.name, english.direction
    ('en', 'English', 'ltr')
    """

    lang: str  # BCP 47, as in the attribute ``lang`` of a page
    name: str  # as its speakers call it
    direction: Direction
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return a text.

        Raises
        ------
        ConfigError
            The language lacks it.
        InputError
            No such key in any language.
        """
        text = self.texts.get(key)
        if text is None:
            if key not in _texts_of_source():
                raise unknown_name("message", key, _texts_of_source())
            raise ConfigError(
                f"the text {key!r} is missing in the language {self.lang!r}; put it into a file {self.lang}.toml in "
                f"the folder [study] messages (English: {_texts_of_source()[key]!r})"
            )
        return _PLACE.sub(lambda match: str(values.get(match[1], match[0])), text)

    def section(self, name: str) -> dict[str, str]:
        """Return the texts of a section by their name in it, for a page's script."""
        return {key.partition(".")[2]: text for key, text in self.texts.items() if key.startswith(f"{name}.")}


def languages(folder: Path | None = None) -> list[str]:
    """List the languages that are here, and those of a study's folder."""
    return sorted({file.stem for place in (_HERE, folder) if place is not None for file in place.glob("*.toml")})


def catalogue(language: str, folder: Path | None = None) -> Catalogue:
    """Read the texts of a language; those of a study's folder come before the ones that are here.

    Raises
    ------
    InputError
        No such language, neither here nor in the folder.
    ConfigError
        A file that is not TOML, or holds something else than tables of texts.
    """
    if language not in languages(folder):
        raise unknown_name("language", language, languages(folder))
    return _catalogue(language, folder)


def language_faults(names: Iterable[str], sections: Iterable[str], folder: Path | None = None) -> list[str]:
    """Say which texts of the program the languages of a study lack, a line a language.

    Parameters
    ----------
    names : iterable of str
        The languages that the study names.
    sections : iterable of str
        Sections of the catalogue that the study needs: ``session``, ``survey``.
    folder : path, optional
        The study's own folder of messages.

    Examples
    --------
    >>> language_faults(["en", "xx"], ["session"])[0][:38]
    "[study] languages: unknown language 'x"
    """
    needed = [key for key in _texts_of_source() if key.partition(".")[0] in set(sections)]
    faults = []
    for name in names:
        try:
            missing = [key for key in needed if key not in catalogue(name, folder).texts]
        except InputError as error:
            faults.append(f"[study] languages: {error}")
            continue
        if missing:
            words = f"{', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}"
            faults.append(
                f"[study] languages: {name!r} lacks {len(missing)} texts of the program ({words}); put them into "
                f"{name}.toml in the folder [study] messages"
            )
    return faults


@lru_cache(maxsize=64)
def _catalogue(language: str, folder: Path | None) -> Catalogue:
    name, texts = language, dict[str, str]()
    direction: Direction = "ltr"
    for place in (_HERE, folder):
        file = None if place is None else place / f"{language}.toml"
        if file is None or not file.is_file():
            continue
        content = read_toml(file)
        facts = content.pop("language", {})
        name, direction = facts.get("name", name), facts.get("direction", direction)
        texts |= _flat(content, file)
    if direction not in ("ltr", "rtl"):
        raise ConfigError(f"the direction of the language {language!r} is 'ltr' or 'rtl', found {direction!r}")
    unknown = [key for key in texts if language != SOURCE and key not in _texts_of_source()]
    if unknown:
        raise unknown_name(f"message in {language}.toml", unknown[0], _texts_of_source())
    return Catalogue(language, name, direction, texts)


def _flat(content: Mapping[str, object], file: Path) -> dict[str, str]:
    texts: dict[str, str] = {}
    for section, entries in content.items():
        if not isinstance(entries, dict) or not all(isinstance(text, str) and text for text in entries.values()):
            raise ConfigError(f"{file}: [{section}] must be a table of texts, none of them empty")
        texts |= {f"{section}.{name}": text for name, text in entries.items()}
    return texts


def _texts_of_source() -> Mapping[str, str]:
    return _catalogue(SOURCE, None).texts
