"""Reading: masked pictures, views, workers, and files that are not what they were."""

from __future__ import annotations

import pickle
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest

from gazekit.core.errors import FormatError, GazekitError, InputError
from gazekit.dataset import Dataset, open_dataset
from tests.fixtures.dataset_collection import Collection


@pytest.fixture(scope="module")
def sharded(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return collection.build(tmp_path_factory.mktemp("sharded") / "s.dataset.h5", shard=15)


@pytest.mark.parametrize("size", [64, 224, (48, 80)], ids=str)
def test_a_masked_picture_is_black_outside_the_patch(dataset: Dataset, size: int | tuple[int, int]) -> None:
    whole, masked = dataset.read(4, "original", size), dataset.read(4, "human", size)
    shape = (size, size) if isinstance(size, int) else size
    assert masked.shape == (*shape, 3)
    assert masked.dtype == np.uint8
    height, width = dataset.sizes[4]
    top, left, bottom, right = dataset.rectangles(4, "human")[0]
    rows = slice(round(top * shape[0] / height), round(bottom * shape[0] / height))
    columns = slice(round(left * shape[1] / width), round(right * shape[1] / width))
    np.testing.assert_array_equal(masked[rows, columns], whole[rows, columns])
    assert int(masked.sum()) == int(whole[rows, columns].sum())


@pytest.mark.parametrize("fill", ["mean", "blur", "foveated"])
def test_other_fills_go_through(dataset: Dataset, fill: str) -> None:
    whole = dataset.read(2, size=64)
    mask = dataset.read(2, "human", size=64) != 0
    filled = dataset.read(2, "human", size=64, fill=fill)  # type: ignore[arg-type]
    kept = mask.any(axis=2)
    np.testing.assert_array_equal(filled[kept], whole[kept])
    assert (filled[~kept] != 0).any()


def test_resizing_is_near_to_an_antialiased_resize(collection: Collection, tmp_path: Path) -> None:
    from PIL import Image

    dataset = open_dataset(collection.build(tmp_path / "d.h5"))
    for i in range(8):
        expected = Image.fromarray(dataset.picture(i)).resize((60, 60), Image.Resampling.BILINEAR)
        apart = np.abs(dataset.read(i, size=60).astype(int) - np.asarray(expected).astype(int))
        assert apart.mean() < 4


def test_a_batch_is_its_pictures(dataset: Dataset) -> None:
    batch = dataset.batch([3, 1], "centre", size=32)
    assert batch.shape == (2, 32, 32, 3)
    np.testing.assert_array_equal(batch[1], dataset.read(1, "centre", 32))
    assert dataset.batch([], size=32).shape == (0, 32, 32, 3)


def test_shards_hold_the_same_pictures_as_one_file(sharded: Path, dataset: Dataset) -> None:
    many = open_dataset(sharded)
    assert many.shards == 3
    assert many.ids == dataset.ids
    for i in (0, 14, 15, 39):
        assert many.encoded(i) == dataset.encoded(i)
        np.testing.assert_array_equal(many.human_map(i), dataset.human_map(i))
        np.testing.assert_array_equal(many.mask(i, "shuffled"), dataset.mask(i, "shuffled"))
    assert many.fixations.equals(dataset.fixations)
    np.testing.assert_array_equal(many.indices("test"), dataset.indices("test"))


def test_fixations_come_back(dataset: Dataset, collection: Collection) -> None:
    table = dataset.fixations
    expected = collection.fixations
    assert table["image"].tolist() == expected["image"].tolist()
    assert table["participant"].tolist() == expected["participant"].tolist()
    np.testing.assert_allclose(table["x_picture"], expected["x_picture"], rtol=1e-6)


def _read_some(dataset: Dataset, indices: list[int]) -> list[int]:
    return [int(dataset.read(i, "human", 48).sum()) for i in indices]


@pytest.mark.parametrize("kind", ["one file", "shards"])
def test_workers_read_at_random(built: Path, sharded: Path, kind: str) -> None:
    dataset = open_dataset(built if kind == "one file" else sharded)
    order = np.random.default_rng(0).permutation(len(dataset)).tolist()
    expected = _read_some(dataset, order)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        halves = list(pool.map(_read_some, [dataset, dataset], [order[:20], order[20:]]))
    assert halves[0] + halves[1] == expected


def test_a_pickled_dataset_is_small_and_reads_the_same(dataset: Dataset) -> None:
    dataset.read(0)
    data = pickle.dumps(dataset)
    assert len(data) < 2000
    np.testing.assert_array_equal(pickle.loads(data).read(5, "random"), dataset.read(5, "random"))


def test_one_more_condition_by_its_rectangles(dataset: Dataset) -> None:
    boxes = np.tile([2, 3, 50, 60], (len(dataset), 1, 1))
    view = dataset.with_rectangles("synthetic-m", boxes)
    assert view.conditions == (*dataset.conditions, "synthetic-m")
    assert "synthetic-m" not in dataset.conditions
    assert view.mask(7, "synthetic-m").sum() == 48 * 57
    again = pickle.loads(pickle.dumps(view))
    np.testing.assert_array_equal(again.rectangles(7, "synthetic-m"), [[2, 3, 50, 60]])
    whole, masked = dataset.read(7, size=100), view.read(7, "synthetic-m", size=100)
    height, width = dataset.sizes[7]
    inside = (slice(round(200 / height), round(5000 / height)), slice(round(300 / width), round(6000 / width)))
    assert int(masked.sum()) == int(whole[inside].sum())


@pytest.mark.parametrize(
    ("boxes", "name", "message"),
    [
        (np.zeros((3, 1, 4)), "s", r"shape \(40, k, 4\); found \(3, 1, 4\)"),
        (np.tile([0, 0, 9999, 10], (40, 1)), "s", r"leave the picture.*p000\.jpg"),
        (np.tile([0, 0, 5, 5], (40, 1)), "human", "has a condition 'human' already"),
    ],
)
def test_rectangles_that_do_not_fit_are_refused(dataset: Dataset, boxes: np.ndarray, name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dataset.with_rectangles(name, boxes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.indices("train", "ava"), "unknown split scheme 'ava'"),
        (lambda d: d.indices("tests"), "unknown split 'tests'; did you mean test"),
        (lambda d: d.mask(0, "centred"), "unknown condition 'centred'; did you mean centre"),
        (lambda d: d.read(40), "numbered 0 to 39; found 40"),
        (lambda d: d.index("p0001.jpg"), "unknown picture"),
        (lambda d: d.category("reef"), "unknown category"),
    ],
    ids=["scheme", "split", "condition", "row", "picture", "category"],
)
def test_unknown_names_are_answered(dataset: Dataset, call: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(dataset)  # type: ignore[operator]


def copied(path: Path, tmp_path: Path) -> Path:
    target = tmp_path / path.name
    shutil.copyfile(path, target)
    shards = path.with_name(f"{path.name}.shards")
    if shards.is_dir():
        shutil.copytree(shards, tmp_path / shards.name)
    return target


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("mask", ["rectangle", "patches", "region"])
def test_one_flipped_byte_is_refused_by_name_wherever_it_is(collection: Collection, tmp_path: Path, mask: str) -> None:
    rng = np.random.default_rng(3)
    one, many = (collection.build(tmp_path / f"{n}.dataset.h5", mask=mask, shard=n) for n in (0, 15))
    shards = sorted(many.with_name(f"{many.name}.shards").iterdir())
    for file in (one, many, *shards):
        where = [0, 100, 300, 511, 512, file.stat().st_size - 1, *rng.integers(512, file.stat().st_size, 6).tolist()]
        for at in where:
            flip(file, at)
            with pytest.raises(FormatError, match=file.name):
                open_dataset(one if file == one else many)
            flip(file, at)
    assert len(open_dataset(one)) == len(open_dataset(many)) == 40


def test_a_missing_or_foreign_shard_is_refused_by_name(sharded: Path, tmp_path: Path) -> None:
    path = copied(sharded, tmp_path)
    first, second, _ = sorted(path.with_name(f"{path.name}.shards").iterdir())
    kept = first.read_bytes()
    first.unlink()
    with pytest.raises(FormatError, match=f"missing: .*{first.name}"):
        open_dataset(path)
    shutil.copyfile(second, first)
    for verify in (True, False):
        with pytest.raises(FormatError, match=f"not the ones it was built from: .*{first.name}"):
            open_dataset(path, verify=verify)
    first.write_bytes(kept)
    assert len(open_dataset(path)) == 40


def test_unverified_reading_still_notices_an_altered_picture(built: Path, tmp_path: Path) -> None:
    path = copied(built, tmp_path)
    content = path.read_bytes()
    jpeg = open_dataset(path).encoded(20)
    flip(path, content.index(jpeg) + len(jpeg) // 2)
    dataset = open_dataset(path, verify=False)
    dataset.encoded(19)
    with pytest.raises(FormatError, match=r"p020\.jpg has been altered"):
        dataset.encoded(20)


@pytest.mark.parametrize(
    "content", [b"", b"x" * 2000, b"\x89HDF\r\n\x1a\n" + b"\0" * 1000], ids=["empty", "text", "hdf5"]
)
def test_what_is_no_dataset_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "d.dataset.h5"
    path.write_bytes(content)
    with pytest.raises(GazekitError, match=r"d\.dataset\.h5"):
        open_dataset(path)
    with pytest.raises(InputError, match="no such dataset"):
        open_dataset(tmp_path / "nothing.h5")


def test_a_truncated_dataset_is_refused(built: Path, tmp_path: Path) -> None:
    path = copied(built, tmp_path)
    content = path.read_bytes()
    for length in (100, 512, 5000, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(FormatError, match=path.name):
            open_dataset(path)


def test_the_names_of_ten_thousand_viewers_fit(collection: Collection, tmp_path: Path) -> None:
    """HDF5 takes 64 kB in an attribute; what is longer is a dataset, and read as the attribute was."""
    fixations = collection.fixations
    names = {str(name): f"{name}-{'x' * 20_000}" for name in fixations["participant"].unique()}
    many = replace(collection, fixations=fixations.assign(participant=fixations["participant"].map(names)))
    path = many.build(tmp_path / "d.dataset.h5")
    with h5py.File(path) as file:
        assert "participants" not in file.attrs
    dataset = open_dataset(path)
    assert dataset.participants == sorted(names.values())
    assert dataset.viewing(3).participants == dataset.participants
    assert dataset.provenance["schema"] == "gazekit.dataset/1"
