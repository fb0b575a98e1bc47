"""The shared interest of simulated people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gazekit.capture.simulation.interest import Interest, drawn_by, read_interests
from gazekit.core.errors import FormatError


def test_an_interest_draws_the_eyes_to_its_place() -> None:
    even = np.full((12, 16), 1 / 192)
    drawn = drawn_by(even, (320, 240), Interest(80, 60, 40))
    assert drawn.sum() == pytest.approx(1)
    assert drawn[3, 4] == pytest.approx(12 * drawn[11, 15])
    assert drawn_by(even, (320, 240), None) is even


def test_places_that_are_not_numbers_are_named(tmp_path: Path) -> None:
    path = tmp_path / "interest.csv"
    path.write_text("image,interest_x,interest_y,interest_radius\na,1,2,3\nb,1,,3\n")
    with pytest.raises(FormatError, match="radius: b"):
        read_interests(path)
