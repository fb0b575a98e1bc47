"""What every page of one served survey shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from flask import current_app
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter

from survey.config import SurveyStudy
from survey.store import Store


@dataclass(frozen=True)
class Context:
    """A served survey: its study, store and pictures."""

    study: SurveyStudy
    store: Store
    pictures: Mapping[int, Path]  # by the number of the picture in the store: no name in a URL becomes a path
    password_hash: str
    public_url: str
    limiter: FixedWindowRateLimiter
    salt: bytes

    def allowed(self, limit: str, *key: str) -> bool:
        """Count one more of something against its limit; false where there were too many."""
        return self.limiter.hit(parse(limit), *key)


def limiter() -> FixedWindowRateLimiter:
    """A rate limiter that counts in memory."""
    return FixedWindowRateLimiter(MemoryStorage())


def context() -> Context:
    """The survey that the current request is for."""
    found = current_app.extensions["survey"]
    assert isinstance(found, Context)
    return found
