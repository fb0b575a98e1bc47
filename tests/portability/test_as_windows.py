"""What the layer of `tests.fixtures.as_windows` refuses, and Ctrl+Break.

A whole chain of commands runs under the layer in test_elsewhere.py.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gazekit.cli.record_ import end_in_order
from tests.conftest import ROOT

TRIALS = """
import json, mmap, os, shutil, sys
from pathlib import Path
from gazekit.core.files import write_text
from tests.fixtures.as_windows import refuse
folder = Path(sys.argv[1])
refuse(folder)
folder.joinpath("Reef.jpg").write_text("a", encoding="utf-8")
folder.joinpath("data").write_text("abc", encoding="utf-8")
held, mapped = open(folder / "Reef.jpg", encoding="utf-8"), open(folder / "data", "r+b")
memory = mmap.mmap(mapped.fileno(), 3)
mapped.close()
(folder / "deep").mkdir()
trials = {
    "another case": lambda: open(folder / "reef.JPG", "w", encoding="utf-8"),
    "another form": lambda: [(folder / name).mkdir() for name in ("\u00e9", "e\u0301")],
    "a device": lambda: (folder / "nul.txt").write_text("", encoding="utf-8"),
    "a colon": lambda: (folder / "a:b").mkdir(),
    "a long path": lambda: (folder / ("a" * 250)).write_text("", encoding="utf-8"),
    "the path of a folder": lambda: (folder / ("a" * (255 - len(str(folder))))).mkdir(),
    "a dot at the end": lambda: os.replace(folder / "deep", folder / "deep."),
    "an open target": lambda: [(folder / "new").touch(), os.replace(folder / "new", folder / "Reef.jpg")],
    "an open source": lambda: os.replace(folder / "Reef.jpg", folder / "other.jpg"),
    "an open file removed": lambda: (folder / "Reef.jpg").unlink(),
    "a mapped file removed": lambda: os.remove(folder / "data"),
    "a table that a spreadsheet has open": lambda: write_text(folder / "Reef.jpg", "b"),
    "a folder with an open file": lambda: shutil.rmtree(folder),
    "fork": lambda: os.fork(),
    "what it takes": lambda: [(folder / "x").touch(), os.replace(folder / "x", folder / "y"), os.remove(folder / "y")],
    "the same name again": lambda: folder.joinpath("new").write_text("b", encoding="utf-8"),
}
said = {}
for name, trial in trials.items():
    try:
        trial()
        said[name] = ""
    except Exception as error:
        said[name] = type(error).__name__
assert (folder / "Reef.jpg").read_text(encoding="utf-8") == "a"
assert not list(folder.glob(".*.part"))
print(json.dumps(said))
"""


def test_the_layer_refuses_what_it_should(tmp_path: Path) -> None:
    command = [sys.executable, "-c", TRIALS, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "another case": "FileExistsError",
        "another form": "FileExistsError",
        "a device": "OSError",
        "a colon": "OSError",
        "a long path": "FileNotFoundError",
        "the path of a folder": "FileNotFoundError",
        "a dot at the end": "OSError",
        "an open target": "PermissionError",
        "an open source": "PermissionError",
        "an open file removed": "PermissionError",
        "a mapped file removed": "PermissionError",
        "a table that a spreadsheet has open": "OutputError",
        "a folder with an open file": "PermissionError",
        "fork": "AttributeError",
        "what it takes": "",
        "the same name again": "",
    }


@pytest.mark.skipif(os.name == "nt", reason="the signal of Windows is played by one of POSIX")
def test_ctrl_break_ends_a_session_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "SIGBREAK", signal.SIGUSR2, raising=False)
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
    before, stop = [signal.getsignal(number) for number in numbers], threading.Event()
    try:
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)
        end_in_order(stop)
        os.kill(os.getpid(), signal.SIGUSR2)
        assert stop.wait(120)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
