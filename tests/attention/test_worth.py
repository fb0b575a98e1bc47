"""What maps are worth in viewers, how they grow in time, how sure masks are, and how alike scanpaths are."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.attention.agreement import other_fixations
from gazekit.attention.scanpath_similarity import (
    MEASURES,
    PEOPLE,
    SHUFFLED,
    Scanpath,
    in_time,
    multimatch,
    scanmatch,
    scanpath_table,
)
from gazekit.attention.uncertainty import mask_uncertainty, viewers_curve
from gazekit.attention.viewings import Viewing, viewings
from gazekit.attention.worth import CENTRE, WHOLE, growth_table, panel
from gazekit.cli.attention_ import command
from gazekit.core.errors import InputError
from gazekit.core.time_windows import onsets_ms
from gazekit.shapes.mask_spec import MaskSpec
from tests.needs import need

SIZE = (60, 80)


def people_look(rng: np.random.Generator, pictures: int, viewers: int, fixations: int = 6) -> pd.DataFrame:
    """Fixations drawn from places of interest that all share, the more interesting ones first."""
    rows = []
    for picture in range(pictures):
        places = rng.uniform((10, 10), (SIZE[1] - 10, SIZE[0] - 10), (4, 2))
        for viewer in range(viewers):
            order = rng.choice(4, fixations, p=[0.45, 0.25, 0.2, 0.1])
            for n, place in enumerate(order):
                x, y = np.clip(rng.normal(places[place], 4), 1, (SIZE[1] - 2, SIZE[0] - 2))
                onset = 1_000_000 * viewer + 250_000 * n
                rows.append((f"p{picture:02d}.png", f"v{viewer:02d}", onset, rng.uniform(150, 300), x, y))
    columns = ["image", "participant", "onset_us", "duration_ms", "x_picture", "y_picture"]
    return pd.DataFrame(rows, columns=columns)


def looks_of(table: pd.DataFrame) -> dict[str, Viewing]:
    return viewings(table, dict.fromkeys(table["image"].unique(), SIZE), sigma_px=4.0)


@pytest.mark.once
def test_k_real_viewers_are_worth_k(rng: np.random.Generator) -> None:
    """Of 15 studies the interval holds the true number in 12 or more; `tests.benchmarks.attention` has 300."""
    inside, found = 0, []
    for study in range(15):
        k = (2, 3, 5)[study % 3]
        looks = looks_of(people_look(rng, 25, 14))
        some = {image: sorted(rng.choice(look.participants, k, replace=False)) for image, look in looks.items()}
        rest = panel({image: look.without(*some[image]) for image, look in looks.items()}, seed=study)
        worth = rest.worth({image: look.of(*some[image]).map() for image, look in looks.items()}, resamples=300)
        inside += worth.low <= k <= worth.high
        found.append(worth.viewers / k)
    assert inside >= 12
    assert np.median(found) == pytest.approx(1, abs=0.15)


def test_a_blind_map_is_worth_less_than_one_viewer(rng: np.random.Generator) -> None:
    looks = looks_of(people_look(rng, 20, 8))
    viewers = panel(looks)
    assert viewers.scores.shape == (20, 7)
    assert (np.diff(viewers.scores.mean(axis=0)) > -0.02).all()
    blind = viewers.worth(dict.fromkeys(looks, np.ones(SIZE)))
    assert (blind.viewers, blind.score) == (0, pytest.approx(0, abs=1e-9))
    everybody = viewers.worth({image: look.map() for image, look in looks.items()})
    assert everybody.viewers > 7, "it has seen the viewers that judge it"


def test_maps_grow_from_the_floor_to_the_ceiling(rng: np.random.Generator) -> None:
    table = people_look(rng, 12, 8)
    growth = growth_table(table, dict.fromkeys(table["image"].unique(), SIZE), sigma_px=4.0).set_index("part")
    assert growth.loc[CENTRE, "share"] == 0
    assert growth.loc[WHOLE, "share"] == 1
    assert growth.loc[CENTRE, ["ig", "ig_share"]].tolist() == [0, 0]
    assert growth.loc[WHOLE, "ig_share"] == 1
    assert growth.loc["0-200ms", "ig"] < growth.loc["0-1500ms", "ig"] <= growth.loc[WHOLE, "ig_high"]
    steps = growth.loc[["0-200ms", "0-600ms", "0-1500ms"], "share"]
    assert steps.is_monotonic_increasing
    assert growth.loc["0-2000ms", "value"] == pytest.approx(growth.loc[WHOLE, "value"])
    by_order = growth_table(table.drop(columns="onset_us"), dict.fromkeys(table["image"].unique(), SIZE), sigma_px=4.0)
    assert {"first1", "first5"} <= set(by_order["part"])


def test_a_window_in_which_nobody_began_to_look_is_empty_in_the_curve(rng: np.random.Generator) -> None:
    table = people_look(rng, 6, 5)
    late = table.assign(since_onset_ms=onsets_ms(table) + 250)
    growth = growth_table(late, dict.fromkeys(table["image"].unique(), SIZE), sigma_px=4.0).set_index("part")
    assert growth.loc["0-100ms", "pictures"] == 0
    assert np.isnan(growth.loc["0-100ms", "value"])
    assert growth.loc["0-5000ms", "share"] == pytest.approx(1)


@pytest.mark.parametrize("kind", ["rectangle", "patches", "region"])
def test_a_mask_of_many_who_agree_is_sure(kind: str, rng: np.random.Generator) -> None:
    spec = MaskSpec(kind)  # type: ignore[arg-type]
    looks = looks_of(people_look(rng, 1, 20))["p00.png"]
    many, few = (mask_uncertainty(look, spec, resamples=60) for look in (looks, looks.of("v00", "v01", "v02", "v03")))
    assert kind == "patches" or many.agreement > few.agreement
    assert many.probability.shape == SIZE
    assert 0 <= many.probability.min() <= many.probability.max() <= 1
    mask = spec.mask(looks.map())
    assert many.probability[mask].mean() > many.probability[~mask].mean() + 0.3
    assert all(low <= high for low, high in zip(many.low, many.high, strict=True))


def test_more_viewers_agree_better(rng: np.random.Generator) -> None:
    curve = viewers_curve(looks_of(people_look(rng, 10, 12)))
    assert curve["viewers"].tolist() == [1, 2, 3, 4, 5, 6]
    assert curve["overlap"].iloc[-1] > curve["overlap"].iloc[0] + 0.1
    assert (curve["low"] <= curve["high"]).all()


def test_multimatch_is_that_of_the_package(rng: np.random.Generator) -> None:
    need(find_spec("multimatch_gaze"), "multimatch-gaze 0.1.3")
    from multimatch_gaze import docomparison

    for _ in range(25):
        paths = []
        for n in rng.integers(3, 12, 2):
            xyd = rng.uniform((0, 0, 0.1), (800, 600, 0.6), (n, 3))
            paths.append(np.rec.fromarrays(xyd.T, names="start_x,start_y,duration"))
        ours = multimatch(*(Scanpath(p["start_x"], p["start_y"], p["duration"], (600, 800)) for p in paths))
        np.testing.assert_allclose(
            list(ours.values()), np.ravel(docomparison(*paths, screensize=[800, 600])), atol=1e-12
        )


def test_scanpaths_that_are_the_same_and_that_are_not(rng: np.random.Generator) -> None:
    path = Scanpath(rng.uniform(0, 80, 7), rng.uniform(0, 60, 7), rng.uniform(100, 400, 7), SIZE)
    assert list(multimatch(path, path).values()) == [1.0] * 5
    assert scanmatch(path, path) == 1
    mirrored = Scanpath(80 - path.x, 60 - path.y, path.duration_ms, SIZE)
    assert multimatch(path, mirrored)["position"] < 0.9
    assert scanmatch(path, mirrored) < 0.8
    short = Scanpath(path.x[:2], path.y[:2], path.duration_ms[:2], SIZE)
    assert np.isnan(list(multimatch(path, short).values())).all()


def test_the_command_writes_all_of_it(rng: np.random.Generator, tmp_path: Path) -> None:
    table = people_look(rng, 4, 6)
    (tmp_path / "p").mkdir()
    for image in table["image"].unique():
        cv2.imwrite(str(tmp_path / "p" / image), rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8))
    table.to_csv(tmp_path / "f.csv", index=False)
    out = tmp_path / "out"
    base = [str(tmp_path / "f.csv"), "--pictures", str(tmp_path / "p"), "--sigma-px", "4", "--no-agreement"]
    drawn = [*base, "--scale", "shared", "--layers", "--out", str(tmp_path / "model")]
    assert CliRunner().invoke(command, drawn, catch_exceptions=False).exit_code == 0
    more = [
        "--resamples",
        "30",
        "--growth",
        "--scanpaths",
        "--judge",
        str(tmp_path / "model" / "maps"),
        "--tables-only",
    ]
    assert CliRunner().invoke(command, [*base, "--out", str(out), *more], catch_exceptions=False).exit_code == 0
    sure = pd.read_csv(out / "uncertainty.csv").set_index("image")
    rectangles = pd.read_csv(out / "attention.csv").set_index("image")
    for edge in ("top", "left", "bottom", "right"):
        assert ((sure[f"{edge}_low"] <= rectangles[edge] + 4) & (rectangles[edge] - 4 <= sure[f"{edge}_high"])).all()
    assert cv2.imread(str(out / "certainty" / "p00.png.png"), cv2.IMREAD_UNCHANGED).max() == 255
    assert pd.read_csv(out / "viewers.csv")["viewers"].tolist() == [1, 2, 3]
    layers = tmp_path / "model"
    assert cv2.imread(str(layers / "overlays" / "p00.png.png"), cv2.IMREAD_UNCHANGED).shape == (*SIZE, 4)
    assert cv2.imread(str(layers / "opacity" / "p00.png.jpg")).shape == (*SIZE, 3)
    assert (layers / "heatmaps" / "legend.png").exists()
    assert pd.read_csv(out / "growth.csv")["part"].iloc[-1] == WHOLE
    scanpaths = pd.read_csv(out / "scanpaths.csv")
    assert set(scanpaths["measure"]) == set(MEASURES)
    means = scanpaths.pivot(index="measure", columns="comparison", values="value")
    assert means.loc["position", PEOPLE] > means.loc["position", SHUFFLED]
    worth = pd.read_csv(out / "worth.csv")
    assert worth["maps"].tolist() == ["maps"]
    assert worth["viewers"].iloc[0] > 4, "the maps of all, judged by themselves"


def test_too_few_to_say_anything_of_is_said(rng: np.random.Generator) -> None:
    lonely = looks_of(people_look(rng, 2, 1))
    two = looks_of(people_look(rng, 1, 2))
    with pytest.raises(InputError, match="needs pictures with three viewers or more"):
        panel(two)
    with pytest.raises(InputError, match="how sure a mask is can be said of two viewers or more; found 1"):
        mask_uncertainty(next(iter(lonely.values())))
    with pytest.raises(InputError, match="where pictures have two viewers or more"):
        viewers_curve(lonely)
    with pytest.raises(InputError, match="the fixations of at least one other picture"):
        other_fixations(two, "p00.png")
    with pytest.raises(InputError, match="two people on two pictures or more are compared; found 1 picture"):
        scanpath_table(two)
    with pytest.raises(InputError, match="none of the maps is of a picture that people looked at"):
        panel(looks_of(people_look(rng, 3, 4))).worth_of_scores({"other.png": 1.0})


def test_a_scanpath_of_nothing_is_like_no_other() -> None:
    nothing = np.empty(0)
    empty, one = Scanpath(nothing, nothing, nothing, SIZE), Scanpath(*np.array([[9.0], [9.0], [200.0]]), SIZE)
    assert np.isnan(scanmatch(empty, one))
    assert np.isnan(in_time(empty, one))
