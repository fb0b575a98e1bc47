"""Files that appear whole or not at all, and where they came from."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import logging
import os
import platform
import re
import secrets
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gazekit.core.errors import InputError, OutputError

_log = logging.getLogger(__name__)
_PICTURE_FORMATS = ("png", "pdf", "svg", "jpg")
_TABLE_FORMATS = ("csv", "tsv", "parquet")
_LONGEST_NAME = 200  # bytes of a file name, suffixes that come later apart
_DEVICES = re.compile(r"(con|prn|aux|nul|(com|lpt)[\d¹²³])(\..*)?", re.IGNORECASE)


def picture_format(out: str | Path) -> str:
    """Return the format of a drawing by its file's suffix; PNG without one.

    Raises
    ------
    OutputError
        A suffix of another kind.
    """
    suffix = Path(out).suffix.lower().lstrip(".") or "png"
    if suffix not in _PICTURE_FORMATS:
        raise OutputError(f"{out}: drawings are written as {', '.join(f'.{name}' for name in _PICTURE_FORMATS)}")
    return suffix


def is_table(out: str | Path) -> bool:
    """Tell whether a file is written as a table (.csv, .tsv, .parquet) rather than as a drawing, by its suffix.

    Raises
    ------
    OutputError
        A suffix of neither kind.
    """
    suffix = Path(out).suffix.lower().lstrip(".")
    if suffix and suffix not in _TABLE_FORMATS + tuple(_PICTURE_FORMATS):
        drawings, tables = (", ".join(f".{name}" for name in names) for names in (_PICTURE_FORMATS, _TABLE_FORMATS))
        raise OutputError(f"{out}: drawings are written as {drawings}, tables as {tables}")
    return suffix in _TABLE_FORMATS


@contextlib.contextmanager
def whole_file(target: str | Path, *, overwrite: bool = True, sync: bool = True) -> Iterator[Path]:
    """Write a file beside its target; it takes the target's place only when the block ends well.

    Yields the temporary path. At the end the file is fsynced and renamed (``os.replace``, which is
    atomic on Linux, macOS and Windows). When the block raises, the temporary file is removed.
    Of very many small files each wait for the disk costs more than the file: with ``sync=False`` who writes them calls
    `sync_all` before a table says that they are there.

    Raises
    ------
    OutputError
        The target exists and ``overwrite`` is false, is no file, or its folder cannot be written.
    """
    target = Path(target)
    if target.exists() and not target.is_file():
        kind = "folder" if target.is_dir() else "device or pipe"
        raise OutputError(f"{target} is a {kind} and cannot be written as a file; give the name of a file")
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already and is never overwritten; choose another name or move it away")
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent} cannot be made a folder: {error.strerror or error}") from error
    try:
        yield temporary
        waits = sync or not hasattr(os, "sync")
        if waits:
            _sync(temporary)
        os.replace(temporary, target)
        if waits:
            sync_folder(target.parent)
        _log.info("wrote %s", target)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and error.filename not in (None, str(temporary), temporary):
            raise
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(target: str | Path, text: str, *, overwrite: bool = True) -> None:
    """Write a text file (UTF-8, lines end in a line feed) whole or not at all."""
    with whole_file(target, overwrite=overwrite) as path:
        path.write_bytes(text.encode())


@contextlib.contextmanager
def whole_folder(target: str | Path) -> Iterator[Path]:
    """Fill a folder beside its target; it takes the target's place only when the block ends well.

    Raises
    ------
    OutputError
        There is something at the target already, or its folder cannot be written.
    """
    target = Path(target)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise OutputError(f"{target} exists already and is never overwritten; choose another name or move it away")
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if target.is_dir():
            target.rmdir()  # it is empty
        os.replace(temporary, target)
        _log.info("wrote the folder %s", target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def names_device(name: str) -> bool:
    """Tell whether Windows takes the name of a file for a device, whatever suffix follows it.

    Examples
    --------
    >>> names_device("aux.gaze.h5"), names_device("auxiliary.gaze.h5")
    (True, False)
    """
    return _DEVICES.fullmatch(name) is not None


def path_from(path: Path, folder: Path) -> str:
    """Return a path as seen from a folder, so that both can be moved together, with ``/`` on every system.

    On another drive of Windows there is no way from one to the other: it is the whole path then.

    Examples
    --------
    >>> path_from(Path("study/gbr.dataset.h5"), Path("study/runs"))
    '../gbr.dataset.h5'
    """
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def file_names(labels: Iterable[str]) -> dict[str, str]:
    """Return a file name for each label, no two alike on any disk: `my photo.png` and `my,photo.png` stay apart.

    Signs that a file system refuses become `_`, and the zero byte between the parts of a label `-`. Names that would
    then be one, or differ in case alone, end in `~` and eight digits of the label's SHA-256, before the suffix.

    Examples
    --------
    >>> file_names(["beach.jpg", "my photo.png", "my,photo.png"])
    {'beach.jpg': 'beach.jpg', 'my photo.png': 'my_photo~16eec7af.png', 'my,photo.png': 'my_photo~4ae1f24b.png'}
    """
    plain = {}
    for label in dict.fromkeys(labels):
        name = re.sub(r"[^\w.@-]+", "_", unicodedata.normalize("NFC", label.replace("\0", "-"))).strip(".") or "_"
        plain[label] = f"_{name}" if names_device(name) else name
    alike = Counter(name.casefold() for name in plain.values())
    names = {}
    for label, name in plain.items():
        if alike[name.casefold()] > 1 or len(name.encode()) > _LONGEST_NAME:
            path, mark = Path(name), hashlib.sha256(label.encode()).hexdigest()[:8]
            name = f"{path.stem[: _LONGEST_NAME // 4]}~{mark}{path.suffix[:16]}"
        names[label] = name
    return names


def existing_file(path: str | Path, what: str = "file") -> Path:
    """Return the path if it is a file that is not empty; else raise an `InputError` that says what it is."""
    path = Path(path)
    if not path.exists():
        raise InputError(f"no such {what}: {path}")
    if path.is_dir():
        raise InputError(f"{path} is a folder; {_a(what)} was expected")
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes); {_a(what)} was expected")
    _log.info("%s: %s", what, path)
    return path


def _a(what: str) -> str:
    return f"an {what}" if what[0].lower() in "aeiou" else f"a {what}"


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def provenance(
    schema: str, parameters: Mapping[str, Any], inputs: Mapping[str, str | Path] | None = None
) -> dict[str, Any]:
    """Make the record that a file carries of its making: schema, version, parameters, SHA-256 of each input.

    There is no clock in it, so that the same input gives the same bytes.
    """
    return {
        "schema": schema,
        "gazekit": version("gazekit"),
        "parameters": dict(parameters),
        "inputs": {name: sha256(path) for name, path in sorted((inputs or {}).items())},
    }


def machine() -> dict[str, str]:
    """Return Python, system and the time (UTC): for logs and run folders, not for files that must repeat."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "utc": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def _sync(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_all() -> None:
    """Wait until everything that was written is on the disk; see `whole_file`."""
    if hasattr(os, "sync"):
        os.sync()


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    if os.name == "nt":  # a folder cannot be opened there; the rename is journaled by NTFS
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
