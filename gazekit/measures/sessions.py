"""The measures of sessions: every picture that was shown has its row, looked at or not."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gazekit.core.counting import counted
from gazekit.core.errors import GazekitError, InputError
from gazekit.core.tables import Cut
from gazekit.core.time_windows import TimeWindow
from gazekit.core.types import Bools, Floats
from gazekit.events.aoi import Inside
from gazekit.events.detectors import PICTURE_DETECTOR
from gazekit.events.sessions import TrialEvents, join_fixations, session_events
from gazekit.gaze import EyeChoice
from gazekit.measures.answers import FACTS, answers_of
from gazekit.measures.pupil import pupil_of
from gazekit.measures.viewing import FACTOR, KEYS, MARKED, MEASURES, Look, MeasureOptions
from gazekit.session import open_session
from gazekit.session.model import Session, Trial

_LATER_PART = re.compile(r"\.part\d+\.gaze\.h5$")
_ORDER = ("started_utc", "order")


def session_measures(
    session: Session,
    options: MeasureOptions | None = None,
    detector: str = PICTURE_DETECTOR,
    *,
    cut: Cut = "keep",
    eye: EyeChoice = "average",
    regions: pd.DataFrame | None = None,
    **parameters: Any,
) -> pd.DataFrame:
    """Measure every viewing of a session.

    Parameters
    ----------
    session : Session
        As `gazekit.open_session` or `gazekit.import_recording` gives it.
    options : MeasureOptions, optional
        Window, areas, baseline of the pupil.
    detector, cut, eye, **parameters
        As in `gazekit.session_fixations`.
    regions : DataFrame, optional
        What the participant marked in the later parts of a resumed session, of `regions_of_later_parts`.

    Returns
    -------
    DataFrame
        A row a picture shown and area: `KEYS` and ``order``, `MEASURES`, ``factor_NAME`` (such as the
        participant's group) and how the viewing began and ended where
        the session says it, then the person's answers.
        `join_sessions` joins those of several sessions.

    Raises
    ------
    InputError
        No picture was shown.

    Examples
    --------
    >>> from gazekit.session import open_session
    >>> table = session_measures(open_session("sample_data/sessions/P01.gaze.h5"))
    >>> table[["image", "fixations", "viewing_ms"]].head(2).values.tolist()
    [['astronaut.png', 9.0, 3000.0], ['chelsea.png', 10.0, 3000.0]]
    """
    options = (options or MeasureOptions()).of_pictures(session.stimuli["image"].astype(str).unique())
    looks = session_looks(session, options, detector, cut=cut, eye=eye, regions=regions, **parameters)
    rows = [row | {"order": order} for order, look in looks for row in look.rows(options)]
    table = pd.DataFrame(rows)
    table = table.reindex(columns=["image", "area", "window", "order", *MEASURES])
    table.insert(0, "participant", session.participant)
    for factor, level in levels_of(session).items():
        table[f"{FACTOR}{factor}"] = level
    table["started_utc"] = session.started_utc
    facts = session.stimuli.set_index("order")
    table = table.join(facts[[name for name in FACTS if name in facts]], on="order")
    answers = answers_of(session)
    shown = answers[answers["order"] >= 0]
    for name in dict.fromkeys(shown["attribute"]):
        given = shown[shown["attribute"] == name].set_index("order")
        table = table.join(_columns(given, name), on="order")
    return _numbered(table)


def session_looks(
    session: Session,
    options: MeasureOptions | None = None,
    detector: str = PICTURE_DETECTOR,
    *,
    cut: Cut = "keep",
    eye: EyeChoice = "average",
    regions: pd.DataFrame | None = None,
    **parameters: Any,
) -> list[tuple[int, Look]]:
    """Return what `session_measures` measures, before any area is asked for: each showing's place, and its look.

    Raises
    ------
    InputError
        No picture was shown.
    """
    options = options or MeasureOptions()
    if not len(session.stimuli):
        raise InputError(f"{session.participant}: no picture was shown, so that there is nothing to measure")
    marked, looks = _marked(session, regions), []
    for events in session_events(session, detector, eye=eye, **parameters):
        look, trial = _look(session, events, options, cut, eye), events.trial
        assert trial is not None  # session_events gives one a picture
        looks.append((trial.order, replace(look, own_areas=marked.get(look.image, {}))))
    return looks


def join_sessions(tables: Iterable[pd.DataFrame], late: pd.DataFrame | None = None) -> pd.DataFrame:
    """Join the measures of sessions; a picture that a person was shown again has the next number of ``showing``.

    Parameters
    ----------
    tables : iterable of DataFrame
        Of `session_measures`.
    late : DataFrame, optional
        Answers (`ANSWER_COLUMNS`) that were given in another part of a resumed session than the one in which the
        picture was shown (their ``order`` is -1).
    """
    table = pd.concat(list(tables), ignore_index=True)
    for row in () if late is None else late[late["order"] < 0].itertuples():
        here = (table["participant"] == row.participant) & (table["image"] == row.image)
        if answer_column(row.attribute) in table:
            here &= table[answer_column(row.attribute)].isna()
        if here.any():
            last = table.loc[here, "showing"].max()
            table.loc[here & (table["showing"] == last), answer_column(row.attribute)] = _value(row)
    return _numbered(table.sort_values("started_utc", kind="stable")).drop(columns="started_utc")


def levels_of(session: Session) -> dict[str, str]:
    """Return what the participant was assigned: group, condition, list, by the name of the factor."""
    assigned = session.provenance.get("parameters", {}).get("assigned", {})
    return {str(name): str(level) for name, level in assigned.get("levels", {}).items()}


def answer_column(attribute: str) -> str:
    """Return the column of an answer; one that has the name of a measure gets a name of its own."""
    taken = attribute in (*KEYS, *MEASURES, *FACTS, *_ORDER) or attribute.startswith(FACTOR)
    return f"answer_{attribute}" if taken else attribute


def regions_of_later_parts(files: Iterable[Path]) -> dict[str, pd.DataFrame]:
    """Read the regions that people marked in the later parts of resumed sessions, by participant.

    Parameters
    ----------
    files : iterable of Path
        Session files; those that are no later part, or cannot be read, are passed over.
    """
    tables: dict[str, list[pd.DataFrame]] = {}
    for file in files:
        if not _LATER_PART.search(file.name):
            continue
        with contextlib.suppress(GazekitError):  # said where it is measured
            session = open_session(file, gaze=False)
            tables.setdefault(session.participant, []).append(session.streams.get("regions", pd.DataFrame()))
    return {participant: pd.concat(parts, ignore_index=True) for participant, parts in tables.items()}


def _marked(session: Session, later: pd.DataFrame | None) -> dict[str, dict[str, Inside]]:
    """Return, by picture, the area of all regions that the participant marked in it; what cannot be used is said."""
    here, shown = session.streams.get("regions", pd.DataFrame()), set(session.stimuli["image"])
    elsewhere = int((~here["image"].isin(shown)).sum()) if len(here) else 0
    if elsewhere and later is None:
        print(
            f"{session.participant}: {counted(elsewhere, 'marked region is', 'marked regions are')} of pictures "
            f"that another part of the session "
            "showed; they are no areas here",
            file=sys.stderr,
        )
    regions = pd.concat([table for table in (here, later) if table is not None and len(table)] or [here])
    if not len(regions):
        return {}
    return {str(image): {MARKED: _any_of(part)} for image, part in regions.groupby("image") if image in shown}


def _any_of(regions: pd.DataFrame) -> Inside:
    boxes = regions[["x", "y", "width", "height"]].to_numpy(float)

    def inside(x: Floats, y: Floats) -> Bools:
        within = [(x >= left) & (x < left + w) & (y >= top) & (y < top + h) for left, top, w, h in boxes]
        return np.asarray(np.any(within, axis=0), dtype=bool)

    return inside


def _columns(given: pd.DataFrame, attribute: str) -> pd.DataFrame:
    name = answer_column(attribute)
    texts = given["score"].isna() & (given["answer"] != "")
    columns = pd.DataFrame({name: given["answer"] if texts.any() else given["score"]})
    return columns.assign(**{f"{name}_ms": given["time_ms"]}) if given["time_ms"].notna().any() else columns


def _value(row: Any) -> Any:
    return row.score if row.score == row.score else row.answer


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    table = table.drop(columns="showing", errors="ignore")
    keys = ["participant", "image", "area", "window"]
    showing = table.groupby(keys, sort=False, dropna=False).cumcount() + 1
    table.insert(2, "showing", showing)
    return table.reset_index(drop=True)


def _look(session: Session, events: TrialEvents, options: MeasureOptions, cut: Cut, eye: EyeChoice) -> Look:
    trial = events.trial
    assert trial is not None
    fixations, saccades = join_fixations(session, [events], cut), events.saccades
    chosen = np.ones(len(fixations), bool) if options.window is None else options.window.inside(fixations)
    start, end = part_of(options.window, fixations, chosen, (trial.offset_us - trial.onset_us) / 1000)
    began = events.since_onset_ms(saccades["onset_us"])
    degree = session.screen.pixels_per_degree * trial.picture[0] / trial.placement.width
    return Look(
        image=trial.image,
        fixations=fixations,
        chosen=chosen,
        size=(trial.picture[1], trial.picture[0]),
        degree_px=degree,
        viewing_ms=end - start,
        gaze_share=_gaze_share(session, trial, (start, end), eye),
        saccades_deg=saccades["amplitude_deg"].to_numpy(float)[(began >= start) & (began < end)],
        pupil=pupil_of(session.recording, trial.onset_us, trial.offset_us, (start, end), options.baseline_ms),
    )


def part_of(window: TimeWindow | None, fixations: pd.DataFrame, chosen: Any, viewing_ms: float) -> tuple[float, float]:
    """Return the part of a viewing that a window covers: start and end, milliseconds since the picture came.

    With the first N fixations it ends with the last of them, or with the viewing where there are fewer.
    """
    if window is None:
        return 0.0, viewing_ms
    start, end = min(window.start_ms, viewing_ms), min(window.end_ms, viewing_ms)
    if window.first is not None and chosen.sum() == window.first:
        ends = (fixations["since_onset_ms"] + fixations["duration_ms"])[chosen]
        end = min(end, float(ends.max()))
    return start, max(start, end)


def _gaze_share(session: Session, trial: Trial, part_ms: tuple[float, float], eye: EyeChoice) -> float:
    """Return the share of gaze among the samples that there was time for."""
    since = (trial.recording.system_time_us - trial.onset_us) / 1000
    inside = (since >= part_ms[0]) & (since < part_ms[1])
    if not part_ms[1] > part_ms[0]:
        return float("nan")
    known = int((np.isfinite(trial.recording.point(eye)).all(axis=1) & inside).sum())
    expected = (part_ms[1] - part_ms[0]) / 1000 * session.recording.rate_hz
    return min(1.0, known / expected) if known and expected > 0 else 0.0
