"""Copies of the code for the tests of studies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fixtures.code_copy import Copy


@pytest.fixture(scope="session")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """For tests that put back what they changed."""
    return Copy(tmp_path_factory.mktemp("code"))


@pytest.fixture
def own_copy(tmp_path: Path) -> Copy:
    """For tests that leave their changes in it."""
    return Copy(tmp_path / "code")
