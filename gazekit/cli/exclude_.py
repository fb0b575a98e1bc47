"""``gazekit exclude``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.core.counting import counted

if TYPE_CHECKING:
    from gazekit.session.exclusions import Exclusion, Names


@click.command("exclude")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--person", "people", multiple=True, metavar="ID", help="Leave out this participant; repeatable.")
@click.option("--picture", "pictures", multiple=True, metavar="ID",
              help="Leave out this picture; with --person, their trials on it; repeatable.")  # fmt: skip
@click.option("--session", default="", help="Only this session of the participant, by its name.  [default: all]")
@click.option("--shown-as", type=click.IntRange(1), metavar="N",
              help="Only where the picture was the Nth of the session.  [default: each time]")  # fmt: skip
@click.option(
    "--eye", type=click.Choice(["left", "right"]), help="Only this eye; the other counts on.  [default: both]"
)
@click.option("--trials", type=click.Path(path_type=Path),
              help="Table of `gazekit quality --trials`: its bad trials, each with its reason.")  # fmt: skip
@click.option("--reason", help="Why; it stands in provenance, methods and report.")
@click.option("--by", default="", help="Who says so.  [default: nobody is named]")
@click.option("--undo", type=click.IntRange(1), metavar="N", help="Take the Nth entry back; it stays in the file.")
@click.option("--list", "show", is_flag=True, help="Only list what is excluded.")
@click.option("--json", "as_json", is_flag=True, help="Print all entries as JSON.")
def command(study: Path, show: bool, undo: int | None, as_json: bool, **asked: Any) -> None:
    """Leave people, pictures, trials or eyes out of a study, with a reason. Nothing is deleted.

    STUDY is the study file, or the folder of the sessions. The entries are kept in exclusions.toml in its folder;
    `fixations`, `measures`, `attention`, `build-dataset` and `run` honour them, count them on standard error, and write
    them into provenance, methods and report. Names that the study does not have are refused.

    \b
    Example:  gazekit exclude study.toml --person P03 --picture a.jpg --reason "head moved"
              gazekit exclude study.toml --person P07 --eye left --reason "lens"
              gazekit exclude study.toml --trials trials.csv
              gazekit exclude study.toml --list
              gazekit exclude study.toml --undo 2 --reason "it was the other session"
    """
    import json

    from gazekit.core.errors import ConfigError, InputError
    from gazekit.session.exclusions import (
        EXCLUSIONS,
        check_names,
        exclude,
        find_exclusions,
        read_exclusions,
        undo_exclusion,
    )

    if not study.exists():
        raise InputError(f"no such study file or folder: {study}")
    file = find_exclusions(study) or (study if study.is_dir() else study.parent) / EXCLUSIONS
    named = bool(asked["people"] or asked["pictures"])
    if sum((named, asked["trials"] is not None, undo is not None, show)) != 1:
        raise click.UsageError("say what: --person and --picture with --reason, or --trials, or --undo N, or --list")
    if named or asked["trials"] is not None:
        entries = _entries(asked) if named else _bad_trials(asked["trials"], file)
        check_names(entries, _names(study))
        present = exclude(file, entries, by=asked["by"]) if entries else read_exclusions(file)
        for entry in entries:
            click.echo(f"excluded: {entry} ({entry.reason})", err=as_json)
    elif undo is not None:
        if not (asked["reason"] or "").strip():
            raise ConfigError("a reason is needed for taking an entry back too (--reason)")
        entry = undo_exclusion(file, undo, reason=asked["reason"])
        click.echo(f"taken back: {entry}", err=as_json)
        present = read_exclusions(file)
    else:
        present = read_exclusions(file)
        if not as_json:
            click.echo("\n".join(_line(n, entry) for n, entry in enumerate(present, start=1)) or "nothing is excluded")
    if as_json:
        click.echo(json.dumps([entry.model_dump() for entry in present]))


def _entries(asked: dict[str, Any]) -> list[Exclusion]:
    from gazekit.core.config import validated
    from gazekit.session.exclusions import Exclusion

    order = asked["shown_as"] - 1 if asked["shown_as"] else -1
    common = {"session": asked["session"], "order": order, "eye": asked["eye"] or "", "reason": asked["reason"] or ""}
    return [
        validated(Exclusion, {"participant": person, "image": picture, **common}, "what is to be excluded")
        for person in asked["people"] or ("",)
        for picture in asked["pictures"] or ("",)
    ]


def _bad_trials(path: Path, file: Path) -> list[Exclusion]:
    """Return the bad trials of a table that are not excluded yet."""
    from gazekit.core.tables import read_table
    from gazekit.session.exclusions import bad_trials, read_exclusions

    columns = ("participant", "image", "order", "leave_out")
    found = bad_trials(read_table(path, columns, "table of trials", ids=["session"]))
    present = {entry.key for entry in read_exclusions(file) if entry.holds}
    new = [entry for entry in found if entry.key not in present]
    click.echo(
        f"{counted(len(found), 'bad trial')} in {path}, {len(found) - len(new)} of them excluded already", err=True
    )
    return new


def _names(study: Path) -> Names:
    """Return the people, pictures and trials that a study has: in its sessions, fixations and list of pictures."""
    from gazekit.core.errors import GazekitError
    from gazekit.pictures import list_pictures
    from gazekit.session.exclusions import Names
    from gazekit.study import read_study, sessions_of

    if study.is_dir():
        return Names.of_sessions(study)
    plan, base = read_study(study), study.parent
    places = sessions_of(plan) or [base]
    names = Names.of_sessions(*places)
    if plan.dataset.fixations is not None:
        from gazekit.attention.fixation_io import read_fixations

        table = read_fixations(base / plan.dataset.fixations)
        names = names | Names.of_pairs(zip(table["participant"].astype(str), table["image"].astype(str), strict=True))
    try:
        listed = {picture.image for picture in list_pictures(plan.pictures, base)}
    except GazekitError as error:
        click.echo(f"gazekit: the pictures cannot be listed: {error}", err=True)
        listed = set()
    return names | Names(images=frozenset(listed))


def _line(number: int, entry: Exclusion) -> str:
    when = f" [{' '.join(part for part in (entry.by, entry.utc) if part)}]" if entry.by or entry.utc else ""
    back = "" if entry.holds else f"; taken back {entry.undone_utc}: {entry.undone_reason}"
    return f"{number}  {entry}: {entry.reason}{when}{back}"
