"""The displays of this machine as SDL finds them; what its libraries print meanwhile is kept with them."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

import pygame

from gazekit.capture import window  # noqa: F401 (sets what SDL is to do)

_STDERR = 2


@dataclass(frozen=True)
class Desktop:
    """What was found: the driver, the size and rate of each display, and what libraries said of it."""

    driver: str
    sizes: list[tuple[int, int]]
    rates: list[int]
    said: tuple[str, ...] = ()

    @property
    def is_visible(self) -> bool:
        """Whether a person can see what is shown."""
        return self.driver not in ("dummy", "offscreen")


def look_at_desktop() -> Desktop:
    """Ask SDL for the displays; a window that is open stays open.

    Raises
    ------
    pygame.error
        No display can be opened.
    """
    was_open = pygame.display.get_init()
    try:
        with _printed() as said:
            pygame.display.init()
        sizes, rates = pygame.display.get_desktop_sizes(), pygame.display.get_desktop_refresh_rates()
        return Desktop(pygame.display.get_driver(), sizes, rates, tuple(said))
    finally:
        if not was_open:
            pygame.display.quit()


@contextlib.contextmanager
def _printed() -> Iterator[list[str]]:
    """Catch what libraries print to standard error, such as Wayland's; the lines are there when the block ends."""
    said: list[str] = []
    if sys.__stderr__ is None:  # closed: its number may be a file's by now
        yield said
        return
    with tempfile.TemporaryFile() as file:
        before = os.dup(_STDERR)
        os.dup2(file.fileno(), _STDERR)
        try:
            yield said
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
            file.seek(0)
            said += file.read().decode("utf-8", "replace").splitlines()
