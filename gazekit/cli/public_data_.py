"""``gazekit public-data``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gazekit.core.counting import counted

_definitions = click.option(
    "--definitions", type=click.Path(path_type=Path), help="TOML file of further sets, as `define` writes it."
)


@click.group("public-data")
def command() -> None:
    """List public data sets, check a copy, and make sessions, fixations and histograms of it. Nothing is downloaded.

    \b
    Example:  gazekit public-data list
              gazekit public-data list osie
              gazekit public-data prepare osie OSIE --out osie
              gazekit public-data define mine FOLDER --out mine.toml
    """


@command.command("list")
@click.argument("name", required=False)
@_definitions
@click.option("--json", "as_json", is_flag=True, help="Print the definitions as JSON.")
def list_(name: str | None, definitions: Path | None, as_json: bool) -> None:
    """List the sets that are known, or all that is known of the set NAME.

    \b
    Example:  gazekit public-data list
              gazekit public-data list koniq
    """
    from pipelines.public_data import named_set, public_sets

    sets = public_sets(definitions)
    if name is not None:
        sets = {name: named_set(name, sets)}
    if as_json:
        click.echo(json.dumps({key: part.model_dump(mode="json") for key, part in sets.items()}, indent=1))
    elif name is None:
        for key, part in sets.items():
            click.echo(f"{key:18} {part.pictures or '':>7}  {', '.join(part.makes) or '-':22} {part.title}")
    else:
        part = sets[name]
        words = part.model_dump(include={"title", "people", "licence", "page", "citation", "note"})
        click.echo("\n".join(f"{key:10} {text}" for key, text in words.items() if text))
        click.echo(f"{'makes':10} {', '.join(part.makes) or 'nothing by itself'}")
        click.echo("\n".join(f"{kind.role:10} {kind.pattern}" for kind in part.files))


@command.command("prepare")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of what is made.")
@_definitions
@click.option("--dry-run", is_flag=True, help="Only check the copy, and say what its recordings are.")
def prepare(name: str, folder: Path, out: Path, definitions: Path | None, dry_run: bool) -> int:
    """Check the copy of the set NAME in FOLDER, and make sessions, fixations.csv and histograms.csv of it.

    Recordings become session files below sessions/. What is there already is not read again.

    \b
    Example:  gazekit public-data prepare osie OSIE --out osie
              gazekit attention osie/fixations.csv --pictures OSIE/data/stimuli --sigma-px 24 --out osie/attention
              gazekit public-data prepare mit1003 MIT1003 --out mit1003
    """
    from pipelines.public_data import check_set, named_set, planned_sessions, prepare_set, public_sets

    definition = named_set(name, public_sets(definitions))
    if dry_run:
        check = check_set(definition, folder)
        lines = [f"{role}: {len(paths)}" for role, paths in check.files.items()]
        lines += [f"{counted(check.hashed, 'file')} compared by hash", *(f"! {fault}" for fault in check.faults)]
        lines += planned_sessions(definition, folder, out)
        click.echo("\n".join(lines))
        return int(any(line.startswith("! ") for line in lines))
    click.echo("\n".join(prepare_set(name, definition, folder, out)))
    return 0


@command.command("define")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="TOML file to write.")
@click.option("--title", default="", help="What the set is called; else NAME.")
@click.option("--licence", default="", help="Under which it may be used; else 'not known'.")
@click.option("--page", default="", help="Address where others get it; else none.")
@click.option("--citation", default="", help="How to cite it; else nothing.")
def define(name: str, folder: Path, out: Path, **words: str) -> None:
    """Write the definition of the set NAME that lies in FOLDER: its files, with hashes, so that others check the same.

    \b
    Example:  gazekit public-data define reef-2026 FOLDER --licence CC0 --out reef.toml
    """
    from pipelines.public_data import define_set

    written = define_set(name, folder, out, words={key: text for key, text in words.items() if text})
    click.echo(f"{written}: look it through; then gazekit public-data prepare {name} FOLDER --definitions {written}")
