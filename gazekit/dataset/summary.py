"""What is in a dataset, in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from gazekit.core.counting import counted
from gazekit.dataset.layout import SPLITS
from gazekit.dataset.reader import Dataset
from gazekit.dataset.splits import across

REMARKS_SHOWN = 20
MASKS = {"rectangle": "one rectangle a picture", "patches": "patches", "region": "regions"}


def summary(dataset: Dataset) -> dict[str, Any]:
    """Count pictures, ratings, conditions, splits and remarks: plain values that fit into JSON."""
    ratings = dataset.counts.sum(axis=1)
    rated = dataset.mean[ratings > 0]
    _, members = np.unique(dataset.groups, return_counts=True)
    shared = {s: n for s in dataset.schemes if (n := len(across(dataset.groups, dataset.codes(s))))}
    return {
        "file": str(dataset.path),
        "sha256": dataset.sha256,
        "pictures": len(dataset),
        "scale": dataset.scale,
        "ratings": int(ratings.sum()),
        "ratings_per_picture": float(np.median(ratings)) if len(dataset) else 0.0,
        "mean": float(rated.mean()) if len(rated) else None,
        "looked_at": int((dataset.viewers > 0).sum()),
        "conditions": list(dataset.conditions),
        "masks": dataset.mask_kind if len(dataset.conditions) > 1 else None,
        "splits": {scheme: {s: len(dataset.indices(s, scheme)) for s in SPLITS} for scheme in dataset.schemes},  # type: ignore[arg-type]
        "categories": {name: len(dataset.category(name)) for name in dataset.categories},
        "groups_of_several": int((members > 1).sum()),
        **({"across": shared} if shared else {}),
        "shards": dataset.shards,
        "pixel_caches": list(dataset.caches),
        "remarks": [" | ".join(row) for row in dataset.remarks.itertuples(index=False, name=None)],
    }


def summary_lines(facts: dict[str, Any]) -> list[str]:
    """Say the same to people."""
    where = f" in {counted(facts['shards'], 'shard')}" if facts["shards"] else ""
    mean = "" if facts["mean"] is None else f", mean score {facts['mean']:.2f}"
    lines = [
        f"{facts['file']}: {counted(facts['pictures'], 'picture')}{where}",
        f"ratings: {facts['ratings']} on a scale of {facts['scale']}, "
        f"{facts['ratings_per_picture']:g} a picture (median){mean}",
        f"looked at: {facts['looked_at']} pictures; conditions: {', '.join(facts['conditions'])}"
        + (f"; masks: {MASKS[facts['masks']]}" if facts["masks"] else ""),
    ]
    lines += [f"split {name}: " + " / ".join(str(parts[s]) for s in SPLITS) for name, parts in facts["splits"].items()]
    if not any(sum(parts.values()) for parts in facts["splits"].values()):
        lines.append("no picture can be trained on: each has fewer ratings or viewers than asked for (--min-ratings)")
    if facts["categories"]:
        lines.append("categories: " + ", ".join(f"{name} {n}" for name, n in facts["categories"].items()))
    if facts["groups_of_several"]:
        lines.append(f"groups that stay on one side: {facts['groups_of_several']}")
    lines += [
        f"not in the split {name}: its test has {counted(n, 'picture')} of groups, or copies, that are trained on"
        for name, n in facts.get("across", {}).items()
    ]
    if facts["pixel_caches"]:
        lines.append(f"pixel caches: {', '.join(map(str, facts['pixel_caches']))}")
    remarks = facts["remarks"]
    lines += [f"  {text}" for text in remarks[:REMARKS_SHOWN]]
    if len(remarks) > REMARKS_SHOWN:
        lines.append(f"  ... and {len(remarks) - REMARKS_SHOWN} more remarks (gazekit dataset info --json has all)")
    return lines
