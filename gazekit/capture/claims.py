"""Claims: what was assigned to participants whose sessions have no journal yet, so that two stations share a design."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gazekit.core.errors import OutputError

_TURN = ".assigning"
_SUFFIX = ".claim"
_WAIT_S = 10.0  # a turn that lasts longer was left by a crash: assigning takes milliseconds
_REFUSALS = 25  # in a row, half a second: Windows refuses a file while another station deletes it
_FRESH_S = 600.0  # between the claim and the journal a tracker is opened; an older claim is of a start that failed


@dataclass(frozen=True)
class Claim:
    """A file that holds the levels of a participant whose session is about to begin."""

    file: Path
    made: tuple[Path, ...] = ()  # folders that are there only for it, the deepest first

    def release(self) -> None:
        """Take the claim back: the journal holds the levels now, or the start was refused."""
        self.file.unlink(missing_ok=True)
        remove_empty(self.made)


def missing_folders(folder: Path) -> tuple[Path, ...]:
    """Return what would have to be made for a folder to be there, the deepest first."""
    return tuple(place for place in (folder, *folder.parents) if not place.exists())


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, the deepest first, up to one that is not empty."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()


class Turn:
    """The right to assign in a folder; one station has it at a time. See `take_turn`."""

    def __init__(self, folder: Path, made: tuple[Path, ...]) -> None:
        self._folder, self._made = folder, made
        self._now_s = (folder / _TURN).stat().st_mtime  # by the clock that stamps the claims

    def claimed(self) -> dict[str, Mapping[str, str]]:
        """Return the levels that are claimed, by participant; claims of starts that failed are removed."""
        levels: dict[str, Mapping[str, str]] = {}
        for file in sorted(self._folder.glob(f".*{_SUFFIX}")):
            with contextlib.suppress(OSError, ValueError):  # it was released just now
                if self._now_s - file.stat().st_mtime > _FRESH_S:
                    file.unlink()
                    continue
                levels[file.name[1 : -len(_SUFFIX)]] = dict(json.loads(file.read_text("utf-8")))
        return levels

    def claim(self, participant: str, levels: Mapping[str, str]) -> Claim:
        """Claim levels for a participant."""
        file = self._folder / f".{participant}{_SUFFIX}"
        file.write_text(json.dumps(dict(levels)), "utf-8")
        return Claim(file, self._made)


@contextlib.contextmanager
def take_turn(folder: Path) -> Iterator[Turn]:
    """Wait until no other station assigns in a folder, and keep the others waiting.

    Raises
    ------
    OutputError
        The folder cannot be written.
    """
    made = missing_folders(folder)
    file = folder / _TURN
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _make_alone(file)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        yield Turn(folder, made)
    finally:
        file.unlink(missing_ok=True)
        remove_empty(made)  # unless a claim lies there


def _make_alone(file: Path) -> None:
    """Make a file that only one station can make; one that does not change while this waits is of a crash."""
    begin, stamp, refusals = time.monotonic(), None, 0
    while True:
        try:
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return
        except PermissionError:
            refusals += 1
            if refusals == _REFUSALS:
                raise
        except FileExistsError:
            refusals = 0
            with contextlib.suppress(OSError):
                now = file.stat().st_mtime_ns
                if now != stamp:
                    begin, stamp = time.monotonic(), now
            if time.monotonic() - begin > _WAIT_S:
                file.unlink(missing_ok=True)
        time.sleep(0.02)
