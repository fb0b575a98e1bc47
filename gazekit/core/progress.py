"""Progress of long work: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def track(items: Iterable[Item], what: str, total: int | Callable[[], int] | None = None) -> Iterator[Item]:
    """Pass the items through, with a progress bar on standard error where that is a terminal.

    A ``total`` that takes time to count is given as a function, which is called only where there is a bar.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import track as rich_track

    count = total() if callable(total) else total
    yield from rich_track(items, description=what, total=count, console=Console(stderr=True), transient=True)
