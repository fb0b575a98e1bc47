"""Fixations, saccades and data quality from raw gaze."""

from gazekit.events.detectors import detectors
from gazekit.events.fixations import detect_fixations, label_samples
from gazekit.events.quality import data_quality
from gazekit.events.sessions import session_fixations

__all__ = ["data_quality", "detect_fixations", "detectors", "label_samples", "session_fixations"]
