"""The code of a stage: all that it imports, and the data files beside it."""

from __future__ import annotations

import json

import pytest

from pipelines.code import modules_of
from tests.fixtures.code_copy import Copy

pytestmark = pytest.mark.once

HASHES = """
import importlib, json, linecache, sys
from pathlib import Path
sys.dont_write_bytecode = True  # a change of a text's own length within a second would be loaded as it was before
from pipelines import code, demo

def hashes():
    code.code_hash.cache_clear()
    code._imports.cache_clear()
    linecache.checkcache()
    importlib.reload(demo)
    return {stage.name: stage.settings()["code"] for stage in demo.stages(Path("demo"), demo.Demo(), 1)}

rounds = [hashes()]
for file, old, new in json.loads(sys.argv[1]):
    text = Path(file).read_text()
    assert old in text
    Path(file).write_text(text.replace(old, new) if old else text + "\\n" + new + "\\n")
    rounds.append(hashes())
    Path(file).write_text(text)
print(json.dumps(rounds))
"""
CHANGES = [
    ("gazekit/report/style.css", "", "body {}", {"report"}),
    ("gazekit/report/template.html", "", "<p>", {"report"}),
    ("gazekit/dataset/reader.py", "", "# read", {"dataset", "train", "compare", "report"}),
    ("gazekit/attention/maps.py", "", "# map", {"attention", "dataset", "train", "compare", "report"}),
    ("gazekit/stats/conclusion.py", "", "# words", {"compare"}),
    ("gazekit/models/distribution.py", "", "# nima", {"train"}),
    ("gazekit/events/ivt.py", "", "# detector", {"record", "fixations"}),
    ("survey/simulate.py", "", "# rater", {"ratings"}),
    ("survey/web/templates/rate.html", "", "<p>", set()),
    ("gazekit/training/server.py", "", "# served", set()),
    ("pipelines/demo.py", "_SIGMA_PX = 8.0", "_SIGMA_PX = 9.0", {"attention"}),
    ("pipelines/demo.py", 'detector="ivt")', 'detector="idt")', {"fixations"}),
    ("pipelines/demo.py", "# Written by", "# Made by", {"pictures"}),
]


def test_a_change_is_of_the_stages_that_it_concerns(copy: Copy) -> None:
    """Hash every stage's code after each change, in one program: to begin one takes longer than the hashes."""
    before, *after = json.loads(copy.run("-c", HASHES, json.dumps([change[:3] for change in CHANGES])))
    changed = [{name for name in before if before[name] != hashes[name]} for hashes in after]
    assert changed == [concerned for *_, concerned in CHANGES]


def plain() -> object:
    from gazekit import attended_rectangle, open_dataset
    from gazekit.stats.comparison import compare

    return attended_rectangle, open_dataset, compare


def test_names_that_a_package_loads_late_are_followed_to_their_modules() -> None:
    found = modules_of(plain)
    assert {"gazekit.shapes.rectangles", "gazekit.dataset.reader", "gazekit.stats.comparison"} <= found
    assert not {name for name in found if name.startswith(("gazekit.models", "gazekit.capture", "tests"))}
