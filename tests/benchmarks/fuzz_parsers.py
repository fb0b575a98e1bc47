"""Every parser under atheris, which changes files by what of the code they reach.

    pip install atheris        # not among gazekit's extras; CPython 3.11
    python -m tests.benchmarks.fuzz_parsers [--seconds 180] [--out fuzz] [PARSER ...]

A parser gives what it read, or an error of gazekit's own; whatever else it raises is a fault, kept once for each place
with the file that made it, in `--out`. Each parser has a process, since libFuzzer ends the one that it ran in; one that
dies or hangs is a fault as well.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import hashlib
import shutil
import struct
import subprocess
import sys
import tempfile
import traceback
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import atheris

with atheris.instrument_imports(include=["gazekit", "survey"]):
    import numpy as np

    from gazekit.attention.fixation_io import read_fixations
    from gazekit.core.checksum import BLOCK, SESSION
    from gazekit.core.errors import GazekitError
    from gazekit.dataset.rating_formats import read_ratings
    from gazekit.formats import import_recording
    from gazekit.formats.metrics import read_makers_metrics
    from gazekit.models.weights import read_state
    from gazekit.session import open_session, write_session
    from gazekit.session.finalise import recover
    from gazekit.study import read_study
    from survey.errors import SurveyError
    from survey.imports import import_ratings
    from survey.table_io import read_choices
    from tests.benchmarks.figures import record
    from tests.fixtures.foreign import SOUND
    from tests.fixtures.journals import write_journal
    from tests.survey import test_imports

OWN = (GazekitError, SurveyError)
COMMAND = "python -m tests.benchmarks.fuzz_parsers"
LARGEST = 20_000  # bytes of a file: larger ones are read no differently, and slower
STUDY = """[study]
name = "reef"
seed = 7
[screen]
width_px = 1920
height_px = 1080
width_mm = 527
height_mm = 296
distance_mm = 630
[pictures]
folder = "pictures"
[tracker]
kind = "simulated"
rate_hz = 300
[calibration]
points = 5
[survey]
question = "How beautiful is this picture?"
anchors = { 1 = "very ugly", 10 = "very beautiful" }
repeats = 3
[dataset]
fixations = "fixations.csv"
ratings = "ratings.csv"
folds = 5
[attention]
mask = "region"
"""
LISTS = {
    "counts.csv": "image,c1,c2,c3,n\na.jpg,3,4,5,12\nb.jpg,0,1,2,3\n",
    "shares.csv": "image_name,c1,c2,c_total\na.jpg,0.25,0.75,8\nb.jpg,0.5,0.5,4\n",
    "rows.csv": "rater,image,score\nr1,a.jpg,3\nr2,a.jpg,4\n",
    "ava.txt": "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n2 953958 10 7 15 26 26 21 10 8 1 2 15 21 1396\n",
    "ava.json": '{"a": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "b": {"counts": [1, 0, 2], "mean": 2.3}}',
    "fixations.csv": "participant,image,x_picture,y_picture,duration_ms\nP01,a.jpg,12.5,8,240\nP02,a.jpg,1,2,100\n",
    "choices.csv": "rater,image_a,image_b,chosen\nr1,a.jpg,b.jpg,a.jpg\nr2,b.jpg,c.jpg,c.jpg\n",
    "metrics.tsv": "Recording\tParticipant\tTOI\tMedia\tTotal_duration_of_fixations.Face\nR1\tP1\tT\ta.png\t420\n",
}


class Parser(NamedTuple):
    """What is read, and the sound files to begin with: the path that is given, and what below it changes."""

    read: Callable[[Path], object]
    seeds: list[tuple[Path, Path]]
    whole: Callable[[bytes], bytes] = bytes  # makes sums right again, so that what lies behind them is reached


def parsers(folder: Path) -> dict[str, Callable[[], Parser]]:
    """List all parsers; sound files are written when one is asked for."""
    found: dict[str, Callable[[], Parser]] = {
        f"format {name}": functools.partial(_format, name, folder) for name in SOUND
    }
    texts = {
        name: text
        for name, text in vars(test_imports).items()
        if name.isupper() and isinstance(text, str) and "\n" in text
    }
    found["survey imports"] = lambda: _texts(
        folder, {f"{name}.csv": text for name, text in texts.items()}, lambda path: import_ratings(path, counts_from=1)
    )
    found["ratings"] = lambda: _texts(folder, LISTS, _ratings)
    found["fixations"] = lambda: _texts(folder, LISTS, read_fixations)
    found["choices"] = lambda: _texts(folder, LISTS, read_choices)
    found["metrics"] = lambda: _texts(folder, LISTS, read_makers_metrics)
    found["study"] = lambda: _texts(folder, {"study.toml": STUDY}, read_study)
    found["journal"] = lambda: _journal(folder)
    found["session"] = lambda: _session(folder)
    found["weights"] = lambda: _weights(folder)
    return found


def _format(name: str, folder: Path) -> Parser:
    (folder / "sound").mkdir(parents=True)
    sample = SOUND[name](folder / "sound")
    files = [sample.path] if sample.path.is_file() else sorted(p for p in sample.path.rglob("*") if p.is_file())
    seeds = [(sample.path, file.relative_to(sample.path)) for file in files if file.suffix not in (".png", ".jpg")]
    return Parser(lambda path: import_recording(path, screen=sample.screen, **sample.options), seeds)


def _texts(folder: Path, texts: dict[str, str], read: Callable[[Path], object]) -> Parser:
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
    return Parser(read, [(folder / name, Path()) for name in texts])


def _ratings(path: Path) -> None:
    for format in (None, "ava", "dpchallenge", "photonet", "json"):
        with contextlib.suppress(*OWN):
            read_ratings(path, 10, format=format, c0=None)  # type: ignore[arg-type]


def _journal(folder: Path) -> Parser:
    folder.mkdir(parents=True)
    write_journal(folder / "p.gaze.journal", np.random.default_rng(1), 6)
    return Parser(lambda path: recover(path, path.with_suffix(".h5")), [(folder / "p.gaze.journal", Path())], _summed)


def _session(folder: Path) -> Parser:
    folder.mkdir(parents=True)
    write_session(
        import_recording(_format("eyelink", folder).seeds[0][0], screen=SOUND["eyelink"](folder).screen),
        folder / "p.gaze.h5",
    )
    return Parser(open_session, [(folder / "p.gaze.h5", Path())], _sealed)


def _weights(folder: Path) -> Parser:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(parents=True)
    tensors = {"module.conv.weight": torch.ones(2, 3, 1, 1), "fc.bias": torch.zeros(4)}
    save_file(tensors, folder / "w.safetensors")
    torch.save({"state_dict": tensors, "epoch": 3}, folder / "w.pth")
    return Parser(read_state, [(folder / name, Path()) for name in ("w.safetensors", "w.pth")])


def _summed(data: bytes) -> bytes:
    """Give every record of a journal that still has its marker and length its checksum again."""
    from gazekit.session import journal

    out, at = bytearray(data), data.find(journal.MARKER)
    while at >= 0 and at + 20 <= len(data):
        _, sequence, length, kind, zero, _ = struct.unpack_from("<4sIIHHI", out, at)
        payload = bytes(out[at + 20 : at + 20 + length])
        struct.pack_into(
            "<I", out, at + 16, zlib.crc32(payload, zlib.crc32(struct.pack("<IIHH", sequence, length, kind, zero)))
        )
        at = data.find(journal.MARKER, at + 20)
    return bytes(out)


def _sealed(data: bytes) -> bytes:
    return SESSION.block(hashlib.sha256(data[BLOCK:]).hexdigest()) + data[BLOCK:]


def fuzz(name: str, seconds: int, out: Path) -> None:
    """Read changed files of one parser until the time is over; this ends the process."""
    warnings.simplefilter("ignore")
    work = Path(tempfile.mkdtemp(prefix="fuzz"))
    parser = parsers(work / "seeds")[name]()
    corpus, seen = work / "corpus", set[str]()
    corpus.mkdir()
    for number, (path, inside) in enumerate(parser.seeds):
        (corpus / str(number)).write_bytes(bytes([number]) + (path / inside).read_bytes()[:LARGEST])

    def one(data: bytes) -> None:
        if not data:
            return
        path, inside = parser.seeds[data[0] % len(parser.seeds)]
        copy = work / "one" / path.name
        shutil.rmtree(work / "one", ignore_errors=True)
        (work / "one").mkdir()
        shutil.copytree(path, copy) if path.is_dir() else None
        (copy / inside).write_bytes(parser.whole(data[1:]))
        try:
            parser.read(copy)
        except OWN:
            return
        except (Exception, RecursionError) as error:
            place = next(
                f"{f.filename}:{f.lineno}"
                for f in reversed(traceback.extract_tb(error.__traceback__))
                if "kit" in f.filename or "survey" in f.filename
            )
            if (place := f"{type(error).__name__} at {Path(place).name}") not in seen:
                seen.add(place)
                kept = out / f"{name} {len(seen)} {path.name}".replace(" ", "_")
                kept.write_bytes((copy / inside).read_bytes())
                kept.with_name(kept.name + ".txt").write_text("".join(traceback.format_exception(error)), "utf-8")
                print(f"FAULT {name}: {place}: {error}", flush=True)

    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LARGEST + 1}",
        "-timeout=60",
        "-rss_limit_mb=4000",
        "-verbosity=1",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={out}/{name.replace(' ', '_')}-", str(corpus)], one)
    atheris.Fuzz()


def main() -> None:
    """Run each parser in a process of its own, and record what was tried."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("names", nargs="*", metavar="PARSER")
    options.add_argument("--seconds", type=int, default=180)
    options.add_argument("--out", type=Path, default=Path("fuzz"))
    options.add_argument("--one", help=argparse.SUPPRESS)
    given = options.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    if given.one:
        fuzz(given.one, given.seconds, given.out)
    known = list(parsers(Path()))
    if unknown := sorted(set(given.names) - set(known)):
        options.error(f"no parser {', '.join(unknown)}; known: {', '.join(known)}")
    names, tried, faults = given.names or known, 0, 0
    for name in names:
        command = [
            sys.executable,
            "-m",
            COMMAND.split()[-1],
            "--one",
            name,
            "--seconds",
            str(given.seconds),
            "--out",
            str(given.out),
        ]
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        said = (ran.stdout + ran.stderr).splitlines()
        number = next((int(line.split()[-1]) for line in said if "number_of_executed_units" in line), 0)
        found = [line for line in said if line.startswith("FAULT")] + [f"FAULT {name}: ended with {ran.returncode}"] * (
            ran.returncode != 0
        )
        tried, faults = tried + number, faults + len(found)
        print(f"{name}: {number} files", *found, *(said[-15:] if ran.returncode else []), sep="\n  ", flush=True)
    record(
        "formats",
        "parsers under atheris: files tried, and faults",
        f"{tried} files in {len(names)} parsers, {given.seconds} s each: {faults} faults",
        data="sound files of every format, made by hand after the makers' documents, and changed by coverage",
        command=f"{COMMAND} --seconds {given.seconds}",
        bar="none is left",
        developed_on=False,
    )


if __name__ == "__main__":
    main()
