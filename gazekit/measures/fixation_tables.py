"""The measures of a fixation table, of gazekit or of another program, with answers from another table."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import numpy as np
import pandas as pd

from gazekit.attention.viewings import pixels_per_degree
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.lasting import advice
from gazekit.core.time_windows import has_onsets, onsets_ms, says_since, showings
from gazekit.measures.sessions import answer_column
from gazekit.measures.viewing import MEASURES, Look, MeasureOptions
from gazekit.pictures import match_names

_NEEDED = ("participant", "image", "x_picture", "y_picture", "duration_ms")


def fixation_measures(
    fixations: pd.DataFrame,
    options: MeasureOptions | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> pd.DataFrame:
    """Measure every viewing of a fixation table.

    What a table of fixations cannot tell is missing: the time of viewing, the share of gaze, saccades, the pupil, and
    pictures that nobody looked at. Fixations without a place or a duration are left out, and counted on standard error.
    Times count from each participant's first fixation on a picture, unless the table has ``since_onset_ms``.

    Parameters
    ----------
    fixations : DataFrame
        With participant, image, x_picture, y_picture (pixels of the picture) and duration_ms.
    options : MeasureOptions, optional
        Window and areas.
    sizes : mapping of str to (int, int), optional
        Height and width of each picture, for entropy and coverage.

    Returns
    -------
    DataFrame
        `KEYS` and `MEASURES`, a row a viewing and area.

    Raises
    ------
    InputError
        A column is missing, or no fixation lies on a picture.

    Examples
    --------
    >>> table = pd.DataFrame({"participant": "P1", "image": "a", "x_picture": [10.0, 13.0], "y_picture": [10.0, 14.0],
    ...                       "duration_ms": [200.0, 300.0], "since_onset_ms": [0.0, 250.0]})
    >>> fixation_measures(table)[["fixations", "fixation_ms", "scanpath_px"]].values.tolist()
    [[2.0, 500.0, 5.0]]
    """
    options, sizes = options or MeasureOptions(), sizes or {}
    missing = [name for name in _NEEDED if name not in fixations]
    if missing:
        has = ", ".join(map(str, fixations))
        raise InputError(f"the fixation table lacks {', '.join(missing)}; it has {has}{advice(missing)}")
    named = fixations["image"].notna() & (fixations["image"].astype(str) != "")
    numbers = fixations[["x_picture", "y_picture", "duration_ms"]].astype(float)
    whole = np.isfinite(numbers).all(axis=1) & (numbers["duration_ms"] > 0)
    table = fixations[named & whole].reset_index(drop=True)
    if not len(table):
        raise InputError(f"none of {len(fixations)} fixations lies on a picture, with a place and a duration")
    if left_out := int((named & ~whole).sum()):
        print(f"{left_out} of {len(fixations)} fixations left out: no place or no duration", file=sys.stderr)
    options = options.of_pictures(table["image"].astype(str).unique())
    table = _timed(table.assign(showing=showings(table)), options)
    chosen = np.ones(len(table), bool) if options.window is None else options.window.inside(table)
    scale = pixels_per_degree(table) if "x_deg" in table else pd.Series(dtype=float)
    keys = ["participant", "image", "showing"]
    rows = []
    for place, part in table.assign(chosen=chosen).groupby(keys, sort=False):
        names = dict(zip(keys, place, strict=True))
        image = str(names["image"])
        look = Look(
            image=image,
            fixations=part,
            chosen=part["chosen"].to_numpy(bool),
            size=sizes.get(image, (0, 0)),
            degree_px=float(scale.get(image, np.nan)),
        )
        rows += [
            {"participant": str(names["participant"]), "showing": names["showing"], **row} for row in look.rows(options)
        ]
    return pd.DataFrame(rows).reindex(columns=["participant", "image", "showing", "area", "window", *MEASURES])


def _timed(table: pd.DataFrame, options: MeasureOptions) -> pd.DataFrame:
    """Add when fixations began (``since_onset_ms``), NaN where nobody knows, and put them in order of time."""
    window = options.window
    timed = has_onsets(table) and (says_since(table) or table["onset_us"].nunique() > 1)
    if not timed and window is not None and (window.start_ms > 0 or np.isfinite(window.end_ms)):
        raise InputError("the fixation table does not say when fixations began, so that only the first N can be taken")
    table = table.assign(since_onset_ms=onsets_ms(table) if timed else np.nan)
    return table.sort_values("onset_us", kind="stable") if timed and "onset_us" in table else table


def with_answers(measures: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Join people's answers to their measures, by person and picture; what matches nothing is said on standard error.

    Parameters
    ----------
    measures : DataFrame
        A table of measures.
    answers : DataFrame
        Long, as `survey export` and `gazekit ratings` write: rater (or participant), image, score, and attribute where
        several things were asked; or a row a person and picture with a column an answer.

    Raises
    ------
    InputError
        No such columns, two different answers to one question, or nobody is in both tables.

    Examples
    --------
    >>> looks = pd.DataFrame({"participant": ["P1", "P2"], "image": ["a.jpg", "a.jpg"], "fixations": [8.0, 5.0]})
    >>> said = pd.DataFrame({"rater": ["P1"], "image": ["a"], "attribute": ["beauty"], "score": [7]})
    >>> with_answers(looks, said)["beauty"].tolist()
    [7.0, nan]
    """
    wide = _wide(answers)
    matched = match_names(wide["image"].unique(), measures["image"].unique())
    wide["image"] = wide["image"].replace(matched)
    names = [str(name) for name in wide if name not in ("participant", "image")]
    wide = wide.rename(columns={name: answer_column(name) for name in names})
    joined = measures.merge(wide, on=["participant", "image"], how="left", indicator="both")
    pairs = joined[["participant", "image", "both"]].drop_duplicates()
    met = int((pairs["both"] == "both").sum())
    if not met:
        raise InputError(
            f"no answer is of a person and picture with gaze: people such as {measures['participant'].iloc[0]} "
            f"against {wide['participant'].iloc[0]}, pictures such as {measures['image'].iloc[0]} against "
            f"{wide['image'].iloc[0]}"
        )
    print(
        f"{met} of {len(pairs)} viewings have answers; "
        f"{counted(len(wide) - met, 'answer matches', 'answers match')} none",
        file=sys.stderr,
    )
    return joined.drop(columns="both")


def _wide(answers: pd.DataFrame) -> pd.DataFrame:
    table = answers.rename(columns={"rater": "participant"} if "participant" not in answers else {})
    if not {"participant", "image"} <= set(table):
        raise InputError(
            f"answers need the columns rater (or participant) and image; found {', '.join(map(str, answers))}"
        )
    table = table.assign(participant=table["participant"].astype(str), image=table["image"].astype(str))
    if "score" not in table:
        wide = table
    else:
        if "kind" in table:
            table = table[table["kind"] == "main"]
        table = table.assign(attribute=table.get("attribute", "rating"))
        wide = table.pivot_table(index=["participant", "image"], columns="attribute", values="score", aggfunc="first")
        several = table.groupby(["participant", "image", "attribute"])["score"].nunique() > 1
        if several.any():
            some = ("answer is there twice and differs", "answers are there twice and differ")
            raise InputError(f"{counted(int(several.sum()), *some)}, such as {several.idxmax()}")
        wide = wide.reset_index().rename_axis(columns=None)
    if wide.duplicated(["participant", "image"]).any():
        raise InputError("the table of answers has two rows of one person and picture")
    return wide
