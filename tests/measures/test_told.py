"""What `gazekit measures`, `attention` and `aoi` say of a fixation table that cannot be right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from skimage.io import imsave

from gazekit.cli import gazekit


@pytest.mark.parametrize("command", ["measures", "attention", "aoi"])
def test_seconds_given_as_milliseconds_are_told(tmp_path: Path, command: str) -> None:
    path, areas = tmp_path / "fixations.csv", tmp_path / "areas.json"
    table = {"participant": "P1", "image": "a.png", "onset_us": [0, 250_000, 500_000], "duration_ms": [0.2, 0.25, 0.3]}
    pd.DataFrame({**table, "x_picture": [20, 40, 60], "y_picture": [20, 30, 40]}).to_csv(path, index=False)
    areas.write_text('{"a.png": {"all": [[0, 0], [80, 0], [80, 60]]}}')
    (tmp_path / "p").mkdir()
    imsave(tmp_path / "p" / "a.png", np.zeros((60, 80, 3), np.uint8), check_contrast=False)
    options = {
        "measures": ["--out", tmp_path / "m.csv"],
        "attention": ["--pictures", tmp_path / "p", "--sigma-px", 5, "--tables-only", "--out", tmp_path / "a"],
        "aoi": [areas],
    }
    result = CliRunner().invoke(gazekit, [command, str(path), *map(str, options[command])])
    assert result.exit_code == 0, result.output
    assert "error: half of the durations are under 0.25 ms: seconds given as ms?" in result.output
