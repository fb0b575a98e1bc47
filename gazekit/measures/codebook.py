"""What every column of a table of measures means, and in which unit."""

from __future__ import annotations

import pandas as pd

from gazekit.measures.answers import FACTS
from gazekit.measures.viewing import FACTOR, KEYS

_OF_KEYS = {
    "participant": ("", "the person's id"),
    "image": ("", "the picture's id"),
    "showing": ("count", "1 the first time that the person was shown the picture, 2 the second"),
    "area": ("", "area of interest; 'whole' is all of the picture, 'marked' what the person marked in the interview"),
    "window": ("", "part of the viewing, by when fixations began; 'all' is all of it"),
    "order": ("count", "place of the picture in the session, from 0"),
    "block": ("", "block of the study"),
    "started_by": ("", "what brought the picture: time, gaze on the cross, or the limit of waiting for it"),
    "ended_by": ("", "what ended it: time, key, mouse, touch, button or answer"),
}
_OF_MEASURES = {
    "viewing_ms": ("ms", "how long the picture was there, in the window; with the first N to the end of the Nth"),
    "gaze_share": ("share", "samples with gaze, of those that there was time for; without gaze there are no measures"),
    "fixations": ("count", "fixations on the area that began in the window"),
    "fixation_ms": ("ms", "their durations together; a fixation counts whole, also where it outlasts the window"),
    "mean_fixation_ms": ("ms", "their mean duration"),
    "dwell_share": ("share", "fixation_ms of all fixation time in the window, on the picture or off it"),
    "time_to_first_ms": ("ms", "from the picture's onset to the first of them; 0 where it went on from before"),
    "first_fixation_ms": ("ms", "duration of the first of them"),
    "visits": ("count", "unbroken runs of fixations on the area"),
    "saccades": ("count", "saccades that began in the window, by the detector; whole picture only"),
    "saccade_deg": ("deg", "their mean amplitude"),
    "scanpath_deg": ("deg", "length of the path from fixation to fixation on the picture, as the eye sees it"),
    "scanpath_px": ("px", "the same in the picture's own pixels"),
    "entropy_bits": (
        "bits",
        "entropy of the cells in which fixations lie; grows with their number: --first N mends it",
    ),
    "coverage": ("share", "part of the picture within a radius of a fixation"),
    "pupil_change_mm": ("mm", "mean diameter minus the baseline of the same eye; in an area: during its fixations"),
    "pupil_baseline_mm": ("mm", "median diameter before the picture, mean of the eyes"),
}


def codebook(table: pd.DataFrame) -> pd.DataFrame:
    """Describe each column of a table of measures: column, unit, meaning, and how many rows have a value.

    Examples
    --------
    >>> table = pd.DataFrame({"participant": ["P1"], "fixations": [8.0], "beauty": [7], "beauty_ms": [3100.0]})
    >>> codebook(table)[["column", "unit", "values"]].values.tolist()
    [['participant', '', 1], ['fixations', 'count', 1], ['beauty', 'answer', 1], ['beauty_ms', 'ms', 1]]
    """
    known = _OF_KEYS | _OF_MEASURES
    rows = []
    for name in map(str, table.columns):
        asked = name.removesuffix("_ms")
        if name in known:
            unit, meaning = known[name]
        elif name.startswith(FACTOR):
            unit, meaning = "", f"what the participant was assigned: {name.removeprefix(FACTOR)}"
        elif asked != name and asked in table:
            unit, meaning = "ms", f"from the question's appearance to the answer {asked}"
        else:
            unit, meaning = "answer", f"the person's answer: {name}"
        rows.append((name, unit, meaning, int(table[name].notna().sum())))
    return pd.DataFrame(rows, columns=["column", "unit", "meaning", "values"])


def one_value_a_row(table: pd.DataFrame, book: pd.DataFrame | None = None) -> pd.DataFrame:
    """Turn a table of measures into one with a value a row: `KEYS`, measure, value, unit; what is missing has no row.

    Examples
    --------
    >>> table = pd.DataFrame({"participant": ["P1"], "image": ["a"], "fixations": [8.0], "coverage": [float("nan")]})
    >>> one_value_a_row(table).values.tolist()
    [['P1', 'a', 'fixations', 8.0, 'count']]
    """
    keys = [n for n in map(str, table) if n in (*KEYS, "order", *FACTS) or n.startswith(FACTOR)]
    units = (codebook(table) if book is None else book).set_index("column")["unit"]
    values = table.melt(keys, var_name="measure", ignore_index=False).dropna(subset="value").sort_index(kind="stable")
    return values.assign(unit=values["measure"].map(units)).reset_index(drop=True)
