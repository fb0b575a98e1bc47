"""Predicted attention on pictures in which everybody looks at one thing, wherever it lies."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from gazekit.attention import attention_map
from gazekit.attention.viewings import viewings
from gazekit.cli import main
from gazekit.core.errors import FormatError, InputError
from gazekit.core.files import sha256
from gazekit.dataset import DatasetSpec, build_dataset
from gazekit.models import attention_study
from gazekit.models.attention_study import fit_attention_model, write_predicted
from gazekit.models.dense_features import depths_of
from gazekit.models.gaze_readout import (
    AttentionModel,
    blurred,
    fit_readout,
    load_attention_model,
    looked_at,
    picture_map,
)
from gazekit.models.gaze_worth import worth_in_viewers
from gazekit.pictures import Picture, list_pictures
from gazekit.shapes.mask_spec import MaskSpec

NETWORK, SIDE, COUNT, PEOPLE = "timm:mobilenetv3_small_050", 128, 18, 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey noise with one striped disc a picture; five people look at the disc, and sometimes at the middle."""
    folder, rng, rows = tmp_path_factory.mktemp("looked"), np.random.default_rng(0), []
    y, x = np.mgrid[:96, :SIDE]
    for i in range(COUNT):
        picture = rng.normal(128, 12, (96, SIDE, 3))
        cy, cx = rng.uniform(16, 80), rng.uniform(16, SIDE - 16)
        disc = (y - cy) ** 2 + (x - cx) ** 2 < 13**2
        picture[disc] = np.where((x[disc] // 4 % 2)[:, None] == 0, [250, 30, 30], [20, 20, 240])
        cv2.imwrite(str(folder / f"p{i:02}.png"), picture.clip(0, 255).astype(np.uint8)[..., ::-1])
        for person in range(PEOPLE):
            rows.append((f"p{i:02}.png", f"v{person}", SIDE / 2 + rng.normal(0, 8), 48 + rng.normal(0, 8), 200))
            rows += [
                (f"p{i:02}.png", f"v{person}", cx + rng.normal(0, 5), cy + rng.normal(0, 5), 300) for _ in range(3)
            ]
    table = pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])
    table[["x_picture", "y_picture"]] = table[["x_picture", "y_picture"]].clip(1, [SIDE - 1.0, 95.0])
    table.to_csv(folder / "fixations.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def weights(folder: Path) -> Path:
    """Weights of a network that nobody trained: its first layers already tell the disc from noise."""
    import timm

    import gazekit.models._torchvision  # noqa: F401

    torch.manual_seed(0)
    torch.save(timm.create_model(NETWORK.removeprefix("timm:")).state_dict(), folder / "weights.pth")
    return folder / "weights.pth"


def pictures_of(folder: Path) -> list[Picture]:
    return [p for p in list_pictures(folder) if p.file.suffix == ".png"]


def fitted(folder: Path, weights: Path, table: pd.DataFrame) -> AttentionModel:
    return fit_attention_model(
        table, pictures_of(folder), model=NETWORK, weights=weights, longer=SIDE, folds=3, sigma_px=6.0
    )


@pytest.fixture(scope="module")
def model(folder: Path, weights: Path) -> AttentionModel:
    return fitted(folder, weights, pd.read_csv(folder / "fixations.csv"))


def test_it_finds_where_people_look_in_pictures_that_it_has_not_seen(model: AttentionModel) -> None:
    worth = model.facts["worth"]
    assert worth["pictures"] == COUNT
    assert worth["nss"]["value"] > worth["nss_centre"]["value"] + 1
    assert worth["nss"]["value"] > worth["nss_other"]["value"] + 1
    assert worth["viewers"]["low"] > 0.3
    assert worth["bits"]["low"] > 0.5
    assert min(np.diff(worth["curve"])) > -0.1, "more people predict less"
    assert 0 < worth["explained"]["value"] < 1.2


def test_fitted_to_other_pictures_fixations_it_is_the_centre_bias(folder: Path, weights: Path) -> None:
    table = pd.read_csv(folder / "fixations.csv")
    names = sorted(table["image"].unique())
    moved = table.assign(image=table["image"].map(dict(zip(names, names[5:] + names[:5], strict=True))))
    worth = fitted(folder, weights, moved).facts["worth"]
    assert abs(worth["nss"]["value"] - worth["nss_centre"]["value"]) < 0.35
    assert worth["bits"]["value"] < 0.15
    assert worth["viewers"]["value"] < 0.3


def test_a_file_predicts_what_the_model_predicts(model: AttentionModel, folder: Path, tmp_path: Path) -> None:
    model.save(tmp_path / "gaze.model")
    again = load_attention_model(tmp_path / "gaze.model")
    picture = cv2.imread(str(folder / "p03.png"))[..., ::-1].copy()
    amap = model.map(picture)
    assert amap.shape == (96, SIDE)
    assert amap.dtype == np.float32
    assert amap.sum() == pytest.approx(1, abs=1e-4)
    assert amap.min() > 0
    np.testing.assert_array_equal(again.map(picture), amap)
    tall = np.rot90(picture).copy()
    assert again.map(tall).shape == (SIDE, 96)
    content = torch.load(tmp_path / "gaze.model", weights_only=True)
    assert again.scales == model.scales == (1.0, 0.5)
    old = [d for d, path in enumerate(depths_of(model.network)) if not path.endswith(".0.bn1")]
    content["readout"] |= {name: [content["readout"][name][d] for d in old] for name in ("weights", "means", "scales")}
    del content["scales"], content["widened"]
    torch.save(content, tmp_path / "older.model")
    older = load_attention_model(tmp_path / "older.model")
    assert older.scales == (1.0,), "older models saw a picture once"
    assert older.map(picture).shape == (96, SIDE)
    (tmp_path / "other").write_bytes(b"no model")
    with pytest.raises(FormatError, match="is not a file of gazekit attention-model fit"):
        load_attention_model(tmp_path / "other")


def test_fit_and_apply_from_the_command_line(
    folder: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, options = tmp_path / "gaze.model", ["--size", str(SIDE), "--folds", "2", "--sigma-px", "6"]
    arguments = ["--pictures", str(folder), "--model", NETWORK, "--weights", str(weights), "--out", str(out), *options]
    run(["attention-model", "fit", str(folder / "fixations.csv"), *arguments])
    printed = capsys.readouterr().out
    assert "worth" in printed
    assert "viewers" in printed
    facts = json.loads((tmp_path / "gaze.model.json").read_text())
    assert facts["weights"]["file"] == str(weights)
    (tmp_path / "new").mkdir()
    for name in ("p00.png", "p01.png"):
        (tmp_path / "new" / name).write_bytes((folder / name).read_bytes())
    large = cv2.resize(cv2.imread(str(folder / "p02.png")), (400, 300))  # larger than the grid that regions lie on
    cv2.imwrite(str(tmp_path / "new" / "large.png"), large)
    (tmp_path / "new" / "bad.png").write_bytes(b"no picture")
    for mask in ("rectangle", "region", "patches"):
        place = tmp_path / mask
        run(["attention-model", "apply", str(out), str(tmp_path / "new"), "--out", str(place), "--mask", mask])
        told = capsys.readouterr().err
        assert "2 of 3 maps are no predictions, as the model was fitted on people's looks at p00.png, p01.png" in told
        assert "1 of 4 pictures are left out" in told
        table = pd.read_csv(place / "attention.csv")
        assert table["image"].tolist() == ["large.png", "p00.png", "p01.png"]
        assert (table["mass"] >= 0.7 - 1e-3).all()
        assert mask == "patches" or (table["kept_mass"] >= 0.7 - 1e-3).all()
        assert cv2.imread(str(place / "masked" / "large.png.png")).shape == (300, 400, 3)
        assert pd.read_csv(place / "left-out.csv")["image"].tolist() == ["bad.png"]
        stored = cv2.imread(str(place / "maps" / "p00.png.png"), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint16
        assert int(stored.max()) == 65535
        assert (place / "masked" / "p01.png.png").exists()
    run(["attention-model", "apply", str(out), str(tmp_path / "new"), "--out", str(tmp_path / "few"), "--maps-only"])
    assert [part.name for part in (tmp_path / "few").iterdir() if part.is_dir()] == ["maps"]
    assert pd.read_csv(tmp_path / "few" / "maps.csv")["image"].tolist() == ["large.png", "p00.png", "p01.png"]
    goes_on_where_it_was_stopped(load_attention_model(out), list_pictures(folder)[:5], tmp_path)


def goes_on_where_it_was_stopped(model: AttentionModel, pictures: list[Picture], place: Path) -> None:
    whole = write_predicted(model, pictures, place / "whole", MaskSpec())
    missing = [*pictures[:3], Picture("late.png", place / "late.png"), *pictures[3:]]
    calls: list[str] = []
    plain = AttentionModel.map

    def stops(self: AttentionModel, pixels: np.ndarray) -> np.ndarray:
        calls.append("map")
        if len(calls) == 4:
            raise KeyboardInterrupt
        return plain(self, pixels)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AttentionModel, "map", stops)
        with pytest.raises(KeyboardInterrupt):
            write_predicted(model, missing, place / "stopped", MaskSpec())
        with (place / "stopped" / "attention.part.jsonl").open("a") as log:
            log.write('["p03.png 12')  # killed in the middle of a line
        table = write_predicted(model, pictures, place / "stopped", MaskSpec())
    assert len(calls) == 4 + 2, "three pictures were done"
    pd.testing.assert_frame_equal(table, whole)
    files = sorted(file.relative_to(place / "whole") for file in (place / "whole").rglob("*") if file.is_file())
    for file in files:
        assert (place / "stopped" / file).read_bytes() == (place / "whole" / file).read_bytes()
    assert not (place / "stopped" / "attention.part.jsonl").exists()


def test_a_dataset_is_fitted_to_and_a_curve_tells_how_many_a_lab_needs(
    folder: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = np.random.default_rng(0).multinomial(9, [0.2] * 5, COUNT)
    ratings = pd.DataFrame(counts, columns=[f"c{k}" for k in range(1, 6)]).assign(
        image=[f"p{i:02}.png" for i in range(COUNT)]
    )
    spec = DatasetSpec(sigma_px=6.0, near_duplicates=None, conditions=("original", "human"))
    data = build_dataset(
        pictures_of(folder), pd.read_csv(folder / "fixations.csv"), ratings, tmp_path / "a.dataset.h5", spec
    )
    out = tmp_path / "gaze.model"
    fit = ["attention-model", "fit", str(data), "--model", NETWORK, "--weights", str(weights), "--size", str(SIDE)]
    run([*fit, "--folds", "3", "--learning-curve", "--out", str(out)])
    printed = capsys.readouterr().out
    assert "5 pictures" in printed
    assert "nine tenths of the bits of 12 pictures with 5 viewers come with" in printed
    curve = pd.read_csv(f"{out}.curve.csv", comment="#")
    assert curve["pictures"].tolist() == [5, 10, 12, 12, 12]
    assert curve["viewers"].tolist() == [5, 5, 5, 1, 2]
    assert curve["tested"].unique().tolist() == [6]
    assert (curve["worth_low"] <= curve["worth"]).all()
    assert curve["nss"][2] > curve["nss"][0] - 0.2
    facts = json.loads((tmp_path / "gaze.model.json").read_text())
    assert facts["pictures"] == COUNT
    assert facts["worth"]["nss"]["value"] > facts["worth"]["nss_network"]["value"]
    with pytest.raises(SystemExit) as stop:
        main([*fit, "--pictures", str(folder), "--out", str(out)])
    assert stop.value.code
    assert "has its own pictures, sigma and fixations" in capsys.readouterr().err


def run(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert not stop.value.code


def test_the_likelihood_has_its_maximum_where_the_gradient_vanishes() -> None:
    """Two channels, of which one is the logarithm of the density: its weight is found, the other's is nothing."""
    rng = torch.Generator().manual_seed(0)
    truth = torch.randn(12, 1, 6, 8, generator=rng)
    noise = torch.randn(12, 1, 6, 8, generator=rng)
    features = [[torch.cat([t, n]).half()] for t, n in zip(truth, noise, strict=True)]
    targets = [(1.5 * t[0]).flatten().softmax(0).reshape(6, 8) for t in truth]
    done = fit_readout(features, targets, folds=4)
    signal, other = done.readout.weights[0].tolist()
    assert signal == pytest.approx(1.5 * float(truth.std()), rel=0.05)
    assert abs(other) < 0.03
    assert float(done.readout.centre.abs().max()) < 0.1
    for grid, target in zip(done.maps, targets, strict=True):
        assert float(np.abs(np.exp(grid) - target.numpy()).max()) < 0.02


def test_worth_of_the_maps_of_people_themselves() -> None:
    """Maps of two people are worth two viewers; the centre bias is worth none."""
    rng, rows, sizes = np.random.default_rng(0), [], {}
    for i in range(40):
        places = rng.uniform(20, 180, (4, 2))
        sizes[f"p{i}"] = (200, 200)
        for person in range(9):
            spots = places[rng.integers(4, size=5)] + rng.normal(0, 4, (5, 2))
            rows += [(f"p{i}", f"v{person}", x, y, 200.0) for x, y in spots]
    table = pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])
    looks = viewings(table, sizes, sigma_px=8.0)
    judged = {image: viewing.without("v0", "v1") for image, viewing in looks.items()}
    flat = {image: np.full((50, 50), 1 / 2500, np.float32) for image in looks}
    two = worth_in_viewers(judged, {i: v.of("v0", "v1").map() for i, v in looks.items()}, flat, resamples=200)
    assert two.viewers.low < two.viewers.value < two.viewers.high
    assert 1.2 < two.viewers.value < 3
    none = worth_in_viewers(judged, flat, flat, resamples=50)
    assert none.viewers.value == 0
    assert none.bits.value == 0
    assert two.bits.value > 1
    with pytest.raises(InputError, match="0 pictures with 3 viewers or more"):
        worth_in_viewers({i: v.of("v0") for i, v in looks.items()}, flat, flat)


def test_features_that_are_no_numbers_are_refused(model: AttentionModel, folder: Path) -> None:
    strong = copy.deepcopy(model)
    for module in strong.network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data *= 1000.0
    with pytest.raises(InputError, match="features are not numbers of 16 bits"):
        strong.map(cv2.imread(str(folder / "p03.png")))


def test_maps_keep_their_mass_between_grids() -> None:
    density = np.log(attention_map([3.0], [2.0], size=(6, 8), sigma_px=1.0) + 1e-6)
    large = picture_map(density, (60, 80))
    assert large.sum() == pytest.approx(1, abs=1e-5)
    assert np.unravel_index(large.argmax(), large.shape) == pytest.approx((25, 35), abs=6)
    assert np.exp(blurred(density, 1.0)).sum() == pytest.approx(1, abs=1e-5)
    look = viewings(
        pd.DataFrame({"image": ["a"] * 2, "duration_ms": 200.0, "x_picture": [0.5, 79.9], "y_picture": [0.5, 59.9]}),
        {"a": (60, 80)},
        sigma_px=5,
    )["a"]
    shares = looked_at(look, (6, 8))
    assert shares[0, 0] == shares[5, 7] == 0.5


def test_a_picture_is_known_by_its_content(folder: Path, weights: Path, tmp_path: Path) -> None:
    """A copy under another name is in the fold of the first, and is no picture that nobody looked at."""
    table, pictures = pd.read_csv(folder / "fixations.csv"), pictures_of(folder)[:8]
    copies = [Picture(f"copy-{p.image}", tmp_path / f"copy-{p.image}") for p in pictures]
    for picture, twin in zip(pictures, copies, strict=True):
        twin.file.write_bytes(picture.file.read_bytes())
    options: dict[str, Any] = {"model": NETWORK, "weights": weights, "longer": SIDE, "folds": 4, "sigma_px": 6.0}
    once = fit_attention_model(table, pictures, **options)
    both = pd.concat([table, table.assign(image="copy-" + table["image"])])
    twice = fit_attention_model(both, [*pictures, *copies], **options, curve=True)
    assert (twice.facts["pictures"], twice.facts["different"]) == (16, 8)
    assert twice.facts["worth"]["nss"]["value"] < once.facts["worth"]["nss"]["value"] + 0.1
    assert max(point["pictures"] for point in twice.facts["curve"]) + 3 == 8
    cv2.imwrite(str(tmp_path / "p00.png"), np.zeros((40, 60, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "new.png"), np.zeros((40, 60, 3), np.uint8))
    write_predicted(once, list_pictures(tmp_path), tmp_path / "out", MaskSpec(), draw="maps")
    for file in ("maps.csv", "attention.csv"):
        written = pd.read_csv(tmp_path / "out" / file, comment="#").set_index("image")
        assert written["fitted_on"].drop(["p00.png", "new.png"]).all()
        assert written["fitted_on"]["p00.png"], "its name says so"
        assert not written["fitted_on"]["new.png"]
    listed = pd.read_csv(tmp_path / "out" / "maps.csv").set_index("image")["sha256"]
    assert listed["copy-p03.png"] == sha256(pictures[3].file)


def test_pictures_beside_and_curves_that_cannot_be_are_said(
    folder: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pd.read_csv(folder / "fixations.csv")
    table.loc[table["image"] == "p01.png", "x_picture"] = np.nan
    table.loc[table["image"] == "p02.png", "x_picture"] = 5000.0
    assert fitted(folder, weights, table).facts["beside"] == ["p02.png", "p01.png"]
    monkeypatch.setattr(attention_study, "dense_features", lambda *_: pytest.fail("features come after the check"))
    alone = table[table["participant"] == "v0"]
    for some, message in (
        (alone, "judged on 6 of them, which 3 people or more looked at; 0 are such"),
        (table[table["image"] < "p05"], "5 pictures that people looked at; a learning curve"),
    ):
        with pytest.raises(InputError, match=message):
            fit_attention_model(some, pictures_of(folder), model=NETWORK, weights=weights, sigma_px=6.0, curve=True)
