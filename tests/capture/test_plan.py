"""The plan of a session."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gazekit.capture.plan import latin_row, plan_session
from gazekit.study import read_study
from tests.fixtures.session_study import STUDY, write_pictures


def plan(folder: Path, participant: str, extra: str, seed: int = 1, pictures: int = 6) -> list[int]:
    write_pictures(folder / "pictures", pictures)
    path = folder / "study.toml"
    path.write_text(STUDY.format(kind="simulated", rate=120, duration=400, extra=extra, tracker="", silence_ms=250))
    return [int(t.picture.image[1]) for t in plan_session(read_study(path), participant, seed)]


def test_a_random_order_depends_on_participant_and_seed(tmp_path: Path) -> None:
    first = plan(tmp_path, "P01", "")
    assert sorted(first) == list(range(6))
    assert plan(tmp_path, "P01", "") == first
    assert plan(tmp_path, "P02", "") != first
    assert plan(tmp_path, "P01", "", seed=2) != first


def test_blocks_stay_together(tmp_path: Path) -> None:
    order = plan(tmp_path, "P01", "order = 'blocked'\nblock_size = 2")
    assert all(order[k] // 2 == order[k + 1] // 2 for k in (0, 2, 4))


@pytest.mark.parametrize("n", [4, 5, 6, 9])
def test_a_latin_square_is_balanced(n: int) -> None:
    rows = [latin_row(n, row) for row in range(n if n % 2 == 0 else 2 * n)]
    times = len(rows) // n
    for place in range(n):
        assert set(Counter(row[place] for row in rows).values()) == {times}
    after = Counter((row[k], row[k + 1]) for row in rows for k in range(n - 1))
    assert len(after) == n * (n - 1)
    assert set(after.values()) == {times}


def test_participants_take_the_rows_of_the_square_in_turn(tmp_path: Path) -> None:
    orders = [plan(tmp_path, f"P{k:02d}", "order = 'latin-square'", pictures=4) for k in range(1, 5)]
    assert len({tuple(order) for order in orders}) == 4
    assert {order[0] for order in orders} == {0, 1, 2, 3}
