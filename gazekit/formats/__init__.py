"""Files of other eye-tracking tools: read to sessions, and sessions written for others."""

from gazekit.formats.bids_out import export_bids
from gazekit.formats.importing import import_recording
from gazekit.formats.session_tables import export_tables

__all__ = ["export_bids", "export_tables", "import_recording"]
