"""Train a small network on four conditions and compare them: python examples/comparison.py DATASET [folder]."""

import sys
from pathlib import Path

import pandas as pd

import gazekit as gk

dataset, out = sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else "runs")

conditions = ["original", "human", "centre", "synthetic"]  # the last: what the network itself attends to
gk.train(dataset, out, models=["nima-narrow"], conditions=conditions, seeds=1, epochs=1, size=48)
gk.compare(out, dataset=dataset)
table = pd.read_csv(out / "comparison.csv")
print(table[table["level"] == "condition"][["model", "condition", "srcc", "srcc_low", "srcc_high"]].round(2))
print(gk.write_report(out, dataset=dataset))
