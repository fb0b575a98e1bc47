"""Sessions named on the command line: files of gazekit or of other tools, and folders of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from gazekit.errors import GazekitError, InputError
from gazekit.progress import track
from gazekit.session import Session, open_session

SUFFIX = ".gaze.h5"


def session_files(paths: Sequence[Path]) -> list[Path]:
    """The files of the arguments: a folder stands for all session files under it."""
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.rglob(f"*{SUFFIX}"))
            if not found:
                raise InputError(f"no session file (*{SUFFIX}) in the folder {path}; import other files by name")
            files += found
        else:
            files.append(path)
    return list(dict.fromkeys(files))


def open_any(path: Path) -> Session:
    """A session file opened, or another tool's file imported."""
    if path.name.endswith(SUFFIX) or not path.exists():
        return open_session(path)
    from gazekit.formats import import_recording

    return import_recording(path)


def each_session(paths: Sequence[Path], what: str, *, strict: bool) -> Iterator[tuple[Path, Session]]:
    """Every session in turn; a bad file is reported and the rest goes on, unless ``strict``.

    Raises
    ------
    InputError : none of the files could be opened, or there were bad ones (after the good ones are through).
    """
    files = session_files(paths)
    bad = []
    for path in track(files, what, len(files)):
        try:
            session = open_any(path)
        except GazekitError as error:
            if strict:
                raise
            click.echo(f"gazekit: left out: {error}", err=True)
            bad.append(path)
            continue
        yield path, session
    if len(bad) == len(files):
        raise InputError(f"none of the {len(files)} files is a session that can be read")


def parameter(text: str) -> tuple[str, Any]:
    """``name=value`` from the command line, the value as JSON where it is that."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise click.BadParameter(f"{text!r} is not of the form name=value")
    try:
        return name.strip(), json.loads(value)
    except json.JSONDecodeError:
        return name.strip(), value.strip()
