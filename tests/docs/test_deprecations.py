"""What was said to go by a date is gone after it."""

from __future__ import annotations

import ast
import doctest
import warnings
from collections.abc import Iterator
from datetime import date

import gazekit.core.deprecation
from tests.conftest import ROOT


def promises(source: str) -> Iterator[tuple[int, date]]:
    """Go through the calls of `deprecated` in a module: line, last day."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) == "deprecated":
            until = next((word.value for word in node.keywords if word.arg == "until"), None)
            assert isinstance(until, ast.Constant), f"line {node.lineno}: until must be written out, as '2027-06-30'"
            yield node.lineno, date.fromisoformat(str(until.value))


def test_nothing_is_kept_longer_than_was_said() -> None:
    over = [
        f"{path.relative_to(ROOT)}:{line} worked until {day}: remove it, and add changelog.d/<name>.removed.md"
        for package in ("gazekit", "survey", "pipelines")
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, day in promises(path.read_text("utf-8"))
        if day < date.today()
    ]
    assert over == []


def test_a_promise_that_is_over_is_seen() -> None:
    assert list(promises('deprecated("a", instead="b", until="2020-01-31")')) == [(1, date(2020, 1, 31))]


def test_the_warning_says_what_to_use() -> None:
    assert doctest.testmod(gazekit.core.deprecation, extraglobs={"warnings": warnings}) == (0, 2)
