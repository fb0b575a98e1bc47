"""The flat namespace, pinned; and that touching it is light."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys

import pytest

import gazekit
from tests.conftest import ROOT

NAMES = [
    "DatasetSpec",
    "GazeRecording",
    "MaskSpec",
    "Placement",
    "Screen",
    "Session",
    "attended_rectangle",
    "attention_map",
    "build_dataset",
    "compare",
    "data_quality",
    "detect_fixations",
    "errors",
    "import_recording",
    "label_samples",
    "list_pictures",
    "masks",
    "models",
    "open_dataset",
    "open_session",
    "read_histograms",
    "read_study",
    "record",
    "saliency",
    "session_fixations",
    "train",
    "training",
    "viewings",
    "write_report",
]


def test_the_namespace_is_pinned() -> None:
    assert gazekit.__all__ == NAMES
    assert dir(gazekit) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_name_can_be_touched(name: str) -> None:
    if name in ("models", "train", "training") and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed: pip install 'gazekit[train]'")
    assert getattr(gazekit, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = gazekit.no_such_name


def test_import_and_help_load_nothing_heavy() -> None:
    code = (
        "import sys, gazekit, gazekit.cli\n"
        "gazekit.cli.gazekit.main(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'pandas', 'numpy', 'cv2', 'h5py', 'pygame', 'matplotlib', 'sqlalchemy', 'flask', 'scipy'}\n"
        "print('LOADED', sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "LOADED []"
    assert "demo" in out


def test_no_commands_help_loads_what_only_its_work_needs() -> None:
    code = (
        "import sys\n"
        "from tests.docs.test_help import TREE\n"
        "from gazekit.cli import gazekit\n"
        "for name in TREE:\n"
        "    gazekit.main([*name.split(), '--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'pandas', 'scipy', 'pygame', 'matplotlib', 'sqlalchemy', 'flask', 'dask', 'doit'}\n"
        "print('LOADED', len(TREE), sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"LOADED [4-9]\d \[\]$", out.rstrip()), out[-200:]
