"""What decides a study is protected without reading a dataset whole."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from gazekit.core.errors import FormatError
from gazekit.dataset import open_dataset
from gazekit.dataset.digests import ATTRIBUTE, GROUP
from gazekit.dataset.subset_merge import merge, subset
from tests.fixtures.dataset_collection import Collection
from tests.fixtures.large_index import large_index


@pytest.fixture(scope="module")
def datasets(collection: Collection, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("digests")
    few = Collection(collection.pictures[:12], collection.fixations, collection.histograms[:12])
    categories = {"reef": [p.image for p in few.pictures[:5]]}
    return {
        "rectangles": few.build(folder / "a.h5", categories=categories, folds=3),
        "regions": few.build(folder / "b.h5", mask="region"),
        "shards": few.build(folder / "c.h5", shard=5, mask="region"),
    }


def altered(path: Path, name: str, row: int) -> Path:
    """Change one value of a column, as a stray program or a bad disk would: the seal stays as it was."""
    data = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        column = file[name]
        place = column.id.get_offset() + row * int(np.prod(column.shape[1:])) * column.dtype.itemsize
        assert data[place : place + column.dtype.itemsize] == column[row].reshape(-1)[:1].tobytes()
    data[place] ^= 1
    copy = path.with_name("altered.h5")
    copy.write_bytes(data)
    return copy


@pytest.mark.parametrize(
    "name",
    ["rating/counts", "rating/mean", "rating/n", "split/default", "split/fold2", "mask/human", "mask/random",
     "attention/rectangle", "category/reef", "image/sha256", "image/width", "image/group"],
)  # fmt: skip
def test_a_changed_table_is_noticed_when_opened_lazily(datasets: dict[str, Path], name: str) -> None:
    assert len(open_dataset(datasets["rectangles"], verify=False)) == 12
    copy = altered(datasets["rectangles"], name, 3)
    with pytest.raises(FormatError, match="ratings, splits or masks have been altered"):
        open_dataset(copy, verify=False)


@pytest.mark.parametrize("kind", ["regions", "shards"])
def test_a_changed_bit_mask_is_noticed_when_it_is_read(datasets: dict[str, Path], kind: str, tmp_path: Path) -> None:
    whole = open_dataset(datasets[kind])
    lazy = open_dataset(datasets[kind], verify=False)
    for condition in ("human", "human-removed", "shuffled"):
        np.testing.assert_array_equal(lazy.mask(4, condition), whole.mask(4, condition))
    copy = tmp_path / "b.h5"
    copy.write_bytes(datasets[kind].read_bytes())
    if kind == "shards":
        (tmp_path / "b.h5.shards").symlink_to(datasets[kind].with_name(f"{datasets[kind].name}.shards"))
    with h5py.File(copy, "r+") as file:
        row = file["mask/random"][7]
        row[0, 0] ^= 1
        file["mask/random"][7] = row
    changed = open_dataset(copy, verify=False)
    np.testing.assert_array_equal(changed.mask(6, "random"), whole.mask(6, "random"))
    with pytest.raises(FormatError, match=r"mask /mask/random of picture 7 has been altered"):
        changed.mask(7, "random")
    with pytest.raises(FormatError, match=r"has been altered"):
        changed.read(7, "random", 32)


@pytest.mark.parametrize("column", ["mask/random", "attention/map"])
def test_a_flipped_bit_in_what_is_packed_is_said_as_any_other(
    datasets: dict[str, Path], column: str, tmp_path: Path
) -> None:
    data = bytearray(datasets["regions"].read_bytes())
    with h5py.File(datasets["regions"]) as file:
        chunk = file[column].id.get_chunk_info(0)
    data[chunk.byte_offset + chunk.size // 2] ^= 1
    copy = tmp_path / "packed.h5"
    copy.write_bytes(data)
    lazy = open_dataset(copy, verify=False)
    with pytest.raises(FormatError, match="has been altered"):
        lazy.human_map(0) if column == "attention/map" else lazy.mask(0, "random")


@pytest.mark.parametrize("shard", [0, 4])
@pytest.mark.parametrize("column", ["attention/map", "pixels/32"])
def test_a_changed_map_or_cached_picture_is_noticed_when_it_is_read(
    collection: Collection, tmp_path: Path, column: str, shard: int
) -> None:
    few = Collection(collection.pictures[:8], collection.fixations, collection.histograms[:8])
    path = few.build(tmp_path / "d.h5", cache=32, shard=shard)
    copied = subset(open_dataset(path), range(8), tmp_path / "copy.h5", shard=shard)
    for made in (path, copied):
        holder = sorted(made.with_name(f"{made.name}.shards").iterdir())[1] if shard else made
        with h5py.File(holder, "r+") as file:
            row = file[column][5 - shard]
            row.view(np.uint8).reshape(-1)[40] ^= 1
            file[column][5 - shard] = row
        changed = open_dataset(made, verify=False)
        read = changed.human_map if column == "attention/map" else lambda i, d=changed: d.read(i, size=32)
        read(4)
        with pytest.raises(FormatError, match=rf"{holder.name}: {column} of the picture {changed.ids[5]} has been"):
            read(5)


def test_subsets_and_merged_sets_have_digests_of_their_own(datasets: dict[str, Path], tmp_path: Path) -> None:
    source = open_dataset(datasets["regions"], verify=False)
    first, second = subset(source, [0, 1, 2], tmp_path / "1.h5"), subset(source, [3, 4], tmp_path / "2.h5")
    both = merge([open_dataset(first), open_dataset(second)], tmp_path / "both.h5")
    for path in (first, second, both):
        lazy = open_dataset(path, verify=False)
        assert lazy.mask(0, "human").any()
        with h5py.File(path) as file:
            assert ATTRIBUTE in file.attrs
            assert set(file[GROUP]) == {"human", "human-removed", "centre", "shuffled", "random", "attention-map"}


def test_datasets_without_digests_are_read_as_they_are(datasets: dict[str, Path], tmp_path: Path) -> None:
    """As 0.1.0 wrote them."""
    copy = tmp_path / "old.h5"
    copy.write_bytes(datasets["regions"].read_bytes())
    with h5py.File(copy, "r+") as file:
        del file.attrs[ATTRIBUTE], file[GROUP]
    old = open_dataset(copy, verify=False)
    np.testing.assert_array_equal(old.mask(3, "human"), open_dataset(datasets["regions"]).mask(3, "human"))


def test_an_index_of_many_shards_opens_with_its_tables_checked(tmp_path: Path) -> None:
    path = large_index(tmp_path, shards=3, each=20)
    dataset = open_dataset(path, verify=False)
    assert (len(dataset), dataset.shards) == (60, 3)
    assert dataset.picture(59).shape == (16, 16, 3)
    assert open_dataset(path).sha256 == dataset.sha256
