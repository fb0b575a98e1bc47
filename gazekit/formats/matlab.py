"""MATLAB files up to version 7.2, by scipy's reader.

A damaged file may end that reader and the program around it (a segmentation fault, found by atheris with scipy 1.17),
so a process of its own reads files and hands over what it found.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gazekit.core.errors import FormatError

_READ = """
import json, pickle, sys, scipy.io
for path in json.load(sys.stdin):
    try:
        found = scipy.io.loadmat(path, squeeze_me=True, struct_as_record=False)
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    pickle.dump(found, sys.stdout.buffer)
    sys.stdout.buffer.flush()
"""


def read_mat(path: Path) -> dict[str, Any]:
    """Return the variables of a file, structures as objects with attributes.

    Raises
    ------
    FormatError
        It is damaged.
    """
    (found,) = read_mats([path])
    return found


def read_mats(paths: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Read files one after another in one process; each is as `read_mat` returns it.

    Raises
    ------
    FormatError
        One is damaged; the message names it.
    """
    command = [sys.executable, "-c", _READ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        try:
            with reader.stdin as asked:
                asked.write(json.dumps([str(path.resolve()) for path in paths]).encode())
            for path in paths:
                try:
                    found = pickle.load(reader.stdout)
                except (EOFError, pickle.UnpicklingError):
                    raise FormatError(
                        f"{path} is damaged: the reader of MATLAB files ended with {reader.wait()}"
                    ) from None
                if isinstance(found, str):
                    raise FormatError(f"{path} is damaged: {found}")
                yield dict(found)
        finally:
            reader.kill()
