"""An import straight to session files: memory stays flat, however large the file."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from gazekit.errors import FormatError, OutputError
from gazekit.formats.draft import Draft
from gazekit.formats.importing import Source
from gazekit.session.append import SessionWriter, session_writer

SUFFIX = ".gaze.h5"


@dataclass(frozen=True)
class Imported:
    """One session file that an import wrote."""

    source: Path
    session: Path
    format: str
    participant: str
    name: str
    samples: int
    notes: tuple[str, ...]


def import_to(source: Source, out: str | Path, stem: str | None = None) -> list[Imported]:
    """Read a source part by part into session files in a folder, one a recording.

    Parameters
    ----------
    stem : the file's name without ``.gaze.h5``; else the participant and the recording's name. A source of
        several recordings adds their names to it.

    Returns
    -------
    What was written; nothing is where the source turns out to be damaged.

    Raises
    ------
    OutputError : a session file exists already, or cannot be written.
    FormatError : the source is damaged or holds no samples.
    """
    writers: dict[int, tuple[Draft, SessionWriter, Path, list[int]]] = {}
    with contextlib.ExitStack() as stack:
        for part in source.parts():
            if id(part.draft) not in writers:
                path = _target(Path(out), part.draft, stem, [entry[2] for entry in writers.values()])
                writers[id(part.draft)] = (part.draft, stack.enter_context(session_writer(path)), path, [0])
            _, writer, _, count = writers[id(part.draft)]
            writer.append(part.recording, part.streams)
            count[0] += len(part.recording)
        if not writers:
            raise FormatError(f"{source.head.path} holds no samples")
        for draft, writer, _, _ in writers.values():
            writer.finish(draft.session(provenance=source.provenance(draft)))
    return [
        Imported(source.head.path, path, source.format, draft.participant, draft.name, count[0], tuple(draft.notes))
        for draft, _, path, count in writers.values()
    ]


def _target(out: Path, draft: Draft, stem: str | None, taken: list[Path]) -> Path:
    base = stem or draft.participant
    names = [base, *([f"{base}_{draft.name}"] if draft.name else [])]
    for name in reversed(names) if stem is None else names:
        path = out / f"{safe_name(name)}{SUFFIX}"
        if path not in taken:
            return path
    raise OutputError(f"{draft.participant} {draft.name}: two recordings of the file would have the name {path.name}")


def safe_name(text: str) -> str:
    """A text as the name of a file on every system."""
    return re.sub(r"[^\w.-]+", "-", text).strip("-.") or "session"
