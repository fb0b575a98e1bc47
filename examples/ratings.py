"""From single ratings to histograms, with how far raters agree: python examples/ratings.py [TABLE [SCALE]]."""

import sys
from pathlib import Path

import pandas as pd

from survey.aggregation import aggregate
from survey.reliability import reliability

sample = Path(__file__).resolve().parents[1] / "sample_data" / "ratings.csv"
ratings = pd.read_csv(sys.argv[1] if len(sys.argv) > 1 else sample)
scale = int(sys.argv[2]) if len(sys.argv) > 2 else 10

histograms = aggregate(ratings, scale=scale)
print(histograms[["image", "n", "mean", "mean_low", "mean_high"]].round(2).to_string(index=False))
print(reliability(ratings, scale=scale))
