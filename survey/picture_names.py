"""Which picture a name in somebody else's table stands for."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from survey.picture_files import MIME_TYPES

_SUFFIX = re.compile(rf"\.({'|'.join(s[1:] for s in MIME_TYPES)}|tiff?|bmp|avif|heic)$", re.IGNORECASE)
_LIST_OF_ONE = re.compile(r"""\[\s*["']([^"']+)["']\s*\]""")
_ASKED = re.compile(r"(.*[:?]\s+(?:[-\u2013]\s+)?)(\S.*)", re.DOTALL)  # no file has these signs in its name
_QUESTION = re.compile(r"(.*(?:[:?]\s+(?:[-\u2013]\s+)?|\s[-\u2013]\s+))(\S.*)", re.DOTALL)
_SOURCE = re.compile(r"""<img\b[^>]*\bsrc\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)


def tidy(text: object) -> str:
    """Return a name without blanks at its ends, in one Unicode form (NFC)."""
    return unicodedata.normalize("NFC", str(text)).strip()


def source_of(text: str) -> str:
    """Return the name or path in an ``<img>`` tag, or in a list of one; any other text as it is, tidy."""
    source = _SOURCE.search(text) or _LIST_OF_ONE.fullmatch(text.strip())
    return tidy(source.group(1) if source else text)


@dataclass(frozen=True)
class PictureNames:
    """The pictures of a study; without them, whatever is named like a picture file is one."""

    ids: tuple[str, ...] = ()
    _by_name: dict[str, set[str]] = field(init=False, repr=False, default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        for picture in self.ids:
            for name in (tidy(picture), _base(picture), _stem(picture)):
                self._by_name[name.casefold()].add(picture)

    def match(self, text: str) -> str | None:
        """Find the picture that a name, path, address or ``<img>`` tag stands for; None where it is none.

        Names are compared without folder, then without suffix, in any case; a name that fits two pictures fits none.
        """
        name = source_of(text)
        if not self.ids:
            return _base(name) if _SUFFIX.search(_base(name)) and "\n" not in name else None
        for written in dict.fromkeys((name, tidy(unquote(name)))):  # as it is, and with %20 for a blank
            for form in (written, _base(written), _stem(written)):
                if form in self.ids:
                    return form
                pictures = self._by_name.get(form.casefold(), set())
                if len(pictures) == 1:
                    return next(iter(pictures))
        return None

    def within(self, text: str, *, question: bool = False) -> tuple[str, str] | None:
        """Find the one picture that a longer text names, and return it with the rest of the text.

        In a ``question`` the picture may stand behind a dash, as Qualtrics writes it.
        """
        whole = self.match(text)
        asked = None if self.ids else (_QUESTION if question else _ASKED).fullmatch(text.strip())
        if asked and (last := self.match(asked.group(2))):
            return last, re.sub(r"^[\W_]+|[\W_]+$", "", asked.group(1))
        if whole is not None:
            return whole, ""
        hits = [
            (word, picture) for word in re.split(r"[\s\[\]()<>{}:;,|?!\"'=]+", text) if (picture := self.match(word))
        ]
        if not hits and self.ids:  # reef1_beauty: a stem at the beginning or the end of a code
            ends = [(text[: m.start()], text[m.end() :], text) for m in re.finditer(r"[_\-.]", text)]
            hits = [(part, picture) for pair in ends for part in pair[:2] if (picture := self.match(part))]
        if len({picture for _, picture in hits}) != 1:
            return None
        word, picture = max(hits, key=lambda hit: len(hit[0]))
        return picture, re.sub(r"^[\W_]+|[\W_]+$", "", text.replace(word, " ", 1))


def unique_bases(names: Iterable[str]) -> dict[str, str]:
    """Shorten paths to file names, if they stay apart."""
    names = sorted(set(names))
    bases = [_base(name) for name in names]
    return dict(zip(names, bases if len(set(bases)) == len(names) else names, strict=True))


def written_apart(names: Iterable[str]) -> list[str]:
    """Return the names that are one but for case, or for a suffix that one has and another has not, each as a text."""
    groups: dict[str, list[str]] = defaultdict(list)
    for name in sorted(set(map(tidy, names))):
        groups[_SUFFIX.sub("", name).casefold()].append(name)
    apart = []
    for bare, group in groups.items():
        whole = Counter(name.casefold() for name in group)
        if len(group) > 1 and (bare in whole or max(whole.values()) > 1):
            apart.append(" and ".join(group))
    return apart


def _base(name: str) -> str:
    path = unquote(re.sub(r"[?#].*$", "", name)) if "://" in name else name
    return re.split(r"[/\\]", tidy(path))[-1]


def _stem(name: str) -> str:
    return _SUFFIX.sub("", _base(name))
