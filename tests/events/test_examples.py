"""The examples of the room's public names run, and its help says what it should."""

from __future__ import annotations

import doctest

import pytest

import gazekit as gk
from gazekit.events import session_fixations
from gazekit.events.detectors import BUILT_IN, defaults

NAMES = ("GazeRecording", "Placement", "Screen", "data_quality", "detect_fixations", "label_samples")


@pytest.mark.parametrize("name", [*NAMES, "session_fixations"])
def test_the_examples_run(name: str) -> None:
    thing = session_fixations if name == "session_fixations" else getattr(gk, name)
    module = __import__(thing.__module__, fromlist=[""])
    (examples,) = (t for t in doctest.DocTestFinder().find(thing, name, module=module) if t.name == name)
    assert examples.examples
    assert doctest.DocTestRunner(verbose=False).run(examples).failed == 0


@pytest.mark.parametrize("detector", BUILT_IN)
def test_the_help_lists_every_parameter_with_its_default(detector: str) -> None:
    help_text = " ".join(gk.detect_fixations.__doc__.split())
    _, _, own = help_text.partition(f"* ``{detector}``")
    own, _, _ = own.partition("* ``")
    for name, default in defaults(detector).items():
        value = f'"{default}"' if isinstance(default, str) else f"{default:g}"
        assert f"{name} {value}" in own
