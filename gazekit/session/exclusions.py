"""What of a study is left out, and why: ``exclusions.toml``. Nothing is ever deleted, neither gaze nor an entry."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import model_validator

from gazekit.core.config import Section, read_toml, validated
from gazekit.core.counting import counted
from gazekit.core.errors import InputError, unknown_name
from gazekit.core.files import write_text
from gazekit.session.lock import alone

if TYPE_CHECKING:
    import pandas as pd

EXCLUSIONS = "exclusions.toml"
_HEAD = """\
# What of this study is left out, and why. Nothing is deleted: `gazekit exclude STUDY --undo N` takes the Nth back.
"""
_KEYS = ("participant", "image", "session", "order", "eye", "reason", "by", "utc", "undone_utc", "undone_reason")


class Exclusion(Section):
    """Name what is left out: a person, a picture, a trial (both), or an eye of a person or trial; and why.

    Attributes
    ----------
    reason : str
        Why, in the words of whoever excluded it.
    participant, image : str
        Whose, and of which picture; one of them alone means all of it.
    session : str
        Name of the session, where a participant has several; empty means all of them.
    order : int
        Place of the picture in the session, from 0, where it was shown more than once; -1 means each time.
    eye : {"", "left", "right"}
        Only this eye; the other one counts on.
    by, utc : str
        Who excluded it, and when.
    undone_utc, undone_reason : str
        When and why it was taken back; empty while it holds.
    """

    reason: str
    participant: str = ""
    image: str = ""
    session: str = ""
    order: int = -1
    eye: Literal["", "left", "right"] = ""
    by: str = ""
    utc: str = ""
    undone_utc: str = ""
    undone_reason: str = ""

    @model_validator(mode="after")
    def _says_what_and_why(self) -> Exclusion:
        if not self.reason.strip():
            raise ValueError("a reason is needed: say why it is left out")
        if not (self.participant or self.image):
            raise ValueError("a participant, an image or both are needed")
        if (self.eye or self.session) and not self.participant:
            raise ValueError("an eye or a session is of a participant: name whose it is")
        if self.order >= 0 and not (self.participant and self.image):
            raise ValueError("order is of a participant and an image: name both")
        return self

    @property
    def holds(self) -> bool:
        """Whether it has not been taken back."""
        return not self.undone_utc

    @property
    def key(self) -> tuple[str, str, str, int, str]:
        """What it is about, without the reason."""
        return self.participant, self.image, self.session, self.order, self.eye

    def __str__(self) -> str:
        """Name what it is about, such as ``left eye of P03 on a.jpg``."""
        person = self.participant + (f" (session {self.session})" if self.session else "")
        picture = self.image + (f" (shown as number {self.order + 1})" if self.order >= 0 else "")
        what = " on ".join(part for part in (person, picture) if part)
        return f"{self.eye} eye of {what}" if self.eye else what


class ExclusionFile(Section):
    """The whole file."""

    exclude: list[Exclusion] = []


def read_exclusions(path: str | Path) -> list[Exclusion]:
    """Read all entries of a file, those that were taken back too; none where there is no such file.

    Raises
    ------
    ConfigError
        Not such a file; all its faults are named.
    """
    path = Path(path)
    return validated(ExclusionFile, read_toml(path), path).exclude if path.exists() else []


def exclude(path: str | Path, entries: Iterable[Exclusion], *, by: str = "") -> list[Exclusion]:
    """Add entries to a file, and return all that it then has; what holds already is refused.

    Raises
    ------
    InputError
        An entry about the same holds already.
    OutputError
        Another program keeps the file, or it cannot be written.
    """
    with alone(Path(path)):
        present = read_exclusions(path)
        for entry in entries:
            same = [n for n, old in enumerate(present, start=1) if old.holds and old.key == entry.key]
            if same:
                raise InputError(
                    f"{entry} is excluded already: entry {same[0]} of {path}, {present[same[0] - 1].reason}"
                )
            present.append(entry.model_copy(update={"by": entry.by or by, "utc": entry.utc or _now()}))
        _write(Path(path), present)
    return present


def undo_exclusion(path: str | Path, number: int, *, reason: str = "") -> Exclusion:
    """Take an entry back, by its number from 1; it stays in the file with when and why, and is returned.

    Raises
    ------
    InputError
        No such entry, or it was taken back before.
    """
    with alone(Path(path)):
        present = read_exclusions(path)
        if not 1 <= number <= len(present):
            raise InputError(f"{path} has {counted(len(present), 'entry', 'entries')}; there is no number {number}")
        entry = present[number - 1]
        if not entry.holds:
            raise InputError(f"entry {number} ({entry}) was taken back already, {entry.undone_utc}")
        present[number - 1] = entry.model_copy(update={"undone_utc": _now(), "undone_reason": reason})
        _write(Path(path), present)
    return present[number - 1]


def bad_trials(table: pd.DataFrame) -> list[Exclusion]:
    """Make an entry of each trial that a table of trials (`gazekit quality --trials`) leaves out, with its reason.

    The session and the place in it are named only where a person has several sessions, or was shown a picture again.

    Examples
    --------
    >>> import pandas as pd
    >>> trials = pd.DataFrame({"participant": "P1", "session": "", "image": ["a", "b"], "order": [0, 1],
    ...                        "leave_out": ["no gaze", ""]})
    >>> [f"{entry}: {entry.reason}" for entry in bad_trials(trials)]
    ['P1 on a: no gaze']
    """
    names = table["session"].fillna("").astype(str) if "session" in table else table["image"].map(lambda _: "")
    table = table.assign(session=names, leave_out=table["leave_out"].fillna("").astype(str))
    sessions = table.groupby("participant")["session"].nunique()
    shown = table.groupby(["participant", "session", "image"])["order"].count()
    return [
        Exclusion(
            participant=str(row.participant),
            image=str(row.image),
            session=row.session if sessions[row.participant] > 1 else "",
            order=int(row.order) if shown[row.participant, row.session, row.image] > 1 else -1,
            reason=row.leave_out,
        )
        for row in table.itertuples()
        if row.leave_out.strip()
    ]


def forget_person(path: str | Path, participant: str) -> None:
    """Delete all entries of a person, taken back or not: for an erasure alone."""
    with alone(Path(path)):
        _write(Path(path), [entry for entry in read_exclusions(path) if entry.participant != participant])


@dataclass(frozen=True)
class Names:
    """What a study has that can be excluded.

    Attributes
    ----------
    people, images : frozenset of str
        Participants and pictures.
    showings : frozenset of (str, str, str, int)
        Participant, image, session and place in the session of each picture that was shown; the place is -1 where it
        is not known.
    """

    people: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    showings: frozenset[tuple[str, str, str, int]] = frozenset()

    @classmethod
    def of_sessions(cls, *places: str | Path) -> Names:
        """Read the names from session files, and from all that are in folders."""
        from gazekit.session.session_file import open_session

        files = [
            file
            for place in map(Path, places)
            for file in (sorted(place.rglob("*.gaze.h5")) if place.is_dir() else [place])
        ]
        names = cls()
        for file in files:
            session = open_session(file, gaze=False)
            shown = zip(session.stimuli["image"].astype(str), session.stimuli["order"].astype(int), strict=True)
            showings = frozenset((session.participant, image, session.name, order) for image, order in shown)
            images = frozenset(image for _, image, _, _ in showings)
            showings |= {(session.participant, "", session.name, -1)}  # of a session without pictures too
            names |= cls(frozenset({session.participant}), images, showings)
        return names

    @classmethod
    def of_pairs(cls, pairs: Iterable[tuple[str, str]]) -> Names:
        """Make them of participants and the pictures that they looked at."""
        showings = frozenset((person, image, "", -1) for person, image in pairs)
        return cls(frozenset(row[0] for row in showings), frozenset(row[1] for row in showings), showings)

    def __or__(self, other: Names) -> Names:
        """Return the names of both."""
        return Names(self.people | other.people, self.images | other.images, self.showings | other.showings)

    def has(self, entry: Exclusion) -> bool:
        """Tell whether an entry about a participant's picture or session is of one that was shown."""
        return any(
            person == entry.participant
            and entry.image in ("", image)
            and entry.session in ("", session)
            and entry.order in (-1, order)
            for person, image, session, order in self.showings
        )


def check_names(entries: Sequence[Exclusion], names: Names) -> None:
    """Refuse entries that name a person, a picture, a session or a trial that the study does not have.

    Raises
    ------
    InputError
        The message names every such entry, and the close names.
    """
    faults = []
    for entry in entries:
        if entry.participant and entry.participant not in names.people:
            faults.append(str(unknown_name("participant", entry.participant, names.people)))
        elif entry.image and entry.image not in names.images:
            faults.append(str(unknown_name("picture", entry.image, names.images)))
        elif entry.participant and (entry.image or entry.session) and names.showings and not names.has(entry):
            faults.append(f"there is no {entry}: it was not shown")
    if faults:
        raise InputError("nothing is excluded: " + "; ".join(faults))


def find_exclusions(*places: str | Path | None) -> Path | None:
    """Return the file that belongs to a study file, a folder or a file of data; None where there is none.

    It lies beside the study file, in the folder of the data, or in the folder above that.

    Raises
    ------
    InputError
        The places have different files.
    """
    files = []
    for place in places:
        if place is None:
            continue
        path = Path(place).absolute()
        folder = path if path.is_dir() else path.parent
        above = [folder] if path.suffix == ".toml" else [folder, folder.parent]
        files += [at / EXCLUSIONS for at in above if (at / EXCLUSIONS).is_file()]
    files = list(dict.fromkeys(files))
    if len(files) > 1:
        raise InputError(f"there are several {EXCLUSIONS} here: {', '.join(map(str, files))}; name one (--exclusions)")
    return files[0] if files else None


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _write(path: Path, entries: Sequence[Exclusion]) -> None:
    lines = [_HEAD]
    for entry in entries:
        values = {name: getattr(entry, name) for name in _KEYS}
        lines.append("[[exclude]]\n")
        lines += [f"{name} = {_toml(value)}\n" for name, value in values.items() if value not in ("", -1)]
        lines.append("\n")
    write_text(path, "".join(lines))


def _toml(value: str | int) -> str:
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
