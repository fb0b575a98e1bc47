"""``gazekit import``: other people's gaze files to session files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click


class Size(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """Two numbers with an x between them, such as 1920x1080."""

    name = "WIDTHxHEIGHT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:
        """The two numbers, both positive."""
        if isinstance(value, tuple):
            return value
        try:
            width, height = (float(part) for part in str(value).lower().split("x"))
        except ValueError:
            self.fail(f"{value!r} is not WIDTHxHEIGHT, such as 1920x1080", param, ctx)
        if not (width > 0 and height > 0):
            self.fail(f"{value!r}: both sizes must be above 0", param, ctx)
        return width, height


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--screen", "pixels", type=Size(), help="Screen in pixels, such as 1920x1080.")
@click.option("--screen-mm", type=Size(), help="Lit area of the screen in millimetres, such as 509x286.")
@click.option("--distance-mm", type=click.FloatRange(min=0, min_open=True), help="From the eyes to the screen.")
@click.option("--format", "format_name", help="Name of the format; else it is found by the file's beginning.")
@click.option("--mapping", type=click.Path(path_type=Path), help="TOML file that says what the columns are.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Option of the format, such as onset=....")
@click.option("--participant", help="Pseudonym to use in place of the file's own.")
@click.option("--out", "-o", required=True, type=click.Path(path_type=Path), help="Folder for the session files.")
@click.option("--compare", metavar="DETECTOR", help="Compare the maker's own fixations with this detector's (kappa).")
@click.option("--strict", is_flag=True, help="Stop at the first file or row that cannot be read.")
@click.option("--dry-run", is_flag=True, help="Say what each file is and where it would go; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    files: tuple[Path, ...], out: Path, as_json: bool, settings: tuple[str, ...], compare: str | None, **options: Any
) -> int:
    """Turn gaze files of other tools into session files.

    A folder stands for the files in it. What is imported already is not read again.

    \b
    Example:
      gazekit import participant1/*.tsv --screen 1920x1080 --screen-mm 509x286 --distance-mm 650 --out sessions
    """
    from gazekit.formats.batch import import_files

    batch = import_files(
        files,
        out,
        screen=_screen(options.pop("pixels"), options.pop("screen_mm"), options.pop("distance_mm")),
        format=options.pop("format_name"),
        **_settings(settings),
        **{name: value for name, value in options.items() if value is not None},
    )
    agreement = _agreement(batch.sessions, compare) if compare else []
    if as_json:
        click.echo(json.dumps({**asdict(batch), "agreement": agreement}, default=str, indent=1))
    else:
        for line in [*batch.lines(), *map(_agreement_line, agreement)]:
            click.echo(line)
        _print_faults(batch.faults)
    return 1 if batch.faults else 0


def _agreement(sessions: Sequence[Path], detector: str) -> list[dict[str, Any]]:
    """Kappa of the maker's own labels with a detector's, for every session that has some."""
    from gazekit.events import label_samples
    from gazekit.formats.eye_movements import STREAM, agreement
    from gazekit.session import open_session

    rows = []
    for path in sessions:
        session = open_session(path)
        if STREAM in session.streams:
            labels = label_samples(session.recording, session.screen, detector=detector)
            rows += [{"session": str(path), **row} for row in agreement(session, labels).to_dict("records")]
    return rows


def _agreement_line(row: Mapping[str, Any]) -> str:
    return f"{row['session']}: {row['class']}: kappa {row['kappa']:.3f}, {row['equal_percent']:.1f} % of samples equal"


def _print_faults(faults: Mapping[str, str]) -> None:
    """A line each; what is supported is said once."""
    from gazekit.formats.registry import supported

    for path, fault in faults.items():
        click.echo(f"gazekit: {path} was left out: {fault.splitlines()[0]}", err=True)
    if any("Supported:" in fault for fault in faults.values()):
        click.echo(supported(), err=True)


def _settings(pairs: tuple[str, ...]) -> dict[str, Any]:
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise click.BadParameter(f"{wrong[0]!r} is not NAME=VALUE", param_hint="--set")
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def _screen(
    pixels: tuple[float, float] | None, mm: tuple[float, float] | None, distance: float | None
) -> Mapping[str, float]:
    sizes: dict[str, float] = {}
    for unit, pair in (("px", pixels), ("mm", mm)):
        if pair:
            sizes |= {f"width_{unit}": pair[0], f"height_{unit}": pair[1]}
    return sizes | ({"distance_mm": distance} if distance else {})
