"""Files that a command will write, refused before it begins where it could not write them."""

from __future__ import annotations

from pathlib import Path

import click


class DrawingFile(click.Path):
    """The file of a drawing; a suffix that no drawing is written with ends the command before any work."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(  # type: ignore[override]
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        """Return the path, or refuse its suffix and say which there are."""
        from gazekit.core.files import picture_format

        picture_format(value)
        return Path(value)
