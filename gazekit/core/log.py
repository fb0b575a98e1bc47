"""What happens inside, told on standard error where it is asked for: ``--verbose``, or ``GAZEKIT_LOG``.

Messages that users need are printed anyway. These are for questions: which file was read, what was written, which
plug-ins were loaded. Only the first process tells; a program that imports gazekit sees them through `logging`.
"""

from __future__ import annotations

import logging
import os
import sys

from gazekit.core.errors import unknown_name

LEVELS = {"error": logging.ERROR, "warning": logging.WARNING, "info": logging.INFO, "debug": logging.DEBUG}
VARIABLE = "GAZEKIT_LOG"


def tell(verbose: int = 0) -> None:
    """Tell on standard error what happens inside.

    Parameters
    ----------
    verbose : int
        1: what is read and written; 2: all; 0: as the environment says (``GAZEKIT_LOG=info``), else nothing.

    Raises
    ------
    InputError
        ``GAZEKIT_LOG`` is no level.
    """
    name = {0: os.environ.get(VARIABLE, "").lower(), 1: "info"}.get(verbose, "debug")
    if not name:
        return
    if name not in LEVELS:
        raise unknown_name(f"level in {VARIABLE}", name, LEVELS)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-5s %(name)s: %(message)s", "%H:%M:%S"))
    for package in ("gazekit", "survey", "pipelines"):
        logger = logging.getLogger(package)
        logger.handlers[:] = [handler]
        logger.setLevel(LEVELS[name])
        logger.propagate = False
