"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gazekit.screen import Screen

os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("MPLBACKEND", "Agg")

pytest_plugins = [
    "tests.fixtures.formats",
    "tests.fixtures.plugins",
    "tests.fixtures.power_loss",
    "tests.fixtures.session_study",
]
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.fixture
def screen() -> Screen:
    return Screen(width_px=1920, height_px=1080, width_mm=527.0, height_mm=296.0, distance_mm=630.0)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real recordings, photographs and ratings beside the checkout; tests skip where it is absent."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"real data is not there: {folder}")
    return folder


@pytest.fixture(scope="session")
def sample_data() -> Path:
    return ROOT / "sample_data"
