"""The exceptions of the Tobii SDK as ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from gazekit.core.errors import TrackerError


@contextlib.contextmanager
def speaking_of(what: str) -> Iterator[None]:
    """Turn the SDK's exceptions into a `TrackerError` that says what was tried."""
    try:
        yield
    except Exception as error:
        if isinstance(error, TrackerError) or not type(error).__module__.startswith("tobiiresearch"):
            raise
        name = type(error).__name__.removeprefix("EyeTracker").removesuffix("Error")
        raise TrackerError(f"{what}: the eye tracker answers {name}: {error}") from error
