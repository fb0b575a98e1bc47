"""How well people's maps agree: the ceiling that people set, and the floors of the centre and of chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt
import pandas as pd

from gazekit.attention import saliency
from gazekit.attention.viewings import Viewing
from gazekit.core.errors import InputError
from gazekit.core.progress import track
from gazekit.shapes.centre import centre_prior

Others = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
HALF = "half of the viewers"
REST = "all other viewers, one left out"
CENTRE = "centre prior"
SHUFFLED = "another picture's map"


def smoothed(amap: npt.ArrayLike, share: float = 0.1) -> npt.NDArray[np.float64]:
    """Return a map as a density that is nowhere 0: mixed with a share of the centre prior.

    A map of few viewers is 0 where the next one may look, and one such fixation would make KL and information gain
    arbitrary.
    """
    array = np.asarray(amap, dtype=np.float64)
    centre = centre_prior((array.shape[0], array.shape[1]))
    return np.asarray((1 - share) * array / array.sum() + share * centre)


def agreement(amap: npt.ArrayLike, truth: Viewing, others: Others) -> dict[str, float]:
    """Return every metric of a map against where people looked.

    NSS and the AUCs are taken at the fixations, CC, SIM and KL against their map, information gain over the centre
    prior. KL and information gain take the map as a density mixed with a tenth of the centre prior (`smoothed`).

    Parameters
    ----------
    amap : array_like
        Shape of the picture of ``truth``.
    others : Others
        X and y of other pictures' fixations, in this picture's pixels.
    """
    x, y, target, density = truth.x, truth.y, truth.map(), smoothed(amap)
    return {
        "nss": saliency.nss(amap, x, y),
        "auc_judd": saliency.auc_judd(amap, x, y),
        "auc_shuffled": saliency.auc_shuffled(amap, x, y, *others),
        "cc": saliency.cc(amap, target),
        "sim": saliency.sim(amap, target),
        "kl": saliency.kl(density, target),
        "ig": saliency.information_gain(density, x, y, centre_prior(truth.size)),
    }


def other_fixations(seen: Mapping[str, Viewing], image: str) -> Others:
    """Return the fixations of all other pictures, scaled to this picture's size."""
    height, width = seen[image].size
    rest = [v for name, v in seen.items() if name != image]
    if not rest:
        raise InputError("the shuffled AUC needs the fixations of at least one other picture")
    x = np.concatenate([v.x * (width / v.size[1]) for v in rest])
    y = np.concatenate([v.y * (height / v.size[0]) for v in rest])
    return x, y


def halves_table(seen: Mapping[str, Viewing], *, longest: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return half of the viewers against the other half, beside the centre prior and another picture's map.

    For every picture its viewers are split in two at random. All three candidates are judged by the second half:
    the map of the first half, the centre prior, and the first half's map of another picture.

    Parameters
    ----------
    seen : mapping
        Two pictures or more, each with two viewers or more (others are left out).
    longest : int
        Maps are made at this size (longer side, pixels).
    seed : int
        Of the split.

    Returns
    -------
    DataFrame with ``map``, ``metric``, ``value`` (mean over pictures), ``low``, ``high`` (95 %, bootstrap over
    pictures), ``pictures``.
    """
    small = _several_viewers(seen, longest)
    rng = np.random.default_rng(seed)
    split = {name: rng.permutation(v.participants) for name, v in small.items()}
    first = {name: v.of(*split[name][: len(split[name]) // 2]).map() for name, v in small.items()}
    names, scores = list(small), []
    for k, name in enumerate(track(names, "agreement of halves", len(names))):
        truth = small[name].of(*split[name][len(split[name]) // 2 :])
        others = other_fixations(small, name)
        height, width = truth.size
        elsewhere = cv2.resize(first[names[k - 1]], (width, height), interpolation=cv2.INTER_LINEAR)
        for label, amap in ((HALF, first[name]), (CENTRE, centre_prior(truth.size)), (SHUFFLED, elsewhere)):
            scores.append({"map": label, "image": name, **agreement(amap, truth, others)})
    return _summary(scores, seed)


def inter_observer_table(seen: Mapping[str, Viewing], *, longest: int = 400, seed: int = 0) -> pd.DataFrame:
    """Return the inter-observer ceiling: each viewer against the map of all others, with the centre prior as the floor.

    Columns as `halves_table`; a picture's value is the mean over its viewers.
    """
    small = _several_viewers(seen, longest)
    scores = []
    for name, viewing in track(small.items(), "inter-observer agreement", len(small)):
        others, centre = other_fixations(small, name), centre_prior(viewing.size)
        for one, rest in viewing.leave_one_out():
            for label, amap in ((REST, rest.map()), (CENTRE, centre)):
                scores.append({"map": label, "image": name, **agreement(amap, one, others)})
    table = pd.DataFrame(scores).groupby(["map", "image"], sort=False).mean().reset_index()
    return _summary(table.to_dict("records"), seed)


def _several_viewers(seen: Mapping[str, Viewing], longest: int) -> dict[str, Viewing]:
    kept = {name: v.scaled(longest) for name, v in seen.items() if len(v.participants) > 1}
    if len(kept) < 2:
        raise InputError(
            "agreement between people needs two pictures or more with two viewers or more each; "
            f"found {len(kept)} of {len(seen)}"
        )
    return kept


def _summary(scores: Sequence[Mapping[str, object]], seed: int, resamples: int = 2000) -> pd.DataFrame:
    table = pd.DataFrame(scores)
    rows = []
    for label in dict.fromkeys(table["map"]):
        own = table[table["map"] == label]
        draws = np.random.default_rng(seed).integers(0, len(own), (resamples, len(own)))
        for metric in saliency.METRICS:
            values = own[metric].to_numpy(np.float64)
            low, high = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
            rows.append([label, metric, values.mean(), low, high, len(own)])
    return pd.DataFrame(rows, columns=["map", "metric", "value", "low", "high", "pictures"])


def as_markdown(table: pd.DataFrame, metrics: Iterable[str] = saliency.METRICS) -> str:
    """Return a table of agreement as Markdown: a row a map, a column a metric, intervals in brackets."""
    metrics = list(metrics)
    lines = ["| map | " + " | ".join(metrics) + " |", "|---|" + "---|" * len(metrics)]
    for label in dict.fromkeys(table["map"]):
        own = table[table["map"] == label].set_index("metric").loc[metrics]
        cells = [f"{r.value:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in own.itertuples()]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
