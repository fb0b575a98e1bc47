"""What every page of one served survey shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flask import current_app

from survey.config import SurveyStudy
from survey.database import Store
from survey.web.limits import Limiter


@dataclass(frozen=True)
class AppState:
    """A served survey: its study, store and pictures."""

    study: SurveyStudy
    store: Store
    pictures: Mapping[int, Path]  # by the number of the picture in the store: no name in a URL becomes a path
    password_hash: str
    public_url: str
    limiter: Limiter
    salt: bytes


def app_state() -> AppState:
    """Return the survey that the current request is for."""
    state: AppState = current_app.extensions["survey"]
    return state
