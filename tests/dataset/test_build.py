"""Building: what is in the file, that it repeats, and what is refused."""

from __future__ import annotations

import hashlib
import sys
import threading
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest

import gazekit.dataset
from gazekit.attention import attended_rectangle
from gazekit.conditions import default_names
from gazekit.core.errors import ConfigError, FormatError, GazekitError, InputError
from gazekit.dataset import Dataset, DatasetSpec, build_dataset, open_dataset
from gazekit.dataset.build import digest
from gazekit.dataset.layout import kept_outside, write_outside
from gazekit.dataset.shard_jobs import work_folder
from gazekit.pictures import Picture, read_picture
from tests.fixtures.dataset_collection import Collection, made_up_ratings


def test_the_original_bytes_are_kept_whole(dataset: Dataset, collection: Collection) -> None:
    for i, picture in enumerate(collection.pictures):
        assert dataset.encoded(i) == picture.file.read_bytes()
    np.testing.assert_array_equal(dataset.picture(3), read_picture(collection.pictures[3].file))


def test_ratings_are_kept_as_counts(dataset: Dataset, collection: Collection) -> None:
    table = collection.histograms.set_index("image").loc[dataset.ids]
    np.testing.assert_array_equal(dataset.counts, table.to_numpy())
    scores = np.arange(1, 11)
    np.testing.assert_allclose(dataset.mean, (table.to_numpy() * scores).sum(axis=1) / 12)


def test_the_human_rectangle_is_the_smallest_with_its_share_of_the_map(dataset: Dataset) -> None:
    for i in range(len(dataset)):
        assert dataset.human_map(i).sum() == pytest.approx(1, abs=1e-5)
        amap = dataset.viewing(i).map()
        assert amap[dataset.mask(i, "human")].sum() >= 0.7 - 1e-6
        np.testing.assert_array_equal(dataset.rectangles(i, "human")[0], attended_rectangle(amap, 0.7))


def test_the_mask_is_where_people_looked(dataset: Dataset, collection: Collection) -> None:
    for i, image in enumerate(dataset.ids):
        looks = collection.fixations[collection.fixations["image"] == image]
        rows, columns = looks["y_picture"].to_numpy(int), looks["x_picture"].to_numpy(int)
        inside = dataset.mask(i, "human")[rows, columns] @ looks["duration_ms"] / looks["duration_ms"].sum()
        assert inside > 0.6
        assert inside > 2 * dataset.mask(i, "human").mean()


def test_controls_keep_the_same_area(dataset: Dataset) -> None:
    for i in range(len(dataset)):
        area = dataset.mask(i, "human").sum()
        for condition in ("centre", "shuffled", "random"):
            top, left, bottom, right = dataset.rectangles(i, condition)[0]
            assert abs(dataset.mask(i, condition).sum() - area) <= max(bottom - top, right - left)
    removed = dataset.mask(5, "human-removed")
    np.testing.assert_array_equal(removed, ~dataset.mask(5, "human"))


def test_shuffled_borrows_from_another_picture(dataset: Dataset) -> None:
    same = [
        np.array_equal(dataset.rectangles(i, "shuffled"), dataset.rectangles(i, "human")) for i in range(len(dataset))
    ]
    assert not any(same)


def test_two_builds_are_byte_identical(collection: Collection, built: Path, tmp_path: Path) -> None:
    again = collection.build(tmp_path / "again.dataset.h5", cache=96, workers=2)
    assert again.read_bytes() == built.read_bytes()
    assert not work_folder(again).exists()


def test_nobody_who_looks_on_changes_the_bytes(collection: Collection, built: Path, tmp_path: Path) -> None:
    """A profiler, as Dask's workers have one, holds on to frames, and with them to columns that are written."""
    held, done = [], threading.Event()

    def look_on() -> None:
        while not done.wait(0.001):
            held.append(list(sys._current_frames().values()))

    onlooker = threading.Thread(target=look_on)
    onlooker.start()
    try:
        out = collection.build(tmp_path / "d.h5", cache=96)
    finally:
        done.set()
        onlooker.join()
    assert len(held) > 20
    assert out.read_bytes() == built.read_bytes()


def test_the_order_of_the_inputs_does_not_matter(collection: Collection, built: Path, tmp_path: Path) -> None:
    shuffled = Collection(collection.pictures[::-1], collection.fixations, collection.histograms)
    assert shuffled.build(tmp_path / "d.h5", cache=96).read_bytes() == built.read_bytes()


def test_another_seed_gives_other_splits_and_controls(collection: Collection, dataset: Dataset, tmp_path: Path) -> None:
    other = open_dataset(collection.build(tmp_path / "d.h5", cache=96, seed=1))
    assert not np.array_equal(other.indices("train"), dataset.indices("train"))
    assert not np.array_equal(other.rectangles(0, "random"), dataset.rectangles(0, "random"))
    np.testing.assert_array_equal(other.rectangles(0, "human"), dataset.rectangles(0, "human"))


def test_provenance_names_parameters_and_inputs(dataset: Dataset, collection: Collection) -> None:
    record = dataset.provenance
    assert record["schema"] == "gazekit.dataset/1"
    assert record["parameters"]["share"] == 0.7
    assert record["parameters"]["seed"] == 0
    assert record["inputs"] == {
        "ratings": digest(collection.histograms),
        "fixations": digest(collection.fixations),
    }
    changed = collection.histograms.copy()
    changed.loc[5, "c3"] += 1
    assert digest(changed) != digest(collection.histograms)
    assert digest(changed.assign(image=changed["image"].str.upper())) != digest(changed)
    with h5py.File(dataset.path) as file:
        stored = [digest.decode() for digest in file["image/sha256"]]
    assert stored == [hashlib.sha256(p.file.read_bytes()).hexdigest() for p in collection.pictures]


def test_pictures_with_few_ratings_or_viewers_are_marked_and_left_out(collection: Collection, tmp_path: Path) -> None:
    histograms = collection.histograms.copy()
    histograms.loc[0, "c1":"c10"] = 0
    histograms.loc[1, "c1":"c10"] = [1] * 9 + [0]
    fixations = collection.fixations
    fixations = fixations[(fixations["image"] != "p002.jpg") | (fixations["participant"] == "v0")]
    fixations = fixations[fixations["image"] != "p003.jpg"]
    part = Collection(collection.pictures, fixations, histograms)
    dataset = open_dataset(part.build(tmp_path / "a.h5", min_viewers=2))
    used = np.concatenate([dataset.indices(s) for s in ("train", "validation", "test")])
    assert len(used) == 36
    assert not {0, 1, 2, 3} & set(used.tolist())
    said = dict(zip(dataset.remarks["image"], dataset.remarks["text"], strict=True))
    assert said["p001.jpg"] == "9 ratings; 10 were asked for"
    assert said["p002.jpg"] == "1 viewer; 2 were asked for"
    assert dataset.rectangles(3, "human").shape == (0, 4)
    with pytest.raises(InputError, match=r"nobody looked at p003\.jpg"):
        dataset.human_map(3)
    everything = open_dataset(part.build(tmp_path / "b.h5", min_viewers=2, include_marked=True))
    used = np.concatenate([everything.indices(s) for s in ("train", "validation", "test")])
    assert sorted(set(range(40)) - set(used.tolist())) == [0, 3], "nobody rated the one and looked at the other"


def test_without_fixations_the_only_condition_is_the_original(collection: Collection, tmp_path: Path) -> None:
    path = build_dataset(collection.pictures, None, collection.histograms, tmp_path / "d.h5")
    dataset = open_dataset(path)
    assert dataset.conditions == ("original",)
    assert sum(len(dataset.indices(s)) for s in ("train", "validation", "test")) == 40


def test_sigma_comes_from_the_degrees_of_the_fixations(collection: Collection, tmp_path: Path) -> None:
    fixations = collection.fixations.copy()
    far = 12 / (2 * np.tan(np.radians(0.5)))  # so that a degree about the centre is 12 pixels
    fixations["x_deg"] = np.degrees(np.arctan2(fixations["x_picture"] - 64, far))
    degrees = Collection(collection.pictures, fixations, collection.histograms)
    a = open_dataset(degrees.build(tmp_path / "a.h5", sigma_px=None))
    b = open_dataset(collection.build(tmp_path / "b.h5"))
    np.testing.assert_allclose(a.human_map(7), b.human_map(7), atol=1e-6)
    for one in (a, b):
        np.testing.assert_allclose(one.sigma_px, 12.0, rtol=1e-4)
    with pytest.raises(ConfigError, match=r"no x_deg.*sigma_px"):
        collection.build(tmp_path / "c.h5", sigma_px=None)


def bad_picture(collection: Collection, tmp_path: Path, content: bytes) -> list[Picture]:
    file = tmp_path / "p999.jpg"
    file.write_bytes(content)
    return [*collection.pictures, Picture(file.name, file)]


@pytest.mark.parametrize(
    ("content", "remark", "text"),
    [
        (b"this is no picture", "broken", r"p999\.jpg is not a picture.*18 bytes"),
        (b"", "broken", "empty"),
        (None, "missing", r"no such file: p999\.jpg"),
    ],
    ids=["text", "empty", "missing"],
)
def test_a_bad_picture_is_named_and_the_rest_goes_on(
    collection: Collection, tmp_path: Path, content: bytes | None, remark: str, text: str
) -> None:
    pictures = bad_picture(collection, tmp_path, content or b"")
    if content is None:
        pictures[-1].file.unlink()
    histograms = made_up_ratings([p.image for p in pictures])
    out = tmp_path / "d.dataset.h5"
    dataset = open_dataset(build_dataset(pictures, None, histograms, out))
    assert len(dataset) == 40
    row = dataset.remarks[dataset.remarks["image"] == "p999.jpg"].iloc[0]
    assert row["remark"] == remark
    assert pd.Series([row["text"]]).str.contains(text).all()
    with pytest.raises(FormatError, match=f"1 picture cannot be used: p999.jpg .{remark}"):
        build_dataset(pictures, None, histograms, tmp_path / "strict.h5", DatasetSpec(strict=True))
    assert not (tmp_path / "strict.h5").exists()


def refused(collection: Collection, tmp_path: Path, case: str) -> None:
    pictures, fixations, histograms = collection.pictures, collection.fixations, collection.histograms
    out = tmp_path / "d.dataset.h5"
    options = {"sigma_px": 12.0}
    if case == "unknown":
        histograms = pd.concat([histograms, made_up_ratings(["stranger.jpg"])])
        options["strict"] = True
    elif case == "scale":
        options["scale"] = 7
    elif case == "one bucket":
        histograms = histograms[["image", "c1"]]
    elif case == "no pictures":
        pictures = []
    elif case == "none readable":
        (tmp_path / "x.jpg").write_text("x")
        pictures, histograms, fixations = [Picture("x", tmp_path / "x.jpg")], made_up_ratings(["x"]), None
    elif case == "elsewhere":
        fixations = fixations.assign(image="other.jpg")
    elif case == "columns":
        fixations = fixations.drop(columns=["duration_ms", "x_picture"])
    elif case == "split":
        options["split"] = (0.5, 0.5)
    elif case == "condition":
        options["conditions"] = ("original", "humans")
    build_dataset(pictures, fixations, histograms, out, DatasetSpec(**options))


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("unknown", r"1 of 41 rated pictures are not in the list of pictures: stranger\.jpg"),
        ("scale", r"10 buckets .c1 \.\. c10.; a scale of 7 was expected"),
        ("one bucket", "K of 2 or more; found c1"),
        ("no pictures", "at least one picture"),
        ("none readable", "1 picture cannot be used: x .broken"),
        ("elsewhere", r"none of the fixations is on a picture of the list; they are on other\.jpg"),
        ("columns", "lacks x_picture, duration_ms"),
        ("split", "three shares"),
        ("condition", "unknown condition 'humans'; did you mean human"),
    ],
)
def test_wrong_input_is_refused_and_leaves_nothing(
    collection: Collection, tmp_path: Path, case: str, message: str
) -> None:
    with pytest.raises(GazekitError, match=message):
        refused(collection, tmp_path, case)
    assert not (tmp_path / "d.dataset.h5").exists()


def test_every_condition_is_named_in_the_file(built: Path) -> None:
    with h5py.File(built) as file:
        assert set(file["mask"]) == set(default_names()[1:])
        assert file.attrs["scale"] == 10


def test_names_that_the_room_does_not_have() -> None:
    with pytest.raises(AttributeError, match=r"module 'gazekit\.dataset' has no attribute 'Datset'"):
        _ = gazekit.dataset.Datset


def test_conditions_that_keep_what_lies_outside_are_said_where_old_files_would_not_have_them(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "d.h5", "w") as file:
        for name, said in (("old", ["human-removed"]), ("new", ["human-removed", "predicted-removed"])):
            masks = file.create_group(name)
            write_outside(masks, said)
            assert ("outside" in masks.attrs) == (name == "new")
            assert kept_outside(masks) == tuple(said)
