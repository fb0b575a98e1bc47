"""Fonts by script: which files of this machine can draw a text, and which package brings one that is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class Script:
    """A writing system: its letters, the fonts that are liked for it, and who brings one."""

    name: str
    sample: str  # a letter that every font of it has
    ranges: tuple[tuple[int, int], ...]
    fonts: tuple[str, ...]  # names of files without suffix, the best first
    package: str  # of Debian and Ubuntu
    shaped: bool = False  # letters change with their neighbours, or run from right to left


_ROUND = ("NotoSans-Regular", "DejaVuSans", "LiberationSans-Regular", "segoeui", "arial", "Arial", "Helvetica")
_HAN = (
    "NotoSansCJK-Regular",
    "NotoSansCJKsc-Regular",
    "wqy-zenhei",
    "wqy-microhei",
    "DroidSansFallbackFull",
    "msyh",
    "PingFang",
)
_KANA = (
    "NotoSansCJK-Regular",
    "NotoSansCJKjp-Regular",
    "wqy-microhei",
    "DroidSansFallbackFull",
    "YuGothR",
    "msgothic",
    "Hiragino",
)
_HANGUL = ("NotoSansCJK-Regular", "NotoSansCJKkr-Regular", "NanumGothic", "wqy-microhei", "malgun", "AppleSDGothicNeo")
SCRIPTS = (
    Script("Latin", "a", ((0x41, 0x24F), (0x1E00, 0x1EFF)), _ROUND, "fonts-noto-core"),
    Script("Greek", "α", ((0x370, 0x3FF), (0x1F00, 0x1FFF)), _ROUND, "fonts-noto-core"),
    Script("Cyrillic", "я", ((0x400, 0x52F),), _ROUND, "fonts-noto-core"),
    Script("Hebrew", "א", ((0x590, 0x5FF),), ("NotoSansHebrew-Regular", *_ROUND), "fonts-noto-core", shaped=True),
    Script(
        "Arabic",
        "ع",
        ((0x600, 0x6FF), (0x750, 0x77F), (0x8A0, 0x8FF)),
        ("NotoSansArabic-Regular", *_ROUND),
        "fonts-noto-core",
        shaped=True,
    ),
    Script(
        "Devanagari", "क", ((0x900, 0x97F),), ("NotoSansDevanagari-Regular", "Nirmala"), "fonts-noto-core", shaped=True
    ),
    Script("Hangul", "가", ((0x1100, 0x11FF), (0xAC00, 0xD7AF)), _HANGUL, "fonts-noto-cjk or fonts-wqy-microhei"),
    Script("Kana", "か", ((0x3040, 0x30FF),), _KANA, "fonts-noto-cjk or fonts-wqy-microhei"),
    Script(
        "Han",
        "中",
        ((0x2E80, 0x303F), (0x3400, 0x9FFF), (0xFF00, 0xFFEF), (0x20000, 0x323AF)),
        _HAN,
        "fonts-noto-cjk or fonts-wqy-microhei",
    ),
)
_SUFFIXES = {".ttf", ".otf", ".ttc"}


def script_of(character: str) -> Script | None:
    """Return the writing system of a character; None where it is of none of those that are known."""
    code = ord(character)
    return next((script for script in SCRIPTS if any(low <= code <= high for low, high in script.ranges)), None)


def fonts_for(text: str, font: Path | None = None) -> list[tuple[str, Path]]:
    """Split a text into the longest pieces that one font each can draw, in the text's own order.

    Parameters
    ----------
    text : str
        Any text; characters that are not drawn (joiners, marks of direction) go with their neighbours.
    font : path, optional
        A font of the study, which is asked first.

    Raises
    ------
    LookupError
        A character that no font of this machine has; the message says which package brings one.
    """
    whole = [path for path in _candidates(text, font) if _has(path, text)]
    if whole or not _drawn(text):
        return [(text, whole[0] if whole else _candidates("A", font)[0])] if text else []
    pieces: list[tuple[str, Path]] = []
    for character in text:
        previous = pieces[-1][1] if pieces else None
        path = previous if previous is not None and _has(previous, character) else _font_of(character, font)
        if path == previous:
            pieces[-1] = (pieces[-1][0] + character, path)
        else:
            pieces.append((character, path))
    return pieces


def font_faults(text: str, font: Path | None = None) -> list[str]:
    """Say why a text cannot be drawn on this machine, a line a writing system.

    Examples
    --------
    >>> font_faults("Beauty")
    []
    """
    faults = {}
    for character in dict.fromkeys(_drawn(text)):
        script = script_of(character)
        try:
            _font_of(character, font)
        except LookupError as error:
            faults[script.name if script else character] = str(error)
        if script is not None and script.shaped and not _shaping():
            faults[script.name] = (
                f"{script.name} needs Raqm and FriBidi, and this Pillow has them not: "
                "install the package libfribidi0 (Debian), or Pillow's own wheel"
            )
    return list(faults.values())


@lru_cache(maxsize=1)
def _shaping() -> bool:
    from PIL import features

    return bool(features.check("raqm") and features.check("fribidi"))


def fonts_found() -> dict[str, Path | None]:
    """Return the font that each writing system is drawn with on this machine; None where there is none."""
    return {script.name: next(iter(_of_script(script)), None) for script in SCRIPTS}


def _font_of(character: str, font: Path | None) -> Path:
    path = next((path for path in _candidates(character, font) if _has(path, character)), None)
    path = path or _by_fontconfig(ord(character))
    if path is None:
        script = script_of(character)
        name = unicodedata.name(character, f"U+{ord(character):04X}")
        bring = f"the package {script.package} (Debian, Ubuntu)" if script else "a font that has it"
        raise LookupError(f"no font of this machine has {character!r} ({name}); install {bring}")
    return path


def _candidates(text: str, font: Path | None) -> list[Path]:
    scripts = dict.fromkeys(script for character in text if (script := script_of(character)) is not None)
    liked = [path for script in scripts or SCRIPTS[:1] for path in _of_script(script)]
    return list(dict.fromkeys([*([font] if font else []), *liked, *_of_script(SCRIPTS[0])]))


@lru_cache(maxsize=32)
def _of_script(script: Script) -> tuple[Path, ...]:
    files = _font_files()
    return tuple(files[name] for name in script.fonts if name in files and _has(files[name], script.sample))


@lru_cache(maxsize=1)
def _font_files() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in _folders():
        for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
            if path.suffix.lower() in _SUFFIXES:
                found.setdefault(path.stem, path)
    return found


def _folders() -> Iterable[Path]:
    home = Path.home()
    if sys.platform == "win32":
        return (Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts", home / "AppData/Local/Microsoft/Windows/Fonts")
    if sys.platform == "darwin":
        return (home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts"))
    return (home / ".fonts", home / ".local/share/fonts", Path("/usr/local/share/fonts"), Path("/usr/share/fonts"))


@lru_cache(maxsize=256)
def _by_fontconfig(code: int) -> Path | None:
    """Ask fontconfig, where it is, for any font with a character."""
    program = shutil.which("fc-list")
    if program is None:
        return None
    run = subprocess.run([program, f":charset={code:x}", "file"], capture_output=True, check=False)
    files = (Path(line.partition(":")[0].strip()) for line in sorted(os.fsdecode(run.stdout).splitlines()))
    return next((path for path in files if path.suffix.lower() in _SUFFIXES and _has(path, chr(code))), None)


def _has(path: Path, text: str) -> bool:
    letters = _letters(path)
    return all(ord(character) in letters for character in _drawn(text))


def _drawn(text: str) -> str:
    """Leave out what is not drawn: line ends, joiners, marks of direction, selectors of variants."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cc", "Cf") and not "\ufe00" <= c <= "\ufe0f")


@lru_cache(maxsize=64)
def _letters(path: Path) -> frozenset[int]:
    """Read which characters a font has; none where it cannot be read."""
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(FT2Font(str(path)).get_charmap())
    except (OSError, RuntimeError):
        return frozenset()
