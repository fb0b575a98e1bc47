"""Fixations of what is named on the command line: found in sessions, or taken from tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.cli._recordings import (
    SUFFIX,
    each_result,
    each_session,
    good_trials,
    makers_fixations,
    not_excluded,
    parameter,
)
from gazekit.core.errors import GazekitError

if TYPE_CHECKING:
    import pandas as pd

    from gazekit.core.tables import Cut
    from gazekit.events.sessions import TrialEvents
    from gazekit.session.excluding import Exclusions
    from gazekit.study import Study

TABLES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx", ".sav")
DETECTOR = "adaptive, ivt, idt, i2mc, microsaccades or a plug-in's; default: the study file's, else adaptive."


@dataclass(frozen=True)
class Finding:
    """How fixations are found: options of the command line, and what the study file says where they say nothing."""

    plan: Study | None = None
    detector: str | None = None
    eye: str | None = None
    parameters: tuple[str, ...] = ()
    cut: Cut | None = None
    trials: Path | None = None
    screen: Mapping[str, float] = field(default_factory=dict)
    strict: bool = False
    exclusions: Exclusions | None = None


@dataclass
class FoundFixations:
    """Fixations and saccades of all sessions, and how they were found."""

    table: pd.DataFrame
    saccades: list[pd.DataFrame]  # a table a session
    recordings: list[tuple[str, list[TrialEvents]]]
    files: dict[str, Path]
    detector: str
    made: dict[str, Any]  # parameters, for the provenance
    by_sessions: pd.DataFrame | None = None  # of the table, what was found here
    left_out_s: float = 0.0  # time that the sessions do not count, s
    others: list[Path] = field(default_factory=list)  # those that are no files of fixations

    def provenance(self, schema: str = "gazekit.fixations/1") -> dict[str, Any]:
        """Make the record of how the table was made."""
        from gazekit.core.files import provenance

        return provenance(schema, self.made, self.files)


def find_fixations(paths: Sequence[Path], how: Finding) -> FoundFixations:
    """Find the fixations of sessions (files or folders); files of fixations of other programs are taken as they are."""
    import pandas as pd

    from gazekit.events.session_quality import left_out_samples
    from gazekit.events.sessions import join_fixations, join_saccades, session_events
    from gazekit.events.settings import FixationSection
    from gazekit.session.excluding import Exclusions

    exclusions = how.exclusions or Exclusions()
    section = how.plan.fixations if how.plan else FixationSection()
    name, cut = how.detector or section.detector, how.cut or section.cut
    values = dict(section.parameters) if name == section.detector else {}
    values |= dict(map(parameter, how.parameters)) | ({"eye": how.eye} if how.eye else {})
    tables, by_session, saccades, files = [], [], [], dict[str, Path]()
    recordings, left_out_s = list[tuple[str, "list[TrialEvents]"]](), 0.0
    for path in paths:
        if (table := makers_fixations(path, how.screen)) is not None:
            tables.append(exclusions.of_fixations(table))
            files[str(path)] = path
    others = [path for path in paths if str(path) not in files]
    opened = each_session(others, "fixations", strict=how.strict, screen=how.screen) if others else ()
    opened = not_excluded(good_trials(opened, how.trials), exclusions)
    for path, session, events in each_result(opened, lambda s: session_events(s, name, **values), strict=how.strict):
        recordings.append((f"{session.participant} {session.name}".strip(), events))
        shown = [part.trial for part in events if part.trial is not None]
        left_out_s += left_out_samples(session, shown) / session.recording.rate_hz if shown else 0.0
        by_session.append(join_fixations(session, events, cut))
        saccades.append(join_saccades(session, events))
        files[str(path)] = path
    made = {"detector": name, **values} | ({"cut": cut} if cut != "keep" else {}) | exclusions.parameters()
    by_sessions = pd.concat(by_session, ignore_index=True) if by_session else None
    table = pd.concat([*tables, *by_session], ignore_index=True)
    return FoundFixations(table, saccades, recordings, files, name, made, by_sessions, left_out_s, others)


def are_fixation_tables(paths: Iterable[Path]) -> bool:
    """Tell whether all these are tables of fixations in gazekit's columns, or meant to be; none of them must be.

    Raises
    ------
    ConfigError
        Some are, and others are sessions.
    """
    from gazekit.core.errors import ConfigError

    kinds = {path: _is_table(path) for path in paths}
    if len(set(kinds.values())) > 1:
        table, other = (next(path for path, kind in kinds.items() if kind is wanted) for wanted in (True, False))
        raise ConfigError(
            f"{table} is a table of fixations and {other} is not: give sessions, or tables that gazekit fixations made"
        )
    return all(kinds.values())


def _is_table(path: Path) -> bool:
    """Tell whether a path is a table, and no recording or file of fixations of another program."""
    from gazekit.formats.fixation_tables import layout_of
    from gazekit.formats.registry import fitting
    from gazekit.formats.text import Head

    if path.is_dir() or path.name.endswith(SUFFIX) or path.suffix.lower() not in TABLES:
        return False
    if not path.exists() or is_fixation_table(path):
        return True
    return layout_of(path) is None and not fitting(Head.of(path))


def is_table_of_fixations(path: Path) -> bool:
    """Tell whether a file holds fixations, of gazekit, of another program, or of a person."""
    from gazekit.formats.fixation_tables import layout_of

    if not path.is_file() or path.name.endswith(SUFFIX):
        return False
    return layout_of(path) is not None or is_fixation_table(path)


def is_fixation_table(path: Path) -> bool:
    """Tell whether a file is a table with a picture, a place and a duration, or start and end, in each row.

    One that calls the place ``x_picture``, as only fixations are, is meant to be one: what it lacks is said then.
    """
    import pandas as pd

    from gazekit.attention.fixation_io import known_columns
    from gazekit.core.tables import column_names

    if path.suffix.lower() not in TABLES:
        return False
    try:
        names = column_names(path, "fixation table")
        empty = pd.DataFrame({name: pd.Series(dtype=float) for name in names})
        columns = set(known_columns(empty, path)[0].columns)
    except GazekitError:
        return False
    return {"image", "x_picture"} <= columns and ("duration_ms" in columns or "x_picture" in names)


def finding_options(command: Any) -> Any:
    """Add the options of `Finding` that say how fixations are found in sessions."""
    for option in (
        click.option("--strict", is_flag=True, help="Stop at the first session that cannot be read."),
        click.option("--trials", type=click.Path(path_type=Path),
                     help="Of sessions: table of `gazekit quality --trials`; bad trials are left out."),
        click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
                     help="Of sessions: a detector's parameter (ms, degrees, deg/s), as min_fixation_ms=60; repeat."),
        click.option("--eye", type=click.Choice(["left", "right", "average", "strict"]),
                     help="Of sessions: which eye.  [average of any valid one]"),
        click.option("--detector", help=f"Of sessions: {DETECTOR}"),
    ):  # fmt: skip
        command = option(command)
    return command
