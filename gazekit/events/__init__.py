"""Fixations, saccades and data quality from raw gaze."""

from gazekit.events.aoi import aoi_table, read_areas, transitions
from gazekit.events.detectors import detectors
from gazekit.events.fixations import detect_fixations, label_samples
from gazekit.events.microsaccades import microsaccades
from gazekit.events.quality import data_quality
from gazekit.events.saccades import detect_saccades, main_sequence
from gazekit.events.session_quality import session_quality
from gazekit.events.sessions import session_fixations, session_saccades

__all__ = [
    "aoi_table",
    "data_quality",
    "detect_fixations",
    "detect_saccades",
    "detectors",
    "label_samples",
    "main_sequence",
    "microsaccades",
    "read_areas",
    "session_fixations",
    "session_quality",
    "session_saccades",
    "transitions",
]
