"""What has to be in order before a participant comes: a line each, with what to do about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gazekit.capture.checks import session_faults
from gazekit.capture.discovery import tracker_class
from gazekit.capture.fonts import fonts_found
from gazekit.capture.plan import plan_session
from gazekit.capture.session_loop import seconds_of
from gazekit.capture.settings import SessionSections
from gazekit.capture.texts import faults_of_texts
from gazekit.core.errors import GazekitError
from gazekit.session.journal import SUFFIX

_BYTES_A_SAMPLE = 600  # journal and session file, with all streams
_WITHOUT_DEVICE = ("simulated", "replay")


@dataclass(frozen=True)
class CheckedItem:
    """One thing before a session: ``good``, ``look`` (somebody has to decide) or ``bad``."""

    name: str
    state: Literal["good", "look", "bad"]
    words: str


def checklist(sections: SessionSections, folder: Path) -> list[CheckedItem]:
    """Look at everything that a session of a study needs.

    Parameters
    ----------
    sections : SessionSections
        The study.
    folder : path
        Where the session files go.

    Returns
    -------
    list of CheckedItem
        Study, disk, journals, backup, tracker, display, screen, fonts.
    """
    checks: dict[str, Callable[[], CheckedItem]] = {
        "study": lambda: _study(sections),
        "disk": lambda: _disk(sections, folder),
        "journals": lambda: _journals(folder),
        "backup": lambda: _backup(sections),
        "tracker": lambda: _tracker(sections),
        "display": lambda: _display(sections),
        "screen": lambda: _screen(sections),
        "fonts": lambda: _fonts(sections),
    }
    items = []
    for name, check in checks.items():
        try:
            items.append(check())
        except (GazekitError, OSError) as error:
            items.append(CheckedItem(name, "bad", str(error)))
    return items


def _study(sections: SessionSections) -> CheckedItem:
    faults = session_faults(sections)
    return CheckedItem("study", "bad" if faults else "good", "; ".join(faults) or f"{sections.file} is in order")


def _disk(sections: SessionSections, folder: Path) -> CheckedItem:
    present = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(present).free
    seconds = sum(seconds_of(sections, trial) for trial in plan_session(sections, "P01", sections.study.seed))
    need = int(seconds * (sections.tracker.rate_hz or 300.0) * _BYTES_A_SAMPLE)
    words = f"{free / 1e9:.1f} GB free in {folder}, a session takes about {need / 1e6:.0f} MB"
    return CheckedItem("disk", "bad" if free < 2 * need else "look" if free < 20 * need else "good", words)


def _journals(folder: Path) -> CheckedItem:
    left = sorted(file.name for file in folder.glob(f"*{SUFFIX}")) if folder.is_dir() else []
    if not left:
        return CheckedItem("journals", "good", "no session was cut off")
    words = f"cut off: {', '.join(left[:5])}; gazekit recover makes their session files, --resume goes on"
    return CheckedItem("journals", "look", words)


def _backup(sections: SessionSections) -> CheckedItem:
    if sections.record.backup is None:
        return CheckedItem("backup", "look", "there is no second copy: [record] backup names a folder")
    place = sections.file.parent / sections.record.backup
    if not place.is_dir():
        return CheckedItem("backup", "bad", f"there is no folder {place}; plug it in, or make it")
    return CheckedItem("backup", "good", f"{shutil.disk_usage(place).free / 1e9:.1f} GB free in {place}")


def _tracker(sections: SessionSections) -> CheckedItem:
    section = sections.tracker
    if section.kind in _WITHOUT_DEVICE:
        return CheckedItem("tracker", "look", f"[tracker] kind = {section.kind!r}: no real tracker records")
    found = tracker_class(section.kind).find()
    right = [t for t in found if section.serial in ("", t.serial) and section.address in ("", t.address)]
    if not right:
        others = f"; found {', '.join(t.serial for t in found)}" if found else ""
        return CheckedItem("tracker", "bad", f"no {section.kind} tracker is there{others}; is it on, is its cable in?")
    return CheckedItem("tracker", "good", ", ".join(f"{t.model} {t.serial} at {t.address}" for t in right))


def _display(sections: SessionSections) -> CheckedItem:
    """Compare the display with the study; the refresh is measured when a session begins."""
    import pygame

    from gazekit.capture.desktop import look_at_desktop

    try:
        desktop = look_at_desktop()
    except pygame.error as error:
        return CheckedItem("display", "bad", f"no display can be opened: {error}")
    sizes = desktop.sizes
    number, wanted = sections.presentation.display, (sections.screen.width_px, sections.screen.height_px)
    if number >= len(sizes):
        return CheckedItem("display", "bad", f"[presentation] display = {number}: there are {len(sizes)}")
    words = f"{sizes[number][0]} x {sizes[number][1]} pixels at {desktop.rates[number]} Hz ({desktop.driver})"
    if not desktop.is_visible:
        return CheckedItem("display", "look", f"{words}: nobody can see it")
    if sizes[number] != wanted:
        return CheckedItem("display", "bad", f"{words}; [screen] says {wanted[0]} x {wanted[1]}")
    return CheckedItem("display", "good", words)


def _screen(sections: SessionSections) -> CheckedItem:
    screen = sections.screen
    words = (
        f"{screen.width_mm:g} x {screen.height_mm:g} mm at {screen.distance_mm:g} mm: "
        f"{screen.screen().pixels_per_degree:.1f} pixels a degree; measure again where anything was moved"
    )
    return CheckedItem("screen", "look", words)


def _fonts(sections: SessionSections) -> CheckedItem:
    faults = faults_of_texts(sections)
    if faults:
        return CheckedItem("fonts", "bad", "; ".join(faults))
    there = [f"{name} {path.stem}" for name, path in fonts_found().items() if path is not None]
    return CheckedItem("fonts", "good", f"all texts can be drawn; {', '.join(there)}")
