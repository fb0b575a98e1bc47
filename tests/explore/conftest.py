"""The sample sessions, explored."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from gazekit.explore import Material, create_app, load_material


@pytest.fixture(scope="session")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    folder = tmp_path_factory.mktemp("explore")
    shutil.copytree("sample_data/sessions", folder / "sessions", ignore=shutil.ignore_patterns(".explore"))
    return load_material([folder / "sessions"], pictures=Path("sample_data/pictures.csv").resolve())


@pytest.fixture
def client(material: Material) -> FlaskClient:
    return create_app(material).test_client()
