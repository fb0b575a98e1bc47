"""Who is in which group and condition, and in which language: given, from the participant table, or in balance."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from gazekit.capture.items import plain
from gazekit.capture.randomness import random_stream
from gazekit.capture.settings import SessionSections
from gazekit.core.errors import GazekitError, InputError
from gazekit.core.tables import read_table


@dataclass(frozen=True)
class Assigned:
    """What holds for one participant: the level of each factor, the language, the row of the participant table."""

    levels: Mapping[str, str] = field(default_factory=dict)
    language: str = "en"
    row: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return the same as the session file keeps it."""
        return {"levels": dict(self.levels), "language": self.language, "row": dict(self.row)}

    @classmethod
    def from_json(cls, content: Mapping[str, Mapping[str, str]]) -> Assigned:
        """Read what a session file keeps."""
        return cls(dict(content.get("levels", {})), str(content["language"]), dict(content.get("row", {})))


def assign(
    sections: SessionSections,
    participant: str,
    seed: int,
    *,
    given: Mapping[str, str] | None = None,
    others: Sequence[Mapping[str, str]] = (),
) -> Assigned:
    """Assign a participant to the levels of all factors, and to a language.

    A factor's level comes from ``given``, else from the participant table; balanced factors are filled up: of all
    combinations that are possible for this participant one that fewest others have, drawn where several are.

    Parameters
    ----------
    sections : SessionSections
        The study.
    participant : str
        Pseudonym.
    seed : int
        Of the draw.
    given : mapping, optional
        Levels by factor, and ``language``.
    others : sequence of mappings
        The levels of those who came before.

    Raises
    ------
    InputError
        A level or language that there is not, or a factor that nobody gave.
    """
    row = _row_of(sections, participant)
    given = dict(given or {})
    known = {factor.name for factor in sections.factors} | {"language"}
    if unknown := sorted(set(given) - known):
        raise InputError(f"{', '.join(unknown)} is no factor of the study; known: {', '.join(sorted(known))}")
    levels = {}
    for factor in sections.factors:
        level = given.get(factor.name) or row.get(factor.name, "")
        if not level and factor.assign != "balanced":
            source = "--given" if factor.assign == "given" else "the participant table, [design] participants"
            raise InputError(
                f"the {factor.name} of {participant} is not known; say it with {source}: {factor.name}="
                f"{' or '.join(factor.levels)}"
            )
        if level and level not in factor.levels:
            raise InputError(f"{factor.name} of {participant} is {level!r}; known: {', '.join(factor.levels)}")
        if level:
            levels[factor.name] = level
    levels |= _balanced(sections, participant, seed, levels, others)
    levels = {factor.name: levels[factor.name] for factor in sections.factors}
    return Assigned(levels, _language(sections, given, row, levels), row)


def _balanced(
    sections: SessionSections,
    participant: str,
    seed: int,
    levels: Mapping[str, str],
    others: Sequence[Mapping[str, str]],
) -> dict[str, str]:
    """Choose among the cells of the open factors one that fewest have of those who share the other levels."""
    open_factors = [factor for factor in sections.factors if factor.name not in levels]
    if not open_factors:
        return {}
    alike = [other for other in others if all(other.get(name) == level for name, level in levels.items())]
    counts = Counter(tuple(other.get(factor.name) for factor in open_factors) for other in alike)
    cells = list(itertools.product(*(factor.levels for factor in open_factors)))
    least = min(counts[cell] for cell in cells)
    fewest = [cell for cell in cells if counts[cell] == least]
    cell = fewest[int(random_stream(seed, participant, "factors").integers(len(fewest)))]
    return {factor.name: level for factor, level in zip(open_factors, cell, strict=True)}


def _language(
    sections: SessionSections, given: Mapping[str, str], row: Mapping[str, str], levels: Mapping[str, str]
) -> str:
    by_level = [f.languages[levels[f.name]] for f in sections.factors if levels[f.name] in f.languages]
    language = given.get("language") or row.get("language") or next(iter(by_level), sections.study.languages[0])
    if language not in sections.study.languages:
        raise InputError(f"the study has no language {language!r}; [study] languages: {sections.study.languages}")
    return language


def read_participants(sections: SessionSections) -> pd.DataFrame | None:
    """Read the participant table of a study, all columns as text; None where it has none.

    Raises
    ------
    InputError, FormatError
        No such file, no column ``participant``, or a participant twice.
    """
    if sections.design.participants is None:
        return None
    path = sections.file.parent / sections.design.participants
    ids = [*(factor.name for factor in sections.factors), "language"]
    table = read_table(path, ["participant"], "participant table", ids=ids).map(_as_text)
    times = Counter(table["participant"])
    if twice := [name for name, count in times.items() if count > 1]:
        raise InputError(f"{path}: {', '.join(twice[:10])} more than once; a participant is one row")
    return table


def _row_of(sections: SessionSections, participant: str) -> dict[str, str]:
    table = read_participants(sections)
    if table is None:
        return {}
    rows = table[table["participant"] == participant].drop(columns="participant")
    if rows.empty:
        return {}
    return {str(name): value for name, value in rows.iloc[0].items() if value}


def _as_text(value: object) -> str:
    """Return a cell as text; whole numbers have no point, what is missing is empty."""
    if isinstance(value, float):
        return "" if value != value else plain(value)
    return "" if value is None or str(value) == "n/a" else str(value)


def design_faults(sections: SessionSections) -> list[str]:
    """Return what is wrong with the design of a study, a line each."""
    faults = []
    names = Counter(factor.name for factor in sections.factors)
    faults += [f"[[factors]] name {name!r} stands {count} times" for name, count in names.items() if count > 1]
    for factor in sections.factors:
        faults += [
            f"[[factors]] {factor.name}: language {language!r} of {level} is not among [study] languages"
            for level, language in factor.languages.items()
            if language not in sections.study.languages
        ]
    if sum(bool(factor.pictures) for factor in sections.factors) > 1:
        faults.append("[[factors]] several have pictures; one factor at most decides which pictures are shown")
    blocks = Counter(block.name for block in sections.blocks)
    faults += [f"[[blocks]] name {name!r} stands {count} times" for name, count in blocks.items() if count > 1]
    known = {answer.name for answer in sections.asked}
    for block in sections.blocks:
        if unknown := sorted(set(block.answers or ()) - known):
            faults.append(f"[[blocks]] {block.name}: answers {', '.join(unknown)} are none of [[answers]]")
    if sections.blocks and sections.presentation.block_size is not None:
        faults.append("[presentation] block_size has no meaning beside [[blocks]]; take one of them out")
    try:
        table = read_participants(sections)
    except GazekitError as error:
        return [*faults, f"[design] participants: {error}"]
    if table is not None:
        return faults + _table_faults(sections, table)
    if any(factor.assign == "file" for factor in sections.factors):
        faults.append("[[factors]] assign = 'file' needs [design] participants, a CSV with a column for the factor")
    return faults


def _table_faults(sections: SessionSections, table: pd.DataFrame) -> list[str]:
    faults = []
    for factor in sections.factors:
        if factor.name in table.columns:
            wrong = sorted(set(table[factor.name]) - {*factor.levels, ""})
            faults += [f"[design] participants: {factor.name} holds {', '.join(wrong[:5])}"] if wrong else []
        elif factor.assign == "file":
            faults.append(f"[design] participants: the table has no column {factor.name}")
    return faults


def first_assigned(sections: SessionSections) -> list[Assigned]:
    """Return one made-up participant for each list of pictures that a level decides."""
    first = {factor.name: factor.levels[0] for factor in sections.factors}
    deciding = next((factor for factor in sections.factors if factor.pictures), None)
    cells = [first] if deciding is None else [{**first, deciding.name: level} for level in deciding.levels]
    return [Assigned(cell, sections.study.languages[0]) for cell in cells]


def pictures_source(sections: SessionSections, assigned: Assigned) -> Path | None:
    """Return the folder or list of pictures that a participant's level names; None where no level does."""
    for factor in sections.factors:
        if factor.pictures:
            return sections.file.parent / factor.pictures[assigned.levels[factor.name]]
    return None
