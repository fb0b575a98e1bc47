"""What Python sees of the files that 0.1.0 made, as numbers that can be written down."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

import gazekit as gk

SIDES = ("left", "right")
EYE = ("gaze", "gaze_mm", "origin_mm", "pupil_mm", "valid", "pupil_valid", "origin_valid")


def array(values: npt.ArrayLike) -> list[Any]:
    """Return type, shape and a SHA-256 of an array."""
    found = np.ascontiguousarray(values)
    return [found.dtype.str, list(found.shape), hashlib.sha256(found.tobytes()).hexdigest()[:16]]


def table(frame: pd.DataFrame) -> list[Any]:
    """Return columns, number of rows and a SHA-256 of a table."""
    text = frame.to_csv(index=False, lineterminator="\n")
    return [list(frame), len(frame), hashlib.sha256(text.encode()).hexdigest()[:16]]


def session(path: Path) -> dict[str, Any]:
    """Return everything that an opened session gives."""
    opened = gk.open_session(path)
    recording = opened.recording
    return {
        "participant": opened.participant,
        "name": opened.name,
        "task": opened.task,
        "started_utc": opened.started_utc,
        "finalised": bool(opened.finalised),
        "screen": asdict(opened.screen),
        "tracker": {key: str(value) for key, value in asdict(opened.tracker).items()},
        "clock": {key: str(value) for key, value in asdict(opened.clock).items()},
        "display": {key: str(value) for key, value in opened.display.items()},
        "device_time_us": array(recording.device_time_us),
        "system_time_us": array(recording.system_time_us),
        "eyes": {f"{side}_{name}": array(getattr(getattr(recording, side), name)) for side in SIDES for name in EYE},
        "stimuli": table(opened.stimuli),
        "messages": table(opened.messages),
        "streams": {name: table(stream) for name, stream in sorted(opened.streams.items())},
        "calibrations": [_calibration(one) for one in opened.calibrations],
        "validations": len(opened.validations),
        "trials": [[trial.image, trial.onset_us, trial.offset_us, len(trial.recording)] for trial in opened.trials()],
    }


def _calibration(one: Any) -> dict[str, Any]:
    sides = ("left", "right", "left_used", "right_used")
    points = [[list(point.target), *(array(getattr(point, side)) for side in sides)] for point in one.points]
    return {"time_us": one.time_us, "status": one.status, "blob": one.blob.hex(), "points": points}


def dataset(path: Path) -> dict[str, Any]:
    """Return everything that an opened dataset gives; decoded pictures are PNG, so that they are alike everywhere."""
    opened = gk.open_dataset(path)
    rows = range(len(opened))
    return {
        "ids": list(opened.ids),
        "scale": opened.scale,
        "conditions": list(opened.conditions),
        "schemes": {name: opened.codes(name).tolist() for name in opened.schemes},
        "categories": {name: opened.category(name).tolist() for name in opened.categories},
        "groups": opened.groups.tolist(),
        "participants": list(opened.participants),
        "counts": opened.counts.tolist(),
        "mean": array(opened.mean),
        "std": array(opened.std),
        "remarks": table(opened.remarks),
        "encoded": [hashlib.sha256(opened.encoded(i)).hexdigest() for i in rows],
        "pictures": [array(opened.picture(i)) for i in rows],
        "masks": {name: [array(opened.mask(i, name)) for i in rows] for name in opened.conditions},
    }


def drawn(path: Path) -> dict[str, Any]:
    """Return what is computed when a dataset is read: maps, and masked pictures as networks see them."""
    opened = gk.open_dataset(path)
    fills = [("black", 0.0), ("mean", 0.0), ("blur", 2.0), ("foveated", 0.0)]
    masked = {
        f"{condition} {fill}": [array(opened.read(i, condition, 24, fill, soft)) for i in range(2)]
        for condition in opened.conditions
        for fill, soft in fills
    }
    return {"maps": [array(opened.human_map(i)) for i in range(len(opened))], "masked": masked}
