"""``gazekit serve``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("serve")
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 for all.")
@click.option("--port", default=8500, show_default=True, type=click.IntRange(0, 65535), help="TCP; 0: a free one.")
def command(model: Path, host: str, port: int) -> None:
    """Score pictures over HTTP with a trained MODEL (best.pt, or the folder of a run).

    POST /score takes an encoded picture, or a form with several files, and answers with JSON; GET / says which
    model it is. There is no access control: keep it behind a server that has one.

    \b
    Example:  gazekit serve runs/reef/runs/nima-mobilenet/original/seed0 --port 8500
              curl --data-binary @reef.jpg http://127.0.0.1:8500/score
    """
    from gazekit.core.allocator import keep_memory

    keep_memory()  # before torch starts threads
    from waitress import create_server

    from gazekit.core.errors import InputError
    from gazekit.training.load_model import load_trained
    from gazekit.training.server import LARGEST, make_app

    app = make_app(load_trained(model))
    try:
        server = create_server(app, host=host, port=port, threads=4, max_request_body_size=LARGEST)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot listen on {host}:{port}: {reason}; choose another --port or --host") from error
    click.echo(f"http://{server.effective_host}:{server.effective_port}", err=True)
    server.run()
