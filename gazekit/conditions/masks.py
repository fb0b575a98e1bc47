"""The masks of conditions for one picture, without a dataset."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gazekit.attention.viewings import Viewing
from gazekit.conditions.condition import Condition, MaskTask, Source
from gazekit.conditions.making import area_of, picture_rng
from gazekit.conditions.registry import condition, default_names
from gazekit.core.errors import ConfigError
from gazekit.core.types import Mask
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.shapes.masks import resized_mask
from gazekit.shapes.packed import Size
from gazekit.shapes.rectangles import rectangles_to_mask


def masks(
    viewing: Viewing,
    spec: MaskSpec | None = None,
    conditions: Sequence[str] | None = None,
    *,
    other: Viewing | None = None,
    seed: int = 0,
) -> dict[str, Mask]:
    """Make the masks of a picture in every condition, as a dataset does.

    Parameters
    ----------
    viewing : Viewing
        What people looked at in the picture (`gazekit.viewings`).
    spec : MaskSpec, optional
        What of their map a mask keeps; by default the smallest rectangle with 70 % of it.
    conditions : sequence of str, optional
        Names of conditions; by default gazekit's own six, without ``shuffled`` where there is no other picture.
    other : Viewing, optional
        What people looked at in another picture, for conditions that borrow its mask.
    seed : int
        Of what is random.

    Returns
    -------
    dict
        Name of the condition to a mask, bool of the picture's (height, width), True where it is kept.

    Raises
    ------
    ConfigError
        A condition needs another picture, or a network's attention, which is not there.
    InputError
        An unknown condition, or nobody looked at the picture.

    Examples
    --------
    >>> import pandas as pd
    >>> import gazekit as gk
    >>> table = pd.DataFrame({"image": "a", "participant": ["p1", "p2"], "x_picture": [20.0, 24.0],
    ...                       "y_picture": [9.0, 12.0], "duration_ms": [200.0, 300.0]})
    >>> made = gk.masks(gk.viewings(table, {"a": (40, 60)}, sigma_px=4)["a"])
    >>> sorted(made)
    ['centre', 'human', 'human-removed', 'original', 'random']
    >>> int(made["human"].sum()) == int(made["random"].sum())
    True
    """
    spec = spec or MaskSpec()
    names = conditions or [n for n in default_names() if other or condition(n).source is not Source.ANOTHER]
    missing = [name for name in names if condition(name).source is Source.ANOTHER and other is None]
    missing += [name for name in names if condition(name).source in (Source.NETWORK, Source.WINDOW, Source.PREDICTED)]
    if missing:
        raise ConfigError(
            f"{', '.join(missing)}: a mask of another picture (other=), a network or a window of time is needed"
        )
    amap = viewing.closed_map()
    people, boxes = (
        (spec.region(amap), []) if spec.kind == "region" else (np.zeros((0, 0), dtype=bool), spec.boxes(amap))
    )
    lent = (spec.boxes(other.closed_map()), other.size) if other and boxes else ([], (0, 0))
    area = int(people.sum()) if spec.kind == "region" else area_of(boxes)
    grid: Size = (people.shape[0], people.shape[1])
    made = {}
    for name in names:
        rng = picture_rng(name, viewing.image, seed)
        task = MaskTask(viewing.image, viewing.size, area, rng, boxes, grid, people, lent, (other or viewing).map())
        made[name] = _mask(condition(name), spec, task)
    return made


def _mask(found: Condition, spec: MaskSpec, task: MaskTask) -> Mask:
    if found.source is Source.WHOLE:
        return np.ones(task.size, dtype=bool)
    if spec.kind == "region":
        mask = resized_mask(found.region(task), task.size)
    else:
        mask = rectangles_to_mask(found.boxes(spec.kind, task), task.size)
    return ~mask if found.outside else mask
