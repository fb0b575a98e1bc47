"""What masks are made of: one rectangle, patches, regions; controls of the same area for each."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest

from gazekit.conditions.making import lenders
from gazekit.core.checksum import sealed_file
from gazekit.core.errors import ConfigError, InputError
from gazekit.dataset import Dataset, DatasetSpec, build_dataset, open_dataset
from gazekit.dataset.subset_merge import merge, subset
from gazekit.pictures import Picture
from gazekit.shapes.mask_spec import MaskSpec
from gazekit.shapes.masks import apply_mask
from gazekit.shapes.packed import Regions, grid_shape, packed, unpacked
from gazekit.shapes.patches import best_patches
from gazekit.shapes.regions import connected_regions
from tests.fixtures.dataset_collection import Collection, made_up_ratings, same_rows

KINDS = {
    "rectangle": {"mask": "rectangle"},
    "patches": {"mask": "patches", "patches": 4, "patch_share": 0.25},
    "region": {"mask": "region", "share": 0.6},
    "area": {"mask": "region", "share": 0.15, "share_of": "area"},
}
CONTROLS = ("centre", "shuffled", "random")


@pytest.fixture(scope="module", params=[name for name in KINDS if name != "rectangle"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def path(kind: str, collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection.build(tmp_path_factory.mktemp(kind) / f"{kind}.dataset.h5", **KINDS[kind])


@pytest.fixture
def made(path: Path) -> Dataset:
    return open_dataset(path)


@pytest.fixture(scope="module")
def regions(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(collection.build(tmp_path_factory.mktemp("r") / "r.dataset.h5", **KINDS["region"]))


def test_the_kind_is_said(made: Dataset, kind: str) -> None:
    assert made.mask_kind == ("region" if kind == "area" else kind)
    said = made.provenance["parameters"]
    assert {name: said[name] for name in KINDS[kind]} == KINDS[kind]


def test_controls_keep_the_same_area_at_every_size(made: Dataset) -> None:
    for i in range(len(made)):
        for wanted in (None, (96, 96), (224, 224)):
            masks = {c: made.mask(i, c) if wanted is None else made._mask(i, c, wanted) for c in made.conditions}
            area = int(masks["human"].sum())
            assert 0 < area < 0.7 * masks["human"].size
            np.testing.assert_array_equal(masks["human-removed"], ~masks["human"])
            for control in CONTROLS:
                apart = abs(int(masks[control].sum()) - area)
                assert apart <= (0 if made.mask_kind == "region" else 4 * sum(masks[control].shape)), control
                assert not np.array_equal(masks[control], masks["human"])


@pytest.mark.parametrize("kind", ["rectangle", "patches", "region"], indirect=True)
def test_controls_keep_exactly_as_much_at_the_size_that_is_read(made: Dataset) -> None:
    for i in range(len(made)):
        for wanted in ((64, 64), (32, 48), (100, 100)):
            areas = {c: int(made._mask(i, c, wanted).sum()) for c in ("human", *CONTROLS)}
            assert len(set(areas.values())) == 1, areas


@pytest.mark.parametrize("kind", ["rectangle", "patches", "region"], indirect=True)
def test_it_is_the_mask_of_gazekit_attention_and_holds_its_share(
    made: Dataset, kind: str, collection: Collection, tmp_path: Path
) -> None:
    from gazekit.attention.export import Options, write_attention

    chosen = {"rectangle": {}, "patches": {"patches": 4, "patch_share": 0.25}, "region": {"share": 0.6}}[kind]
    options = Options(mask=kind, sigma_px=12.0, **chosen)  # type: ignore[arg-type]
    table = write_attention(collection.fixations, collection.pictures, tmp_path, options, agree=False)
    for row in table.itertuples():
        i = made.index(row.image)
        mask, whole = made.mask(i, "human"), made.picture(i)
        shown = cv2.imread(str(tmp_path / "masked" / f"{row.file}.png"))[..., ::-1]
        np.testing.assert_array_equal(shown, apply_mask(whole, mask))
        assert kind == "patches" or made.viewing(i).map()[mask].sum() >= options.share - 1e-6


def test_what_is_read_is_the_picture_under_its_mask(made: Dataset) -> None:
    for condition in ("human", "human-removed", "shuffled"):
        whole, mask = made.read(7, size=96), made._mask(7, condition, (96, 96))
        for fill, soft_px in (("black", 0.0), ("mean", 0.0), ("blur", 5.0), ("foveated", 3.0)):
            found = made.read(7, condition, 96, fill=fill, soft_px=soft_px)  # type: ignore[arg-type]
            np.testing.assert_array_equal(found, apply_mask(whole, mask, fill, soft_px))  # type: ignore[arg-type]
        soft = made.batch([7], condition, 96, soft_px=6.0)[0]
        np.testing.assert_array_equal(soft[mask], whole[mask])
        assert 0 < (soft[~mask] > 0).mean() < 1, "a soft edge fades in outside the mask"


def test_two_builds_are_byte_identical(collection: Collection, path: Path, kind: str, tmp_path: Path) -> None:
    again = collection.build(tmp_path / "again.dataset.h5", workers=2, **KINDS[kind])
    assert again.read_bytes() == path.read_bytes()


def test_shards_hold_the_same_masks(collection: Collection, made: Dataset, kind: str, tmp_path: Path) -> None:
    many = open_dataset(collection.build(tmp_path / "s.dataset.h5", shard=15, **KINDS[kind]))
    assert many.shards == 3
    for i in range(len(made)):
        for condition in made.conditions:
            np.testing.assert_array_equal(many.mask(i, condition), made.mask(i, condition))


def test_subsets_and_merged_sets_keep_their_masks(made: Dataset, tmp_path: Path) -> None:
    first = open_dataset(subset(made, range(0, 25), tmp_path / "a.h5"))
    second = open_dataset(subset(made, range(25, 40), tmp_path / "b.h5", shard=6))
    both = open_dataset(merge([second, first], tmp_path / "m.h5"))
    assert first.mask_kind == both.mask_kind == made.mask_kind
    for some, rows in ((first, [*range(25)]), (both, [*range(25, 40), *range(25)])):
        same_rows(some, made, rows)
        for n, i in enumerate(rows):
            np.testing.assert_array_equal(some.mask(n, "random"), made.mask(i, "random"))


def test_masks_of_different_kinds_are_not_merged(dataset: Dataset, regions: Dataset, tmp_path: Path) -> None:
    first = open_dataset(subset(dataset, range(10), tmp_path / "a.h5"))
    second = open_dataset(subset(regions, range(10, 20), tmp_path / "b.h5"))
    with pytest.raises(InputError, match="different things: rectangle, region; build them alike"):
        merge([first, second], tmp_path / "m.h5")


def test_sets_of_three_and_of_five_patches_are_merged(collection: Collection, tmp_path: Path) -> None:
    sets = []
    for n, patches in enumerate((3, 5)):
        part = Collection(collection.pictures[n::2], collection.fixations, collection.histograms[n::2])
        sets.append(open_dataset(part.build(tmp_path / f"{n}.h5", mask="patches", patches=patches)))
    both = open_dataset(merge(sets, tmp_path / "m.h5"))
    assert both.masks("human").boxes.shape == (40, 5, 4)  # type: ignore[union-attr]
    for n in (0, 19, 20, 39):
        np.testing.assert_array_equal(both.mask(n, "shuffled"), sets[n // 20].mask(n % 20, "shuffled"))


def test_patches_are_the_best_of_the_map_and_lie_apart(collection: Collection, tmp_path: Path) -> None:
    made = open_dataset(collection.build(tmp_path / "p.h5", **KINDS["patches"]))
    for i in range(len(made)):
        height, width = made.size(i)
        best = best_patches(made.viewing(i).map(), 4, (round(0.25 * height), round(0.25 * width)))
        np.testing.assert_array_equal(made.rectangles(i, "human"), best)
        for condition in ("human", "random"):
            for a, b in combinations(made.rectangles(i, condition).tolist(), 2):
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]
        assert len(made.rectangles(i, "centre")) == 1


def test_a_region_holds_its_share_at_full_size_and_hardly_more(regions: Dataset) -> None:
    bits = regions.masks("human").bits  # type: ignore[union-attr]
    for i in range(len(regions)):
        region, amap = unpacked(bits[i], regions.size(i)), regions.viewing(i).map()
        assert 0.6 <= amap[regions.mask(i, "human")].sum() + 1e-6 < 0.62
        coarse = cv2.resize(amap, region.shape[::-1], interpolation=cv2.INTER_AREA)
        assert coarse[region].min() >= coarse[~region].max() - 1e-12
        np.testing.assert_array_equal(packed(region, len(bits[i])), bits[i])


def test_a_regions_rectangles_surround_its_parts(regions: Dataset) -> None:
    several = 0
    for i in range(len(regions)):
        condition = ("human", "random")[i % 2]
        mask, boxes = regions.mask(i, condition), regions.rectangles(i, condition)
        several += len(boxes) > 1
        assert [list(part.box) for part in connected_regions(mask, mask)] == boxes.tolist()
        inside = np.zeros_like(mask)
        for top, left, bottom, right in boxes:
            inside[top:bottom, left:right] = True
        assert not (mask & ~inside).any()
    assert several, "what leaves on one side enters on the other"


def test_regions_of_a_share_of_the_area(collection: Collection, tmp_path: Path) -> None:
    made = open_dataset(collection.build(tmp_path / "a.h5", **KINDS["area"]))
    shares = [made.mask(i, condition).mean() for i in range(40) for condition in ("human", *CONTROLS)]
    np.testing.assert_allclose(shares, 0.15, atol=1e-4)
    rectangles = open_dataset(collection.build(tmp_path / "b.h5", share=0.15, share_of="area"))
    shares = [rectangles.mask(i, "human").mean() for i in range(40)]
    np.testing.assert_allclose(shares, 0.15, atol=0.02)


def test_masks_are_small(collection: Collection, dataset: Dataset, regions: Dataset) -> None:
    with h5py.File(regions.path) as file:
        stored = sum(file[f"mask/{c}"].id.get_storage_size() for c in ("human", *CONTROLS))
        assert file["mask/human"].id == file["mask/human-removed"].id, "the same region is not stored twice"
    assert stored / (4 * len(regions)) < 400, "bytes a mask"


def test_pictures_that_nobody_looked_at_have_no_mask(collection: Collection, tmp_path: Path) -> None:
    fixations = collection.fixations[collection.fixations["image"] != "p003.jpg"]
    for name, options in KINDS.items():
        part = Collection(collection.pictures, fixations, collection.histograms)
        made = open_dataset(part.build(tmp_path / f"{name}.h5", **options))
        assert not made.mask(3, "human").any()
        assert made.mask(3, "human-removed").all()
        assert made.rectangles(3, "shuffled").shape == (0, 4)


def test_conditions_are_chosen_and_broken_parts_have_none(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("no picture")  # a shard of its own, without a picture
    pictures = [Picture("a.jpg", tmp_path / "a.jpg"), *collection.pictures]
    ratings = made_up_ratings([p.image for p in pictures])
    part = Collection(pictures, collection.fixations, ratings)
    whole = open_dataset(part.build(tmp_path / "w.h5", mask="region", shard=1))
    assert len(whole) == 40
    for conditions in (("human-removed",), ("shuffled",), ("random", "human")):
        made = open_dataset(part.build(tmp_path / "d.h5", mask="region", conditions=("original", *conditions)))
        assert set(made.conditions[1:]) == set(conditions)
        for condition in conditions:
            np.testing.assert_array_equal(made.mask(5, condition), whole.mask(5, condition))


def test_who_lends_to_whom() -> None:
    ids, group = [f"p{n}" for n in range(30)], np.arange(30) // 3
    counts = np.array([n % 4 for n in range(30)])
    lender = lenders("shuffled", counts, ids, group, seed=0)
    for i in np.flatnonzero(counts):
        assert group[lender[i]] != group[i]
        assert counts[lender[i]] >= counts[i]
    counts[5:] = 0
    counts[0] = 3
    assert counts[lenders("shuffled", counts, ids, group, seed=0)[0]] > 0, (
        "the only one with three borrows from one with fewer"
    )


def test_a_picture_with_more_patches_than_any_other_keeps_its_area(collection: Collection, tmp_path: Path) -> None:
    fixations = collection.fixations.copy()
    alone = fixations["image"] != "p000.jpg"  # all others: one place, two patches at most
    first = fixations.groupby("image")[["x_picture", "y_picture"]].transform("first")
    fixations.loc[alone, ["x_picture", "y_picture"]] = first[alone]
    part = Collection(collection.pictures, fixations, collection.histograms)
    made = open_dataset(part.build(tmp_path / "p.h5", mask="patches", patches=8, patch_share=0.25, sigma_px=2.0))
    counts = [len(made.rectangles(i, "human")) for i in range(40)]
    assert counts[0] > max(counts[1:])
    area, shuffled = made.mask(0, "human").sum(), made.mask(0, "shuffled").sum()
    assert shuffled == pytest.approx(area, rel=0.05)


def test_the_first_datasets_still_open(built: Path, tmp_path: Path) -> None:
    """Those were written before there was another kind than one rectangle a picture, and did not keep the fovea."""
    old = tmp_path / "old.dataset.h5"
    with h5py.File(built, "r") as source, sealed_file(old) as target:
        for name in source:
            source.copy(name, target)
        target.attrs.update(dict(source.attrs))
        assert target["mask"].attrs["kind"] == "rectangle"
        del target["mask"].attrs["kind"], target["attention/sigma_px"]
    now, then = open_dataset(built), open_dataset(old)
    assert then.mask_kind == "rectangle"
    assert (then.sigma_px == now.sigma_px).all()
    same_rows(then, now, list(range(len(now))))
    kept = open_dataset(subset(then, range(8), tmp_path / "s.h5"))
    np.testing.assert_array_equal(kept.mask(5, "random"), now.mask(5, "random"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask": "boxes"}, "mask: should be 'rectangle', 'patches' or 'region', found 'boxes'"),
        (
            {"mask": "patches", "patches": 9, "patch_share": 0.3},
            "9 patches of 0.3 .* cover 81% .* at most 50%",
        ),
        ({"mask": "patches", "share_of": "area"}, "follows from their number and size"),
        ({"mask": "region", "share": 1.2}, "share: should be less than or equal to 1, found 1.2"),
    ],
)
def test_masks_that_make_no_sense_are_refused(
    collection: Collection, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises((ConfigError, InputError), match=message):
        collection.build(tmp_path / "d.h5", **options)
    assert not (tmp_path / "d.h5").exists()


def test_regions_given_by_hand(dataset: Dataset) -> None:
    grid = [grid_shape(dataset.size(i), 16) for i in range(40)]
    bits = np.stack([packed(np.tri(*shape, dtype=bool), 16) for shape in grid])
    view = dataset.with_regions("lower-left", bits)
    assert isinstance(view.masks("lower-left"), Regions)
    mask = view.mask(3, "lower-left")
    assert mask.mean() == pytest.approx(np.tri(*grid[3]).mean(), abs=1e-3)
    assert mask[-1, 0]
    assert not mask[0, -1]
    with pytest.raises(InputError, match=r"uint8 of the shape \(40, side, side / 8\); found uint8 \(40, 16, 4\)"):
        dataset.with_regions("wrong", np.zeros((40, 16, 4), np.uint8))


def test_without_fixations_there_are_no_masks_of_any_kind(collection: Collection, tmp_path: Path) -> None:
    made = open_dataset(
        build_dataset(collection.pictures, None, collection.histograms, tmp_path / "d.h5", DatasetSpec(mask="region"))
    )
    assert made.conditions == ("original",)
    assert made.mask(0, "original").all()


def test_the_rule_in_a_study_file_and_as_options(collection: Collection, tmp_path: Path) -> None:
    from gazekit.study import dataset_inputs, read_study

    collection.fixations.to_csv(tmp_path / "f.csv", index=False)
    collection.histograms.to_csv(tmp_path / "r.csv", index=False)
    rows = [(p.image, str(p.file)) for p in collection.pictures]
    pd.DataFrame(rows, columns=["image", "file"]).to_csv(tmp_path / "p.csv", index=False)
    study = tmp_path / "study.toml"
    study.write_text(
        '[study]\nname = "s"\n[screen]\nwidth_px = 1920\nheight_px = 1080\nwidth_mm = 527\nheight_mm = 296\n'
        'distance_mm = 630\n[pictures]\nlist = "p.csv"\n[attention]\nmask = "patches"\npatches = 2\npatch_share = 0.3\n'
        '[dataset]\nout = "d.dataset.h5"\nfixations = "f.csv"\nratings = "r.csv"\nsigma_px = 12\n'
    )
    made = open_dataset(dataset_inputs(study).build())
    assert (made.mask_kind, made.rectangles(0, "human").shape) == ("patches", (2, 4))
    other = open_dataset(
        dataset_inputs(study).build(tmp_path / "o.h5", {"mask": "region", "share_of": "area", "share": 0.2})
    )
    assert other.mask(4, "centre").mean() == pytest.approx(0.2, abs=1e-3)
    study.write_text(study.read_text().replace('"patches"', '"patch"'))
    with pytest.raises(ConfigError, match="mask"):
        read_study(study)


def test_region_masks_are_exported(regions: Dataset, tmp_path: Path) -> None:
    import tarfile

    from gazekit.dataset.export import MaskStyle, export_folder, export_webdataset, masked

    look = MaskStyle("blur", 4.0)
    out = export_folder(regions, tmp_path / "f", [2, 9], conditions=["human"], look=look)
    stored = cv2.imread(str(out / "masks" / "shuffled" / "p009.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(stored == 255, regions.mask(9, "shuffled"))
    assert not (out / "rectangles.csv").exists()
    pixels = cv2.imread(str(out / "masked" / "human" / "p009.png"))[..., ::-1]
    np.testing.assert_array_equal(pixels, masked(regions, 9, "human", look))
    (tar,) = export_webdataset(regions, tmp_path / "w.tar", [9], conditions=("original", "human"), look=look)
    with tarfile.open(tar) as archive:
        assert archive.getnames() == [f"000009.{k}" for k in ("jpg", "human.png", "human.mask.png", "json")]
        content = archive.extractfile("000009.human.mask.png").read()  # type: ignore[union-attr]
        facts = json.loads(archive.extractfile("000009.json").read())  # type: ignore[union-attr]
    mask = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(mask == 255, regions.mask(9, "human"))
    assert (facts["viewers"], "rectangles" in facts) == (4, False)


def test_a_small_picture_has_a_grid_of_its_own_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pictures, rows = [], []
    for n in range(4):
        file = tmp_path / f"s{n}.png"
        cv2.imwrite(str(file), rng.integers(0, 255, (20 + n, 30, 3), dtype=np.uint8))
        pictures.append(Picture(file.name, file))
        rows += [(file.name, "a", x, y, 200.0) for x, y in rng.uniform(5, 15, (5, 2))]
    fixations = pd.DataFrame(rows, columns=["image", "participant", "x_picture", "y_picture", "duration_ms"])
    ratings = made_up_ratings([p.image for p in pictures])
    made = open_dataset(
        build_dataset(pictures, fixations, ratings, tmp_path / "d.h5", DatasetSpec(sigma_px=2.0, mask="region"))
    )
    rule = MaskSpec("region")
    for i in range(4):
        np.testing.assert_array_equal(made.mask(i, "human"), rule.region(made.human_map(i)))
