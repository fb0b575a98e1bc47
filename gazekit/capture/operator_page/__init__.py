"""The operator's page: a process of its own that serves a page to a browser, and brings back what the operator wants.

The session sends a line of JSON some fifteen times a second to that process and never waits for it.
"""

from gazekit.capture.operator_page.link import OperatorPage

__all__ = ["OperatorPage"]
