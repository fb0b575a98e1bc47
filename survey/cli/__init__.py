"""``gazekit survey``: run a survey, and work with tables of ratings."""

from survey.cli import running, tables
from survey.cli.shared import survey

__all__ = ["running", "survey", "tables"]
