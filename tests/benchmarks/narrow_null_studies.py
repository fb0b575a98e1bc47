"""Null studies in which narrow networks are really trained in every fold: does the comparison claim what is not there?

The sample's 40 pictures with their viewers; the ratings are dealt to the pictures anew in every study, so that no
network can know anything and every true difference is 0.

    python -m tests.benchmarks.narrow_null_studies WORK --studies 40
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd

from gazekit.dataset import DatasetSpec, build_dataset
from gazekit.pictures import list_pictures
from gazekit.stats.comparison import compare
from gazekit.training import train
from tests.benchmarks.figures import ROOT, record

PAIR = ("human", "original")


def claim(folder: Path, seed: int, folds: int, seeds: int) -> dict[str, object]:
    """What the comparison says of human masks and whole pictures in a null study."""
    sample = ROOT / "sample_data" / "comparison"
    ratings = pd.read_csv(sample / "histograms.csv")
    counts = [column for column in ratings if column != "image"]
    dealt = np.random.default_rng([3, seed]).permutation(len(ratings))
    ratings[counts] = ratings[counts].to_numpy()[dealt]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    spec = DatasetSpec(sigma_px=8.0, conditions=("original", "human"))
    with contextlib.redirect_stderr(io.StringIO()):
        looks = pd.read_csv(sample / "fixations.csv", dtype={"image": str, "participant": str})
        dataset = build_dataset(list_pictures(sample / "pictures"), looks, ratings, folder / "s.dataset.h5", spec)
        network = {"models": ["nima-narrow"], "size": 32, "epochs": 5, "batch": 8, "lr": 3e-3, "threads": 1}
        train(dataset, folder / "runs", conditions=PAIR[::-1], seeds=seeds, cross_validate=folds, **network)  # type: ignore[arg-type]
        dataset.unlink()  # the agreement of maps is not asked for
        compare(folder / "runs", primary_contrast=PAIR, pairs=[PAIR], resamples=200, permutations=999)
    words = json.loads((folder / "runs" / "conclusion.json").read_text())
    shutil.rmtree(folder)
    stated: dict[str, object] = words["claims"][0]
    return stated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--studies", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    claimed = covered = 0
    for number in range(asked.first, asked.first + asked.studies):
        stated = claim(asked.work / f"{number:03d}", number, asked.folds, asked.seeds)
        low, high = (float(str(stated[end])) for end in ("low", "high"))
        claimed += bool(stated["claimed"])
        covered += low <= 0 <= high
        print(f"{number}: {float(str(stated['difference'])):+.3f} [{low:+.3f}, {high:+.3f}]", flush=True)
    print(f"{claimed} of {asked.studies} claim a difference; the interval holds 0 in {covered}")
    record(
        "stats",
        f"null studies with narrow networks that are really trained, {asked.folds} folds, {asked.seeds} seeds",
        f"{claimed} of {asked.studies} claim a difference; the 95 % interval holds 0 in {covered}",
        data="40 pictures of the sample, ratings dealt anew; nima-narrow at 32 px, 5 epochs",
        command=f"python -m tests.benchmarks.narrow_null_studies WORK --studies {asked.studies}",
        bar="<= 5 % over >= 20",
    )


if __name__ == "__main__":
    main()
