"""The session file and what is in it."""

from gazekit.session.model import Calibration, CalibrationPoint, Clock, Session, TrackerInfo, Validation
from gazekit.session.session_file import open_session, write_session

__all__ = [
    "Calibration",
    "CalibrationPoint",
    "Clock",
    "Session",
    "TrackerInfo",
    "Validation",
    "open_session",
    "write_session",
]
