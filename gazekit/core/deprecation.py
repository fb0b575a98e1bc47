"""What goes, what replaces it, and until when it works."""

from __future__ import annotations

import warnings


def deprecated(name: str, *, instead: str, until: str) -> None:
    """Warn that something works until a date only.

    A test reads every call and fails when its date is over, so that what was promised to go does go.

    Parameters
    ----------
    name : str
        What goes: a function, an option, a key.
    instead : str
        What to use.
    until : str
        The last day on which it works, YYYY-MM-DD, written out at the call; at least six months and one minor
        version after the release that warns first.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as told:
    ...     warnings.simplefilter("always")
    ...     deprecated("--old", instead="--new", until="2099-12-31")
    >>> str(told[0].message)
    '--old works until 2099-12-31; use --new'
    """
    warnings.warn(f"{name} works until {until}; use {instead}", FutureWarning, stacklevel=3)
