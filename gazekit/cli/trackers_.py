"""``gazekit trackers``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gazekit.core.counting import counted


@click.command()
@click.option("--check", "address", metavar="ADDRESS", help="Run every call and stream of the Tobii tracker there.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="tracker-trace.json",
    show_default=True,
    help="Trace of the check to write; it holds no gaze and no calibration.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1),
    default=120.0,
    show_default=True,
    help="How long the check watches the streams, s.",
)
@click.option(
    "--sdk",
    "choice",
    type=click.Choice(["auto", "tobii-research", "titta", "titta-v1"]),
    default="auto",
    show_default=True,
    help="With which SDK the check is made.",
)
@click.option("--no-calibration", is_flag=True, help="Leave the calls of a calibration out of the check.")
@click.option("--json", "as_json", is_flag=True, help="Print the list, or what the check found, as JSON.")
def command(address: str | None, out: Path, seconds: float, choice: str, no_calibration: bool, as_json: bool) -> int:
    """List the eye trackers that can be reached, or check one: Tobii, LSL streams, the simulated one.

    The check runs every call and stream of a real Tobii tracker, sets its frequency, mode and display area to other
    values and back, and says what is not as gazekit expects (exit code 1). Send the trace with a report: it can be
    replayed in a test.

    \b
    Example:  gazekit trackers
              gazekit trackers --check tet-tcp://169.254.5.10 --out spectrum.json
    Choose one in the study file: [tracker] kind, and serial or address.
    """
    if address is not None:
        return _check(address, out, seconds, choice, not no_calibration, as_json)
    from dataclasses import asdict

    from gazekit.capture.discovery import find_trackers

    trackers, notes = find_trackers()
    if as_json:
        click.echo(json.dumps({"trackers": [asdict(tracker) for tracker in trackers], "notes": notes}))
        return 0
    for tracker in trackers:
        click.echo(f"{tracker.kind:10}  {tracker.model:28}  serial {tracker.serial:16}  address {tracker.address}")
    for note in notes:
        click.echo(f"not looked for: {note}", err=True)
    return 0


def _check(address: str, out: Path, seconds: float, choice: str, calibrate: bool, as_json: bool) -> int:
    from gazekit.capture.conformance import check_tracker

    trace = check_tracker(address, choice, seconds, calibrate=calibrate)
    trace.write(out)
    samples = len(trace.streams["gaze"].device_us) if "gaze" in trace.streams else 0
    summary = {"out": str(out), "calls": len(trace.calls), "samples": samples, "differences": trace.differences}
    if as_json:
        click.echo(json.dumps(summary))
    else:
        for line in trace.differences:
            click.echo(f"differs: {line}")
        count = len(trace.differences) or "nothing"
        click.echo(
            f"{counted(len(trace.calls), 'call')}, {counted(samples, 'sample')} of gaze; {count} is not as "
            f"expected: {out}"
        )
    return int(bool(trace.differences))
