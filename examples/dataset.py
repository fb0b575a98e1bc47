"""Join pictures, fixations and ratings, and look into the dataset: python examples/dataset.py [folder]."""

import sys
from pathlib import Path

import gazekit as gk
from gazekit.attention.fixation_io import read_fixations

data = Path(__file__).resolve().parents[1] / "sample_data" / "comparison"
out = Path(sys.argv[1] if len(sys.argv) > 1 else "dataset")

file = gk.build_dataset(
    gk.list_pictures(data / "pictures"),
    read_fixations(data / "fixations.csv"),
    gk.read_histograms(data / "histograms.csv"),
    out / "patches.dataset.h5",
    gk.DatasetSpec(mask="patches", patches=2, split=(0.6, 0.2, 0.2)),
)
dataset = gk.open_dataset(file)
print(f"{len(dataset)} pictures; conditions: {', '.join(dataset.conditions)}")
for condition in dataset.conditions[1:]:
    print(f"{condition}: {dataset.mask(0, condition).mean():.1%} of the first picture is kept")
