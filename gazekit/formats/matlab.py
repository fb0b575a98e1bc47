"""MATLAB files up to version 7.2, by scipy's reader.

A damaged file may end that reader and the program around it (a segmentation fault, found by atheris with scipy 1.17),
so a process of its own reads it and hands over what it found.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

from gazekit.core.errors import FormatError

_READ = """
import pickle, sys, scipy.io
try:
    found = scipy.io.loadmat(sys.argv[1], squeeze_me=True, struct_as_record=False)
except Exception as error:
    found = error
pickle.dump(found, sys.stdout.buffer)
"""


def read_mat(path: Path) -> dict[str, Any]:
    """Return the variables of a file, structures as objects with attributes.

    Raises
    ------
    FormatError
        The reader does not survive it. What else is wrong with it raises what scipy raises.
    """
    read = subprocess.run([sys.executable, "-c", _READ, str(path.resolve())], capture_output=True, check=False)
    if read.returncode:
        raise FormatError(f"{path} is damaged: the reader of MATLAB files ended with {read.returncode}")
    found = pickle.loads(read.stdout)
    if isinstance(found, Exception):
        raise found
    return dict(found)
