"""``gazekit quality``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from gazekit.cli._files import DrawingFile
from gazekit.cli._recordings import screen_options

_SHOWN = [
    "participant",
    "eye",
    "trueness_deg",
    "accuracy_deg",
    "rms_s2s_deg",
    "std_deg",
    "loss_percent",
    "rate_hz",
    "longest_gap_ms",
]


@click.command("quality")
@click.argument("sessions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Table over all participants: .csv, .tsv or .parquet.")
@click.option("--picture", type=DrawingFile(), help="One page with all figures: .png, .pdf or .svg.")
@click.option(
    "--study", type=click.Path(path_type=Path), help="Study file whose [quality] thresholds give the verdict."
)
@screen_options
@click.option(
    "--trials", type=click.Path(path_type=Path), help="Table of the trials to write, with why each is to be left out."
)
@click.option("--fail", is_flag=True, help="Exit with 1 when a recording fails the thresholds.")
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
@click.pass_context
def command(
    ctx: click.Context,
    sessions: tuple[Path, ...],
    out: Path | None,
    picture: Path | None,
    study: Path | None,
    pixels: tuple[float, float] | None,
    screen_mm: tuple[float, float] | None,
    distance_mm: float | None,
    trials: Path | None,
    fail: bool,
    strict: bool,
    as_json: bool,
) -> int:
    """Judge accuracy, precision, loss and rate of sessions: files, other tools' files, or folders.

    The table has a row for each eye of each recording, trial and validation target; the verdict is of the average eye.
    Timing (pictures that came late, stayed too long, frames missed) has a verdict of its own. With --trials the trials
    without gaze, with too much loss or bad timing are listed; `gazekit fixations` and `measures` leave them out.

    \b
    Example:  gazekit quality recordings --out quality.csv --picture quality.png
              gazekit quality p01.gaze.h5 --study study.toml --fail
              gazekit quality recordings --trials trials.csv      # then: gazekit fixations ... --trials trials.csv
              gazekit quality 1.tsv --screen 1920x1080 --screen-mm 509x286 --distance-mm 650
    """
    import pandas as pd

    from gazekit.cli._recordings import each_result, each_session, screen_sizes
    from gazekit.core.files import provenance
    from gazekit.core.tables import write_table
    from gazekit.events.quality_picture import draw_quality, loss_over_time
    from gazekit.events.session_quality import session_quality
    from gazekit.events.settings import QualitySection
    from gazekit.events.trial_timing import trials_to_leave_out
    from gazekit.study import read_study

    plan = read_study(study) if study else None
    thresholds = plan.quality if plan else QualitySection()
    screen = screen_sizes(plan.screen.screen() if plan else None, pixels, screen_mm, distance_mm)
    tables, losses, files = [], [], {}
    opened = each_session(sessions, "quality", strict=strict, screen=screen)
    for path, session, judged in each_result(opened, lambda s: session_quality(s, thresholds), strict=strict):
        tables.append(judged)
        losses.append(loss_over_time(session))
        files[str(path)] = path
    table = pd.concat(tables, ignore_index=True)
    if out is not None:
        write_table(table, out, provenance("gazekit.quality/1", thresholds.model_dump(), files))
    if trials is not None:
        listed = trials_to_leave_out(table, thresholds)
        write_table(listed, trials, provenance("gazekit.quality.trials/1", thresholds.model_dump(), files))
        click.echo(
            f"{int((listed['leave_out'] != '').sum())} of {len(listed)} trials to be left out: {trials}", err=True
        )
    if picture is not None:
        draw_quality(table, losses, thresholds, picture)
    whole = table[table["part"] == "whole"]
    if as_json:
        click.echo(table.to_json(orient="records"))
    else:
        makers = ["makers_accuracy_deg", "makers_verdict"] if whole["makers_accuracy_deg"].notna().any() else []
        click.echo(whole[_SHOWN + makers].round(3).to_string(index=False))
    verdicts = whole[whole["eye"] == "average"]
    for row in verdicts.itertuples():
        click.echo(f"{row.participant}: {row.verdict}{': ' + row.reasons if row.reasons else ''}", err=True)
        if row.timing == "fail" or row.timing_reasons:
            click.echo(f"  timing: {row.timing or 'not measured'}: {row.timing_reasons}", err=True)
        if row.checks:
            findings = re.split("; (?=(?:note|warning|error): )", row.checks)
            click.echo("\n".join(f"  {finding}" for finding in findings), err=True)
    return int(fail and (verdicts["verdict"] == "fail").any())
