"""An import straight to session files: memory stays flat, however large the file."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from gazekit.core.errors import FormatError, OutputError
from gazekit.core.files import names_device
from gazekit.core.progress import track
from gazekit.formats.account import Account
from gazekit.formats.importing import SourceFile
from gazekit.formats.session_builder import Draft, Part
from gazekit.session.session_file import json_attribute
from gazekit.session.streaming_writer import session_writer

SUFFIX = ".gaze.h5"


@dataclass(frozen=True)
class ImportedFile:
    """One session file that an import wrote."""

    source: Path
    session: Path
    format: str
    participant: str
    name: str
    samples: int
    notes: tuple[str, ...]
    account: Account


class _SessionOutput:
    """One session file while its parts come; without a writer where it is there already."""

    def __init__(self, path: Path, draft: Draft, files: contextlib.ExitStack | None) -> None:
        self.path, self.draft, self.samples, self._files = path, draft, 0, files
        self._writer = files.enter_context(session_writer(path)) if files is not None else None

    @property
    def is_new(self) -> bool:
        return self._files is not None

    def append(self, part: Part) -> None:
        self.samples += len(part.recording)
        if self._writer is not None:
            self._writer.append(part.recording, part.streams)

    def finish(self, provenance: Mapping[str, Any]) -> None:
        """Complete the file, which takes its name."""
        if self._writer is not None and self._files is not None:
            self._writer.finish(self.draft.session(provenance=provenance))
            self._writer = None
            self._files.close()


def import_to(
    source: SourceFile, out: str | Path, stem: str, *, done: Collection[Path] = (), progress: bool = False
) -> list[ImportedFile]:
    """Read a source part by part into session files in a folder, one a recording.

    Parameters
    ----------
    stem : str
        A session file's name without ``.gaze.h5``; the names of participant and recording follow it where the source
        says them itself, since it may hold several.
    done : Collection[Path]
        Session files of this source that are there already and are not written again.
    progress : bool
        Show a bar of the parts on a terminal.

    Returns
    -------
    list[ImportedFile]
        What was written; of a source that turns out to be damaged, only what came whole before (`Part.last`).

    Raises
    ------
    OutputError
        A session file exists already, or cannot be written.
    FormatError
        The source is damaged or holds no samples.
    """
    open_ones: dict[int, _SessionOutput] = {}
    outputs: list[_SessionOutput] = []
    source.hash_ahead()
    with contextlib.ExitStack() as stack:
        for part in track(source.parts(), "importing", source.parts_expected()) if progress else source.parts():
            if id(part.draft) not in open_ones:
                path = Path(out) / session_name(stem, part.draft)
                twin = next((o.path.name for o in outputs if o.path.name.casefold() == path.name.casefold()), None)
                if twin:
                    raise OutputError(
                        f"{source.head.path}: two of its recordings would be named {path.name}"
                        f"{'' if twin == path.name else f' and {twin}, which many disks take for one'}: write the "
                        "participant or the recording alike in all rows where it is one, else with other letters"
                    )
                files = None if path in done else stack.enter_context(contextlib.ExitStack())
                open_ones[id(part.draft)] = _SessionOutput(path, part.draft, files)
                outputs.append(open_ones[id(part.draft)])
            open_ones[id(part.draft)].append(part)
            if part.last:
                open_ones.pop(id(part.draft)).finish(source.complete(part.draft))
        if not outputs:
            raise FormatError(f"{source.head.path} holds no samples")
        names = [output.path.name for output in outputs]
        for output in open_ones.values():
            output.finish(source.complete(output.draft) | {"recordings": names})
    return [
        ImportedFile(
            source.head.path,
            output.path,
            source.format,
            output.draft.participant,
            output.draft.name,
            output.samples,
            tuple(output.draft.notes),
            output.draft.account,
        )
        for output in outputs
        if output.is_new
    ]


def session_name(stem: str, draft: Draft) -> str:
    """Name the session file of a recording."""
    names = [draft.participant, draft.name] if draft.many else []
    return safe_name("_".join(filter(None, [stem, *names]))) + SUFFIX


def safe_name(text: str) -> str:
    """Turn a text into the name of a file on every system."""
    name = re.sub(r"[^\w.-]+", "-", text).strip("-.") or "session"
    return f"_{name}" if names_device(name) else name


def written_before(source: SourceFile, out: str | Path, stem: str) -> tuple[list[Path], bool]:
    """Find session files that came of the same bytes in the same way, and whether they are all of them."""
    files, expected = [], 1
    for path in sorted(Path(out).glob(f"{safe_name(stem)}*{SUFFIX}")):
        try:
            with h5py.File(path, "r") as file:
                provenance = json_attribute(file, "provenance")
            provenance = provenance.get("import", provenance)
        except (OSError, KeyError, ValueError):
            continue
        if provenance.get("parameters") == json.loads(json.dumps(source.parameters())) and source.same_inputs(
            provenance
        ):
            files.append(path)
            expected = len(provenance.get("recordings", [*files, None]))
    return files, len(files) >= expected
