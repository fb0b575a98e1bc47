"""``gazekit study``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from gazekit.capture.protocols import protocol, protocol_kinds
from gazekit.core.counting import counted


@click.group()
def command() -> None:
    """Write a commented example of a study file, check one, or say how far its sessions are.

    \b
    Example:  gazekit study new STUDY.toml
              gazekit study check STUDY.toml
    """


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(protocol_kinds()),
    default="viewing",
    show_default=True,
    help="viewing: pictures and ratings; reef: a whole protocol with pages, groups, languages, practice, interview.",
)
def new(path: Path, kind: str) -> None:
    """Write a commented example to PATH; an existing file is never overwritten.

    \b
    Example:  gazekit study new STUDY.toml
              gazekit study new --kind reef REEF.toml
    """
    from gazekit.core.files import write_text

    write_text(path, protocol(kind), overwrite=False)
    practice = f", those for practice in {path.parent / 'warm-up'}" if kind == "reef" else ""
    click.echo(f"{path}: put your pictures in {path.parent / 'pictures'}{practice}, then: gazekit study check {path}")


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def check(path: Path, as_json: bool) -> None:
    """Check the study file PATH and its pictures: everything that a later stage would refuse is said at once.

    \b
    Example:  gazekit study check STUDY.toml
    """
    from gazekit.capture.plan import plan_session
    from gazekit.pictures import copies, list_pictures
    from gazekit.study import awaited_files, check_study, read_study

    study = read_study(path)
    check_study(study)
    trials = plan_session(study, "P01", study.study.seed)
    facts: dict[str, Any] = {"study": study.study.name, "pictures": len(trials), "tracker": study.tracker.kind}
    lines = [f"{path} is in order: {counted(len(trials), 'picture')}, {study.tracker.kind}"]
    awaited = awaited_files(study)
    same = copies(list_pictures(study.pictures, path.parent)) if study.pictures.folder or study.pictures.list else []
    facts |= {"awaited": awaited, "one_picture_under_several_ids": same}
    if awaited:
        lines.append(f"not there yet, for [dataset]: {', '.join(awaited)}")
    if same:
        more = f" ... ({len(same)})" if len(same) > 10 else ""
        lines.append(f"one picture under several ids: {'; '.join(' = '.join(ids) for ids in same[:10])}{more}")
    click.echo(json.dumps(facts) if as_json else "\n".join(lines))


@command.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "-n", "participants", type=click.IntRange(1), default=20, show_default=True, help="How many participants."
)
@click.option("--json", "as_json", is_flag=True, help="Print plans and balance as JSON.")
def preview(path: Path, participants: int, as_json: bool) -> None:
    """Draw the plans of participants of the study file PATH who have not come yet, and the balance of positions.

    \b
    Example:  gazekit study preview STUDY.toml -n 20
    """
    from gazekit.capture.preview import preview_study
    from gazekit.study import check_study, read_study

    study = read_study(path)
    check_study(study)
    drawn = preview_study(study, participants)
    click.echo(json.dumps(drawn.to_json()) if as_json else "\n".join(drawn.sentences()))


@command.command()
@click.argument("sessions", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="JSON file of areas to write.")
def regions(sessions: tuple[Path, ...], out: Path) -> None:
    """Write the regions that people marked in the interview (SESSIONS: files or folders) as areas of interest.

    \b
    Example:  gazekit study regions sessions --out areas.json
              gazekit aoi fixations.csv areas.json --out aoi.csv
    """
    from gazekit.capture.interview import marked_areas
    from gazekit.cli._recordings import session_files
    from gazekit.core.errors import InputError
    from gazekit.core.files import write_text
    from gazekit.session import open_session

    areas = marked_areas(open_session(file, gaze=False) for file in session_files(sessions))
    if not areas:
        raise InputError("nobody marked a region in these sessions; has the study a section [interview]?")
    write_text(out, json.dumps(areas, ensure_ascii=False, indent=1), overwrite=False)
    click.echo(f"{counted(sum(map(len, areas.values())), 'area')} in {counted(len(areas), 'picture')}: {out}")


@command.command()
@click.argument("path", type=click.Path(path_type=Path), default=Path("sessions"))
@click.option(
    "--sessions",
    type=click.Path(path_type=Path),
    help="Folder of the session files, where PATH is a study file.  [those of [dataset], else the folder sessions]",
)
@click.option("--no-quality", is_flag=True, help="Read no gaze: fast, without verdicts.")
@click.option("--no-checklist", is_flag=True, help="Leave out what to look at before a session.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(path: Path, sessions: Path | None, no_quality: bool, no_checklist: bool, as_json: bool) -> None:
    """Say how far a study is: PATH is its study file, or a folder of sessions [default: sessions].

    Of a study: participants with their verdicts and the operator's notes, pictures with their good viewers, what the
    design still needs, and a checklist before a session. Of a folder: how far each participant has come.

    \b
    Example:  gazekit study status STUDY.toml
              gazekit study status STUDY.toml --sessions sessions --json
              gazekit study status sessions
    """
    if path.is_dir() or path.suffix != ".toml":
        _status_of_folder(path, as_json)
        return
    from dataclasses import asdict

    from gazekit.capture.checklist import checklist
    from gazekit.capture.study_status import study_status
    from gazekit.core.errors import ConfigError
    from gazekit.study import SESSIONS, read_study, sessions_of

    study = read_study(path)
    places = sessions_of(study, sessions) or [Path(SESSIONS)]
    if len(places) > 1 or places[0].is_file():
        raise ConfigError(f"[dataset] sessions names {', '.join(map(str, places[:5]))}: say one folder with --sessions")
    (sessions,) = places
    found = study_status(study, sessions, study.quality, judge=not no_quality)
    items = [] if no_checklist else checklist(study, sessions)
    if as_json:
        click.echo(json.dumps({**found.to_json(), "checklist": [asdict(item) for item in items]}))
        return
    if len(found.participants):
        click.echo(found.participants.drop(columns=["reasons", "notes", "skipped"]).to_string(index=False))
    else:
        click.echo(f"no session in {sessions} yet")
    for row in found.participants.itertuples():
        for name, words in (("why", row.reasons), ("note", row.notes), ("skipped", row.skipped)):
            click.echo(f"  {row.participant} {name}: {words}") if words else None
    click.echo("\n" + found.pictures.to_string(index=False))
    click.echo("\nstill needed" + "".join(f"\n  {line}" for line in found.needed or ["nothing"]))
    if items:
        click.echo("\nbefore a session")
    for item in items:
        click.echo(f"  {item.state:4s}  {item.name}: {item.words}")


def _status_of_folder(sessions: Path, as_json: bool) -> None:
    from gazekit.capture.ledger import all_ledgers
    from gazekit.core.errors import InputError

    if not sessions.is_dir():
        raise InputError(f"{sessions} is neither a folder of sessions nor a study file (.toml)")
    rows, ledgers = [], all_ledgers(sessions)
    if not ledgers and not as_json:
        click.echo(f"no session in {sessions} yet")
    for participant, ledger in ledgers.items():
        done = sum(step in ledger.done for step in ledger.plan)
        facts = {"participant": participant, "parts": ledger.parts, "done": done, "steps": len(ledger.plan)}
        rows.append({**facts, "complete": ledger.complete, "skipped": ledger.skipped_words,
                     "end": dict(ledger.end)})  # fmt: skip
        if not as_json:
            by = ledger.end.get("ended_by")
            click.echo(
                f"{participant}: {ledger.words}, {counted(ledger.parts, 'part')}" + (f", ended by {by}" if by else "")
            )
    if as_json:
        click.echo(json.dumps(rows))
