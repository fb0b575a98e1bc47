"""What a person types. Each command lives in a module of its own, loaded when it is called."""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import logging
import os
import sys
from typing import Any

import click

from gazekit.core.errors import GazekitError, unknown_name

_log = logging.getLogger(__name__)
COMMANDS = {
    "record": "Run a lab session: calibration, pictures, loss-free recording.",
    "recover": "Make the session file from the journal of a session that was cut off.",
    "trackers": "List the eye trackers that can be reached.",
    "study": "Write a commented example of a study file, or check one.",
    "explore": "Look at a study in the browser: people by pictures, and each trial.",
    "view": "Show a trial with scanpath and pupil trace.",
    "import": "Turn other people's gaze files into session files.",
    "export": "Write sessions as BIDS, CSV or Parquet.",
    "quality": "Accuracy, precision and data loss of recordings.",
    "doctor": "Tell what may be wrong with this machine, with recordings and fixation tables.",
    "exclude": "Leave people, pictures, trials or eyes out of a study, with a reason.",
    "fixations": "Find fixations in sessions.",
    "measures": "Tables of each viewing: fixations, scanpath, pupil and the person's answers.",
    "ratings": "Ratings that were given in sessions, as the survey writes them.",
    "aoi": "Dwell time, first fixation, revisits and transitions of areas of interest.",
    "attention": "Attention maps, rectangles and masks from fixations.",
    "survey": "Collect, import and aggregate ratings.",
    "attention-model": "Predict where people look in pictures that nobody looked at.",
    "build-dataset": "Join gaze, pictures and ratings to one HDF5 dataset.",
    "dataset": "Look into, verify, merge, subset or export a dataset.",
    "export-images": "Write the masked pictures of a dataset as image files.",
    "models": "List the models, or export one as ONNX.",
    "weights": "Tell whose weights a file holds.",
    "train": "Train and compare models on the conditions of a dataset.",
    "compare": "Compare finished runs, with intervals.",
    "power": "Tell how large a study must be to see a difference.",
    "register": "Put a study on record; its scores are sealed until they are opened.",
    "report": "Write the report of a comparison as one HTML file.",
    "score": "Score pictures with a trained model.",
    "serve": "Score pictures over HTTP.",
    "publish": "Write a study as a folder for publication.",
    "erase": "Take one person out of all files of a study.",
    "demo": "Walk through the whole job with simulated people.",
    "run": "Run a whole study from its TOML file.",
    "public-data": "List public data sets, check a copy, make fixations and histograms of it.",
    "completion": "Print or install the completion of commands for your shell.",
}


class Commands(click.Group):
    """A group that knows its commands by name and loads one only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command itself, loaded from ``gazekit.cli.<name>``."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"gazekit.cli.{cmd_name.replace('-', '_')}_")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown name is answered with the close ones."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(str(unknown_name("command", args[0], COMMANDS)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="gazekit")
@click.option("--verbose", "-v", count=True, help="Tell what is read and written; twice: all. Or GAZEKIT_LOG=info.")
def gazekit(verbose: int) -> None:
    """From an eye tracker's raw gaze to an honest comparison of models.

    \b
    Try:  gazekit demo --out demo
          gazekit doctor
    """
    if verbose or "GAZEKIT_LOG" in os.environ:
        from gazekit.core.log import tell

        tell(verbose)


def _print_any_name() -> None:
    """Print what the output has no sign for as an escape: names of pictures know no code page."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _tell(fault: str) -> None:
    """Print why a command failed, and what else to try where Python cannot say the names of all files."""
    click.echo(f"gazekit: {fault}", err=True)
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8" and not fault.isascii():
        remedy = "set PYTHONUTF8=1, or a locale such as C.UTF-8"
        click.echo(f"  names of files are read as {encoding} here, and others are not found: {remedy}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit code 0, 1 (failed) or 2 (bad usage); errors on purpose print no traceback."""
    if arguments is None:  # a process of its own, whose imports live as long as it does
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # for many small products threads cost more than they give
        gc.set_threshold(50_000)
        atexit.register(gc.freeze)  # the search for garbage among them would take a second at the end
        _print_any_name()
    try:
        result: Any = gazekit.main(args=arguments, standalone_mode=False)
        sys.exit(result if isinstance(result, int) else 0)
    except GazekitError as error:
        _tell(str(error))
        sys.exit(1)
    except OSError as error:  # a disk that is full, a folder that may not be written, a device that went away
        _log.debug("where it happened", exc_info=True)
        where = "" if error.filename is None else f"{error.filename}: "
        _tell(f"{where}{error.strerror or error}; gazekit -vv tells where it happened")
        sys.exit(1)
    except click.exceptions.Abort:
        click.echo("gazekit: stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
