"""Many files at once: a bad one is named and the rest goes on, and what is done already is not done again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gazekit.core.counting import counted
from gazekit.core.errors import GazekitError, InputError
from gazekit.core.progress import track
from gazekit.formats.importing import open_source
from gazekit.formats.registry import UnknownFormatError, appearance, fitting, may_be_gaze, supported
from gazekit.formats.text import Head
from gazekit.formats.writing import SUFFIX, ImportedFile, import_to, safe_name, written_before

_SIDECARS = {".json", ".md", ".txt", ".toml", ".yml", ".yaml", ".html", ".xml", ".log", ""}


@dataclass
class FileBatch:
    """What came of every file of a batch."""

    imported: list[ImportedFile] = field(default_factory=list)
    done_before: dict[str, list[Path]] = field(default_factory=dict)
    planned: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, str] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def sessions(self) -> list[Path]:
        """The session files of the sources, new and old."""
        return [item.session for item in self.imported] + [path for old in self.done_before.values() for path in old]

    def lines(self) -> Iterator[str]:
        """Yield one line a file, for people."""
        for item in self.imported:
            notes = "".join(f"; {note}" for note in item.notes)
            yield f"{item.source} ({item.format}) -> {item.session}: {counted(item.samples, 'sample')}{notes}"
            yield from (f"  {what:<17} {text}" for what, text in item.account.lines())
            yield from (f"! {doubt}" for doubt in item.account.doubts)
        for path, sessions in self.done_before.items():
            yield f"{path} was imported before -> {', '.join(map(str, sessions))}"
        for source, plan in self.planned.items():
            yield f"{source} -> {plan}"
        if self.passed_over:
            names = ", ".join(Path(path).name for path in self.passed_over)
            yield (
                f"{counted(len(self.passed_over), 'file that is no gaze was', 'files that are no gaze were')} "
                f"passed over: {names}"
            )


def import_files(
    paths: Iterable[str | Path],
    out: str | Path,
    *,
    strict: bool = False,
    dry_run: bool = False,
    format: str | None = None,
    **options: Any,
) -> FileBatch:
    """Import files to session files in a folder.

    The session files bear the names of the files, with those of their folders where two would be the same.

    Parameters
    ----------
    paths : Iterable[str | Path]
        Files, folders of a format, or folders of files.
    strict : bool
        The first fault is raised; else it is kept in ``faults`` and the rest goes on.
    dry_run : bool
        Only say what would be done.
    format, options : str, optional or Any
        As for `import_recording`.
    """
    batch = FileBatch()
    named = {path for path in map(Path, paths) if not path.is_dir()}
    sources = list(_expand(paths))
    stems = unique_stems(sources)
    seen: dict[tuple[int, int], str] = {}
    alone = len(sources) == 1  # then the bar is of its parts
    for path in sources if alone else track(sources, "importing", len(sources)):
        try:
            source = replace(open_source(path, format=format, strict=strict, stem=stems[path], **options), seen=seen)
            done, complete = written_before(source, out, stems[path])
            if dry_run:
                batch.planned[str(path)] = f"{Path(out) / stems[path]}{SUFFIX} as {source.format}"
            elif done and complete:
                batch.done_before[str(path)] = done
            else:
                new = import_to(source, out, stems[path], done=done, progress=alone)
                batch.imported += new
                if not new:
                    batch.done_before[str(path)] = done
        except UnknownFormatError as error:
            head = Head.of(path)
            if strict and path in named:
                raise
            if path in named or (head.path.suffix.lower() not in _SIDECARS and may_be_gaze(head)):
                batch.faults[str(path)] = str(error)
            else:
                batch.passed_over[str(path)] = appearance(head)
        except GazekitError as error:
            if strict:
                raise
            batch.faults[str(path)] = str(error)
    if batch.passed_over and not (batch.sessions or batch.planned or batch.faults):
        raise UnknownFormatError(
            f"none of {len(batch.passed_over)} files is of a known format; "
            + "; ".join(f"{Path(path).name}: {what}" for path, what in list(batch.passed_over.items())[:5])
            + f". Supported:\n{supported()}"
        )
    return batch


def unique_stems(paths: Iterable[Path]) -> dict[Path, str]:
    """Give each file a name: its stem, with as many of its folders before it as make all names differ."""
    paths = list(paths)
    depth = dict.fromkeys(paths, 1)
    while True:
        names = {path: safe_name("_".join([*path.absolute().parts[-depth[path] : -1], path.stem])) for path in paths}
        counts = Counter(names.values())
        twice = [path for path in paths if counts[names[path]] > 1 and depth[path] < len(path.absolute().parts)]
        if not twice:
            return names
        for path in twice:
            depth[path] += 1


def _expand(paths: Iterable[str | Path]) -> Iterator[Path]:
    for path in dict.fromkeys(map(Path, paths)):
        if not path.is_dir():
            yield path
            continue
        inside = list(_inside(path))
        if not inside:
            raise InputError(f"the folder {path} holds no files")
        yield from inside


def _inside(folder: Path) -> Iterator[Path]:
    """List the folder itself where it is of a format; else the files in it, and its folders in turn."""
    head = Head.of(folder)
    if fitting(head):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        yield from _inside(path) if path.is_dir() else [path]
