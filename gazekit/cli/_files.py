"""Files that a command will write, refused before it begins where it could not write them."""

from __future__ import annotations

from pathlib import Path

import click

from gazekit.core.files import is_table, picture_format


class DrawingFile(click.Path):
    """The file of a drawing, or of a table; a suffix that neither is written with ends the command before any work."""

    def __init__(self, or_table: bool = False) -> None:
        super().__init__(path_type=Path)
        self.check = is_table if or_table else picture_format

    def convert(  # type: ignore[override]
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path, or refuse its suffix and say which there are."""
        self.check(value)
        return Path(value)
