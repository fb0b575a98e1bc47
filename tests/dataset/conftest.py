"""A small collection: photographs that scikit-image carries, cut into pieces; fixations and ratings are made up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.dataset import Dataset, DatasetSpec, build_dataset, open_dataset
from gazekit.pictures import Picture

SOURCES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


@dataclass(frozen=True)
class Collection:
    pictures: list[Picture]
    fixations: pd.DataFrame
    histograms: pd.DataFrame

    def build(self, out: Path, *, workers: int = 1, scheduler: str | None = None, **options: Any) -> Path:
        spec = DatasetSpec(**{"sigma_px": 12.0} | options)
        tables = self.pictures, self.fixations, self.histograms
        return build_dataset(*tables, out, spec, workers=workers, scheduler=scheduler)


def cut_photographs(folder: Path, count: int, side: int = 128, seed: int = 0) -> list[Picture]:
    """Pieces of real photographs as JPEG files, far enough apart to be no near-duplicates."""
    import skimage

    rng = np.random.default_rng(seed)
    home = Path(skimage.__file__).parent / "data"
    photographs = [cv2.imread(str(home / name)) for name in SOURCES]
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    for n in range(count):
        photograph = photographs[n % len(photographs)]
        height, width = side + 16 * (n % 3), side + 32 * (n % 2)
        top, left = (int(rng.integers(photograph.shape[d] - s)) for d, s in ((0, height), (1, width)))
        piece = photograph[top : top + height, left : left + width]
        file = folder / f"p{n:03d}.jpg"
        assert cv2.imwrite(str(file), piece, [cv2.IMWRITE_JPEG_QUALITY, 90])
        pictures.append(Picture(file.name, file))
    return pictures


def made_up_fixations(pictures: list[Picture], viewers: int = 4, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for picture in pictures:
        height, width = cv2.imread(str(picture.file)).shape[:2]
        centre = rng.uniform(0.3, 0.7, 2) * (width, height)
        for viewer in range(viewers):
            for _ in range(5):
                x, y = np.clip(rng.normal(centre, 12), 0, (width - 1, height - 1))
                rows.append((picture.image, f"v{viewer}", x, y, rng.uniform(100, 500)))
    return pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])


def made_up_ratings(images: list[str], n: int = 12, scale: int = 10, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    level = rng.uniform(0.2, 0.8, len(images))
    counts = np.stack([np.bincount(rng.binomial(scale - 1, p, n), minlength=scale) for p in level])
    return pd.DataFrame({"image": images} | {f"c{k + 1}": counts[:, k] for k in range(scale)})


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    pictures = cut_photographs(tmp_path_factory.mktemp("photographs"), 40)
    images = [p.image for p in pictures]
    return Collection(pictures, made_up_fixations(pictures), made_up_ratings(images))


@pytest.fixture(scope="session")
def built(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection.build(tmp_path_factory.mktemp("built") / "d.dataset.h5", cache=96)


@pytest.fixture
def dataset(built: Path) -> Dataset:
    return open_dataset(built)
