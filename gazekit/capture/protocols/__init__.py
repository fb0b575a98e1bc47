"""Commented study files to begin with."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).parent


def protocol_kinds() -> list[str]:
    """List the kinds of study file.

    Examples
    --------
    >>> protocol_kinds()
    ['reef', 'viewing']
    """
    return sorted(file.stem for file in _HERE.glob("*.toml"))


def protocol(kind: str) -> str:
    """Return the text of a commented study file; ``kind`` is one of `protocol_kinds`."""
    return (_HERE / f"{kind}.toml").read_text("utf-8")
