"""Whether the scores of a registered study may be seen: the log of its folder, where each line vouches for the last."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import write_text

LOG = "registration.log"


def log(folder: Path, event: str, registration_id: str, **facts: Any) -> None:
    """Add an event to a folder's log."""
    path = folder / LOG
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    row = {"utc": now(), "event": event, "id": registration_id, **facts}
    row["previous"] = hashlib.sha256(lines[-1].encode()).hexdigest() if lines else ""
    write_text(path, "".join(f"{line}\n" for line in [*lines, json.dumps(row)]))


def opened_utc(folder: str | Path, registration_id: str) -> str:
    """Return when the scores of a folder were opened; empty while they are sealed.

    Raises
    ------
    FormatError
        A line of the log was altered or taken out.
    """
    path, previous, opened = Path(folder) / LOG, "", ""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
            fits = row["previous"] == previous
        except (ValueError, KeyError, TypeError):
            fits = False
        if not fits:
            raise FormatError(f"{path} has been altered: a line does not follow from the one before it")
        previous = hashlib.sha256(line.encode()).hexdigest()
        if not opened and row.get("event") == "opened" and row.get("id") == registration_id:
            opened = str(row["utc"])
    return opened


def check_opened(folder: str | Path, registration_id: str, what: str) -> None:
    """Raise an `InputError` while the scores of a registered study's folder are sealed."""
    if registration_id and not opened_utc(folder, registration_id):
        raise InputError(
            f"{what} is sealed: the study {registration_id} was registered, and no score of it is shown before "
            "`gazekit register open STUDY`, which is logged"
        )


def check_network(checkpoint: Path, registration_id: str) -> None:
    """Raise an `InputError` where a network is of a registered study whose scores are sealed.

    Whether they were opened is told by the nearest folder above the checkpoint that has a log.
    """
    above = checkpoint.resolve().parents
    folder = next((folder for folder in above if (folder / LOG).exists()), above[0])
    check_opened(folder, registration_id, f"{checkpoint}: what it predicts")


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
