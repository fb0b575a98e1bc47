"""The interview after the pictures: a person's own scanpath, and the regions that the person marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.capture.display import MarkedRegion
from gazekit.capture.plan import PictureFacts, PlannedTrial
from gazekit.events import detect_fixations
from gazekit.gaze import GazeRecording
from gazekit.screen import Placement, Screen
from gazekit.session import Session, open_session
from gazekit.session.events import Region, trial_id
from gazekit.session.samples import Block, to_recording

_DETECTOR = "ivt"


def own_scanpath(
    rows: Block | None,
    earlier: Sequence[Path],
    trial: str,
    screen: Screen,
    places: tuple[Placement, Placement],
) -> list[tuple[float, float, float]]:
    """Return the fixations of a person on a picture: x and y where the picture is now, and duration in ms.

    Parameters
    ----------
    rows : structured array, optional
        Gaze while the picture was shown; None where that was in an earlier part.
    earlier : sequence of path
        Session files of the earlier parts.
    trial : str
        What the trial is called in the plan.
    screen : Screen
        Its geometry.
    places : tuple of Placement
        Where the picture was, and where it is now.
    """
    recording = _of_earlier(earlier, trial) if rows is None else to_recording(rows)
    if recording is None or len(recording) < 2:
        return []
    table = detect_fixations(recording, screen, detector=_DETECTOR)
    was, now = places
    x = now.x + (table["x_px"].to_numpy() - was.x) * now.width / was.width
    y = now.y + (table["y_px"].to_numpy() - was.y) * now.height / was.height
    path = np.column_stack([x, y, table["duration_ms"].to_numpy()])
    return [(float(a), float(b), float(ms)) for a, b, ms in path if np.isfinite([a, b]).all()]


def _of_earlier(files: Sequence[Path], trial: str) -> GazeRecording | None:
    for file in reversed(files):
        session = open_session(file)
        presentations = session.stimuli.get("presentation")
        for n, shown in enumerate(session.trials()):
            number = 1 if presentations is None else int(presentations.iloc[n])
            if trial_id(shown.image, number) == trial:
                return shown.recording
    return None


def marked_areas(sessions: Iterable[Session]) -> dict[str, dict[str, list[list[float]]]]:
    """Return the regions that people marked as areas of interest: picture -> name -> corners in picture pixels.

    The name is the word and who marked it, so that two people's regions of one word are two areas. It is what
    `gazekit aoi` reads.
    """
    areas: dict[str, dict[str, list[list[float]]]] = {}
    for session in sessions:
        for row in session.streams.get("regions", pd.DataFrame()).itertuples():
            named = areas.setdefault(str(row.image), {})
            name = f"{row.word} ({session.participant})"
            if name in named:
                name = f"{row.word} {row.number} ({session.participant})"
            right, bottom = row.x + row.width, row.y + row.height
            named[name] = [[row.x, row.y], [right, row.y], [right, bottom], [row.x, bottom]]
    return areas


def regions_of(
    marked: Sequence[MarkedRegion], trial: PlannedTrial, facts: PictureFacts, placement: Placement, time_us: int
) -> list[Region]:
    """Return marked regions in picture pixels, cut to the picture."""
    width, height = facts.size_wh
    regions = []
    for n, region in enumerate(marked):
        left, right = np.clip([region.x, region.x + region.width], placement.x, placement.x + placement.width)
        top, bottom = np.clip([region.y, region.y + region.height], placement.y, placement.y + placement.height)
        across, down = width / placement.width, height / placement.height
        regions.append(
            Region(
                time_us=time_us,
                image=trial.picture.image,
                sha256=facts.sha256,
                number=n + 1,
                x=float((left - placement.x) * across),
                y=float((top - placement.y) * down),
                width=float((right - left) * across),
                height=float((bottom - top) * down),
                word=region.word,
            )
        )
    return regions
