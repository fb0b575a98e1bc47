"""What a run says while it goes: JSON lines, a line on the terminal, TensorBoard."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Mapping
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

from gazekit.core.errors import MissingExtraError
from gazekit.core.files import write_text
from gazekit.training.loop import TrainingState, told


class EpochLog:
    """Called after every epoch of a run; does nothing but in the process that leads."""

    def __init__(self, name: str, *, sealed: bool = False) -> None:
        self.name = name
        self.sealed = sealed  # what tells of pictures that are not trained on is neither kept nor shown
        self.last = time.monotonic()

    def __call__(self, state: TrainingState, folder: Path) -> None:
        """Write ``metrics.jsonl`` (a row an epoch), and show where the run is."""
        if not state.team.leads:
            return
        rows = [told(row, sealed=self.sealed) for row in state.history]
        write_text(folder / "metrics.jsonl", json_lines(rows))
        if state.recipe.tensorboard:
            to_tensorboard(folder / "tensorboard", rows[-1])
        seconds, self.last = time.monotonic() - self.last, time.monotonic()
        if sys.stderr.isatty() and parent_process() is None:  # side by side, the bar of all runs is shown instead
            print(f"\r\x1b[2K{self.line(state, seconds)}", end="", file=sys.stderr, flush=True)

    def line(self, state: TrainingState, seconds: float) -> str:
        """Return where the run is, in one line."""
        row, left = state.history[-1], state.recipe.epochs - len(state.history)
        speed = len(state.task.train.indices) / max(seconds, 1e-9)
        validation = "sealed" if self.sealed else f"{row['validation_loss']:.4f}"
        return (
            f"{self.name}: epoch {len(state.history)} of {state.recipe.epochs}, training loss {row['train_loss']:.4f}, "
            f"validation loss {validation}, {speed:.0f} pictures/s, {left * seconds:.0f} s left at most"
        )


def json_lines(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return a line of JSON a row."""
    return "".join(json.dumps(row) + "\n" for row in rows)


def to_tensorboard(folder: Path, row: dict[str, float]) -> None:
    """Add a row of the history; what an earlier run wrote of later epochs is dropped."""
    writer = _writer(folder, int(row["epoch"]))
    for name, value in row.items():
        if name != "epoch":
            writer.add_scalar(name, value, int(row["epoch"]))
    writer.flush()


def check_tensorboard() -> None:
    """Raise a `MissingExtraError` where TensorBoard is not installed."""
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        raise MissingExtraError("tensorboard", "tensorboard")


@lru_cache(maxsize=2)
def _writer_of(folder: Path) -> list[Any]:
    return []


def _writer(folder: Path, epoch: int) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    kept = _writer_of(folder)
    if not kept:
        kept.append(SummaryWriter(str(folder), purge_step=epoch))
    return kept[0]
