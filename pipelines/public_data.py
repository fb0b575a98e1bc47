"""Public data sets: where to get one, whether a copy is whole, and fixations and histograms made of it.

A definition is a section of a TOML file: title, licence, page, citation, and the files by pattern and role. gazekit's
own stand in ``public_data.toml``; `define` writes one of a folder, with hashes, so that others check the same copy.
"""

from __future__ import annotations

import contextlib
import glob
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, RootModel

from gazekit.core.config import Section, read_toml, validated
from gazekit.core.errors import FormatError, InputError, unknown_name
from gazekit.core.files import provenance, sha256, write_text
from gazekit.dataset.spec import RatingFormat
from gazekit.pictures import SUFFIXES

Role = Literal["pictures", "fixations", "ratings", "other"]
_OWN = Path(__file__).with_name("public_data.toml")
_TABLES: tuple[Role, ...] = ("fixations", "ratings")
_SHOWN = 3  # names of files in a message


class FilesOfSet(Section):
    """``[[<set>.files]]``: files of one role, by a pattern below the folder."""

    pattern: str = Field(min_length=1)
    role: Role
    least: int = Field(default=1, ge=1)  # so many files have to be there
    optional: bool = False  # may be absent as a whole
    format: RatingFormat | None = None  # of ratings that do not say it themselves
    one_based: bool = False  # x and y of fixations count from 1
    sha256: dict[str, str] = {}  # of single files, by their path below the folder


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
        return [made for role, made in (("fixations", "fixations"), ("ratings", "histograms")) if role in roles]


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
    return sets | (validated(_Definitions, read_toml(extra), extra).root if extra is not None else {})


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
        paths = sorted(path for path in folder.glob(part.pattern) if path.is_file())
        check.files.setdefault(part.role, []).extend(paths)
        if len(paths) < part.least and not (part.optional and not paths):
            check.faults.append(f"{part.pattern}: {len(paths)} files, {part.least} or more were expected")
        for name, known in part.sha256.items():
            check.hashed += 1
            if not (folder / name).is_file():
                check.faults.append(f"{name} is missing")
            elif (have := sha256(folder / name)) != known:
                check.faults.append(f"{name} is another file: SHA-256 {have[:12]}..., not {known[:12]}...")
    return check


def prepare_set(name: str, definition: PublicSet, folder: str | Path, out: str | Path) -> list[str]:
    """Check a set, and make ``fixations.csv`` and ``histograms.csv`` of it, with provenance beside them.

    Returns
    -------
    list of str
        What was made, and an account of it, a line each.

    Raises
    ------
    InputError
        Something is missing or changed, or gazekit cannot make anything of the set; the message says what to do.
    """
    check = check_set(definition, folder)
    if check.faults:
        faults = "".join(f"\n  {fault}" for fault in check.faults)
        raise InputError(f"{folder} is not {name} as it is known:{faults}\nGet it from {definition.page}")
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
        paths = sorted(path for path in Path(folder).glob(part.pattern) if path.is_file())
        if part.role == "fixations":
            lines += _fixations(name, part, paths, Path(out) / "fixations.csv")
        elif part.role == "ratings":
            lines += _histograms(name, definition, part, paths, Path(out) / "histograms.csv")
    return lines


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
    return [f"{len(joined)} fixations of {people} people on {joined['image'].nunique()} pictures: {target}", *lines]


def _histograms(name: str, definition: PublicSet, part: FilesOfSet, paths: list[Path], target: Path) -> list[str]:
    from gazekit.dataset.rating_formats import read_ratings
    from gazekit.histograms import write_histograms

    if len(paths) > 1:
        named = ", ".join(path.name for path in paths[:_SHOWN])
        raise InputError(f"{len(paths)} files may be the ratings of {name} ({named}); keep one")
    table, remarks = read_ratings(paths[0], definition.scale, format=part.format)
    made = provenance("gazekit.histograms/1", {"public_data": name}, {paths[0].name: paths[0]})
    write_histograms(table, target, made)
    left_out = [f"! {len(remarks)} rows were left out, the first: {remarks[0][0]}: {remarks[0][2]}"] if remarks else []
    return [f"{len(table)} histograms, {int(table['n'].sum())} ratings: {target}", *left_out]


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
    tables = [(path, role) for path in files if path not in pictures and (role := _role(path)) is not None]
    known = {*pictures, *(path for path, _ in tables)}
    passed_over = [path.relative_to(folder).as_posix() for path in files if path not in known]
    lines = [f"# passed over, neither a picture nor a table that is known: {json.dumps(path)}" for path in passed_over]
    lines += [f"[{name}]", *(f"{key} = {_quoted(text)}" for key, text in said.items())]
    if pictures:
        lines.append(f"pictures = {len(pictures)}")
        for suffix, number in Counter(path.suffix for path in pictures).items():
            lines += ["", f"[[{name}.files]]", f'pattern = "**/*{suffix}"', 'role = "pictures"', f"least = {number}"]
    for path, role in tables:
        below = path.relative_to(folder).as_posix()
        lines += ["", f"[[{name}.files]]", f"pattern = {_quoted(glob.escape(below))}", f'role = "{role}"']
        lines.append(f'sha256 = {{ {_quoted(below)} = "{sha256(path)}" }}')
    if not pictures and not tables:
        raise InputError(f"{folder} holds no picture, and no table of fixations or ratings that is known")
    write_text(out, "\n".join(lines) + "\n", overwrite=False)
    public_sets(out)
    return Path(out)


def _role(path: Path) -> Role | None:
    """Guess what a table is; None where it is nothing that is known."""
    from gazekit.attention.fixation_io import read_fixations
    from gazekit.dataset.rating_formats import read_ratings
    from gazekit.formats.fixation_tables import layout_of

    try:
        if layout_of(path) is not None:
            return "fixations"
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
