"""A real PostgreSQL server of its own, in a folder that goes away with it."""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path


def binaries() -> Path | None:
    """Where Debian's package has initdb and pg_ctl."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Start a server on a free port of the loopback; the URL of an empty database."""
    place = binaries()
    assert place is not None
    who = getpass.getuser() if os.geteuid() else "postgres"  # PostgreSQL refuses to run as root
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = _runner(who)
    with tempfile.TemporaryDirectory(prefix="survey-postgres-") as folder:  # pytest's own are closed to other users
        if os.geteuid() == 0:
            shutil.chown(folder, who, who)
        data = f"{folder}/data"
        run(str(place / "initdb"), "-D", data, "-U", "survey", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
        run(str(place / "pg_ctl"), "-D", data, "-w", "-l", f"{folder}/log", "-o", options, "start")
        try:
            yield f"postgresql://survey@127.0.0.1:{port}/postgres"
        finally:
            run(str(place / "pg_ctl"), "-D", data, "-m", "immediate", "-w", "stop")


def _runner(who: str):  # type: ignore[no-untyped-def]
    def run(*command: str) -> None:
        prefix = ["runuser", "-u", who, "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*prefix, *command], cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert done.returncode == 0, done.stderr.decode()

    return run
