"""The numbers of a rehearsal, each table as a hash: by the lab from its own files, by others from the published folder.

Run as a program with the published folder: prints the hashes as JSON. It imports nothing of the tests.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from gazekit.events import data_quality, session_fixations
from gazekit.formats import import_recording
from gazekit.session import Session, open_session
from gazekit.stats.comparison import compare
from survey.aggregation import aggregate

TABLES = ("comparison.csv", "paired.csv", "worth.csv")


def numbers_of_lab(lab: Path) -> dict[str, str]:
    """Hash what the lab has: sessions, the survey's ratings, the tables of its comparison."""
    sessions = [open_session(path) for path in sorted((lab / "sessions").glob("*.gaze.h5"))]
    ratings = pd.read_csv(lab / "ratings.csv")
    results = {name: hashed(pd.read_csv(lab / "results" / name)) for name in TABLES}
    return of_sessions(sessions) | of_ratings(ratings) | results


def numbers_of_published(folder: Path) -> dict[str, str]:
    """Hash the same, computed from a published folder alone."""
    people = sorted(path.name.removeprefix("sub-") for path in (folder / "bids").glob("sub-*"))
    sessions = [import_recording(folder / "bids", recording=person) for person in people]
    ratings = pd.read_csv(folder / "ratings" / "ratings.csv")
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "results"
        shutil.copytree(folder / "results", copy)
        for name in TABLES:
            (copy / name).unlink()
        compare(copy, primary_contrast=("human", "original"))
        results = {name: hashed(pd.read_csv(copy / name)) for name in TABLES}
    return of_sessions(sessions) | of_ratings(ratings) | results


def of_sessions(sessions: Iterable[Session]) -> dict[str, str]:
    """Hash quality and fixations of sessions."""
    every = sorted(sessions, key=lambda session: session.participant)
    quality = pd.concat([data_quality(s.recording, s.screen).assign(participant=s.participant) for s in every])
    fixations = pd.concat([session_fixations(session, detector="adaptive") for session in every])
    return {"quality": hashed(quality.round(6)), "fixations": hashed(fixations.round(6))}


def of_ratings(ratings: pd.DataFrame) -> dict[str, str]:
    """Hash the histograms of ratings: what they were collected for."""
    return {"histograms": hashed(aggregate(ratings[ratings["kind"] == "main"], scale=10).round(9))}


def hashed(table: pd.DataFrame) -> str:
    """Return the SHA-256 of a table as CSV."""
    return hashlib.sha256(table.to_csv(index=False).encode()).hexdigest()


if __name__ == "__main__":
    print(json.dumps(numbers_of_published(Path(sys.argv[1]))))
