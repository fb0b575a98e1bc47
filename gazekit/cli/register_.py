"""``gazekit register``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gazekit.core.counting import counted


class _FileOrCommand(click.Group):
    """Takes a study file where another group has the name of a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["study", *args])


@click.group("register", cls=_FileOrCommand, subcommand_metavar="STUDY.toml | open STUDY | show STUDY")
def command() -> None:
    """Put a study on record before any score is seen; its scores stay sealed until they are opened, which is logged.

    STUDY.toml is the file of `gazekit run`, with a section [registration] (hypotheses, exclusions, pictures) and with
    primary_contrast or pairs in [comparison]. Sealing is against oversight, not against fraud: the ratings lie on the
    disk, and so does the key (registration.key). It needs pip install 'gazekit[registration]'.

    \b
    Example:  gazekit register reef.toml
              gazekit run reef.toml             # trains; shows no score
              gazekit register open reef.toml
              gazekit run reef.toml             # compares and reports
    """


@command.command("study", hidden=True)
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print the terms; only the dataset is built.")
@click.option("--json", "as_json", is_flag=True, help="Print the terms as JSON.")
def study(file: Path, dry_run: bool, as_json: bool) -> None:
    """Put the study of FILE on record.

    \b
    Example:  gazekit register reef.toml --dry-run
    """
    from pipelines.registration import register_study

    terms = register_study(file, dry_run=dry_run)
    if as_json:
        click.echo(terms.model_dump_json(indent=1))
        return
    lines = [
        f"{'would be registered' if dry_run else 'registered'}: {terms.id}, "
        f"{counted(terms.n, 'picture is', 'pictures are')} tested"
    ]
    lines += [f"  {text}" for text in terms.hypotheses]
    if not dry_run:
        lines.append("no score is shown before `gazekit register open`; keep registration.key, which that needs")
    click.echo("\n".join(lines))


@command.command("open")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Another folder that was trained on the dataset, to open instead; may be repeated.  [the study's own]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the opened files as JSON.")
def open_(study: Path, folders: tuple[Path, ...], as_json: bool) -> None:
    """Open the sealed scores of STUDY (its TOML file or its folder) when all runs are done; this is logged.

    \b
    Example:  gazekit register open reef.toml
    """
    from pipelines.registration import open_study

    files = open_study(study, folders)
    click.echo(
        json.dumps([str(file) for file in files]) if as_json else f"{counted(len(files), 'file')} opened, and logged"
    )


@command.command("show")
@click.argument("folder", type=click.Path(path_type=Path))
def show(folder: Path) -> None:
    """Print the terms and the log of a registered study's FOLDER.

    \b
    Example:  gazekit register show results
    """
    from gazekit.core.errors import InputError
    from gazekit.core.registration_log import LOG, opened_utc
    from gazekit.stats.registration import read_registration

    terms = read_registration(folder)
    if terms is None:
        raise InputError(f"{folder} holds no registration.json; give the folder of a registered study's results")
    opened_utc(folder, terms.id)
    click.echo(terms.model_dump_json(indent=1))
    click.echo((folder / LOG).read_text(encoding="utf-8").rstrip())
