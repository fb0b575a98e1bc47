"""What of a comparison folder the stages depend on: patterns from the folder."""

from __future__ import annotations

RESULTS = ("comparison.csv", "paired.csv", "agreement.csv", "conclusion.json")
WORK = ("config.json", "runs", "synthetic")
_RUN = "runs/*/*/seed*"
COMPARED = ("truth.csv", f"{_RUN}/done.json", f"{_RUN}/predictions.csv", "synthetic/*/*.npz")
REPORTED = (*COMPARED, f"{_RUN}/metrics.jsonl", "categories.csv", "pictures/*")
