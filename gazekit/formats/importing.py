"""From other people's files to sessions, in memory or straight to session files."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, GazekitError, InputError, unknown_name
from gazekit.core.files import provenance, sha256
from gazekit.formats import eye_movements
from gazekit.formats.placing import place_pictures
from gazekit.formats.registry import detect, named
from gazekit.formats.session_builder import Draft, Part, Request, stimulus_table
from gazekit.formats.stimuli import from_messages
from gazekit.formats.text import BLOCK_BYTES, Head
from gazekit.gaze import Eye, GazeRecording
from gazekit.screen import Screen
from gazekit.session.model import Session
from gazekit.session.session_file import SCHEMA

_PATTERNS = ("onset", "offset")  # of messages when a picture comes and goes, for every format
_GENERAL = (*_PATTERNS, "pictures", "placement", "encoding")


@dataclass(frozen=True)
class SourceFile:
    """A file or folder, the format it is read as, and what is said of it."""

    head: Head
    format: str
    request: Request
    options: Mapping[str, Any]
    sums: dict[Path, Future[str]] = field(default_factory=dict)
    seen: dict[tuple[int, int], str] = field(default_factory=dict)  # recordings that were read before it, by their gaze

    def parts(self) -> Iterator[Part]:
        """Read the samples in parts."""
        read = named(self.format).read
        of_format = list(inspect.signature(read).parameters)[2:]
        known = [*of_format, *(name for name in _GENERAL if name not in of_format)]
        for name in self.options:
            if name not in known:
                raise unknown_name(f"option of the format {self.format}", name, known)
        try:
            for part in read(self.head, self.request, **{n: v for n, v in self.options.items() if n in of_format}):
                part.draft.account.count(part.recording, part.streams.get(eye_movements.STREAM))
                yield part
        except GazekitError:
            raise
        except Exception as error:  # readers and the libraries under them raise anything at bytes that make no sense
            raise FormatError(
                f"{self.head.path} is damaged, or is not {named(self.format).TITLE}: {type(error).__name__}: {error}"
            ) from error

    def parts_expected(self) -> int:
        """Estimate how many parts there will be: text is read in blocks."""
        return max(1, self.head.path.stat().st_size // BLOCK_BYTES) if self.head.path.is_file() else 1

    def complete(self, draft: Draft) -> dict[str, Any]:
        """Find the pictures among the messages, close the account, and describe the import for the session file."""
        account, whole = draft.account, draft.whole
        messages = draft.messages
        if whole is not None:
            messages = [(int(row.time_us), str(row.text)) for row in whole.messages.itertuples()]
        format = named(self.format)
        onset, offset = (self.options.get(name, getattr(format, name.upper(), "")) for name in _PATTERNS)
        others = [text for _, text in messages if not re.match(getattr(format, "OWN_MESSAGES", "$^"), text)]
        account.messages, account.example = len(others), f", the first {others[0]!r}" if others else ""
        if onset:
            blocks = getattr(format, "BLOCKS", False)
            rows, matched = from_messages(messages, draft.screen, onset, offset, account, blocks=blocks)
            draft.stimuli = rows or draft.stimuli
            account.matched = {name: n for name, n in matched.items() if name in self.options}
        account.pictures = len(draft.stimuli) if whole is None or draft.stimuli else len(whole.stimuli)
        if not account.pictures and not onset:
            account.doubt_messages(others)
        stimuli = stimulus_table(draft.stimuli) if whole is None or draft.stimuli else whole.stimuli
        if len(stimuli):
            placed = place_pictures(stimuli, draft.screen, self.options, account)
            draft.stimuli = [] if placed is stimuli and not draft.stimuli else placed.to_dict("records")
        account.calibrations = len(whole.calibrations if whole else draft.calibrations)
        account.validations = len(whole.validations if whole else draft.validations)
        try:
            account.close(whole.tracker.rate_hz if whole else draft.tracker.rate_hz)
        except (InputError, FormatError) as error:
            raise FormatError(f"{self.head.path}: {error}") from error
        account.doubt_twins(" ".join(filter(None, [self.head.path.name, draft.participant, draft.name])), self.seen)
        if self.request.strict and account.doubts:
            raise FormatError(f"{self.head.path}: {'; '.join(account.doubts)} (--strict)")
        inputs = {self._name(path): self._sum(path) for path in draft.inputs}
        return provenance(SCHEMA, self.parameters()) | {"inputs": inputs, "account": account.document()}

    def same_inputs(self, provenance: Mapping[str, Any]) -> bool:
        """Tell whether a provenance names the same bytes as this source has now."""
        sums = provenance.get("inputs", {})
        known = [self.head.path, *(self.head.path / name for name in self.head.names)]
        known += [Path(value) for value in self.options.values() if isinstance(value, (str, Path))]
        files = {self._name(path): path for path in known if path.is_file()}
        return bool(sums) and all(name in files and self._sum(files[name]) == value for name, value in sums.items())

    def _name(self, path: Path) -> str:
        inside = path.is_relative_to(self.head.path) and path != self.head.path
        return path.relative_to(self.head.path).as_posix() if inside else path.name

    def hash_ahead(self) -> None:
        """Begin to compute the file's SHA-256, which the provenance needs at the end, while it is read."""
        if self.head.path.is_file() and self.head.path not in self.sums:
            pool = ThreadPoolExecutor(1)
            self.sums[self.head.path] = pool.submit(sha256, self.head.path)
            pool.shutdown(wait=False)

    def _sum(self, path: Path) -> str:
        if path not in self.sums:
            self.sums[path] = Future()
            self.sums[path].set_result(sha256(path))
        return self.sums[path].result()

    def parameters(self) -> dict[str, Any]:
        """Describe how the file is read."""
        return {
            "format": self.format,
            "participant": self.request.participant,
            "screen": dict(self.request.screen),
            "options": {name: str(value) for name, value in self.options.items()},
        }


def open_source(
    path: str | Path,
    *,
    screen: Screen | Mapping[str, float] | None = None,
    participant: str | None = None,
    format: str | None = None,
    strict: bool = False,
    stem: str = "",
    **options: Any,
) -> SourceFile:
    """Look at a file, find its format, and get ready to read it."""
    sizes = asdict(screen) if isinstance(screen, Screen) else dict(screen or {})
    head = Head.of(path, str(options.get("encoding", "")))
    if format is not None:
        named(format)
    if format is None:
        format = "plain" if "mapping" in options else detect(head)
    return SourceFile(head, format, Request(sizes, participant, strict, stem), options)


def import_recording(
    path: str | Path,
    *,
    screen: Screen | Mapping[str, float] | None = None,
    participant: str | None = None,
    format: str | None = None,
    recording: str | None = None,
    strict: bool = False,
    **options: Any,
) -> Session:
    r"""Read one recording of another tool as a session, in memory.

    Parameters
    ----------
    screen : Screen | Mapping[str, float], optional
        The screen, or those of its sizes that the file does not say itself (keys as the fields of `Screen`).
    participant : str, optional
        Pseudonym to use in place of the file's own.
    format : str, optional
        Name of the format; found by the file's beginning where it is not given.
    recording : str, optional
        Which one, by the name of the participant or recording, where a file holds several.
    strict : bool
        A damaged row is an error.
    options : Any
        What the format takes besides (see its module), and for every format: ``onset`` and ``offset``, regular
        expressions of messages, ``pictures``, a folder or list of their files, and ``placement`` of those of which the
        file says none: native, fit or stretch; ``encoding``, what the letters of a text are, where they are no UTF-8.

    Raises
    ------
    InputError, FormatError
        The file cannot be used; the message says what was found and what to do.

    Examples
    --------
    >>> import tempfile
    >>> screen = Screen(width_px=1920, height_px=1080, width_mm=527, height_mm=296, distance_mm=630)
    >>> with tempfile.TemporaryDirectory() as folder:  # a Gazepoint export of two samples
    ...     export = Path(folder) / "p01_all_gaze.csv"
    ...     _ = export.write_text("TIME,BPOGX,BPOGY,BPOGV\n0.0,0.5,0.5,1\n0.016,0.25,0.5,1\n")
    ...     session = import_recording(export, screen=screen)
    >>> session.participant, session.recording.left.gaze.tolist()
    ('p01', [[0.5, 0.5], [0.25, 0.5]])
    """
    source = open_source(path, screen=screen, participant=participant, format=format, strict=strict, **options)
    sessions = list(_sessions(source))
    chosen = [s for s in sessions if recording in (None, s.name, s.participant)]
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(f"{s.participant} {s.name}".strip() for s in sessions) or "none"
    if recording is None:
        raise InputError(f"{path} holds {len(sessions)} recordings ({names}); choose one with recording=...")
    raise InputError(f"{path} has {counted(len(chosen), 'recording')} {recording!r}; it holds {names}")


def _sessions(source: SourceFile) -> Iterator[Session]:
    gathered: dict[int, list[Part]] = {}
    for part in source.parts():
        gathered.setdefault(id(part.draft), []).append(part)
    if not gathered:
        raise FormatError(f"{source.head.path} holds no samples")
    for parts in gathered.values():
        draft = parts[0].draft
        tables = {name: [p.streams[name] for p in parts if name in p.streams] for name in parts[0].streams}
        streams = {name: pd.concat(rows, ignore_index=True) for name, rows in tables.items()}
        made = source.complete(draft)
        yield draft.session(concatenate([p.recording for p in parts]), streams, made)


def concatenate(recordings: list[GazeRecording]) -> GazeRecording:
    """Join recordings one after another."""
    if len(recordings) == 1:
        return recordings[0]
    eyes = {
        side: Eye(**{f.name: np.concatenate([vars(getattr(r, side))[f.name] for r in recordings]) for f in fields(Eye)})
        for side in ("left", "right")
    }
    return GazeRecording(
        np.concatenate([r.device_time_us for r in recordings]),
        np.concatenate([r.system_time_us for r in recordings]),
        eyes["left"],
        eyes["right"],
    )
