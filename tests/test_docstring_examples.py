"""Every name of the flat namespace has an example in its docstring, and the examples run."""

from __future__ import annotations

import doctest
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import gazekit
from tests.conftest import ROOT

TORCH = ("compare", "models", "train", "training", "write_report")


def examples_of(name: str) -> list[doctest.DocTest]:
    """Return the examples of a public name: of its own docstring, or of the functions of a module."""
    thing: Any = getattr(gazekit, name)
    module = thing if inspect.ismodule(thing) else sys.modules[thing.__module__]
    finder = doctest.DocTestFinder(recurse=False)
    things = _public(thing) if inspect.ismodule(thing) else {name: thing}
    return [test for key, part in things.items() for test in finder.find(part, key, module=module) if test.examples]


def _public(module: ModuleType) -> dict[str, Any]:
    """Return the module itself and the names that it makes public."""
    names = getattr(module, "__all__", [key for key in vars(module) if not key.startswith("_")])
    return {module.__name__: module, **{key: getattr(module, key) for key in names}}


@pytest.mark.parametrize("name", gazekit.__all__)
def test_its_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("torch") is None and name in TORCH:
        pytest.skip("torch is not installed: pip install 'gazekit[train]'")
    tests = examples_of(name)
    assert tests, f"gk.{name} has no example in its docstring"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    for test in tests:
        assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0, test.name
