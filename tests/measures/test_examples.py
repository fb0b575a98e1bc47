"""The examples in the docstrings of the room run."""

from __future__ import annotations

import doctest
import importlib
from types import ModuleType

import numpy as np
import pytest

from tests.conftest import ROOT

MODULES = ["answers", "codebook", "fixation_tables", "ratings", "sessions", "viewing"]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    module: ModuleType = importlib.import_module(f"gazekit.measures.{name}")
    result = doctest.testmod(module, extraglobs={"np": np}, report=True)
    assert result.attempted > 0
    assert result.failed == 0
