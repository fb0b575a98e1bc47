"""Which trials are excluded by the study's ``exclusions.toml``, as it stands now."""

from __future__ import annotations

import numpy as np
import pandas as pd

from gazekit.explore.material import Material
from gazekit.explore.picture_looks import exclusions_file
from gazekit.session.exclusions import Exclusion, read_exclusions


def excluded_trials(material: Material, trials: pd.DataFrame) -> list[str]:
    """Return why each trial is excluded: the reasons, ``left eye: ...`` where only an eye is; empty where it is not.

    Parameters
    ----------
    material : Material
        What is explored.
    trials : DataFrame
        Rows with participant, session, image and order.
    """
    reasons = np.full(len(trials), "", dtype=object)
    for entry in read_exclusions(exclusions_file(material)):
        if entry.holds:
            words = f"{entry.eye} eye: {entry.reason}" if entry.eye else entry.reason
            there = _covered(entry, trials)
            reasons[there] = [f"{before}; {words}" if before else words for before in reasons[there]]
    return [str(reason) for reason in reasons]


def _covered(entry: Exclusion, trials: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    there = np.ones(len(trials), dtype=bool)
    for name in ("participant", "image", "session"):
        if getattr(entry, name):
            there &= (trials[name] == getattr(entry, name)).to_numpy()
    if entry.order >= 0:
        there &= (trials["order"] == entry.order).to_numpy()
    return there
