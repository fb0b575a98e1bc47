"""Planted studies on the 99 real photographs of OSIE with the real fixations of 15 viewers.

Warmth: the part of each photograph that people attended to is tinted warm or cool, and so are three other parts of
the same size, each by a level of its own; ratings follow the level of the attended part. Early or late: the same
tints at two places that simulated viewers look at one after the other; ratings follow the first or the second.

A probe of all depths of EfficientNet-Lite0 is fitted in ten folds that are dealt twice (two seeds): what
``gazekit train --model probe-timm:tf_efficientnet_lite0 --option head=cdf --option depths=all --option ridge=left-out
--cross-validate 10 --repeats 2`` does, with one network for all folds (``--by-train`` goes through `gazekit.train`).
Results are kept in WORK, and the same command goes on.

    python -m tests.benchmarks.planted_on_osie DATA WORK --weights LITE0.pth --kind warmth --studies 50
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from gazekit.core.tables import write_table
from gazekit.dataset import Dataset, DatasetSpec, build_dataset, open_dataset
from gazekit.pictures import Picture, read_picture
from gazekit.report.comparison_tables import claimed
from gazekit.shapes.rectangles import attended_rectangle
from gazekit.stats.comparison_folder import Run, read_predictions
from gazekit.stats.contrasts import contrasts_of
from gazekit.stats.estimates import Measuring, estimate
from gazekit.stats.options import ComparisonOptions
from gazekit.stats.paired import paired_table
from gazekit.stats.standard_error import overlap_of

SCALE = 10
PROBE, SIZE = "probe-timm:tf_efficientnet_lite0", 128
HEAD = {"head": "cdf", "depths": "all", "ridge": "left-out"}
EARLY, LATE = "human@0-1000ms", "human@after1000ms"


@lru_cache(maxsize=128)
def photograph(path: Path) -> np.ndarray:
    pixels = cv2.resize(read_picture(path), (400, 300), interpolation=cv2.INTER_AREA)
    return np.asarray(pixels, dtype=np.float32)


@lru_cache(maxsize=128)
def attended(data: Path, name: str) -> tuple[int, ...]:
    """The rectangle of a photograph that the viewers attended to."""
    from gazekit import attention_map

    looks = fixations_of(data)
    here = looks[looks["image"] == name]
    amap = attention_map(here["x_picture"], here["y_picture"], here["duration_ms"], size=(300, 400), sigma_px=12)
    return tuple(attended_rectangle(amap, share=0.6))


def tinted(pixels: np.ndarray, box: Sequence[int], level: float, tint: float) -> None:
    """Tint a rectangle, in place, with a soft edge; ``tint`` is the most, grey levels."""
    top, left, bottom, right = box
    weight = np.zeros(pixels.shape[:2], dtype=np.float32)
    weight[top:bottom, left:right] = 1
    weight = cv2.GaussianBlur(weight, (0, 0), 5)
    pixels += weight[..., None] * np.array([1.0, 0.0, -1.0], np.float32) * level * tint


def elsewhere(box: Sequence[int], rng: np.random.Generator, others: Sequence[Sequence[int]] = ()) -> list[int] | None:
    """A rectangle of the same size that overlaps the others least, of 60 places."""
    height, width = box[2] - box[0], box[3] - box[1]
    best: tuple[float, list[int]] | None = None
    for _ in range(60):
        top, left = int(rng.integers(300 - height + 1)), int(rng.integers(400 - width + 1))
        place = [top, left, top + height, left + width]
        shared = sum(
            max(0, min(place[2], o[2]) - max(place[0], o[0])) * max(0, min(place[3], o[3]) - max(place[1], o[1]))
            for o in [box, *others]
        )
        if best is None or shared < best[0]:
            best = (shared, place)
    assert best is not None
    return best[1] if best[0] < 0.2 * height * width else None


def histograms(level: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Counts of twelve raters whose opinions follow a level from -1 to 1."""
    opinion = 5.5 + 2.0 * level + rng.normal(0, 0.5, len(level))
    share = np.exp(-((np.arange(1, SCALE + 1) - opinion[:, None]) ** 2) / 5)
    counts = rng.multinomial(12, share / share.sum(axis=1, keepdims=True))
    return pd.DataFrame(counts, columns=[f"c{k}" for k in range(1, SCALE + 1)])


@lru_cache(maxsize=2)
def fixations_of(data: Path) -> pd.DataFrame:
    table = pd.read_csv(data / "osie" / "fixations.csv", dtype={"image": str, "viewer": str})
    table = table.rename(columns={"viewer": "participant"})
    return table.assign(x_picture=(table["x"] - 1) / 2, y_picture=(table["y"] - 1) / 2)  # pictures are halved


def warmth(
    data: Path, folder: Path, seed: int, tint: float
) -> tuple[list[Picture], pd.DataFrame, pd.DataFrame, DatasetSpec]:
    """Pictures, fixations and ratings of a study whose ratings follow the tint of what people attended to."""
    rng, looks = np.random.default_rng([1, seed]), fixations_of(data)
    files, levels, pictures = sorted((data / "osie").rglob("*.jpg")), [], []
    for file in files:
        box = attended(data, file.name)
        level, places = rng.uniform(-1, 1, 4), [list(box)]
        pixels = photograph(file).copy()
        tinted(pixels, box, level[0], tint)
        for other in level[1:]:
            place = elsewhere(box, rng, places[1:])
            if place is not None:
                places.append(place)
                tinted(pixels, place, other, tint)
        levels.append(level[0])
        pictures.append(written(pixels, folder / "pictures" / file.name))
    table = histograms(np.array(levels), rng)
    table.insert(0, "image", [p.image for p in pictures])
    return pictures, looks, table, DatasetSpec(sigma_px=12.0, share=0.6, conditions=("original", "human"))


def windows(
    data: Path, folder: Path, seed: int, rated: int, tint: float
) -> tuple[list[Picture], pd.DataFrame, pd.DataFrame, DatasetSpec]:
    """The same of simulated viewers of two tinted places, who look at one early and at the other late."""
    rng, box = np.random.default_rng([2, seed]), (0, 0, 90, 110)
    pictures, levels, rows = [], [], []
    for file in sorted((data / "osie").rglob("*.jpg")):
        pixels, level, places = photograph(file).copy(), rng.uniform(-1, 1, 2), []
        while len(places) < 2:
            first = elsewhere(box, rng)
            second = elsewhere(first, rng) if first else None
            places = [first, second] if first and second else []
        for place, of_place in zip(places, level, strict=True):
            tinted(pixels, place, of_place, tint)
        levels.append(float(level[rated]))
        pictures.append(written(pixels, folder / "pictures" / file.name))
        for person in range(8):
            for number in range(10):
                top, left, bottom, right = places[number >= 4]
                x, y = rng.normal((left + right) / 2, 18), rng.normal((top + bottom) / 2, 16)
                rows.append((file.name, f"P{person}", float(np.clip(x, 0, 399)), float(np.clip(y, 0, 299)),
                             230.0, 250.0 * number))  # fmt: skip
    looks = pd.DataFrame(
        rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms", "since_onset_ms"]
    )
    table = histograms(np.array(levels), rng)
    table.insert(0, "image", [p.image for p in pictures])
    spec = DatasetSpec(sigma_px=12.0, share=0.5, conditions=("original", "human", EARLY, LATE))
    return pictures, looks, table, spec


def written(pixels: np.ndarray, path: Path) -> Picture:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = np.clip(pixels, 0, 255).astype(np.uint8)
    cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 95])
    return Picture(path.name, path)


def claim(
    study: tuple[list[Picture], pd.DataFrame, pd.DataFrame, DatasetSpec],
    folder: Path,
    pair: tuple[str, str],
    network: dict[str, object],
) -> dict[str, object]:
    """What the comparison says of a pair of conditions, tested in ten folds dealt twice (two seeds of a probe)."""
    from gazekit.training import train

    with contextlib.redirect_stderr(io.StringIO()):
        dataset = build_dataset(*study[:3], folder / "study.dataset.h5", study[3])
        if network.get("probe"):
            fit_probes(open_dataset(dataset), folder / "runs", pair, str(network["weights"]))
        else:
            train(dataset, folder / "runs", conditions=pair, cross_validate=10, threads=1, **network)  # type: ignore[arg-type]
        dataset.unlink()  # the agreement of maps is not asked for
        return compared(folder / "runs", pair)


def compared(folder: Path, pair: tuple[str, str]) -> dict[str, object]:
    """What `gazekit.compare` says of the pair, without its tables of ceilings, worth and agreement."""
    options = ComparisonOptions(primary_contrast=pair, pairs=[pair], resamples=200, permutations=999)
    predictions = read_predictions(folder)
    measuring = Measuring(predictions.threshold, options.resamples, options.seed, overlap_of(10), predictions.folds)
    measured = {
        names: estimate(predictions.features(*names), sorted(seeds), measuring)
        for names, seeds in predictions.predicted.items()
    }
    table = paired_table(measured, contrasts_of(predictions, options.pairs, options.primary_contrast), options)
    row = table[table["metric"] == options.metric].iloc[0].to_dict()
    return {**row, "claimed": claimed(row, options.alpha)}


@lru_cache(maxsize=1)
def probe_of(weights: str) -> Any:
    from gazekit import models

    return models.create(PROBE, SCALE, weights=weights, **HEAD).eval()


def fit_probes(data: Dataset, out: Path, pair: Sequence[str], weights: str) -> None:
    """Write the comparison folder of a probe that is fitted in every fold, from features that are computed once."""
    import torch

    from gazekit.models.pixels import normalised
    from gazekit.models.probe import fit_head
    from gazekit.training.cross_validation import Folds
    from gazekit.training.grid import write_truth
    from gazekit.training.loading import Reader
    from gazekit.training.one_run import distributions
    from gazekit.training.recipe import make_recipe
    from gazekit.training.two_stage import look_for

    folds, network, recipe = Folds(10, 2), probe_of(weights), make_recipe(size=SIZE)
    truth = distributions(data.counts).numpy()
    grid = {"models": [PROBE], "conditions": list(pair), "seeds": [0]}
    stated = {"folds": folds.folds, "repeats": folds.repeats}
    config = {
        "grid": grid,
        "dataset": {"path": "none.dataset.h5", "sha256": ""},
        "scheme": "default",
        "cross_validation": stated,
    }
    out.mkdir(parents=True)
    (out / "config.json").write_text(json.dumps(config))
    write_truth(data, "default", folds, out / "truth.csv")
    for condition in pair:
        reader = Reader(data, condition, look_for(network, data.sizes, recipe), recipe.fill, recipe.soft_px)
        parts = []
        for batch in np.array_split(np.arange(len(data)), 4):
            views = np.stack([reader(int(i))[0].permute(1, 2, 0).numpy() for i in batch])
            with torch.no_grad():
                parts.append(network.features(normalised(views, network.mean, network.std)).numpy())
        features = np.concatenate(parts)
        for whole in (Run(PROBE, condition, 0, repeat) for repeat in (1, 2)):
            predicted = np.empty((len(data), SCALE))
            for fold in range(1, folds.folds + 1):
                train_on, choose, test = (
                    folds.indices(data, split, replace(whole, fold=fold)) for split in ("train", "validation", "test")
                )
                rest = (features[choose], truth[choose])
                how: dict[str, Any] = {"kind": network.kind, "choice": network.ridge, "groups": network.groups}
                head = fit_head(features[train_on], truth[train_on], rest, **how)
                predicted[test] = head.predict(features[test])
            table = pd.DataFrame(predicted, columns=[f"p{k + 1}" for k in range(SCALE)])
            table.insert(0, "image", data.ids)
            folder = whole.folder(out)
            folder.mkdir(parents=True)
            write_table(table, folder / "predictions.csv")
            (folder / "done.json").write_text("{}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--kind", choices=["warmth", "early", "late"], default="warmth")
    parser.add_argument("--studies", type=int, default=50)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--tint", type=float, default=45.0, help="grey levels of the warmest and coolest tint")
    parser.add_argument("--model", default="", help="another network, which is trained; default: the probe")
    parser.add_argument("--by-train", action="store_true", help="fit the probe by gazekit.train")
    asked = parser.parse_args()
    network: dict[str, object] = {"probe": True, "weights": asked.weights}
    if asked.by_train:
        network = {"models": [PROBE], "seeds": 1, "repeats": 2, "size": SIZE, "model_options": HEAD}
        network["weights"] = str(asked.weights)
    elif asked.model:
        network = {"models": [asked.model], "seeds": 2, "size": 64, "epochs": 20, "batch": 16, "lr": 3e-3}
    kept = asked.work / f"{asked.kind}.jsonl"
    asked.work.mkdir(parents=True, exist_ok=True)
    known = [json.loads(line) for line in kept.read_text().splitlines()] if kept.exists() else []
    done = {row["study"]: row["found"] for row in known}
    for number in range(asked.first, asked.first + asked.studies):
        if number in done:
            continue
        folder = asked.work / f"{asked.kind}{number:03d}"
        shutil.rmtree(folder, ignore_errors=True)
        if asked.kind == "warmth":
            stated = claim(warmth(asked.data, folder, number, asked.tint), folder, ("human", "original"), network)
            hit = bool(stated["claimed"]) and float(str(stated["difference"])) > 0
        else:
            study = windows(asked.data, folder, number, int(asked.kind == "late"), asked.tint)
            stated = claim(study, folder, (EARLY, LATE), network)
            hit = bool(stated["claimed"]) and (float(str(stated["difference"])) > 0) == (asked.kind == "early")
        done[number] = hit
        with open(kept, "a", encoding="utf-8") as file:
            file.write(json.dumps({"study": number, "found": hit, **stated}, default=float) + "\n")
        figures = " ".join(
            f"{float(str(stated[key])):+.3f}" for key in ("value_a", "value_b", "difference", "low", "high")
        )
        print(f"{asked.kind} {number}: {'found' if hit else 'not found'} {figures}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{asked.kind}: {sum(done.values())} of {len(done)} found")


if __name__ == "__main__":
    main()
