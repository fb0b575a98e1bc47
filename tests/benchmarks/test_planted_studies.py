"""How often the comparison finds what was planted, and how often it claims something in the null study.

By hand, hours on two cores, and it goes on where it was stopped:
    python -m tests.benchmarks.test_planted_studies FOLDER --seeds 20
or, on fewer seeds, `pytest -m benchmark tests/benchmarks/test_planted_studies.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import beta

from pipelines.demo import Demo, run_demo


def claims(folder: Path) -> list[dict[str, Any]]:
    """The comparison's own claims."""
    stated: list[dict[str, Any]] = json.loads((folder / "conclusion.json").read_text())["claims"]
    return stated


def found(folder: Path) -> dict[str, bool]:
    """Per model: human masks are said to do better than whole pictures."""
    rows = [c for c in claims(folder) if (c["a"], c["b"]) == ("human", "original")]
    return {c["model"]: bool(c["claimed"]) and c["difference"] > 0 for c in rows}


def run_pair(folder: Path, seed: int, jobs: int, **options: Any) -> tuple[dict[str, bool], list[str]]:
    """One planted and one null study of the same pictures and viewers; what was found, what was claimed."""
    planted, null = folder / f"{seed:02d}" / "planted", folder / f"{seed:02d}" / "null"
    options = {"seeds": 3, "folds": 0} | options
    run_demo(planted, Demo(seed=seed, **options), jobs=jobs)
    if not null.exists():
        copy = null.with_name("null.part")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(
            planted, copy, ignore=shutil.ignore_patterns("runs", "synthetic", ".train.begun", ".dataset.begun")
        )
        copy.rename(null)
        state = null / ".stages.sqlite3"
        state.unlink()  # its paths are those of the planted study
    run_demo(null, Demo(seed=seed, null=True, **options), jobs=jobs)
    return found(planted), [f"{c['model']}: {c['a']} and {c['b']}" for c in claims(null) if c["claimed"]]


def share(hits: int, n: int) -> str:
    """A share with its exact 95 % interval (Clopper and Pearson 1934)."""
    low = beta.ppf(0.025, hits, n - hits + 1) if hits else 0.0
    high = beta.ppf(0.975, hits + 1, n - hits) if hits < n else 1.0
    return f"{hits}/{n} = {hits / n:.2f} [{low:.2f}, {high:.2f}]"


@pytest.mark.benchmark
def test_what_is_planted_is_found_and_nothing_else(tmp_path: Path) -> None:
    options = {"models": ("nima-narrow",), "conditions": ("original", "human", "shuffled")}
    pairs = [run_pair(tmp_path, seed, 2, **options) for seed in range(1, 4)]
    assert sum(all(hit.values()) for hit, _ in pairs) >= 2
    assert sum(bool(false) for _, false in pairs) <= 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=20, help="the last seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--models", nargs="*", default=list(Demo().models))
    parser.add_argument("--conditions", nargs="*", default=list(Demo().conditions))
    parser.add_argument("--pictures", type=int, default=Demo().pictures)
    parser.add_argument("--folds", type=int, default=0, help="test every picture once; 0: a test split")
    parser.add_argument("--trainings", type=int, default=3, help="seeds of training")
    parser.add_argument("--epochs", type=int, default=Demo().epochs)
    parser.add_argument("--participants", type=int, default=Demo().participants)
    arguments = parser.parse_args()
    options: dict[str, Any] = {name: tuple(getattr(arguments, name)) for name in ("models", "conditions")}
    options |= {name: getattr(arguments, name) for name in ("pictures", "folds", "epochs", "participants")}
    options["seeds"] = arguments.trainings
    hits: list[dict[str, bool]] = []
    false: list[list[str]] = []
    for seed in range(arguments.first, arguments.seeds + 1):
        hit, claimed = run_pair(arguments.folder, seed, arguments.jobs, **options)
        hits.append(hit)
        false.append(claimed)
        print(f"seed {seed}: planted {hit}; null {claimed or 'claims nothing'}", flush=True)
    n = len(hits)
    for model in arguments.models:
        print(f"found with {model}: {share(sum(h[model] for h in hits), n)}")
    print(f"null studies that claim anything at all: {share(sum(map(bool, false)), n)}")


if __name__ == "__main__":
    main()
