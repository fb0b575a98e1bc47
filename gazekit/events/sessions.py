"""Fixations and saccades of whole sessions, picture by picture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.core.tables import FIXATION_COLUMNS, Cut, without_cut
from gazekit.core.types import Floats
from gazekit.events.detectors import PICTURE_DETECTOR
from gazekit.events.fixations import Columns, Detection, as_table, detect, fixation_columns
from gazekit.events.saccades import SACCADE_COLUMNS, saccade_columns
from gazekit.session.model import Session, Trial


@dataclass(frozen=True)
class TrialEvents:
    """Hold what a detector found on one picture; in a session without pictures, in all of it.

    Attributes
    ----------
    detection : Detection
        Samples and events.
    trial : Trial or None
        The picture; None in a session without pictures.
    """

    detection: Detection
    trial: Trial | None

    @property
    def fixations(self) -> pd.DataFrame:
        """The fixations, with their place in the picture's own pixels (NaN off the picture)."""
        return as_table(self.fixation_columns)

    @property
    def fixation_columns(self) -> Columns:
        """The columns of `fixations`."""
        columns = fixation_columns(self.detection)
        trial, count = self.trial, len(columns["onset_us"])
        off = np.full(count, np.nan)
        x, y = trial.placement.to_picture(columns["x_px"], columns["y_px"], trial.picture) if trial else (off, off)
        return columns | {
            "since_onset_ms": self.since_onset_ms(columns["onset_us"]),
            "image": self._image(count),
            "x_picture": x,
            "y_picture": y,
        }

    def since_onset_ms(self, device_us: npt.ArrayLike) -> Floats:
        """Return stamps of the device clock as milliseconds since the picture came; NaN without a picture."""
        return since_onset_ms(self.trial, device_us)

    @property
    def saccades(self) -> pd.DataFrame:
        """The saccades."""
        return as_table(self.saccade_columns)

    @property
    def saccade_columns(self) -> Columns:
        """The columns of `saccades`."""
        columns = saccade_columns(self.detection)
        return columns | {"image": self._image(len(columns["onset_us"]))}

    def _image(self, count: int) -> np.ndarray[Any, Any]:
        return np.full(count, self.trial.image if self.trial else "", dtype=object)


def since_onset_ms(trial: Trial | None, device_us: npt.ArrayLike) -> Floats:
    """Return stamps of the device clock as milliseconds since a trial's onset; NaN without one, or without samples."""
    stamps = np.asarray(device_us, dtype=np.float64)
    if trial is None or not len(trial.recording):
        return np.full(stamps.shape, np.nan)
    shift = float(np.median(trial.recording.system_time_us - trial.recording.device_time_us)) - trial.onset_us
    return np.maximum((stamps + shift) / 1000, 0.0)  # stamps of the host jitter


def session_events(session: Session, detector: str = PICTURE_DETECTOR, **parameters: Any) -> list[TrialEvents]:
    """Run a detector on every picture of a session by itself, or on all of a session without pictures."""
    if "eye_openness" in session.streams:
        session = replace(session, recording=session.recording.with_openness(session.streams["eye_openness"]))
    trials = session.trials()
    if not trials:
        return [TrialEvents(detect(session.recording, session.screen, detector, **parameters), None)]
    return [TrialEvents(detect(t.recording, session.screen, detector, **parameters), t) for t in trials]


def session_fixations(
    session: Session, detector: str = PICTURE_DETECTOR, *, cut: Cut = "keep", **parameters: Any
) -> pd.DataFrame:
    """Find the fixations on every picture of a session, with all `gazekit.core.tables.FIXATION_COLUMNS`.

    Each trial is detected by itself, so that no fixation reaches from one picture into the next (one that is cut by
    the picture's onset or offset says so: ``cut_start``, ``cut_end``), and mapped to the picture's own pixels through
    its placement (NaN off the picture). A session without pictures is detected whole, with an empty ``image``.

    Parameters
    ----------
    session : Session
        As `gazekit.open_session` or `gazekit.import_recording` gives it.
    detector, **parameters
        As in `gazekit.detect_fixations`, with ``eye`` among the parameters.
    cut : {"keep", "drop-start", "drop"}
        What becomes of fixations that a picture's onset or offset (or a hole) cuts: they count like others, those that
        went on from before are left out, or all that are cut are left out. So they do in maps made of the table.

    Returns
    -------
    DataFrame
        A row a fixation: participant, image, times (``since_onset_ms`` since its picture came), centre on the screen,
        in the picture and in degrees, noise.

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
    return join_fixations(session, session_events(session, detector, **parameters), cut)


def session_saccades(session: Session, detector: str = PICTURE_DETECTOR, **parameters: Any) -> pd.DataFrame:
    """Find the saccades on every picture of a session: participant, image, then `SACCADE_COLUMNS`.

    Detected as the fixations are, trial by trial; a session without pictures whole, with an empty ``image``.
    """
    return join_saccades(session, session_events(session, detector, **parameters))


def join_fixations(session: Session, events: list[TrialEvents], cut: Cut = "keep") -> pd.DataFrame:
    """Return the fixations of all pictures as one table, without those that are cut if asked for."""
    table = _joined(session, [part.fixation_columns for part in events])
    return without_cut(table, cut)[list(FIXATION_COLUMNS)]


def join_saccades(session: Session, events: list[TrialEvents]) -> pd.DataFrame:
    """Return the saccades of all pictures as one table."""
    table = _joined(session, [part.saccade_columns for part in events])
    return table[["participant", "image", *SACCADE_COLUMNS]]


def _joined(session: Session, parts: list[Columns]) -> pd.DataFrame:
    table = as_table({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    return table.assign(participant=session.participant)
