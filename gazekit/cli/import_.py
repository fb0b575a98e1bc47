"""``gazekit import``: other people's gaze files to session files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from gazekit.cli._recordings import screen_options, screen_sizes


@click.command(name="import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@screen_options
@click.option("--format", "format_name", help="Name of the format; else it is found by the file's beginning.")
@click.option("--mapping", type=click.Path(path_type=Path), help="TOML file that says what the columns are.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="How messages show pictures, as regular expressions: onset='^SHOW (?P<image>.+)' and offset='^HIDE'.",
)
@click.option("--pictures", type=click.Path(path_type=Path), help="Folder or list of the pictures that were shown.")
@click.option(
    "--placement",
    type=click.Choice(["native", "fit", "stretch"]),
    help="How pictures stood where the file does not say it: own size, as large as fits, or the whole screen.",
)
@click.option(
    "--encoding", help="What the letters of a text are, as shift_jis, cp1251, gb18030, utf-16  [default: by the file]"
)
@click.option("--participant", help="Pseudonym to use in place of the file's own.")
@click.option(
    "--out", "-o", type=click.Path(path_type=Path), help="Folder for the session files; needed but by --propose."
)
@click.option("--propose", is_flag=True, help="Guess a mapping file for a table, and draw its gaze; import nothing.")
@click.option("--compare", metavar="DETECTOR", help="Compare the maker's own fixations with this detector's (kappa).")
@click.option(
    "--strict",
    is_flag=True,
    help="Stop at the first file or row that cannot be read, and at every line of an account that is in doubt.",
)
@click.option("--dry-run", is_flag=True, help="Say what each file is and where it would go; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    files: tuple[Path, ...],
    out: Path | None,
    propose: bool,
    as_json: bool,
    settings: tuple[str, ...],
    compare: str | None,
    **options: Any,
) -> int:
    """Turn gaze files of other tools into session files.

    A folder stands for the files in it. What is imported already is not read again. Every import ends with an account
    of what was read, taken and left out; a line that begins with ! is in doubt.

    \b
    Example:
      gazekit import participant1/*.tsv --screen 1920x1080 --screen-mm 509x286 --distance-mm 650 --out sessions
      gazekit import table.csv --propose, then --mapping table.toml
    """
    from gazekit.formats.batch import import_files

    screen = screen_sizes(None, options.pop("pixels"), options.pop("screen_mm"), options.pop("distance_mm"))
    if propose:
        _propose(files, out, screen)
        return 0
    if out is None:
        raise click.UsageError("Missing option '--out' / '-o'.")
    batch = import_files(
        files,
        out,
        screen=screen,
        format=options.pop("format_name"),
        **_settings(settings),
        **{name: value for name, value in options.items() if value is not None},
    )
    agreement = _agreement(batch.sessions, compare) if compare else []
    if as_json:
        document = {**asdict(batch), "agreement": agreement}
        for row, item in zip(document["imported"], batch.imported, strict=True):
            row["account"] = item.account.document()
        click.echo(json.dumps(document, default=str, indent=1))
    else:
        for line in batch.lines():
            click.echo(line)
        for row in agreement:
            kappa = f"kappa {row['kappa']:.3f}, {row['equal_percent']:.1f} % of samples equal"
            click.echo(f"{row['session']}: {row['class']}: {kappa}")
        _print_faults(batch.faults)
    return 1 if batch.faults else 0


def _propose(files: Sequence[Path], out: Path | None, screen: Mapping[str, float]) -> None:
    from gazekit.formats.proposal import propose

    for file in files:
        mapping, picture = propose(file, out or file.parent, screen)
        click.echo(mapping.read_text("utf-8"))
        click.echo(f"look at {picture} and correct {mapping}; then import with --mapping {mapping}")


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


def _print_faults(faults: Mapping[str, str]) -> None:
    """Print a line for each file, and the supported formats once."""
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
