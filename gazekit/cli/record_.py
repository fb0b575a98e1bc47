"""``gazekit record``."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gazekit.capture.discovery import tracker_kinds
from gazekit.core.messages import SOURCE, languages

if TYPE_CHECKING:
    from gazekit.capture.desk import Desk
    from gazekit.capture.operator_page import OperatorPage
    from gazekit.capture.recorder import Recorder
    from gazekit.capture.session_loop import State
    from gazekit.capture.session_setup import SessionPart
    from gazekit.capture.terminal_keys import TerminalKeys


@click.command()
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--participant", "-p", required=True, help="Pseudonym: letters, digits, _ and -; at most 64.")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    default=Path("sessions"),
    show_default=True,
    help="Folder of the session files.",
)
@click.option("--tracker", type=click.Choice(tracker_kinds()), help="In place of [tracker] kind.")
@click.option("--seed", type=int, help="A whole number in place of [study] seed; it decides the order.")
@click.option(
    "--given",
    "-g",
    multiple=True,
    metavar="NAME=LEVEL",
    help="Level of a factor of this participant, or language=CODE; may be given several times.",
)
@click.option("--dry-run", is_flag=True, help="Check everything and show the plan; touch no tracker, write nothing.")
@click.option("--resume", is_flag=True, help="Go on at the step where this participant stopped.")
@click.option("--accept-changes", is_flag=True, help="Resume a study that has changed; it is written down.")
@click.option("--fast", is_flag=True, help="Simulated tracker only: as fast as the machine can, without a window.")
@click.option("--headless", is_flag=True, help="Simulated tracker only: no window.")
@click.option("--by-hand", is_flag=True, help="Simulated tracker only: you answer, with keys and mouse.")
@click.option("--operator", "operator_page", is_flag=True, help="Open the operator's page in the browser.")
@click.option(
    "--operator-host",
    default="127.0.0.1",
    show_default=True,
    help="Address of the operator's page; 0.0.0.0 lets a tablet in, with the link that the terminal shows.",
)
@click.option(
    "--operator-port", type=click.IntRange(0, 65535), default=0, help="Port of the operator's page.  [a free one]"
)
@click.option(
    "--operator-language",
    "--language",
    "operator_language",
    type=click.Choice(languages()),
    help="Of the operator's page and what the operator is asked; the participant's is --given language=CODE.  [en]",
)
@click.option(
    "--operator-keys",
    is_flag=True,
    help="Take the operator's keys in this terminal; it has to be in sight beside the participant's window.",
)
@click.option("--no-browser", is_flag=True, help="Show the link of the operator's page, open no browser.")
@click.option("--keep-journal", is_flag=True, help="Keep the journal beside the verified session file.")
@click.option("--json", "as_json", is_flag=True, help="Say what was done as JSON.")
def command(study: Path, participant: str, **options: Any) -> None:
    """Run a lab session of the study file STUDY: calibration, validation, pictures.

    The operator acts in the page that --operator opens, or in the terminal with --operator-keys; without either,
    decisions are asked for in the participant's window.

    \b
    Example:  gazekit record STUDY.toml --participant P07
              gazekit record STUDY.toml --participant P07 --operator --operator-language de
              gazekit record STUDY.toml --participant P07 --tracker simulated --fast
              gazekit record STUDY.toml --participant P07 --dry-run
              gazekit record STUDY.toml --participant P07 --given group=chinese --given language=zh
    Keys:     Escape pauses and asks; Ctrl+C ends the session in order, and twice at once (the journal is whole).
    """
    from gazekit.capture.session_setup import prepare_part, record_part
    from gazekit.study import check_study, read_study

    if options["operator_language"] and not (options["operator_page"] or options["operator_keys"]):
        raise click.UsageError("--operator-language is of --operator or --operator-keys; the participant's language is "
                               "--given language=CODE")  # fmt: skip
    if options["by_hand"] and (options["headless"] or options["fast"]):
        raise click.UsageError("--by-hand needs a window to answer in: leave --headless and --fast out")
    opened = read_study(study)
    check_study(opened)
    if options["by_hand"]:
        tracker = opened.tracker.model_copy(update={"answers": "by hand"})
        opened = opened.model_copy(update={"tracker": tracker})
    part = prepare_part(
        opened,
        participant,
        options["out"],
        seed=options["seed"],
        resume="accept-changes" if options["accept_changes"] else options["resume"],
        kind=options["tracker"],
        given=_levels(options["given"]),
        write=not options["dry_run"],
    )
    if part.number == 1 and (options["resume"] or options["accept_changes"]):
        click.echo(f"no session of {participant} in {options['out']} yet: this is its first part", err=True)
    if options["dry_run"]:
        _show_plan(part, options["as_json"])
        return
    from gazekit.capture.desk import Desk
    from gazekit.capture.operator import Operator
    from gazekit.capture.session_loop import State

    state, stop, desk = State(), threading.Event(), Desk(options["operator_language"] or SOURCE)
    end_in_order(stop)
    with contextlib.ExitStack() as places:
        places.callback(part.release)  # where the page or the terminal cannot be had
        page = places.enter_context(_page(desk, state, part, options)) if options["operator_page"] else None
        if page is not None:
            _announce(page, state, open_browser=not options["no_browser"])
        keys = places.enter_context(_keys(desk, state)) if options["operator_keys"] else None
        quiet = not sys.stderr.isatty() or (options["as_json"] and keys is None)  # who is asked in it has to see it
        operator = places.enter_context(Operator(state, quiet=quiet, keys=None if keys is None else keys.lines))

        def watch(recorder: Recorder, state: State) -> None:
            operator.watch(recorder, state)
            if page is not None:
                page.watch(recorder, state)

        recovered = record_part(
            part,
            realtime=not options["fast"],
            keep_journal=options["keep_journal"],
            headless=options["headless"] or options["fast"],
            state=state,
            stop=stop,
            watch=watch,
            desk=desk,
        )
    if options["as_json"]:
        click.echo(json.dumps(recovered.to_json()))
    else:
        click.echo("\n".join(recovered.sentences()))


def _page(desk: Desk, state: State, part: SessionPart, options: dict[str, Any]) -> OperatorPage:
    from gazekit.capture.operator_page import OperatorPage

    screen = part.sections.screen.screen()
    return OperatorPage(desk, state, screen, host=options["operator_host"], port=options["operator_port"])


def _keys(desk: Desk, state: State) -> TerminalKeys:
    from gazekit.capture.terminal_keys import TerminalKeys

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError("--operator-keys needs a terminal; take --operator, which opens a page")
    return TerminalKeys(desk, state)


def _announce(page: OperatorPage, state: State, *, open_browser: bool) -> None:
    """Say the page's link, and open it in the browser of this machine."""
    click.echo(f"operator's page (the link works once): {page.link}", err=True)
    if not page.loopback:
        click.echo("it is not encrypted: let it run in a network that you trust", err=True)
    state.link = lambda: page.link
    if open_browser:
        import webbrowser

        webbrowser.open(page.link)


def _levels(given: tuple[str, ...]) -> dict[str, str]:
    """Read NAME=LEVEL."""
    if wrong := [text for text in given if not all(text.partition("=")[::2])]:
        raise click.UsageError(f"--given {wrong[0]}: it is NAME=LEVEL, such as group=chinese")
    pairs = [(text.partition("=")[0].strip(), text.partition("=")[2].strip()) for text in given]
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise click.UsageError(f"--given {name} stands {count} times; a participant has one level of each factor")
    return dict(pairs)


def end_in_order(stop: threading.Event) -> None:
    """Let the first SIGINT or SIGTERM end the session in order, the second at once."""

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            click.echo("gazekit: ended at once; the journal is whole: gazekit recover makes its session file", err=True)
            import os

            os._exit(130)
        stop.set()

    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), handle)


def _show_plan(part: SessionPart, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(part.to_json()))
        return
    click.echo("\n".join(part.sentences()))
