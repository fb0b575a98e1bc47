"""``gazekit recover``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gazekit.core.errors import GazekitError


@click.command()
@click.argument("journals", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="The session file, for one journal [default: beside the journal].",
)
@click.option("--remove-journal", is_flag=True, help="Remove a journal once its session file is verified.")
@click.option(
    "--backup", type=click.Path(path_type=Path), help="Folder of a second copy of each session file, read back."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each journal.")
def command(
    journals: tuple[Path, ...], out: Path | None, remove_journal: bool, backup: Path | None, as_json: bool
) -> None:
    """Make the session files of JOURNALS: sessions that were cut off.

    Says what the last record was and what is missing. The file is compared with the journal, sample for sample,
    before it takes its name; the journal stays unless it is to be removed.

    \b
    Example:  gazekit recover sessions/P07.gaze.journal
              gazekit recover sessions/*.journal --backup /media/usb
    """
    from gazekit.core.errors import OutputError
    from gazekit.session.backup import back_up
    from gazekit.session.finalise import recover

    if out is not None and len(journals) > 1:
        raise click.UsageError("--out names one session file; give one journal with it")
    if backup is not None and not backup.is_dir():
        raise OutputError(f"--backup: there is no folder {backup}; plug it in, or make it")
    failed = 0
    for journal in journals:
        try:
            recovered = recover(journal, out, keep_journal=not remove_journal)
            if backup is not None:
                back_up(recovered.session, backup)
        except GazekitError as error:
            if len(journals) == 1:
                raise
            failed += 1
            click.echo(f"gazekit: {error}", err=True)
            continue
        click.echo(json.dumps(recovered.to_json()) if as_json else "\n".join(recovered.sentences()))
    if failed:
        raise click.exceptions.Exit(1)
