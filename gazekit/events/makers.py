"""The maker's own calibration and validation, where a file has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from gazekit.core.types import Bools, Floats
from gazekit.events.angles import angle_between_fick
from gazekit.screen import Screen
from gazekit.session.model import Calibration, Session, Validation

MAKERS_COLUMNS = (
    "makers_accuracy_deg",  # of the last validation that the tracker's own software says the figure of
    "makers_verdict",  # of its last calibration and validation, in its own words
)


def is_makers(validation: Validation) -> bool:
    """Tell whether a validation holds the tracker's own figures, and none of ours, which are a row a target."""
    return "target" not in validation.table.columns


def makers_rows(session: Session) -> list[dict[str, Any]]:
    """Return what the maker says: a row for each eye of each calibration and validation, in order of time.

    ``part`` is "maker's calibration" or "maker's validation", ``order`` counts each kind from 0. Of a calibration
    whose samples are known, accuracy is the mean angle between them and the targets, trueness that of their mean,
    both as means over the targets.
    """
    rows = []
    for order, calibration in enumerate(session.calibrations):
        rows += [{"order": order, **row} for row in _calibration_rows(calibration, session.screen)]
    for order, validation in enumerate(filter(is_makers, session.validations)):
        for row in validation.table.to_dict("records"):
            of = row.pop("of", "validation")
            figures = {"makers_accuracy_deg": row.pop("accuracy_deg", np.nan), "makers_verdict": _passed(validation)}
            rows.append({"order": order, "part": f"maker's {of}", **row, **figures})
    return [{"image": "", "target": "", **row} for row in rows]


def last_of_makers(rows: list[dict[str, Any]], eye: str) -> dict[str, Any]:
    """Return the figures of the last validation of an eye (else of the last calibration), and the verdicts.

    The average of both eyes is the mean of theirs where the maker gives none.
    """
    accuracy = float("nan")
    for part in ("maker's validation", "maker's calibration"):
        latest = {
            str(row.get("eye", "average")): float(row["makers_accuracy_deg"]) for row in rows if row["part"] == part
        }
        known = {side: value for side, value in latest.items() if np.isfinite(value)}
        if known and (eye in known or eye == "average" or "average" in known):
            accuracy = known.get(eye, known.get("average", float(np.mean(list(known.values())))))
            break
    of_eye = [row for row in rows if eye == "average" or row.get("eye", "average") in (eye, "average")]
    said = {row["part"].removeprefix("maker's "): row["makers_verdict"] for row in of_eye if row["makers_verdict"]}
    return {
        "makers_accuracy_deg": accuracy,
        "makers_verdict": ", ".join(f"{part} {text}" for part, text in said.items()),
    }


def _passed(validation: Validation) -> str:
    return {True: "passed", False: "failed", None: ""}[validation.passed]


def _calibration_rows(calibration: Calibration, screen: Screen) -> list[dict[str, Any]]:
    rows = []
    for eye in ("left", "right"):
        errors = [
            _errors(getattr(point, eye), getattr(point, f"{eye}_used"), point.target, screen)
            for point in calibration.points
        ]
        known = np.array([pair for pair in errors if pair is not None], dtype=float).reshape(-1, 2)
        if len(known):
            accuracy, trueness = known.mean(axis=0).tolist()
            rows.append({"eye": eye, "makers_accuracy_deg": accuracy, "trueness_deg": trueness})
    rows = rows or [{"eye": "average", "makers_accuracy_deg": np.nan}]
    return [{"part": "maker's calibration", "makers_verdict": calibration.status, **row} for row in rows]


def _errors(gaze: Floats, used: Bools, target: tuple[float, float], screen: Screen) -> tuple[float, float] | None:
    """Return the mean angle of the samples, shape (n, 2) of the display area, and that of their mean."""
    gaze = gaze[used & np.isfinite(gaze).all(axis=1)]
    if not len(gaze):
        return None
    size = np.array([screen.width_px, screen.height_px])
    place = screen.to_degrees(*(np.array([part]) for part in np.array(target) * size))
    x, y = screen.to_degrees(*(gaze * size).T)
    each = angle_between_fick(x, y, *(np.full(len(x), part[0]) for part in place))
    centre = angle_between_fick(np.array([x.mean()]), np.array([y.mean()]), *place)
    return float(each.mean()), float(centre[0])
