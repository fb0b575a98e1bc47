"""The reference that is made from the code says something of everything."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydantic import BaseModel

from gazekit.study import Study
from pipelines.config import Pipeline
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    import reference

    sys.path.pop(0)
    return reference


@pytest.mark.parametrize("model", [Study, Pipeline])
def test_every_key_of_a_settings_file_has_a_meaning(reference: ModuleType, model: type[BaseModel]) -> None:
    without = [
        f"{place} {name}: say what it means, and its unit, in a comment beside the field of {section.__name__}"
        for place, section in reference.sections(model)
        for name, field in section.model_fields.items()
        if reference.inner_model(field.annotation) is None and not reference.meaning(place, section, name, field)
    ]
    assert without == []


def test_no_meaning_is_of_a_key_that_is_no_more(reference: ModuleType) -> None:
    known: dict[str, set[str]] = {}
    for model in (Study, Pipeline):
        for place, section in reference.sections(model):
            for name in (place.strip("[]"), *(base.__name__ for base in section.__mro__)):
                known.setdefault(name, set()).update(section.model_fields)
    written = reference.more_meanings()
    assert [(place, key) for place, keys in written.items() for key in keys if key not in known.get(place, set())] == []


def test_a_comment_beside_a_field_is_its_meaning(reference: ModuleType) -> None:
    source = (
        "class A:\n    x: int = 1  # how many\n    y: int = Field(\n        2, ge=0\n    )  # how few\n    z: str\n"
    )
    assert reference.remarks(source) == {"x": "how many", "y": "how few"}


def test_messages_are_found_with_their_errors(reference: ModuleType) -> None:
    texts = {text: name for _, name, text in reference.error_messages()}
    assert len(texts) > 300
    assert texts["no such study file: …"] == "ConfigError"


def test_tables_and_files_are_drawn(reference: ModuleType, tmp_path: Path) -> None:
    drawn = reference.tree_of(ROOT / "sample_data" / "sessions" / "P01.gaze.h5")
    assert "/gaze/left_pupil_mm" in drawn
    assert "| `x_px` | centre on the screen, pixels |" in reference.files_page()
    assert "| `most` | INTEGER | the target, before a picture stopped early |" in reference.survey_tables()
