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
        The folder is gone, there is another file of that name, it cannot be written, or does not read back as it was
        written. The session file is whole all the same, which is said.
    """
    copy = folder / session.name
    whole = f"{session} is whole, but has no second copy"
    if not folder.is_dir():  # else it would be made, on whatever disk is there instead
        raise OutputError(f"{whole}: there is no folder {folder} any more; copy it by hand")
    digest = sha256(session)
    if not copy.is_file():
        try:
            with whole_file(copy, overwrite=False) as beside:
                shutil.copyfile(session, beside)
        except (OSError, OutputError) as error:
            raise OutputError(f"{whole}: {error}; make room there, and copy it by hand") from error
    if sha256(copy) != digest:
        raise OutputError(f"{copy} is not the same as {session}, which is whole; copy it by hand to a place of its own")
    return copy
