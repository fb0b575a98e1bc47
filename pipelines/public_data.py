"""Public data sets: where to get one, whether a copy is whole, and sessions, fixations and histograms made of it.

A definition is a section of a TOML file: title, licence, page, citation, and the files by pattern and role. gazekit's
own stand in ``public_data.toml``; `define` writes one of a folder, with hashes, so that others check the same copy.
"""

from __future__ import annotations

import contextlib
import glob
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveFloat, RootModel

from gazekit.core.config import Section, read_toml, validated
from gazekit.core.counting import counted
from gazekit.core.errors import FormatError, InputError, unknown_name
from gazekit.core.files import provenance, sha256, write_text
from gazekit.dataset.spec import RatingFormat
from gazekit.pictures import SUFFIXES

if TYPE_CHECKING:
    from gazekit.formats.batch import FileBatch

Role = Literal["pictures", "recordings", "fixations", "ratings", "other"]
ScreenSize = Literal["width_px", "height_px", "width_mm", "height_mm", "distance_mm"]
_OWN = Path(__file__).with_name("public_data.toml")
_TABLES: tuple[Role, ...] = ("fixations", "ratings")
_MAKES = {"recordings": "sessions", "fixations": "fixations", "ratings": "histograms"}
_SHOWN = 3  # names of files in a message
_FAULTS = 10  # of recordings in a message


class Reading(Section):
    """``[<set>.files.reading]``: what `gazekit import` is told of recordings that do not say it themselves."""

    format: str | None = None
    mapping: Path | None = None  # TOML file that says what the columns are, beside this one
    screen: dict[ScreenSize, PositiveFloat] = {}
    placement: Literal["native", "fit", "stretch"] | None = None
    encoding: str | None = None
    settings: dict[str, str] = {}  # those of --set: onset, offset, and what the format takes besides

    def options(self) -> dict[str, Any]:
        """Return the options of `gazekit.formats.batch.import_files`."""
        said = {name: value for name, value in self if name != "settings" and value}
        return {**said, **self.settings}


class FilesOfSet(Section):
    """``[[<set>.files]]``: files of one role, by a pattern below the folder."""

    pattern: str = Field(min_length=1)
    role: Role
    least: int = Field(default=1, ge=1)  # so many files have to be there
    optional: bool = False  # may be absent as a whole
    format: RatingFormat | None = None  # of ratings that do not say it themselves
    one_based: bool = False  # x and y of fixations count from 1
    folders: bool = False  # the pattern names folders, each of which is a recording
    reading: Reading = Reading()
    sha256: dict[str, str] = {}  # of single files, by their path below the folder

    def paths(self, folder: Path) -> list[Path]:
        """List what the pattern names below a folder; hidden files and those of macOS's archives are none."""
        kind = Path.is_dir if self.folders else Path.is_file
        named = sorted(path for path in folder.glob(self.pattern) if kind(path))
        return [path for path in named if not any(map(_hidden, path.relative_to(folder).parts))]


class PublicSet(Section):
    """``[<set>]``: one public data set."""

    title: str = Field(min_length=1)
    pictures: int | None = Field(default=None, ge=1)
    people: str = ""  # how many looked or rated, and how long
    licence: str = Field(min_length=1)
    page: str = ""  # where to get it
    citation: str = ""
    note: str = ""
    scale: int | None = Field(default=None, ge=2)  # number of scores, where ratings come one by one
    files: list[FilesOfSet] = Field(min_length=1)

    @property
    def makes(self) -> list[str]:
        """What `prepare` makes of it."""
        roles = {part.role for part in self.files}
        return [made for role, made in _MAKES.items() if role in roles]


class _Definitions(RootModel[dict[str, PublicSet]]):
    """A whole file of definitions."""


def public_sets(extra: str | Path | None = None) -> dict[str, PublicSet]:
    """Read the definitions: gazekit's own, and those of a file.

    Raises
    ------
    ConfigError
        The file is wrong; the message lists every fault.

    Examples
    --------
    >>> public_sets()["osie"].makes
    ['fixations']
    """
    sets = dict(validated(_Definitions, read_toml(_OWN), _OWN).root)
    if extra is None:
        return sets
    others = validated(_Definitions, read_toml(extra), extra).root
    return sets | {name: _with_mappings(other, Path(extra).parent) for name, other in others.items()}


def _with_mappings(definition: PublicSet, folder: Path) -> PublicSet:
    """Find the mapping files of a definition beside it."""

    def found(part: FilesOfSet) -> FilesOfSet:
        if part.reading.mapping is None:
            return part
        reading = part.reading.model_copy(update={"mapping": folder / part.reading.mapping})
        return part.model_copy(update={"reading": reading})

    return definition.model_copy(update={"files": [found(part) for part in definition.files]})


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


@dataclass
class SetCheck:
    """What lies in a folder of a set: files by the role, and what is not as the definition says."""

    files: dict[str, list[Path]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    hashed: int = 0


def check_set(definition: PublicSet, folder: str | Path) -> SetCheck:
    """Look whether a folder holds a set: every file that is needed, and those whose hash is known, byte for byte.

    Raises
    ------
    InputError
        There is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}. Get the set from {definition.page or 'its authors'}")
    check = SetCheck()
    for part in definition.files:
        paths = part.paths(folder)
        check.files.setdefault(part.role, []).extend(paths)
        if len(paths) < part.least and not (part.optional and not paths):
            what = "folder" if part.folders else "file"
            check.faults.append(f"{part.pattern}: {counted(len(paths), what)}, {part.least} or more were expected")
        for name, known in part.sha256.items():
            check.hashed += 1
            if not (folder / name).is_file():
                check.faults.append(f"{name} is missing")
            elif (have := sha256(folder / name)) != known:
                check.faults.append(f"{name} is another file: SHA-256 {have[:12]}..., not {known[:12]}...")
    return check


def prepare_set(name: str, definition: PublicSet, folder: str | Path, out: str | Path) -> list[str]:
    """Check a set, and make ``fixations.csv``, ``histograms.csv`` and ``sessions/*.gaze.h5`` of it, with provenance.

    Recordings come last; those that were read before, from the same bytes in the same way, are not read again.

    Returns
    -------
    list of str
        What was made, and an account of it, a line each.

    Raises
    ------
    InputError
        Something is missing or changed, gazekit cannot make anything of the set, or recordings could not be read,
        while all else was made; the message says what to do.
    """
    check = check_set(definition, folder)
    if check.faults:
        faults = "".join(f"\n  {fault}" for fault in check.faults)
        raise InputError(
            f"{folder} is not {name} as it is known:{faults}\nGet it from {definition.page or 'its authors'}"
        )
    if not definition.makes:
        raise InputError(f"nothing can be made of {name} by itself: {definition.note or 'it has pictures alone'}")
    lines = [
        f"{name}: {definition.title}; cite {definition.citation or 'as its authors ask'}; licence: {definition.licence}"
    ]
    for role, named in ((role, [part.pattern for part in definition.files if part.role == role]) for role in _TABLES):
        if len(named) > 1:
            raise InputError(f"{len(named)} entries of {name} are {role} ({', '.join(named)}); keep one of them")
    roles = Counter({role: len(paths) for role, paths in check.files.items()})
    lines.append("there: " + ", ".join(f"{number} {role}" for role, number in roles.items() if number))
    for part in definition.files:
        paths = part.paths(Path(folder))
        if part.role == "fixations":
            lines += _fixations(name, part, paths, Path(out) / "fixations.csv")
        elif part.role == "ratings":
            lines += _histograms(name, definition, part, paths, Path(out) / "histograms.csv")
    if check.files.get("recordings"):
        lines += _sessions(name, definition, folder, Path(out))
    return lines


def planned_sessions(definition: PublicSet, folder: str | Path, out: str | Path) -> list[str]:
    """Say of every recording what it is and which session file it would become, a line each; write nothing."""
    batches = list(_import(definition, Path(folder), Path(out), dry_run=True))
    planned = [f"{source} -> {plan}" for batch in batches for source, plan in batch.planned.items()]
    planned += _passed_by(definition, Path(folder), batches)
    return planned + [f"! {path}: {fault}" for batch in batches for path, fault in batch.faults.items()]


def _passed_by(definition: PublicSet, folder: Path, batches: list[FileBatch]) -> list[str]:
    """Say which files among the recordings are no gaze, and that pictures were not matched with recordings."""
    lines = [f"  passed over, no gaze: {path}" for batch in batches for path in batch.passed_over]
    shown = _picture_folders(definition, folder)
    if batches and len(shown) > 1:
        lines.append(f"  pictures lie in {len(shown)} folders: they were not matched with the recordings")
    return lines


def _picture_folders(definition: PublicSet, folder: Path) -> set[Path]:
    return {path.parent for part in definition.files if part.role == "pictures" for path in part.paths(folder)}


def _import(definition: PublicSet, folder: Path, out: Path, *, dry_run: bool = False) -> Iterator[FileBatch]:
    """Import the recordings of a set, those together that are read in the same way."""
    from gazekit.formats.batch import import_files

    recordings = [part for part in definition.files if part.role == "recordings"]
    readings = {part.reading.model_dump_json(): part.reading for part in recordings}
    shown = _picture_folders(definition, folder)
    pictures: dict[str, Any] = {"pictures": shown.pop()} if len(shown) == 1 else {}
    for reading in readings.values():
        paths = [path for part in recordings if part.reading == reading for path in part.paths(folder)]
        yield import_files(paths, out / "sessions", dry_run=dry_run, **pictures, **reading.options())


def _sessions(name: str, definition: PublicSet, folder: str | Path, out: Path) -> list[str]:
    batches = list(_import(definition, Path(folder), out))
    faults = {path: fault for batch in batches for path, fault in batch.faults.items()}
    sessions = [path for batch in batches for path in batch.sessions]
    if faults:
        first = dict(list(faults.items())[:_FAULTS])
        listed = "".join(f"\n  {fault if path in fault else f'{path}: {fault}'}" for path, fault in first.items())
        more = f"\n  and {len(faults) - _FAULTS} more" if len(faults) > _FAULTS else ""
        raise InputError(
            f"{counted(len(faults), 'recording')} of {name} could not be read:{listed}{more}\nWhat an option of the "
            "import says stands in the definition ([files.reading]: format, mapping, screen, placement, encoding, "
            f"settings). {counted(len(sessions), 'session is', 'sessions are')} in {out / 'sessions'}; mend the others "
            "and run it again: what is there is not read again"
        )
    lines = [f"{counted(len(sessions), 'session')}: {out / 'sessions'}"]
    for item in (item for batch in batches for item in batch.imported):
        held = f"{counted(item.samples, 'sample')}, {counted(item.account.pictures, 'picture')}"
        lines.append(f"  {item.session.name}: {held} ({item.format})")
        lines += [f"! {item.session.name}: {doubt}" for doubt in item.account.doubts]
    lines += _passed_by(definition, Path(folder), batches)
    before = sum(len(paths) for batch in batches for paths in batch.done_before.values())
    lines += [f"  {before} of them were there"] if before else []
    table = out / ("fixations-of-sessions.csv" if "fixations" in definition.makes else "fixations.csv")
    return [*lines, f"next: gazekit fixations {out / 'sessions'} --out {table}"]


def _fixations(name: str, part: FilesOfSet, paths: Iterable[Path], target: Path) -> list[str]:
    import pandas as pd

    from gazekit.attention.fixation_io import read_fixations
    from gazekit.core.tables import write_table
    from gazekit.formats.fixation_tables import account_lines, import_fixations, layout_of

    tables: list[pd.DataFrame] = []
    lines: list[str] = []
    for path in paths:
        if layout_of(path) is None:
            table = read_fixations(path, one_based=part.one_based)
        else:
            table, account = import_fixations(path)
            lines += account_lines(account)
        tables.append(table)
    joined = pd.concat(tables, ignore_index=True)
    made = provenance("gazekit.fixations/1", {"public_data": name}, {path.name: path for path in paths})
    write_table(joined, target, made)
    people = joined["participant"].nunique()
    return [
        f"{counted(len(joined), 'fixation')} of {counted(people, 'person', 'people')} on "
        f"{counted(joined['image'].nunique(), 'picture')}: {target}",
        *lines,
    ]


def _histograms(name: str, definition: PublicSet, part: FilesOfSet, paths: list[Path], target: Path) -> list[str]:
    from gazekit.dataset.rating_formats import read_ratings
    from gazekit.histograms import write_histograms

    if len(paths) > 1:
        named = ", ".join(path.name for path in paths[:_SHOWN])
        raise InputError(f"{len(paths)} files may be the ratings of {name} ({named}); keep one")
    table, remarks = read_ratings(paths[0], definition.scale, format=part.format)
    made = provenance("gazekit.histograms/1", {"public_data": name}, {paths[0].name: paths[0]})
    write_histograms(table, target, made)
    left_out = (
        [f"! {counted(len(remarks), 'row was', 'rows were')} left out, the first: {remarks[0][0]}: {remarks[0][2]}"]
        if remarks
        else []
    )
    return [f"{counted(len(table), 'histogram')}, {counted(int(table['n'].sum()), 'rating')}: {target}", *left_out]


def define_set(name: str, folder: str | Path, out: str | Path, *, words: Mapping[str, str] | None = None) -> Path:
    """Write a definition of the set that lies in a folder: its files by role, with hashes of all that is no picture.

    Parameters
    ----------
    name : str
        Name of the section.
    folder : str or Path
        Where the set lies.
    out : str or Path
        The TOML file to write; it is never overwritten.
    words : mapping, optional
        title, licence, page, citation, people, note.

    Raises
    ------
    InputError
        The name is none for a section, or the folder holds nothing that gazekit can use.
    """
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise InputError(f"{name!r} cannot name a set: letters, digits, - and _ alone, such as reef-2026")
    folder = Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    said = {"title": name, "licence": "not known", **(words or {})}
    recordings = _recording_folders(folder)
    inside = [path for path in files if any(recording in path.parents for recording in recordings)]
    roles = {path: _role(path) for path in sorted({*files} - {*pictures, *inside})}
    lines = [line for path, role in roles.items() if role is None for line in _passed_over(path, folder)]
    lines += [f"[{name}]", *(f"{key} = {_quoted(text)}" for key, text in said.items())]
    if pictures:
        lines.append(f"pictures = {len(pictures)}")
        for suffix, number in Counter(path.suffix for path in pictures).items():
            lines += ["", f"[[{name}.files]]", f'pattern = "**/*{suffix}"', 'role = "pictures"', f"least = {number}"]
    found: dict[Path, Role] = dict.fromkeys(recordings, "recordings")
    found |= {path: role for path, role in roles.items() if role is not None}
    for path, role in found.items():
        pattern = glob.escape(path.relative_to(folder).as_posix())
        lines += ["", f"[[{name}.files]]", f"pattern = {_quoted(pattern)}", f'role = "{role}"']
        lines += ["folders = true"] if path in recordings else []
        known = [file for file in inside if path in file.parents] if path in recordings else [path]
        sums = (f'{_quoted(file.relative_to(folder).as_posix())} = "{sha256(file)}"' for file in known)
        lines.append(f"sha256 = {{ {', '.join(sums)} }}")
        lines += [_UNSAID] if role == "recordings" else []
    if not pictures and not found:
        raise InputError(f"{folder} holds no picture, and no recording and no table that is known")
    write_text(out, "\n".join(lines) + "\n", overwrite=False)
    public_sets(out)
    return Path(out)


_MAY_BE_GAZE = (
    'if it is gaze: `gazekit import FILE --propose` writes a mapping; then role = "recordings" and '
    'reading = { mapping = "FILE.toml" }'
)
_UNSAID = "# reading = { screen = { width_px = ?, height_px = ?, width_mm = ?, height_mm = ?, distance_mm = ? } }"


def _recording_folders(folder: Path) -> list[Path]:
    """List the folders that are recordings, the outer one where they lie in each other."""
    from gazekit.formats.registry import fitting
    from gazekit.formats.text import Head

    found: list[Path] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_dir() and not _hidden(path.name)):
        if not any(outer in path.parents for outer in found) and fitting(Head.of(path)):
            found.append(path)
    return found


def _passed_over(path: Path, folder: Path) -> Iterator[str]:
    from gazekit.formats.registry import may_be_gaze
    from gazekit.formats.text import Head

    below = json.dumps(path.relative_to(folder).as_posix())
    yield f"# passed over, neither a picture nor a table that is known: {below}"
    with contextlib.suppress(FormatError, InputError):
        if may_be_gaze(Head.of(path)):
            yield "#   " + _MAY_BE_GAZE


def _role(path: Path) -> Role | None:
    """Guess what a file is; None where it is nothing that is known."""
    from gazekit.attention.fixation_io import read_fixations
    from gazekit.dataset.rating_formats import read_ratings
    from gazekit.formats.fixation_tables import layout_of
    from gazekit.formats.registry import fitting
    from gazekit.formats.text import Head

    try:
        if layout_of(path) is not None:
            return "fixations"
        if fitting(Head.of(path)):
            return "recordings"
    except (FormatError, InputError):
        return None
    if path.suffix.lower() not in (".csv", ".tsv", ".json", ".parquet", ".xlsx"):
        return None
    readers: dict[Role, Callable[[Path], object]] = {"fixations": read_fixations, "ratings": read_ratings}
    for role, read in readers.items():
        with contextlib.suppress(FormatError, InputError, ValueError):
            read(path)
            return role
    return None


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)  # a string of TOML too


def named_set(name: str, sets: Mapping[str, PublicSet]) -> PublicSet:
    """Return a set by its name; an unknown one is answered with the close ones."""
    if name not in sets:
        raise unknown_name("public data set", name, sets)
    return sets[name]
