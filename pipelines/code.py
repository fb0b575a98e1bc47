"""What code a stage consists of: its function, the modules that this imports, and the data files beside them.

All of it is found in the source, so that nothing has to be listed and nothing heavy is imported to find it.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

ROOTS = ("gazekit", "pipelines", "survey")
_GATHERER = "gazekit.study"  # it gathers the sections of all rooms; a stage imports those of its own room itself


@functools.cache
def code_hash(function: Callable[..., object]) -> str:
    """Return the SHA-256 of all that a function consists of, as it was when this process first asked.

    These are the function itself, the functions, classes and constants of its own module that it names, the modules
    that any of them imports, with those that these import in turn, and the data files of their packages.
    """
    digest = hashlib.sha256()
    parts = list(_parts(function))
    for text in sorted(text for text, _ in parts):
        digest.update(text.encode())
    for name in sorted(modules_of(function)):
        for file in _files(name):
            digest.update(f"{name}/{file.name}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()


def modules_of(function: Callable[..., object]) -> set[str]:
    """Find the modules of `ROOTS` that do the work of a function."""
    modules: set[str] = set()
    waiting = [name for _, named in _parts(function) for name in named]
    while waiting:
        name = waiting.pop()
        if name not in modules and _source(name) is not None:
            modules.add(name)
            waiting += [name.rpartition(".")[0], *_imports(name)]
    return modules


def _parts(function: Callable[..., object]) -> Iterator[tuple[str, list[str]]]:
    """Yield the text of a function and of what it names in its module, each with the modules that it uses."""
    done: set[int] = set()
    waiting: list[Any] = [function]
    while waiting:
        part = waiting.pop()
        if id(part) in done:
            continue
        done.add(id(part))
        text = textwrap.dedent(inspect.getsource(part))
        tree = ast.parse(text)
        modules = list(_imported(_import_pairs(_walk(tree))))
        for name, value in _named(tree, vars(sys.modules[part.__module__])):
            home = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
            if home == part.__module__:
                waiting.append(value)
            elif home is not None:
                modules.append(home)
            else:
                yield f"{name} = {value!r}", []
        yield text, modules


def _named(tree: ast.AST, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what the code of a function, annotations left out, names of its module."""
    names = {node.id for node in _walk(tree) if isinstance(node, ast.Name)}
    return ((name, known[name]) for name in sorted(names) if name in known)


def _walk(tree: ast.AST) -> Iterator[ast.AST]:
    """All that runs: neither annotations nor what is there for type checkers only."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST) and not _for_type_checkers(node):
                yield node
                yield from _walk(node)


def _for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _statements(tree: ast.AST, *, type_checkers: bool = True) -> Iterator[ast.AST]:
    """All statements, those in others too, perhaps without what is there for type checkers only."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if type_checkers or not _for_type_checkers(node):
            yield node
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                inner = getattr(node, field, None)
                waiting += inner if isinstance(inner, list) else []


def _imported(imports: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield names that may be modules, of pairs of a module and of a name that is imported from it."""
    for module, name in imports:
        yield module
        if name:
            yield from (f"{module}.{name}", *_homes(module, name))


def _import_pairs(nodes: Iterable[ast.AST]) -> Iterator[tuple[str, str]]:
    """Yield (module, name imported from it); the name is empty where the module itself is imported."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


@functools.cache
def _imports(module: str) -> tuple[str, ...]:
    """List what a module may import: by name, and by the groups of entry points that it names."""
    if module == _GATHERER:
        return ()
    facts = _facts(_text(module))
    return (*_imported(facts.imports), *(plugin for group in facts.groups for plugin in _plugins().get(group, ())))


def _homes(package: str, name: str) -> list[str]:
    """Where a package has a name from that it loads when it is first touched: it tells type checkers."""
    if _source(package) is None:
        return []
    return [place for home in _facts(_text(package)).late.get(name, ()) for place in (home, f"{home}.{name}")]


@functools.cache
def _plugins() -> dict[str, list[str]]:
    """List the modules of all entry points by group: each look at what is installed takes milliseconds."""
    installed = entry_points()
    return {group: [plugin.module for plugin in installed.select(group=group)] for group in installed.groups}


@dataclass(frozen=True)
class _Facts:
    """What the text of a module says of others: what runs imports, what type checkers are told, groups of plug-ins."""

    imports: tuple[tuple[str, str], ...]
    late: dict[str, list[str]]
    groups: tuple[str, ...]


@functools.cache
def _facts(text: bytes) -> _Facts:
    tree = ast.parse(text)
    late: dict[str, list[str]] = {}
    for home, name in _import_pairs(_statements(tree)):
        late.setdefault(name, []).append(home)
    return _Facts(tuple(_import_pairs(_statements(tree, type_checkers=False))), late, _groups(text, tree))


def _text(module: str) -> bytes:
    source = _source(module)
    assert source is not None
    return source.read_bytes()


def _groups(text: bytes, tree: ast.AST) -> tuple[str, ...]:
    if not re.search(rb"""["']gazekit\.""", text):
        return ()
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return tuple(sorted(word for word in words if word.startswith("gazekit.")))


@functools.cache
def _source(module: str) -> Path | None:
    """Find the source file of a module of `ROOTS`; None for other modules and for what is none."""
    root, *rest = module.split(".")
    spec = importlib.util.find_spec(root) if root in ROOTS else None
    if spec is None or spec.origin is None:
        return None
    place = Path(spec.origin).parent.joinpath(*rest)
    return next((file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()), None)


def _files(module: str) -> Iterable[Path]:
    """List a module's source, and the data files beside it where it is a package."""
    source = _source(module)
    assert source is not None
    if source.name != "__init__.py":
        return [source]
    beside = (file for file in source.parent.iterdir() if file.is_file() and not file.name.startswith("."))
    return [source, *sorted(file for file in beside if file.suffix not in (".py", ".pyc"))]
