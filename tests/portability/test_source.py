"""What the source must not do, because it would not hold on Windows, on macOS, or in another locale.

The list with its reasons: docs/explanation/portability.md.
"""

from __future__ import annotations

import ast
import re
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from tests.conftest import ROOT
from tests.fixtures.as_windows import is_refused

SOURCES = sorted(path for room in ("gazekit", "survey", "pipelines") for path in (ROOT / room).rglob("*.py"))
POSIX_ALONE = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "posix", "syslog"}
POSIX_SIGNALS = {"SIGKILL", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGCHLD", "SIGSTOP", "SIGCONT"}

DRIVES = "os.path.relpath fails between drives of Windows: path_from"

Rule = Callable[[ast.AST], str]


def name_of(node: ast.expr) -> str:
    """Return what is called: ``open``, ``os.rename``, ``.read_text``."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else f".{node.attr}"
    return ""


def named(call: ast.Call) -> set[str]:
    """Return the keywords of a call; ** is everything."""
    return {word.arg or "**" for word in call.keywords}


def text_without_encoding(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    called = name_of(node.func)
    last = called.rpartition(".")[2]
    if last in ("read_text", "write_text") and not called.startswith(("resources.", "zipfile.")):
        is_said = len(node.args) >= (1 if last == "read_text" else 2) or named(node) & {"encoding", "**"}
        return "" if is_said else f"{last} without an encoding"
    if (last == "run" and called.startswith("subprocess")) or last in ("Popen", "check_output"):
        is_text = named(node) & {"text", "universal_newlines"} and not named(node) & {"encoding", "**"}
        return f"{last} of a program's text without an encoding" if is_text else ""
    if last in ("TextIOWrapper", "FileHandler") or called in ("gzip.open", "bz2.open", "lzma.open"):
        is_binary = last == "open" and not any("t" in str(ast.unparse(mode)) for mode in node.args[1:2])
        is_said = is_binary or named(node) & {"encoding", "**"} or (last == "TextIOWrapper" and len(node.args) > 1)
        return "" if is_said else f"{called} without an encoding"
    if called == "open" or (last == "open" and called.startswith(".")) or last == "fdopen":
        mode = node.args[1 if called in ("open", "os.fdopen") else 0 :][:1]
        words = [word.value for word in node.keywords if word.arg == "mode"] or mode
        binary = any(isinstance(word, ast.Constant) and "b" in str(word.value) for word in words)
        unclear = any(not isinstance(word, ast.Constant) for word in words)
        return "" if binary or unclear or named(node) & {"encoding", "**"} else "open without an encoding"
    return ""


def fork(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        called = name_of(node.func)
        if called in ("os.fork", "multiprocessing.Process", "multiprocessing.Pool", "multiprocessing.Queue"):
            return f"{called}: a start method must be chosen, and be spawn"
        if called.endswith("ProcessPoolExecutor") and not named(node) & {"mp_context", "**"}:
            return "ProcessPoolExecutor without mp_context forks on Linux"
        context = [ast.unparse(word.value) for word in node.keywords if word.arg == "multiprocessing_context"]
        if called.endswith("DataLoader") and not any("'spawn'" in text for text in context):
            return "DataLoader without multiprocessing_context='spawn' forks on Linux"
        if called.endswith("get_context") and not (node.args and ast.unparse(node.args[0]) == "'spawn'"):
            return "get_context of anything but spawn"
    return ""


def rename(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        called = name_of(node.func)
        # tables have a rename too: of a constant, or with keywords
        of_a_path = called.endswith(".rename") and node.args and not node.keywords
        if called in ("os.rename", "shutil.move") or (of_a_path and not isinstance(node.args[0], ast.Constant)):
            return f"{called} fails on Windows where the target exists: os.replace"
    return ""


def backslashes(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        called = name_of(node.func)
        if called in ("os.path.relpath", ".relpath"):
            return DRIVES
        inside = {name_of(part.func).rpartition(".")[2] for part in ast.walk(node) if isinstance(part, ast.Call)}
        if called == "str" and "relative_to" in inside and "as_posix" not in inside:
            return "str of a relative path has backslashes on Windows: as_posix"
    return ""


def narrow_path(node: ast.AST) -> str:
    called = name_of(node.func) if isinstance(node, ast.Call) else ""
    if called in ("cv2.imread", "cv2.imwrite"):
        return f"{called} takes no accents in a path on Windows: read or write the bytes, and decode or encode them"
    return ""


def local_time(node: ast.AST) -> str:
    if isinstance(node, ast.Call):
        called = name_of(node.func)
        if (
            called in ("datetime.now", ".now")
            and "datetime" in ast.unparse(node.func)
            and not node.args
            and not node.keywords
        ):
            return "datetime.now without a time zone"
        if called.endswith(
            (
                "utcnow",
                "utcfromtimestamp",
                "date.today",
                "datetime.today",
                "time.localtime",
                "time.ctime",
                "time.mktime",
            )
        ):
            return f"{called} has no time zone"
        if called.endswith((".astimezone", ".fromtimestamp")) and len(node.args) + len(node.keywords) < 1 + (
            called.endswith(".fromtimestamp")
        ):
            return f"{called} of this machine's time zone"
    return ""


def locale_dependent(node: ast.AST) -> str:
    called = name_of(node.func) if isinstance(node, ast.Call) else ""
    if called.startswith("locale.") and called != "locale.getpreferredencoding":
        return f"{called}: numbers would follow the locale"
    spec = node.format_spec if isinstance(node, ast.FormattedValue) else None
    return "a number that follows the locale (:n)" if spec is not None and ast.unparse(spec).endswith("n'") else ""


def posix_path(node: ast.AST) -> str:
    text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
    return f"the path {text!r}" if re.match(r"/(tmp|dev|proc|var|etc)(/|$)", text) else ""


def posix_signal(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute) and name_of(node) in {f"signal.{name}" for name in POSIX_SIGNALS}:
        return f"{name_of(node)} is not there on Windows: getattr, or a guard"
    return ""


RULES: dict[str, Rule] = {
    "text has an encoding": text_without_encoding,
    "no fork": fork,
    "files are replaced": rename,
    "relative paths are the same everywhere": backslashes,
    "paths of pictures are wide": narrow_path,
    "times have a zone": local_time,
    "numbers know no locale": locale_dependent,
    "no paths of POSIX": posix_path,
    "no signals of POSIX": posix_signal,
}


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_text("utf-8"))))


def faults(rule: Rule, path: Path) -> Iterator[str]:
    place = path.relative_to(ROOT).as_posix()
    for node in nodes(path):
        fault = rule(node)
        if fault and (place, fault) != ("gazekit/core/files.py", DRIVES):  # there path_from is
            yield f"{place}:{getattr(node, 'lineno', 0)}: {fault}"


@pytest.mark.parametrize("name", RULES)
def test_the_source_holds_it(name: str) -> None:
    assert [fault for path in SOURCES for fault in faults(RULES[name], path)] == []


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("text has an encoding", "open('a')"),
        ("text has an encoding", "open('a', 'w')"),
        ("text has an encoding", "path.read_text()"),
        ("text has an encoding", "path.write_text(text)"),
        ("text has an encoding", "Path('a').open('w')"),
        ("text has an encoding", "gzip.open('a', 'rt')"),
        ("text has an encoding", "io.TextIOWrapper(raw)"),
        ("text has an encoding", "subprocess.run(['a'], text=True)"),
        ("text has an encoding", "subprocess.Popen(['a'], universal_newlines=True)"),
        ("no fork", "DataLoader(data, num_workers=2)"),
        ("no fork", "ProcessPoolExecutor(2)"),
        ("no fork", "multiprocessing.get_context('fork')"),
        ("files are replaced", "os.rename(a, b)"),
        ("files are replaced", "part.rename(target)"),
        ("relative paths are the same everywhere", "os.path.relpath(a, b)"),
        ("relative paths are the same everywhere", "str(a.relative_to(b).with_suffix(''))"),
        ("paths of pictures are wide", "cv2.imread(str(file), 0)"),
        ("times have a zone", "datetime.now()"),
        ("times have a zone", "datetime.now(timezone.utc).astimezone()"),
        ("times have a zone", "datetime.fromtimestamp(seconds)"),
        ("times have a zone", "time.localtime()"),
        ("numbers know no locale", "locale.setlocale(0, '')"),
        ("numbers know no locale", "f'{share:n}'"),
        ("no paths of POSIX", "x = '/tmp/a'"),
        ("no signals of POSIX", "signal.SIGKILL"),
    ],
)
def test_a_fault_is_seen(rule: str, code: str) -> None:
    assert [fault for node in ast.walk(ast.parse(code)) if (fault := RULES[rule](node))]


@pytest.mark.parametrize(
    "code",
    [
        "open('a', 'rb')",
        "gzip.open('a')",
        "io.TextIOWrapper(raw, 'utf-8')",
        "path.read_text('utf-8')",
        "path.open(mode='wb')",
        "subprocess.run(['a'], capture_output=True)",
        "datetime.now(timezone.utc)",
        "table.rename('participants')",
        "table.rename(columns=names)",
        "str(a.relative_to(b).as_posix())",
        "f'{name}'",
    ],
)
def test_what_is_right_is_left_alone(code: str) -> None:
    assert not [fault for node in ast.walk(ast.parse(code)) for rule in RULES.values() if (fault := rule(node))]


def test_modules_of_posix_are_imported_where_they_are() -> None:
    """At the top of a module they would break its import on Windows."""
    wrong = []
    for path in SOURCES:
        for node in ast.parse(path.read_text("utf-8")).body:
            names = [part.name for part in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{path.relative_to(ROOT)}: {name}" for name in names if name.split(".")[0] in POSIX_ALONE]
    assert wrong == []


def test_names_of_files_hold_everywhere() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    paths = [PurePosixPath(name) for name in listed if name]
    assert len(paths) > 300
    folded = Counter(unicodedata.normalize("NFC", str(path)).casefold() for path in paths)
    assert [name for name, number in folded.items() if number > 1] == []
    assert [str(path) for path in paths if any(map(is_refused, path.parts))] == []
    assert [str(path) for path in paths if len(str(path)) > 140] == []
