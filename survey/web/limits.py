"""How often something may happen: counts in fixed windows of time, in memory."""

from __future__ import annotations

import threading
import time


class Limiter:
    """Counts by key, forgotten when their window ends.

    One dictionary and a lock: a library's in-memory store that starts a timer thread every so many requests took a
    third of the time of a page.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[int, tuple[int, dict[tuple[str, ...], int]]] = {}

    def hit(self, most: int, seconds: int, *key: str, now: float | None = None) -> bool:
        """Count one more of a key in the current window; false where that is more than ``most``."""
        window = int((time.time() if now is None else now) // seconds)
        with self._lock:
            current, counts = self._windows.get(seconds, (window, {}))
            if current != window:
                counts = {}
            self._windows[seconds] = (window, counts)
            counts[key] = counts.get(key, 0) + 1
            return counts[key] <= most
