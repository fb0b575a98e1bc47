"""`gazekit doctor` without a file, the completion of shells, and what is told on request."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gazekit.cli import main
from gazekit.core.log import tell
from gazekit.machine import DEVELOPERS, MachinePart, extras, inspect_machine, is_usable
from tests.conftest import ROOT


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gazekit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=dict(os.environ) | environment, cwd=ROOT)


def test_doctor_looks_at_everything(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--json"])
    assert ended.value.code == 0
    parts = [MachinePart(**part) for part in json.loads(capsys.readouterr().out)]
    names = {part.name for part in parts}
    assert {"gazekit", "Python", "eye tracker", "display", "fonts", "disk", "GPU"} <= names
    assert {f"extra {name}" for name, packages in extras().items() if packages and name not in DEVELOPERS} <= names
    assert all(part.remedy for part in parts if part.state == "missing" and part.name.startswith("extra "))
    assert is_usable(parts)
    assert f"gazekit: {parts[0].text}" in str(parts[0])


def test_a_plug_in_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "stillness-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: stillness\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[gazekit.detectors]\nstillness = stillness:stillness\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "  plug-ins, detectors: stillness (stillness:stillness)" in map(str, inspect_machine(tmp_path))


def test_an_installation_that_is_not_whole_says_what_brings_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a package was copied by hand: gazekit's own record names no parts, and one extra is not there."""
    folder = tmp_path / "gazekit-9.9.dist-info"
    folder.mkdir()
    needs = ["none-such>=2; extra == 'odd'", "none-such; python_version < '3.0' and extra == 'old'", "numpy"]
    lines = ["Metadata-Version: 2.1", "Name: gazekit", "Version: 9.9", *(f"Requires-Dist: {line}" for line in needs)]
    (folder / "METADATA").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    parts = inspect_machine(tmp_path)
    assert "- extra odd: none-such not installed\n    pip install 'gazekit[odd]'" in map(str, parts)
    assert not any(part.name == "extra old" for part in parts)
    assert "- formats: gazekit's own are not registered\n    install it again: pip install -e . (or gazekit)" in map(
        str, parts
    )
    assert not is_usable(parts)


def test_an_unknown_shell_is_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    with pytest.raises(SystemExit) as ended:
        main(["completion"])
    assert ended.value.code == 2
    assert "your shell is tcsh; name one of bash, zsh, fish" in capsys.readouterr().err


def test_what_is_missing_is_not_usable_and_says_what_brings_it() -> None:
    part = MachinePart("formats", "missing", "gazekit's own are not registered", "pip install gazekit")
    assert not is_usable([part])
    assert str(part) == "- formats: gazekit's own are not registered\n    pip install gazekit"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_installed_where_the_shell_looks(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["completion", shell, "--install"])
    assert ended.value.code == 0
    (written,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert f"wrote {written}" in capsys.readouterr().out
    assert "_GAZEKIT_COMPLETE" in written.read_text()


def test_the_program_completes_commands() -> None:
    program = Path(sys.executable).with_name("gazekit")
    asked = {"_GAZEKIT_COMPLETE": "bash_complete", "COMP_WORDS": "gazekit fix", "COMP_CWORD": "1"}
    done = subprocess.run([program], capture_output=True, text=True, env=dict(os.environ) | asked)
    assert "plain,fixations" in done.stdout.splitlines()


IN_A_SHELL = {
    "bash": 'source "$0"; COMP_WORDS=(gazekit fix); COMP_CWORD=1; _gazekit_completion gazekit; echo ${COMPREPLY[@]}',
    "fish": "source $argv[1]; complete -C 'gazekit fix'",
}


@pytest.mark.parametrize("shell", IN_A_SHELL)
def test_a_shell_completes_commands(shell: str, tmp_path: Path) -> None:
    """Zsh completes at a terminal alone; it was tried by hand."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not on this machine")
    script = tmp_path / "completion"
    script.write_text(run("completion", shell).stdout, encoding="utf-8")
    environment = dict(os.environ) | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = [shell, "-c", IN_A_SHELL[shell], str(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.stdout.split()[:1] == ["fixations"], done.stderr


def test_what_is_read_is_told_on_request(tmp_path: Path) -> None:
    quiet = run("study", "check", "sample_data/study.toml")
    told = run("study", "check", "sample_data/study.toml", GAZEKIT_LOG="info")
    assert (quiet.returncode, told.returncode) == (0, 0)
    assert "settings: sample_data/study.toml" not in quiet.stderr
    assert "settings: sample_data/study.toml" in told.stderr
    assert quiet.stdout == told.stdout


def test_an_unknown_level_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("GAZEKIT_LOG", "inof")
    with pytest.raises(SystemExit):
        main(["trackers", "--help"])
    assert "did you mean info" in capsys.readouterr().err


def test_verbose_tells_more_than_info() -> None:
    loggers = [logging.getLogger(name) for name in ("gazekit", "survey", "pipelines")]
    before = [(logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    try:
        tell(2)
        assert [logger.level for logger in loggers] == [logging.DEBUG] * 3
        tell(1)
        assert [len(logger.handlers) for logger in loggers] == [1, 1, 1]
    finally:
        for logger, (level, handlers, propagate) in zip(loggers, before, strict=True):
            logger.level, logger.handlers[:], logger.propagate = level, handlers, propagate


def test_the_demo_says_before_it_begins_that_torch_is_missing(tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is not None:
        pytest.skip("torch is installed; CI's environment of CPython 3.10 runs this")
    done = run("demo", "--out", str(tmp_path / "demo"))
    assert done.returncode == 1
    assert "pip install 'gazekit[train]'" in done.stderr
    assert not (tmp_path / "demo").exists()
