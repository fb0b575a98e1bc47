"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest

from gazekit.screen import Screen

if "PYTEST_XDIST_WORKER" in os.environ:  # a core each: threads of torch and BLAS would wait for those of the others
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # where a test asks for two threads, they take it by spinning
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
os.environ.setdefault("SDL_AUDIODRIVER", "dummy")
os.environ.setdefault("MPLBACKEND", "Agg")

if os.environ.get("GAZEKIT_AS_WINDOWS"):  # by hand: the whole suite, or the tests of a room
    from tests.fixtures.as_windows import refuse

    refuse(tempfile.gettempdir())

# a busy machine draws slowly, and not all of it is the test's
hypothesis.settings.register_profile("busy", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("busy")

pytest_plugins = [
    "tests.fixtures.browser",
    "tests.fixtures.formats",
    "tests.fixtures.memory_card",
    "tests.fixtures.plugins",
    "tests.fixtures.power_loss",
    "tests.fixtures.session_study",
]
ROOT = Path(__file__).resolve().parents[1]
LONGEST = [  # files of tests, by minutes and not by their number of tests
    "pipelines/test_demo",
    "pipelines/test_studies",
    "survey/test_browser",
    "stats/test_comparison",
    "examples/test_examples",
    "training/test_loading",
    "dataset/test_kill",
    "models/test_models_every",
    "models/test_models_attention_model",
    "formats/test_damage",
    "capture/test_silence",
    "survey/test_browser_tasks",
    "capture/test_record",
    "models/test_models_scoring",
    "models/test_models_timm",
    "pipelines/test_registration",
    "survey/test_browser_ways",
    "stats/test_worth",
    "capture/test_operator_page",
    "explore/test_areas_browser",
    "training/test_cluster",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no core waits for one of them at the end."""
    places = {ROOT / "tests" / f"{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


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
