"""What of a comparison folder the stages depend on, as patterns from the folder; and keeping it to a study's grid."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gazekit.core.files import write_text

RESULTS = ("comparison.csv", "paired.csv", "agreement.csv", "conclusion.json")
WORK = ("config.json", "runs", "synthetic")
_RUN = "runs/*/*/seed*"
COMPARED = ("truth.csv", f"{_RUN}/done.json", f"{_RUN}/predictions.csv", "synthetic/*/*.npz")
REPORTED = (*COMPARED, f"{_RUN}/metrics.jsonl", "categories.csv", "pictures/*")


def keep_to_grid(out: Path, models: Sequence[str], conditions: Sequence[str], seeds: Sequence[int]) -> None:
    """Take out of a comparison folder what a study no longer asks for; the other networks stay as they are."""
    from gazekit.training.grid import list_cells

    path = out / "config.json"
    if not path.exists():
        return
    cells = list_cells(models, conditions, seeds)
    wanted: dict[str, set[Any]] = {
        "models": {cell.model for cell in cells},
        "conditions": {cell.condition for cell in cells},
        "seeds": {cell.seed for cell in cells},
    }
    config = json.loads(path.read_text(encoding="utf-8"))
    config["grid"] = {key: [item for item in config["grid"][key] if item in wanted[key]] for key in wanted}
    write_text(path, json.dumps(config, indent=1, sort_keys=True) + "\n")
    folders = {cell.folder(out) for cell in cells}
    for folder in set(out.glob("runs/*/*/seed*")) - folders:
        shutil.rmtree(folder)
    for maps in out.glob("synthetic/*/seed*.npz"):
        number = re.match(r"seed(\d+)", maps.name)
        if maps.parent.name not in wanted["models"] or number is None or int(number[1]) not in wanted["seeds"]:
            maps.unlink()
