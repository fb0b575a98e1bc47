"""Every error that the survey raises on purpose.

GazekitError              what was found, what was expected, what to do next (`gazekit.core.errors`)
|-- ConfigError           a study file or an option is wrong (all faults in one message)
`-- SurveyError           the survey cannot go on
    `-- RatingsError       ratings that cannot be read
"""

from __future__ import annotations

from gazekit.core.errors import GazekitError


class SurveyError(GazekitError):
    """Anything that the survey raises on purpose; the command line prints it without a traceback."""


class RatingsError(SurveyError):
    """Ratings that cannot be read; the message names the file and the rows."""
