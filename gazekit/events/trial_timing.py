"""Whether pictures came and went when they should, and which trials are better left out."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.events.settings import QualitySection
from gazekit.session.model import Session

TIMING_FIGURES = (
    "onset_error_ms",  # of the picture's onset, against the plan
    "shown_error_ms",  # of how long it was shown
    "frames_missed",  # while it was shown
    "timing",  # pass or fail, empty where nothing was measured
)
TRIAL_COLUMNS = ("participant", "session", "image", "order", "leave_out")
_LIMITS = {
    "max_onset_error_ms": "onset_error_ms",
    "max_shown_error_ms": "shown_error_ms",
    "max_frames_missed": "frames_missed",
}


def trial_timing(session: Session, thresholds: QualitySection | None = None) -> pd.DataFrame:
    """Judge the timing of each picture of a session: image, order, `TIMING_FIGURES` and ``faults``.

    Moments are those after the swap of the frame. A session without a display, or of another program, has no rows.
    """
    thresholds = thresholds or QualitySection()
    measured = session.stimuli
    measured = measured[measured["intended_onset_us"] >= 0] if "intended_onset_us" in measured else measured[:0]
    if not len(measured):
        return pd.DataFrame(columns=["image", "order", *TIMING_FIGURES, "faults"])
    late = (measured["onset_us"] - measured["intended_onset_us"]) / 1000
    shown = measured["offset_us"] - measured["onset_us"]
    planned = measured["intended_offset_us"] - measured["onset_us"]
    table = measured[["image", "order"]].assign(
        onset_error_ms=late, shown_error_ms=(shown - planned) / 1000, frames_missed=measured["frames_missed"]
    )
    faults = []
    for row in table.to_dict("records"):
        limits = [(column, getattr(thresholds, name)) for name, column in _LIMITS.items()]
        over = [(column, limit) for column, limit in limits if limit is not None and abs(row[column]) > limit]
        faults.append("; ".join(f"{column} is {row[column]:.3g}, over {limit:g}" for column, limit in over))
    return table.assign(timing=["fail" if text else "pass" for text in faults], faults=faults)


def timing_of_whole(session: Session, timing: pd.DataFrame, thresholds: QualitySection) -> tuple[str, str]:
    """Return the verdict on the timing of a session, pass or fail or empty, and why it fails or may mislead."""
    notes = []
    if session.display.get("driver") in ("dummy", "offscreen"):
        notes.append(f"the window was on the driver {session.display['driver']!r}, which nobody can see")
    elif session.display.get("flips_follow_refresh") is False and session.display.get("refresh_reported_hz"):
        notes.append("flips did not follow the display's refresh, so that pictures came up to a frame after their time")
    if not len(timing):
        return "", "; ".join(notes)
    failed = timing[timing["timing"] == "fail"]
    share = 100 * len(failed) / len(timing)
    limit = thresholds.max_bad_timing_percent
    bad = limit is not None and share > limit
    if bad:
        some = ", ".join(failed["image"][:5])
        notes.insert(0, f"{len(failed)} of {len(timing)} pictures were not shown as planned: {some}")
    return ("fail" if bad else "pass"), "; ".join(notes)


def trials_to_leave_out(table: pd.DataFrame, thresholds: QualitySection | None = None) -> pd.DataFrame:
    """List all trials of a table of quality, with why each is better left out (empty: it is good): `TRIAL_COLUMNS`.

    Reasons are no gaze, more loss than ``max_loss_percent``, and timing.

    Examples
    --------
    >>> quality = pd.DataFrame({"participant": "P1", "session": "", "part": "trial", "eye": "average",
    ...     "image": ["a", "b"], "order": [0, 1], "valid_samples": [90, 0], "loss_percent": [10.0, 100.0],
    ...     "timing": ["pass", "pass"]})
    >>> trials_to_leave_out(quality)["leave_out"].tolist()
    ['', 'no gaze']
    """
    thresholds = thresholds or QualitySection()
    trials = table[(table["part"] == "trial") & (table["eye"] == "average")]
    reasons = []
    for row in trials.to_dict("records"):
        faults = []
        if not row["valid_samples"] > 0:
            faults.append("no gaze")
        elif thresholds.max_loss_percent is not None and row["loss_percent"] > thresholds.max_loss_percent:
            faults.append(f"loss_percent is {row['loss_percent']:.3g}, over {thresholds.max_loss_percent:g}")
        faults += ["timing"] if row["timing"] == "fail" else []
        reasons.append("; ".join(faults))
    return trials[list(TRIAL_COLUMNS[:-1])].assign(leave_out=reasons).reset_index(drop=True)


def without_bad_trials(session: Session, trials: pd.DataFrame) -> Session:
    """Return a session without the pictures that a table of trials leaves out; how many is said on standard error.

    Parameters
    ----------
    session : Session
        The session.
    trials : DataFrame
        As `trials_to_leave_out` returns it; participant, image, order and leave_out are read (and session, where it
        has it).

    Raises
    ------
    InputError
        The table says nothing of one of the session's pictures.
    """
    here = trials[trials["participant"].astype(str) == session.participant]
    if "session" in here:
        here = here[[(name if isinstance(name, str) else "") == session.name for name in here["session"]]]
    reasons = {(str(row.image), int(row.order)): row.leave_out for row in here.itertuples()}
    keys = list(zip(session.stimuli["image"].astype(str), session.stimuli["order"].astype(int), strict=True))
    unknown = [image for image, order in keys if (image, order) not in reasons]
    if unknown:
        raise InputError(
            f"the table of trials says nothing of {counted(len(unknown), 'picture')} of {session.participant}, such as "
            f"{unknown[0]}; make it again: gazekit quality ... --trials FILE"
        )
    good = np.array([not isinstance(reasons[key], str) or not reasons[key] for key in keys], dtype=bool)
    if not good.all():
        print(f"{session.participant}: {int((~good).sum())} of {len(good)} pictures left out", file=sys.stderr)
    return replace(session, stimuli=session.stimuli[good].reset_index(drop=True))
