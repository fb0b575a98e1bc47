"""``gazekit quality``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("quality")
@click.argument("sessions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="CSV over all participants.")
@click.option("--strict", is_flag=True, help="Stop at the first file that cannot be read.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def command(sessions: tuple[Path, ...], out: Path | None, strict: bool, as_json: bool) -> None:
    """Accuracy, precision, loss and rate of sessions: files, other tools' files, or folders.

    \b
    Example:  gazekit quality recordings --out quality.csv
    """
    import pandas as pd

    from gazekit.cli._recordings import each_session
    from gazekit.events import data_quality
    from gazekit.tables import write_table

    tables = []
    for path, session in each_session(sessions, "quality", strict=strict):
        table = data_quality(session.recording, session.screen)
        table.insert(0, "participant", session.participant)
        table.insert(1, "file", str(path))
        tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    if out is not None:
        write_table(table, out)
    click.echo(table.to_json(orient="records") if as_json else table.to_string(index=False))
