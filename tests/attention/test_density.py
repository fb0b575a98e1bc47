"""Densities by leave-one-viewer-out likelihood: what they find on fixations of a known density."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.attention.density import density_table, likely_density, of_kind
from gazekit.attention.viewings import Viewing, viewings
from gazekit.cli import main
from gazekit.core.errors import InputError
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.pictures import list_pictures
from gazekit.shapes.centre import centre_prior

SIZE = (60, 80)


def looked(rng: np.random.Generator, spread: float, people: int = 8, stray: float = 0.0, each: int = 12) -> Viewing:
    spots = rng.uniform((15, 15), (65, 45), (2, 2))
    rows = []
    for person in range(people):
        places = spots[rng.integers(2, size=each)] + rng.normal(0, spread, (each, 2))
        lost = rng.random(each) < stray
        places[lost] = rng.uniform((0, 0), (SIZE[1], SIZE[0]), (int(lost.sum()), 2))
        rows += [("a", f"p{person}", *place, 200.0) for place in places]
    table = pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])
    return viewings(table, {"a": SIZE}, sigma_px=6.0)["a"]


@pytest.mark.parametrize("spread", [2.0, 9.0])
def test_width_follows_how_close_people_look(spread: float) -> None:
    fitted = [likely_density(looked(np.random.default_rng(seed), spread)) for seed in range(6)]
    widths = np.array([density.sigma_px for density in fitted])
    assert (widths < 4.5).all() if spread == 2 else (widths > 5).mean() > 0.6
    assert np.mean([d.bits for d in fitted]) > np.mean([d.customary_bits for d in fitted])


def test_who_looks_anywhere_makes_the_density_even() -> None:
    fitted = [likely_density(looked(np.random.default_rng(s), 2, stray=0.4)) for s in range(5)]
    even = np.mean([density.shares[1:] for density in fitted], axis=0).sum()
    assert 0.15 < even < 0.5, "of all fixations 0.4 stray, and Gaussians about these take some of it"
    tidy = likely_density(looked(np.random.default_rng(0), 2))
    assert sum(tidy.shares[1:]) < 0.1
    assert sum(tidy.shares) == pytest.approx(1)


def test_likelihood_by_hand() -> None:
    """Densities of the mixture are those of maps made without the viewer, at that viewer's pixels."""
    look = looked(np.random.default_rng(1), 4)
    gains = []
    for person, others in look.leave_one_out():
        at = person.y.astype(int), person.x.astype(int)
        prior = centre_prior(SIZE).astype(np.float64)
        gains.append(np.log2((0.9 * others.map() + 0.1 * prior)[at] / prior[at]))
    assert likely_density(look).customary_bits == pytest.approx(float(np.concatenate(gains).mean()), abs=0.04)
    amap = likely_density(look).map()
    assert amap.shape == SIZE
    assert float(amap.sum()) == pytest.approx(1, abs=1e-5)
    assert amap.min() > 0


def test_few_viewers_are_refused_and_left_out_of_tables() -> None:
    look = looked(np.random.default_rng(0), 3)
    with pytest.raises(InputError, match="a has 2 viewers; a density needs three or more"):
        likely_density(look.of("p0", "p1"))
    table, densities = density_table({"a": look, "b": look.of("p0", "p1")})
    assert table["image"].tolist() == list(densities) == ["a"]
    assert table["gain"][0] == pytest.approx(table["bits"][0] - table["bits_customary"][0])


def test_the_command_writes_them(tmp_path: Path, rng: np.random.Generator) -> None:
    (tmp_path / "pictures").mkdir()
    cv2.imwrite(str(tmp_path / "pictures" / "a.png"), rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8))
    look = looked(rng, 3)
    columns = {"x_picture": look.x, "y_picture": look.y, "duration_ms": look.duration_ms}
    pd.DataFrame({"image": "a.png", "participant": look.names, **columns}).to_csv(tmp_path / "f.csv", index=False)
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as stop:
        main(["attention", str(tmp_path / "f.csv"), "--pictures", str(tmp_path / "pictures"), "--sigma-px", "6",
              "--density", "--tables-only", "--no-agreement", "--out", str(out)])  # fmt: skip
    assert not stop.value.code
    assert pd.read_csv(out / "density.csv", comment="#")["viewers"].tolist() == [8]
    assert (out / "densities" / "a.png.png").exists()


def test_maps_and_masks_are_densities_where_they_are_asked_for(
    tmp_path: Path, rng: np.random.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `gazekit attention` and a dataset have them; a picture of two viewers keeps its Gaussians, and is named."""
    pictures, rows = tmp_path / "pictures", []
    pictures.mkdir()
    for name, people in (("a.png", 8), ("b.png", 2), ("c.png", 5)):
        cv2.imwrite(str(pictures / name), rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8))
        look = looked(rng, 1.5, people)
        columns = {"x_picture": look.x, "y_picture": look.y, "duration_ms": look.duration_ms}
        rows.append(pd.DataFrame({"image": name, "participant": look.names, **columns}))
    table = pd.concat(rows)
    table.to_csv(tmp_path / "f.csv", index=False)
    found = {}
    for kind in ("gaussian", "likelihood"):
        with pytest.raises(SystemExit) as stop:
            main(["attention", str(tmp_path / "f.csv"), "--pictures", str(pictures), "--sigma-px", "6", "--map", kind,
                  "--no-agreement", "--out", str(tmp_path / kind)])  # fmt: skip
        assert not stop.value.code
        found[kind] = pd.read_csv(tmp_path / kind / "attention.csv", comment="#").set_index("image")
    assert "1 map is a Gaussian: one or two viewers are too few for a density" in capsys.readouterr().out
    assert (found["likelihood"]["area"] < found["gaussian"]["area"])[["a.png", "c.png"]].all(), "people look closely"
    pd.testing.assert_frame_equal(found["likelihood"].loc[["b.png"]], found["gaussian"].loc[["b.png"]])
    assert (found["likelihood"]["mass"] >= 0.7).all()

    looks = of_kind(viewings(table, dict.fromkeys(table["image"].unique(), SIZE), sigma_px=6), "likelihood")
    drawn = cv2.imread(str(tmp_path / "likelihood" / "maps" / "a.png.png"), cv2.IMREAD_UNCHANGED).astype(float)
    np.testing.assert_allclose(drawn / drawn.max(), looks["a.png"].map() / looks["a.png"].map().max(), atol=1e-4)
    ratings = pd.DataFrame({"image": ["a.png", "b.png", "c.png"], "c1": 6, "c2": 6})
    spec = DatasetSpec(sigma_px=6, map="likelihood", near_duplicates=None, split=(1, 0, 0))
    data = open_dataset(build_dataset(list_pictures(pictures), table, ratings, tmp_path / "a.dataset.h5", spec))
    assert data.provenance["parameters"]["map"] == "likelihood"
    kept = [tuple(data.rectangles(i, "human")[0]) for i in range(3)]
    assert kept == [spec.rule().boxes(looks[image].closed_map())[0] for image in data.ids]
    assert data.remarks["image"][data.remarks["remark"] == "gaussian map"].tolist() == ["b.png"]
    assert spec.rule().boxes(looks["a.png"].of("p0").closed_map()), "one person's map is of Gaussians"
