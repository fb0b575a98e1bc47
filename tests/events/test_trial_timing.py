"""Timing that can be checked: a verdict of its own, and trials that are left out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.cli.fixations_ import command as fixations
from gazekit.cli.measures_ import command as measures
from gazekit.cli.quality_ import command as quality
from gazekit.core.errors import InputError
from gazekit.events.session_quality import session_quality
from gazekit.events.settings import QualitySection
from gazekit.events.trial_timing import trial_timing, trials_to_leave_out, without_bad_trials
from gazekit.session import Session, write_session
from gazekit.session.model import TIMING_COLUMNS
from tests.fixtures.looks import Place, looks

PLACES: list[Place] = [(100, 100, 300), (300, 100, 300)]
IMAGES = ("a.jpg", "b.jpg", "c.jpg", "d.jpg")


def timed(late_ms: float = 2.0, long_ms: float = 1.0, missed: int = 0, *, lost: tuple[str, ...] = ()) -> Session:
    """A session whose last picture comes late, stays too long, or misses frames; the others do not."""
    session = looks([(image, PLACES) for image in IMAGES], lost=lost)
    rows = []
    for row in session.stimuli.itertuples():
        last = row.order == len(IMAGES) - 1
        intended = row.onset_us - round(1000 * (late_ms if last else 2.0))
        end = row.offset_us - round(1000 * (long_ms if last else 1.0))
        rows.append((intended, end, missed if last else 1, 300))
    return replace(session, stimuli=session.stimuli.join(pd.DataFrame(rows, columns=list(TIMING_COLUMNS))))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"late_ms": 80.0}, "onset_error_ms is 80, over 50"),
        ({"long_ms": -70.0}, "shown_error_ms is -70, over 50"),
        ({"missed": 6}, "frames_missed is 6, over 3"),
    ],
    ids=["good", "late", "short", "missed"],
)
def test_each_fault_of_timing_is_found(changes: dict[str, float], reason: str) -> None:
    session = timed(**changes)  # type: ignore[arg-type]
    assert trial_timing(session)["faults"].tolist() == ["", "", "", reason]
    table = session_quality(session)
    whole = table[(table["part"] == "whole") & (table["eye"] == "average")].iloc[0]
    assert whole["timing"] == ("fail" if reason else "pass")
    assert ("1 of 4 pictures were not shown as planned: d.jpg" in whole["timing_reasons"]) == bool(reason)
    assert whole["onset_error_ms"] == 2
    assert whole["verdict"] == "pass"
    lenient = session_quality(session, QualitySection(max_bad_timing_percent=30))
    assert lenient.loc[lenient["part"] == "whole", "timing"].unique().tolist() == ["pass"]


def test_what_was_not_measured_has_no_verdict() -> None:
    session = looks([("a.jpg", PLACES)])
    table = session_quality(session)
    assert table["timing"].unique().tolist() == [""]
    session.display.update({"driver": "dummy"})  # type: ignore[attr-defined]
    assert "nobody can see" in session_quality(session)["timing_reasons"].iloc[0]


def test_bad_trials_are_listed_and_left_out(tmp_path: Path) -> None:
    write_session(timed(late_ms=80, lost=("b.jpg",)), tmp_path / "s" / "P1.gaze.h5")
    folder, listed = str(tmp_path / "s"), str(tmp_path / "trials.csv")
    run = CliRunner().invoke(quality, [folder, "--trials", listed, "--json"], catch_exceptions=False)
    assert "timing: fail" in run.stderr
    assert json.loads(run.stdout)
    reasons = pd.read_csv(listed).set_index("image")["leave_out"].fillna("")
    assert reasons.to_dict() == {"a.jpg": "", "b.jpg": "no gaze", "c.jpg": "", "d.jpg": "timing"}
    out = str(tmp_path / "f.csv")
    run = CliRunner().invoke(fixations, [folder, "--trials", listed, "--out", out], catch_exceptions=False)
    assert "P1: 2 of 4 pictures left out" in run.stderr
    assert sorted(pd.read_csv(out)["image"].unique()) == ["a.jpg", "c.jpg"]
    CliRunner().invoke(measures, [folder, "--trials", listed, "--out", out], catch_exceptions=False)
    assert pd.read_csv(out)["image"].tolist() == ["a.jpg", "c.jpg"]


def test_a_table_of_other_trials_is_refused() -> None:
    session = timed()
    table = trials_to_leave_out(session_quality(session))
    assert len(without_bad_trials(session, table).stimuli) == 4
    with pytest.raises(InputError, match=r"says nothing of 1 picture of P1, such as d\.jpg"):
        without_bad_trials(session, table[table["image"] != "d.jpg"])
