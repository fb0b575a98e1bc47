"""Every error that the survey raises on purpose.

SurveyError           what was found, what was expected, what to do next
|-- SettingsError     a study file or an option is wrong (all faults in one message)
`-- ImportFault       ratings that cannot be read
"""

from __future__ import annotations


class SurveyError(Exception):
    """Anything that the survey raises on purpose; the command line prints it without a traceback."""


class SettingsError(SurveyError):
    """A study file or an option is wrong; the message lists all faults at once."""


class ImportFault(SurveyError):
    """Ratings that cannot be read; the message names the file and the rows."""
