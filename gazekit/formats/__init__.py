"""Files of other eye-tracking tools: read to sessions, and sessions written for others."""

from gazekit.formats.importing import import_recording

__all__ = ["import_recording"]
