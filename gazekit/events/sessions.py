"""Fixations and saccades of whole sessions, picture by picture."""

from __future__ import annotations

from typing import Any

import pandas as pd

from gazekit.core.tables import FIXATION_COLUMNS
from gazekit.events.detectors import PICTURE_DETECTOR
from gazekit.events.fixations import detect_fixations
from gazekit.events.saccades import SACCADE_COLUMNS, detect_saccades
from gazekit.session.model import Session, Trial


def session_fixations(session: Session, detector: str = PICTURE_DETECTOR, **parameters: Any) -> pd.DataFrame:
    """Find the fixations on every picture of a session, with all `gazekit.core.tables.FIXATION_COLUMNS`.

    Each trial is detected by itself, so that no fixation reaches from one picture into the next, and mapped to the
    picture's own pixels through its placement (NaN off the picture). A session without pictures is detected whole,
    with an empty ``image``.

    Parameters
    ----------
    session : Session
        As `gazekit.open_session` or `gazekit.import_recording` gives it.
    detector, **parameters
        As in `gazekit.detect_fixations`, with ``eye`` among the parameters.

    Returns
    -------
    DataFrame
        A row a fixation: participant, image, times, centre on the screen, in the picture and in degrees, noise.

    Examples
    --------
    >>> import numpy as np
    >>> from gazekit.gaze import GazeRecording
    >>> from gazekit.screen import Screen
    >>> screen = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
    >>> gaze = GazeRecording.from_pixels(np.arange(300) * 2000, np.full(300, 960.0), np.full(300, 540.0), screen)
    >>> session_fixations(Session("P01", screen, gaze))[["participant", "x_px", "y_px"]].values.tolist()
    [['P01', 960.0, 540.0]]
    """
    tables = [
        _on_picture(detect_fixations(trial.recording, session.screen, detector, **parameters), trial)
        for trial in session.trials()
    ]
    if not tables:
        whole = detect_fixations(session.recording, session.screen, detector, **parameters)
        tables = [whole.assign(image="", x_picture=float("nan"), y_picture=float("nan"))]
    table = pd.concat(tables, ignore_index=True).assign(participant=session.participant)
    return table[list(FIXATION_COLUMNS)]


def session_saccades(session: Session, detector: str = PICTURE_DETECTOR, **parameters: Any) -> pd.DataFrame:
    """Find the saccades on every picture of a session: participant, image, then `SACCADE_COLUMNS`.

    Detected as the fixations are, trial by trial; a session without pictures whole, with an empty ``image``.
    """
    parts = [(trial.image, trial.recording) for trial in session.trials()] or [("", session.recording)]
    tables = [
        detect_saccades(recording, session.screen, detector, **parameters).assign(image=image)
        for image, recording in parts
    ]
    table = pd.concat(tables, ignore_index=True).assign(participant=session.participant)
    return table[["participant", "image", *SACCADE_COLUMNS]]


def _on_picture(table: pd.DataFrame, trial: Trial) -> pd.DataFrame:
    x, y = trial.placement.to_picture(table["x_px"], table["y_px"], trial.picture)
    return table.assign(image=trial.image, x_picture=x, y_picture=y)
