"""A real dataset of real photographs, and a comparison folder about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import skimage.data

from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.histograms import moments
from gazekit.pictures import Picture
from gazekit.report import write_report
from tests.fixtures.comparison_folder import MODELS, make_comparison

SIZE = (96, 128)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty crops of photographs that scikit-image carries, with simulated viewers and raters."""
    folder, rng = tmp_path_factory.mktemp("report"), np.random.default_rng(5)
    photographs = [skimage.data.astronaut(), skimage.data.coffee(), skimage.data.chelsea()]
    pictures, fixations, counts = [], [], []
    for k in range(40):
        whole = photographs[k % 3]
        top, left = (int(rng.integers(whole.shape[axis] - 2 * SIZE[axis])) for axis in (0, 1))
        crop = whole[top : top + 2 * SIZE[0], left : left + 2 * SIZE[1]]
        file = folder / f"{k:02}.png"
        cv2.imwrite(str(file), cv2.resize(crop, SIZE[::-1], interpolation=cv2.INTER_AREA)[..., ::-1])
        pictures.append(Picture(file.name, file))
        spot = rng.uniform((30, 30), (100, 70))
        fixations += [(f"p{v}", file.name, *rng.normal(spot, 8), rng.gamma(3, 80)) for v in range(4) for _ in range(5)]
        peak = np.exp(-0.5 * ((np.arange(10) - rng.uniform(1, 9)) / 1.5) ** 2)
        counts.append(rng.multinomial(20, peak / peak.sum()))
    table = pd.DataFrame(counts, columns=[f"c{b + 1}" for b in range(10)])
    mean, std = moments(np.array(counts))
    table = table.assign(image=[p.image for p in pictures], n=20, mean=mean, std=std, flags="")
    seen = pd.DataFrame(fixations, columns=["participant", "image", "x_picture", "y_picture", "duration_ms"])
    return build_dataset(
        pictures,
        seen,
        table,
        folder / "forty.dataset.h5",
        DatasetSpec(sigma_px=6, split=(0.6, 0.1, 0.3), near_duplicates=None),
    )


@pytest.fixture(scope="session")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A comparison folder about the dataset's test split, with own attention of the networks and its report."""
    data = open_dataset(dataset)
    test, folder = data.indices("test"), tmp_path_factory.mktemp("whole")
    make_comparison(folder, [data.ids[i] for i in test], data.counts[test], dataset=str(dataset), digest=data.sha256)
    for model in MODELS:
        boxes = np.tile(np.array([[[10, 10, 60, 70]]]), (len(data), 1, 1))
        path = folder / "synthetic" / model / "seed0.npz"
        path.parent.mkdir(parents=True)
        np.savez(path, rectangles=boxes, maps=np.random.default_rng(0).random((len(data), 7, 7)))
    write_report(folder, title="Forty crops", notes=["All people are simulated."])
    return folder


@pytest.fixture
def comparison(whole: Path, tmp_path: Path) -> Path:
    """The same folder without its report, to change."""
    folder = Path(shutil.copytree(whole, tmp_path / "cmp"))
    (folder / "report.html").unlink()
    shutil.rmtree(folder / "report-tables")
    return folder
