"""A study of very many pictures on small stand-ins, stage by stage; what is done is not done again.

python -m tests.benchmarks.stand_ins FOLDER COUNT [tcp://...]: pictures of 64x48, where people would look (fitted to 40
of them), the dataset with predicted masks, features of a frozen network and the head on them, scores of all pictures.
Prints a line of JSON a stage: seconds of processor, peak memory, and bytes on the disk. Weights are random: it is about
size. With the address of a Dask scheduler its workers make what a cluster takes: dataset, probe and scores.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from skimage import data as photographs

from gazekit.attention.fixation_io import read_fixations
from gazekit.dataset import DatasetSpec, build_dataset
from gazekit.models.attention_study import fit_attention_model, write_predicted
from gazekit.models.gaze_readout import load_attention_model
from gazekit.pictures import Picture
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.training import train
from gazekit.training.scoring import score

NETWORK, LOOKED_AT, SIDE = "timm:mobilenetv3_small_050", 40, 64
PROBE = f"probe-{NETWORK}"
CONDITIONS = ["original", "predicted"]


def pictures(folder: Path, count: int) -> None:
    """JPEG cuts of photographs, a thousand a folder, with ratings, and fixations on the first forty."""
    sources, rng = [photographs.astronaut(), photographs.coffee(), photographs.chelsea()], np.random.default_rng(0)
    names = [f"{n // 1000:03d}/{n:06d}.jpg" for n in range(count)]
    for n, name in enumerate(names):
        source = sources[n % 3]
        top, left = (int(rng.integers(side - 100)) for side in source.shape[:2])
        cut = cv2.resize(source[top : top + 96, left : left + 128, ::-1][:96, :100], (64, 48))
        file = folder / "pictures" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(cv2.imencode(".jpg", cut)[1].tobytes())
    counts = rng.multinomial(30, [0.1] * 10, count)
    pd.DataFrame({"image": names} | {f"c{k + 1}": counts[:, k] for k in range(10)}).to_csv(
        folder / "ratings.csv", index=False
    )
    rows = [
        (name, f"v{v}", *rng.uniform((8, 8), (56, 40)), 200)
        for name in names[:LOOKED_AT]
        for v in range(4)
        for _ in "abc"
    ]
    columns = ["image", "participant", "x_picture", "y_picture", "duration_ms"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "fixations.csv", index=False)


def predicted(folder: Path, every: list[Picture]) -> None:
    file = folder / "gaze.model"
    if not file.exists():
        fixations = read_fixations(folder / "fixations.csv")
        torch.manual_seed(0)
        fit_attention_model(
            fixations,
            every[:LOOKED_AT],
            weights=None,
            model=NETWORK,
            longer=SIDE,
            folds=4,
            sigma_px=5.0,
            maps=folder / "fitted",
        ).save(file)
    write_predicted(load_attention_model(file), every, folder / "predicted", MaskSpec())


def index(folder: Path, every: list[Picture], scheduler: str | None) -> None:
    ratings = pd.read_csv(folder / "ratings.csv")
    spec = DatasetSpec(conditions=CONDITIONS, near_duplicates=None, split=(0.8, 0.1, 0.1))
    maps = [folder / "fitted", folder / "predicted"]
    build_dataset(every, None, ratings, folder / "d.dataset.h5", spec, scheduler=scheduler, predicted=maps)


def probe(folder: Path, scheduler: str | None) -> None:
    train(
        folder / "d.dataset.h5",
        folder / "runs",
        models=[PROBE],
        conditions=CONDITIONS,
        seeds=1,
        size=SIDE,
        threads=1,
        scheduler=scheduler,
        model_options={"head": "cdf"},
    )


def scores(folder: Path, scheduler: str | None) -> None:
    run = folder / "runs" / "runs" / PROBE.replace(":", "-") / "original" / "seed0"
    score(run, folder / "pictures", folder / "scores.csv", precision="float32", workers=1, scheduler=scheduler)


def on_disk(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main(folder: Path, count: int, scheduler: str | None = None) -> None:
    """Do every stage that is not done."""
    folder.mkdir(parents=True, exist_ok=True)

    def every() -> list[Picture]:
        names = pd.read_csv(folder / "ratings.csv", usecols=["image"])["image"]
        return [Picture(name, folder / "pictures" / name) for name in names]

    stages: dict[str, Callable[[], None]] = {
        "pictures": lambda: pictures(folder, count),
        "predicted": lambda: predicted(folder, every()),
        "index": lambda: index(folder, every(), scheduler),
        "probe": lambda: probe(folder, scheduler),
        "scores": lambda: scores(folder, scheduler),
    }
    for name, stage in stages.items():
        mark = folder / f"{name}.done"
        if mark.exists():
            continue
        before, stored = os.times(), on_disk(folder)
        stage()
        after = os.times()
        spent = sum(after[:4]) - sum(before[:4])
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(
            json.dumps(
                {"stage": name, "s": round(spent, 2), "MB": round(megabytes), "kB": (on_disk(folder) - stored) / 1e3}
            ),
            flush=True,
        )
        mark.touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
