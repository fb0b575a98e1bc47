"""What libraries print from C while they decode a picture is caught, and said of the picture by its name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.core.decoders import listening
from gazekit.core.errors import FormatError
from gazekit.pictures import SUFFIXES, decode_as, examine_grey, examine_picture
from tests.conftest import ROOT
from tests.fixtures.bad_pictures import FAULTS, GRUMBLES, write_bad_pictures

STARTS = ("libpng ", "Corrupt JPEG", "Premature end", "[ WARN", "[ERROR", "TIFF")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quiet") / "pictures"
    write_bad_pictures(folder)
    return folder


@pytest.mark.parametrize("look", [examine_picture, lambda e, n: examine_grey(e, n, 16)], ids=["whole", "grey"])
@pytest.mark.parametrize(("file", "said"), GRUMBLES.items())
def test_a_grumble_is_said_of_its_picture_once(
    look: Callable[[bytes, str], object],
    file: str,
    said: str,
    pictures: Path,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    name = str(tmp_path / file)  # told once a process: a name of this test's own
    encoded = (pictures / file).read_bytes()
    look(encoded, name), look(encoded, name)
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
    assert said in line


@pytest.mark.parametrize(("file", "said"), FAULTS.items())
def test_a_fault_is_in_the_message(file: str, said: str, pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FormatError, match=said):
        examine_picture((pictures / file).read_bytes(), file)
    assert capfd.readouterr().err == ""


def test_a_picture_that_lost_pixels_is_marked(pictures: Path) -> None:
    assert "damaged" in examine_picture((pictures / "short.jpg").read_bytes(), "short.jpg")[0].notes
    assert "damaged" not in examine_picture((pictures / "profile.png").read_bytes(), "profile.png")[0].notes


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("libpng warning: iCCP: too short", "libpng warning: iCCP: too short"),
        ("Corrupt JPEG data: bad Huffman code", "Corrupt JPEG data: bad Huffman code"),
        ("Inconsistent progression sequence for component 0", "Inconsistent progression sequence for component 0"),
        ("Unknown Adobe color transform code 9", "Unknown Adobe color transform code 9"),
        ("TIFFReadDirectory: Warning, unknown field", "TIFFReadDirectory: Warning, unknown field"),
        ("[ WARN:0@0.061] global grfmt_webp.cpp:92 readHeader bad frame", "bad frame"),
        ("[ERROR:3@12.5] global loadsave.cpp:4 imdecode too large", "too large"),
    ],
)
def test_what_others_print_meanwhile_is_passed_on(line: str, told: str, capfd: pytest.CaptureFixture[str]) -> None:
    with listening() as said:
        os.write(2, f"{line}\n".encode())
        os.write(2, b"a bar: 50 %\n")
    assert said == [told]
    assert capfd.readouterr().err == "a bar: 50 %\n"


def test_what_is_told_of_one_picture_is_not_told_of_another(capfd: pytest.CaptureFixture[str]) -> None:
    """Another thread tells of its picture while one is decoded."""
    told = [
        "a/short.jpg: Corrupt JPEG data: bad",
        "tag.tif: TIFFReadDirectory: Unknown field",
        "my JPEG of Ann.png: libpng",
    ]
    with listening() as said:
        os.write(2, "".join(f"{line}\n" for line in told).encode())
    assert said == []
    assert capfd.readouterr().err.splitlines() == told


def test_threads_side_by_side_leave_standard_error_as_it_was(pictures: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before, told = os.fstat(2), []
    encoded = {name: (pictures / name).read_bytes() for name in (*GRUMBLES, "good.png")}

    def look() -> None:
        for _ in range(40):
            said = {name: decode_as(e, cv2.IMREAD_COLOR, f"{name} of threads")[1] for name, e in encoded.items()}
            told.append(said)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = {name: decode_as(e, cv2.IMREAD_COLOR, name)[1] for name, e in encoded.items()}
    assert alone["good.png"] == []
    assert all(text in alone[name][0] for name, text in GRUMBLES.items())
    assert told == [alone] * 160, "each is told of its picture, and of no other"
    assert (os.fstat(2).st_dev, os.fstat(2).st_ino) == (before.st_dev, before.st_ino)
    assert not [line for line in capfd.readouterr().err.splitlines() if line.startswith(STARTS)]


@pytest.mark.skipif(os.name == "nt", reason="the shell of POSIX closes it")
def test_a_closed_standard_error_is_left_alone(pictures: Path) -> None:
    code = (
        "import sys; from gazekit.pictures import read_picture; held = open('held', 'wb'); assert held.fileno() == 2; "
        f"print(read_picture({str(pictures / 'good.png')!r}).shape)"
    )
    command = ["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=pictures.parent, env=environment, stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (0, "(120, 160, 3)\n")
    assert (pictures.parent / "held").read_bytes() == b""


def study_of(pictures: Path, place: Path) -> None:
    """Write a study's files for pictures: fixations and ratings of each, ratings of people, a study file."""
    names = sorted(file.name for file in pictures.iterdir() if file.suffix in SUFFIXES)
    rng = np.random.default_rng(20261129)
    looked = pd.DataFrame({"image": np.repeat(names, 12)})
    looked["participant"] = np.tile(["P01", "P02"], len(looked) // 2)
    looked["x_picture"], looked["y_picture"] = rng.uniform(10, 150, len(looked)), rng.uniform(10, 110, len(looked))
    looked["duration_ms"] = 200.0
    looked.to_csv(place / "fixations.csv", index=False)
    counts = pd.DataFrame(rng.integers(1, 9, (len(names), 10)), columns=[f"c{k}" for k in range(1, 11)])
    counts.insert(0, "image", names)
    counts.to_csv(place / "ratings.csv", index=False)
    shutil.copytree(pictures, place / "pictures")
    text = (ROOT / "sample_data" / "study.toml").read_text("utf-8")
    text = text.replace('list = "pictures.csv"', 'folder = "pictures"').replace(
        "duration_ms = 3000", "duration_ms = 99"
    )
    (place / "study.toml").write_text(text, encoding="utf-8")


COMMANDS = {
    "attention": ["attention", "fixations.csv", "--pictures", "pictures", "--out", "attention", "--sigma-px", "8"],
    "build-dataset": [
        "build-dataset", "--pictures", "pictures", "--ratings", "ratings.csv", "--fixations", "fixations.csv",
        "--sigma-px", "8", "--workers", "2", "--shard", "3", "--out", "d.dataset.h5",
    ],
    "record": ["record", "study.toml", "-p", "P03", "--tracker", "simulated", "--fast", "--out", "sessions"],
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_lets_a_library_speak_for_itself(name: str, pictures: Path, tmp_path: Path) -> None:
    study_of(pictures, tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "gazekit", *COMMANDS[name]]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = done.stderr.splitlines() + done.stdout.splitlines()
    assert [line for line in said if line.startswith(STARTS)] == []
    assert [line for line in said if "short.jpg" in line], (done.stdout, done.stderr)
    assert [line for line in said if "crc.png" in line or "data.png" in line], (done.stdout, done.stderr)


def of_liblsl(**environment: str) -> str:
    """Return what liblsl prints when it looks for streams."""
    code = "from gazekit.capture.lsl import pylsl; pylsl().resolve_byprop('name', 'nobody', timeout=0.1)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_liblsl_tells_of_warnings_alone(tmp_path: Path) -> None:
    assert of_liblsl(HOME=str(tmp_path)) == ""


def test_settings_of_a_lab_for_liblsl_hold(tmp_path: Path) -> None:
    (tmp_path / "lsl_api.cfg").write_text("[log]\nlevel = 0\n", encoding="utf-8")
    assert "lsl_api.cfg" in of_liblsl(LSLAPICFG=str(tmp_path / "lsl_api.cfg"))
