"""How many pictures must be looked at, and by how many people, before attention can be predicted elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from gazekit.attention.viewings import Viewing
from gazekit.core.counting import counted
from gazekit.core.errors import InputError
from gazekit.core.progress import track
from gazekit.models.dense_features import Depths
from gazekit.models.gaze_readout import fit_readout, grid_of, looked_at, picture_map
from gazekit.models.gaze_worth import LONGEST, worth_in_viewers
from gazekit.models.pixels import view_size

PICTURES = (5, 10, 20, 40, 80, 160, 320, 640)
VIEWERS = (1, 2, 5, 10)
TESTED = 0.34  # of the pictures
FEWEST = 4  # pictures of a fit
JUDGES = 3  # viewers of a picture that is tested on


def learning_curve(
    features: Mapping[str, Depths],
    looks: Mapping[str, Viewing],
    *,
    pictures: Sequence[int] = PICTURES,
    viewers: Sequence[int] = VIEWERS,
    folds: int = 4,
    seed: int = 0,
) -> pd.DataFrame:
    """Fit to fewer pictures and to fewer viewers of each, and judge all fits on the same other pictures.

    Parameters
    ----------
    features : mapping
        By picture, as `gazekit.models.dense_features.dense_features` gives them.
    looks : mapping
        By picture: where people looked.
    pictures, viewers : sequence of int
        How many; the larger sets hold the smaller ones, and all pictures and viewers that there are end each curve.
    folds : int
        Of each fit, for its ridge.
    seed : int
        Of who is drawn.

    Returns
    -------
    DataFrame
        ``pictures``, ``viewers``, ``tested``, and with their 95 % intervals ``worth`` (in viewers), ``nss``, ``bits``
        (a fixation, over the centre bias) and ``explained`` (share of what all other viewers tell).

    Raises
    ------
    InputError
        Fewer than six pictures, or too few of them with three viewers to judge on.
    """
    check_curve({image: len(look.participants) for image, look in looks.items()})
    rng, names = np.random.default_rng(seed), list(looks)
    order = [names[i] for i in rng.permutation(len(names))]
    order.sort(key=lambda image: len(looks[image].participants) < JUDGES)  # such pictures cannot be tested on
    tested = round(TESTED * len(names))
    test, others = order[:tested], order[tested:]
    most = max(len(looks[image].participants) for image in others)
    drawn = {
        image: [looks[image].participants[i] for i in rng.permutation(len(looks[image].participants))]
        for image in others
    }
    points = [(n, most) for n in _up_to(pictures, len(others), FEWEST)]
    points += [(len(others), k) for k in _up_to(viewers, most, 1) if k < most]
    rows = [
        _point(features, looks, drawn, others[:n], test, k, folds, seed) for n, k in track(points, "curve", len(points))
    ]
    return pd.DataFrame(rows)


def check_curve(viewers: Mapping[str, int]) -> None:
    """Refuse pictures, with so many viewers each, that are too few for a learning curve; see `learning_curve`."""
    tested, judged = round(TESTED * len(viewers)), sum(count >= JUDGES for count in viewers.values())
    if len(viewers) - tested < FEWEST:
        raise InputError(f"{counted(len(viewers), 'picture')} that people looked at; a learning curve needs 6 or more")
    if judged < tested:
        raise InputError(
            f"a learning curve of {len(viewers)} pictures is judged on {tested} of them, which {JUDGES} people or more"
            f" looked at; {judged} are such: leave --learning-curve out"
        )


def _up_to(wanted: Sequence[int], most: int, least: int) -> list[int]:
    return [*sorted({n for n in wanted if least <= n < most}), most]


def _point(
    features: Mapping[str, Depths],
    looks: Mapping[str, Viewing],
    drawn: Mapping[str, Sequence[str]],
    chosen: Sequence[str],
    test: Sequence[str],
    viewers: int,
    folds: int,
    seed: int,
) -> dict[str, float]:
    few = {image: looks[image].of(*drawn[image][:viewers]) for image in chosen}
    few = {image: look for image, look in few.items() if look.inside.any()}
    fitted = fit_readout(
        [features[image] for image in few],
        [looked_at(look, grid_of(features[image])) for image, look in few.items()],
        folds=max(2, min(folds, len(few))),
        seed=seed,
    )
    maps, centre = (
        {
            image: picture_map(
                readout.log_density(features[image], grid_of(features[image])),
                view_size(looks[image].size, min(LONGEST, max(looks[image].size))),
            )
            for image in test
        }
        for readout in (fitted.readout, fitted.bias)
    )
    worth = worth_in_viewers({image: looks[image] for image in test}, maps, centre, seed=seed)
    row: dict[str, float] = {"pictures": len(few), "viewers": viewers, "tested": worth.pictures}
    columns = (("worth", worth.viewers), ("nss", worth.nss), ("bits", worth.bits), ("explained", worth.explained))
    for name, estimate in columns:
        row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return row
