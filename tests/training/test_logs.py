from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gazekit.training.logs import EpochLog, to_tensorboard
from gazekit.training.loop import Saver, TrainingState, fit
from tests.needs import need


def test_a_line_says_where_a_run_is(make: Callable[..., tuple[TrainingState, Saver]]) -> None:
    run, saver = make(epochs=2)
    fit(run, saver)
    line = EpochLog("nima-narrow / human / seed 0").line(run, 0.5)
    assert line.startswith("nima-narrow / human / seed 0: epoch 2 of 2, training loss 0.")
    assert "86 pictures/s, 0 s left" in line


def test_tensorboard_can_read_what_was_written(tmp_path: Path) -> None:
    try:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    except ImportError:
        need(False, "tensorboard")
    for epoch in (1, 2, 3):
        to_tensorboard(tmp_path, {"epoch": epoch, "train_loss": 1 / epoch, "validation_loss": 2 / epoch})
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [e.step for e in events.Scalars("train_loss")] == [1, 2, 3]
    assert events.Scalars("validation_loss")[2].value == pytest.approx(2 / 3)
