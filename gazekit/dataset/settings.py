"""The section of a study file that a dataset is built by."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, PositiveFloat

from gazekit.core.config import Section


class DatasetSection(Section):
    """``[dataset]``: what is joined to one file, and how it is split."""

    out: Path | None = None
    sessions: list[Path] = []  # session files, or folders of them
    fixations: Path | None = None  # or a fixation table
    ratings: Path | None = None  # a histogram table, or ratings one by one (rater, image, score)
    scale: int | None = Field(default=None, ge=2, le=100)
    groups: Path | None = None  # CSV: image, group
    lists: dict[str, Path] = {}  # split schemes, CSV: image, split
    categories: Path | None = None  # CSV: image, category
    sigma_px: PositiveFloat | None = None
    conditions: list[str] | None = None
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)
    folds: int = Field(default=0, ge=0)
    partitions: list[str] = []
    near_duplicates: int = Field(default=7, ge=-1, le=7)  # bits of the hash; -1: not looked for
    min_ratings: int = Field(default=10, ge=0)
    min_viewers: int = Field(default=1, ge=0)
    include_marked: bool = False
    cache: int | None = Field(default=None, ge=16, le=4096)
    shard: int | None = Field(default=None, ge=0)
