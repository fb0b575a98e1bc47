"""Figures and one HTML file."""

from gazekit.report.write import write_report

__all__ = ["write_report"]
