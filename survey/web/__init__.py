"""The survey on the web: participants' pages and the operator's page."""

from survey.web.app import create_app

__all__ = ["create_app"]
