"""What is on this machine: versions, extras, trackers, display, fonts, disk, GPU; and what brings what is missing."""

from __future__ import annotations

import importlib.util
import locale
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

DEVELOPERS = ("test", "docs", "bench")  # extras that users do not need
_LITTLE_GB = 5.0  # less room than this is told
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)[^;]*;(.*)extra == ['\"]([\w-]+)['\"]")
_PYTHON = re.compile(r"python_version *(==|>=|<) *['\"](\d+)\.(\d+)['\"]")


@dataclass(frozen=True)
class MachinePart:
    """One thing that was looked at: whether it is there, what is known of it, and what brings it."""

    name: str
    state: Literal["there", "missing", "doubt"]
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = {"there": " ", "missing": "-", "doubt": "!"}[self.state]
        return f"{mark} {self.name}: {self.text}" + (f"\n    {self.remedy}" if self.remedy else "")


def inspect_machine(folder: str | Path = ".") -> list[MachinePart]:
    """Look at all that gazekit uses on this machine; nothing is changed, and no tracker is opened.

    Parameters
    ----------
    folder : str or Path
        Where data would be written: the disk that it is on is looked at.

    Returns
    -------
    list of MachinePart
        In order: versions, extras, trackers, display, fonts, disk, GPU.
    """
    looks: tuple[Callable[[], Iterator[MachinePart]], ...] = (
        _versions,
        _extras,
        _own_parts,
        _trackers,
        _display,
        _fonts,
        lambda: _disk(Path(folder)),
        _gpu,
    )
    parts: list[MachinePart] = []
    for look in looks:
        try:
            parts += look()
        except Exception as error:  # whatever a driver raises must not hide the rest
            parts.append(MachinePart(look.__name__.strip("_<>"), "doubt", f"{type(error).__name__}: {error}"))
    return parts


def _versions() -> Iterator[MachinePart]:
    yield MachinePart("gazekit", "there", f"{metadata.version('gazekit')} in {Path(__file__).parent}")
    yield MachinePart("Python", "there", f"{platform.python_version()} ({sys.executable})")
    text = f"{platform.platform()}, {os.cpu_count()} cores, {locale.getpreferredencoding(False)}"
    yield MachinePart("system", "there", text)
    versions = (f"{name} {metadata.version(name)}" for name in ("numpy", "pandas", "scipy", "h5py", "opencv-python"))
    yield MachinePart("libraries", "there", ", ".join(versions))


def extras() -> dict[str, list[str]]:
    """Return the packages that each extra of gazekit brings on this Python.

    Examples
    --------
    >>> extras()["train"][:2]
    ['torch', 'torchvision']
    """
    packages: dict[str, list[str]] = {}
    for line in metadata.requires("gazekit") or []:
        match = _REQUIREMENT.match(line)
        if match is not None:
            named = packages.setdefault(match[3], [])
            if _is_for_this_python(match[2]):
                named.append(match[1])
    return packages


def _is_for_this_python(marker: str) -> bool:
    here = sys.version_info[:2]
    compare = {"==": here.__eq__, ">=": here.__ge__, "<": here.__lt__}
    return all(compare[sign]((int(major), int(minor))) for sign, major, minor in _PYTHON.findall(marker))


def _extras() -> Iterator[MachinePart]:
    for extra, packages in extras().items():
        if extra in DEVELOPERS or not packages:
            continue
        absent = [name for name in packages if not _is_installed(name)]
        if absent:
            text = f"{', '.join(absent)} not installed"
            yield MachinePart(f"extra {extra}", "missing", text, f"pip install 'gazekit[{extra}]'")
        else:
            text = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
            yield MachinePart(f"extra {extra}", "there", text)


def _is_installed(package: str) -> bool:
    try:
        return bool(metadata.version(package))
    except metadata.PackageNotFoundError:
        return False


def _own_parts() -> Iterator[MachinePart]:
    for kind in ("detectors", "conditions", "fills", "formats", "trackers"):
        entries = metadata.entry_points(group=f"gazekit.{kind}")
        others = [f"{entry.name} ({entry.value})" for entry in entries if not entry.value.startswith("gazekit.")]
        if len(others) == len(entries):
            remedy = "install it again: pip install -e . (or gazekit)"
            yield MachinePart(kind, "missing", "gazekit's own are not registered", remedy)
        elif others:
            yield MachinePart(f"plug-ins, {kind}", "there", ", ".join(others))


def _trackers() -> Iterator[MachinePart]:
    from gazekit.capture.discovery import find_trackers

    trackers, notes = find_trackers()
    for tracker in trackers:
        if tracker.kind != "simulated":
            yield MachinePart(
                "eye tracker", "there", f"{tracker.kind} {tracker.model} {tracker.serial} {tracker.address}"
            )
    if all(tracker.kind == "simulated" for tracker in trackers):
        remedy = "cable, power, the maker's manager; [tracker] kind = 'simulated' needs none"
        yield MachinePart("eye tracker", "missing", "none answers", remedy)
    for note in notes:
        yield MachinePart("eye tracker", "doubt", " ".join(note.split()))


def _display() -> Iterator[MachinePart]:
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import pygame

    from gazekit.capture.desktop import look_at_desktop

    needed = "a session needs a screen; over ssh, run it at the machine (--headless only with the simulated tracker)"
    try:
        desktop = look_at_desktop()
    except pygame.error as error:
        yield MachinePart("display", "missing", str(error), needed)
        return
    sizes = (
        f"{width}x{height} at {rate} Hz" for (width, height), rate in zip(desktop.sizes, desktop.rates, strict=False)
    )
    text = f"{', '.join(sizes)} by {desktop.driver}"
    if desktop.is_visible:
        yield MachinePart("display", "there", text)
    else:
        reason = f" (said while looking: {'; '.join(desktop.said)})" if desktop.said else ""
        yield MachinePart("display", "doubt", f"{text}: no screen was found{reason}", needed)


def _fonts() -> Iterator[MachinePart]:
    from PIL import features

    from gazekit.capture.fonts import SCRIPTS, fonts_found

    found = fonts_found()
    lacking = [script for script in SCRIPTS if found[script.name] is None]
    yield MachinePart("fonts", "there", ", ".join(name for name, path in found.items() if path is not None) or "none")
    if lacking:
        packages = " ".join(dict.fromkeys(script.package for script in lacking))
        text = f"none for {', '.join(script.name for script in lacking)}"
        yield MachinePart("fonts", "missing", text, f"only if participants read these: apt install {packages}")
    if not (features.check("raqm") and features.check("fribidi")):
        remedy = "only for scripts as Arabic and Devanagari: apt install libfribidi0, or Pillow's own wheel"
        yield MachinePart("joined letters", "missing", "Pillow has no Raqm or FriBidi", remedy)


def _disk(folder: Path) -> Iterator[MachinePart]:
    usage = shutil.disk_usage(folder)
    free = usage.free / 1e9
    text = f"{free:.0f} of {usage.total / 1e9:.0f} GB free in {folder.resolve()}"
    yield MachinePart("disk", "doubt" if free < _LITTLE_GB else "there", text)
    if not os.access(folder, os.W_OK):
        yield MachinePart("disk", "missing", f"{folder.resolve()} cannot be written", "take another folder")


def _gpu() -> Iterator[MachinePart]:
    if importlib.util.find_spec("torch") is None:
        yield MachinePart(
            "GPU", "missing", "torch is not installed, which would use it", "pip install 'gazekit[train]'"
        )
        return
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        yield MachinePart("GPU", "there", f"{', '.join(names)}; CUDA {torch.version.cuda}")
    elif torch.backends.mps.is_available():
        yield MachinePart("GPU", "there", "Apple's, by mps")
    else:
        yield MachinePart("GPU", "missing", f"none that torch {torch.__version__} can use; training goes on the CPU")


def is_usable(parts: list[MachinePart]) -> bool:
    """Tell whether gazekit's own parts are all registered and the disk can be written: what nothing works without."""
    needed = ("detectors", "conditions", "fills", "formats", "trackers", "disk")
    return not any(part.state == "missing" and part.name in needed for part in parts)
