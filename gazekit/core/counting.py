"""Numbers of things in messages."""

from __future__ import annotations


def counted(number: int, one: str, many: str = "") -> str:
    """Say how many things there are; of one, in the singular.

    Parameters
    ----------
    number : int
        How many.
    one, many : str
        What one is, and what several are; without ``many``, ``one`` with an s.

    Examples
    --------
    >>> counted(1, "file"), counted(0, "file"), counted(2, "entry meets", "entries meet")
    ('1 file', '0 files', '2 entries meet')
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"
