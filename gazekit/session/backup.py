"""A second copy of a session file, read back."""

from __future__ import annotations

import shutil
from pathlib import Path

from gazekit.core.errors import OutputError
from gazekit.core.files import sha256, whole_file


def back_up(session: Path, folder: Path) -> Path:
    """Copy a session file into a folder, and read the copy back; a copy that is there already is compared.

    Raises
    ------
    OutputError
        There is another file of that name, it cannot be written, or does not read back as it was written.
    """
    copy = folder / session.name
    digest = sha256(session)
    if not copy.exists():
        with whole_file(copy, overwrite=False) as beside:
            shutil.copyfile(session, beside)
    if sha256(copy) != digest:
        raise OutputError(f"{copy} is not the same as {session}, which is whole; copy it by hand to a place of its own")
    return copy
