"""The exceptions of the Tobii SDK as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gazekit.capture.tracker import TrackerGone
from gazekit.core.errors import TrackerError


@contextlib.contextmanager
def speaking_of(what: str) -> Iterator[None]:
    """Turn whatever a call of the SDK raises into a `TrackerError` that says what was tried.

    Not all of it is the SDK's own: some statuses come as a ValueError, and after a time-out, which it takes for no
    error, it stumbles over the answer that is missing.
    """
    try:
        yield
    except TrackerError:
        raise
    except Exception as error:
        name = type(error).__name__.removeprefix("EyeTracker").removesuffix("Error")
        kind = TrackerGone if name in ("ConnectionFailed", "Unavailable") else TrackerError
        raise kind(f"{what}: the eye tracker answers {name}: {error}") from error
