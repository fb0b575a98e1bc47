"""Several comparison folders as one: networks that were trained apart, compared on the same pictures."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gazekit.core.errors import InputError, OutputError
from gazekit.core.files import whole_folder, write_text
from gazekit.core.registration_log import LOG, check_opened
from gazekit.core.tables import read_table
from gazekit.stats.comparison_folder import CONFIG, TRUTH, Run, check_own, read_configuration
from gazekit.stats.registration import REGISTRATION

_LIGHT = ("predictions.csv", "done.json", "metrics.jsonl", "machine.json")


def join_folders(folders: Sequence[str | Path], out: str | Path) -> Path:
    """Write a comparison folder with the finished runs of several: predictions and logs, no checkpoints.

    A model that more than one folder has is called ``<model>@<folder>``.

    Parameters
    ----------
    folders : sequence of str or Path
        As `gazekit.train` leaves them, of the same pictures, ratings and folds.
    out : str or Path
        The new folder, for `gazekit.compare` and `gazekit.write_report`.

    Raises
    ------
    InputError
        Fewer than two folders, two of one name, or folders that were tested on other pictures, ratings or folds.
    FormatError
        The folder of a run holds another run: it was copied or renamed.
    OutputError
        ``out`` is there already.
    """
    places, out = [Path(folder) for folder in folders], Path(out)
    names = [place.resolve().name for place in places]
    if len(places) < 2 or len(set(names)) < len(names):
        raise InputError(
            f"two folders or more, each of its own name, can be joined; found {', '.join(names) or 'none'}"
        )
    if out.exists():
        raise OutputError(f"{out} is there already; the joined folder needs a place of its own")
    configs = [json.loads((place / CONFIG).read_text(encoding="utf-8")) if _known(place) else {} for place in places]
    _check_alike(places, configs)
    owners = Counter(model for place in places for model in {run.model for run in read_configuration(place).runs})
    cells: list[tuple[str, str, int]] = []
    with whole_folder(out) as temporary:
        shutil.copy(places[0] / TRUTH, temporary / TRUTH)
        for name in (REGISTRATION, LOG):
            if configs[0].get("registration") and (places[0] / name).exists():
                shutil.copy(places[0] / name, temporary / name)
        for place, name in zip(places, names, strict=True):
            for run in read_configuration(place).runs:
                renamed = replace(run, model=f"{run.model}@{name}" if owners[run.model] > 1 else run.model)
                check_own(run, run.folder(place), read_configuration(place).dataset_sha256)
                cells.append((renamed.model, run.condition, run.seed))
                _copy(run.folder(place), renamed.folder(temporary))
                _copy_maps(place, temporary, run, renamed)
        write_text(
            temporary / CONFIG, json.dumps(_joined(places, configs, cells, out), indent=1, sort_keys=True) + "\n"
        )
    return out


def _known(place: Path) -> bool:
    return bool(read_configuration(place).runs)


def _check_alike(places: Sequence[Path], configs: Sequence[dict[str, Any]]) -> None:
    truths = [read_table(place / TRUTH, ["image", "split"], "table of ratings") for place in places]
    tested = [truth[truth["split"] == "test"].reset_index(drop=True) for truth in truths]
    for place, config, table in zip(places, configs, tested, strict=True):
        check_opened(place, str(config.get("registration", "")), f"{place}: what was predicted")
        if not table.equals(tested[0]):
            raise InputError(
                f"{place} was not tested on the same pictures, ratings and folds as {places[0]}; train both with one "
                "dataset and one way of splitting"
            )
        if config.get("registration") != configs[0].get("registration"):
            raise InputError(f"{place} and {places[0]} are not of one registered study, and cannot be joined")


def _copy(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name in _LIGHT:
        if (source / name).exists():
            shutil.copy(source / name, target / name)


def _copy_maps(source: Path, target: Path, run: Run, renamed: Run) -> None:
    """Copy a network's own attention, where there is any."""
    for file in (source / "synthetic" / run.model.replace(":", "-")).glob(f"{run.seed_name}*.npz"):
        folder = target / "synthetic" / renamed.model.replace(":", "-")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / file.name)


def _joined(
    places: Sequence[Path], configs: Sequence[dict[str, Any]], cells: Sequence[tuple[str, str, int]], out: Path
) -> dict[str, Any]:
    columns = ("models", "conditions", "seeds")
    grid = {name: list(dict.fromkeys(cell[i] for cell in cells)) for i, name in enumerate(columns)}
    dataset = configs[0]["dataset"]
    path = Path(dataset["path"])
    if not path.is_absolute():
        path = (places[0] / path).resolve()
    return {
        **{key: value for key, value in configs[0].items() if key not in ("recipe", "grid", "cells", "dataset")},
        "grid": grid,
        "cells": list(dict.fromkeys(cells)),
        "dataset": {**dataset, "path": str(path)},
        "joined": {
            place.resolve().name: config.get("recipe", {}) for place, config in zip(places, configs, strict=True)
        },
    }
