"""``gazekit survey``: the survey's own commands."""

from __future__ import annotations

from survey.cli import survey as command

__all__ = ["command"]
