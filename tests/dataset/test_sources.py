"""Other people's collections, and pictures of every awkward kind."""

from __future__ import annotations

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from gazekit.attention.fixation_io import read_fixations
from gazekit.core.errors import FormatError, GazekitError
from gazekit.dataset import DatasetSpec, build_dataset, open_dataset
from gazekit.dataset.inputs import Inputs, session_table
from gazekit.dataset.sources import read_ava, read_photonet
from gazekit.dataset.spec import DatasetSection
from gazekit.events.settings import FixationSection
from gazekit.pictures import Picture, PicturesSection, examine_picture, inspect_picture, read_picture
from tests.fixtures.dataset_collection import cut_photographs, made_up_ratings


def ava_folder(folder: Path, count: int = 30) -> Path:
    """A folder as AVA's is laid out; numbers and pictures are made up."""
    for n, picture in enumerate(cut_photographs(folder / "images", count)):
        picture.file.rename(folder / "images" / f"{1000 + n}.jpg")
    rng = np.random.default_rng(0)
    counts = rng.multinomial(200, np.array([1, 2, 4, 8, 12, 10, 6, 3, 2, 1]) / 49, count)
    lines = [
        f"{n + 1} {1000 + n} {' '.join(map(str, row))} {1 + n % 3} {0 if n % 2 else 14} {n // 10}"
        for n, row in enumerate(counts)
    ]
    (folder / "AVA.txt").write_text("\n".join([*lines, "d1 77 -1 -1 -1 -1 -1 -1 -1 -1 -1 -1 0 0 0"]) + "\n")
    (folder / "tags.txt").write_text("1 Abstract\n2 Cityscape\n3 Floral\n14 Landscape\n")
    return folder


def test_ava_is_read_whole(tmp_path: Path) -> None:
    folder = ava_folder(tmp_path)
    (folder / "aesthetics_image_lists").mkdir()
    (folder / "aesthetics_image_lists" / "generic_test.jpgl").write_text("1003\n1004 \n1005\n999999\n")
    (folder / "images" / "1007.jpg").unlink()
    found = read_ava(folder, folder / "images")
    assert found.categories == {
        "cityscape": [str(n) for n in range(1001, 1030, 3)],
        "floral": [str(n) for n in range(1002, 1030, 3)],
        "landscape": [str(n) for n in range(1000, 1030, 2)],
    }
    path = build_dataset(
        found.pictures,
        None,
        found.histograms,
        tmp_path / "ava.h5",
        DatasetSpec(
            schemes=found.schemes,
            categories=found.categories,
            partitions=found.partitions,
            remarks=found.remarks,
        ),
    )
    dataset = open_dataset(path)
    assert len(dataset) == 29
    assert set(dataset.schemes) == {"default", "ava", "ava1", "ava2"}
    assert [dataset.ids[i] for i in dataset.indices("test", "ava")] == ["1003", "1004", "1005"]
    assert [dataset.ids[i] for i in dataset.category("floral")] == [str(n) for n in range(1002, 1030, 3)]
    said = {row.image: row.remark for row in dataset.remarks.itertuples()}
    assert said["1007"] == "missing"
    assert said["77"] == "no ratings"


def test_the_eight_categories_come_from_the_published_lists_where_they_are(tmp_path: Path) -> None:
    folder = ava_folder(tmp_path, 8)
    lists = folder / "aesthetics_image_lists"
    lists.mkdir()
    (lists / "animal_train.jpgl").write_text("1000\n1001\n")
    (lists / "animal_test.jpgl").write_text("1002\n")
    found = read_ava(folder, folder / "images").categories
    assert found["animal"] == ["1000", "1001", "1002"]
    assert len(found) == 8


@pytest.mark.parametrize(
    ("empty", "fault"), [(False, "no such folder of pictures"), (True, "none of the 30 rated pictures is in")]
)
def test_a_collection_without_its_pictures_is_refused(tmp_path: Path, empty: bool, fault: str) -> None:
    folder = ava_folder(tmp_path)
    if empty:
        (tmp_path / "elsewhere").mkdir()
    with pytest.raises(GazekitError, match=fault):
        read_ava(folder, tmp_path / "elsewhere")


def test_ava_without_its_lists_and_tags_has_no_categories(tmp_path: Path) -> None:
    folder = ava_folder(tmp_path, 3)
    (folder / "tags.txt").unlink()
    assert read_ava(folder, folder / "images").categories == {}


def test_one_source_of_ratings_is_given(tmp_path: Path) -> None:
    inputs = Inputs(
        tmp_path,
        PicturesSection(folder=Path("images")),
        DatasetSection(ratings=Path("r.csv")),
        ava=ava_folder(tmp_path),
    )
    with pytest.raises(GazekitError, match=r"give one of ratings, AVA and Photo\.net"):
        inputs.build(tmp_path / "d.h5")
    with pytest.raises(GazekitError, match=r"no session file \(\*\.gaze\.h5\) in"):
        session_table([tmp_path / "images"], FixationSection())


def test_photonet_has_seven_buckets_and_rows_without_a_distribution(tmp_path: Path) -> None:
    pictures = cut_photographs(tmp_path / "p", 3)
    for n, picture in enumerate(pictures):
        picture.file.rename(tmp_path / "p" / f"{n}.jpg")
    (tmp_path / "photonet.txt").write_text(
        "1 0 12 5.0 1.0 0 0 1 3 4 3 1\n2 1 0 -1 -1 -1 -1 -1 -1 -1 -1 -1\n3 2 11 4.64 1.0 1 0 1 3 2 3 1\n"
    )
    found = read_photonet(tmp_path / "photonet.txt", tmp_path / "p")
    assert found.histograms["image"].tolist() == ["0", "2"]
    assert found.histograms.loc[0, [f"c{k}" for k in range(1, 8)]].tolist() == [0, 0, 1, 3, 4, 3, 1]
    assert found.remarks == [("1", "no ratings", "line 2 of photonet.txt has no counts that can be used")]


def test_plain_fixation_tables_are_understood(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("image,viewer,index,x,y,duration_ms\n007,1,1,395.5,265.7,246\n")
    table = read_fixations(tmp_path / "f.csv", one_based=True)
    assert table.loc[0, ["image", "participant", "x_picture", "y_picture"]].tolist() == ["007", "1", 395.0, 265.2]
    (tmp_path / "f.csv").write_text("image,x,y\na,1,1\n")
    with pytest.raises(FormatError, match="lacks participant, duration_ms"):
        read_fixations(tmp_path / "f.csv")


@pytest.fixture(scope="module")
def photograph(tmp_path_factory: pytest.TempPathFactory) -> Image.Image:
    picture = cut_photographs(tmp_path_factory.mktemp("p"), 1, side=96)[0]
    return Image.fromarray(read_picture(picture.file))


def write_odd(folder: Path, photograph: Image.Image) -> dict[str, str]:
    """Pictures of every awkward kind: file name -> what is said of it."""
    turned = photograph.getexif()
    turned[0x0112] = 6
    photograph.save(folder / "turned.jpg", exif=turned)
    photograph.convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    clear = photograph.convert("RGBA")
    clear.putalpha(Image.fromarray(np.tile(np.uint8([[0, 255]]), (photograph.height, photograph.width // 2))))
    clear.save(folder / "alpha.png")
    deep = np.asarray(photograph)[..., ::-1].astype(np.uint16) * 257
    assert cv2.imwrite(str(folder / "deep.png"), deep)
    assert cv2.imwrite(str(folder / "deep.tif"), deep)
    frames = [photograph, photograph.rotate(90)]
    for kind in ("gif", "png", "webp", "tif"):
        photograph.save(folder / f"animated_{kind}.{kind}", save_all=True, append_images=frames[1:])
    whole = (folder / "turned.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "words.jpg").write_text("no picture")
    Image.new("1", (12_000, 9_000)).save(folder / "huge.png")
    animated = {f"animated_{kind}.{kind}": "animated" for kind in ("gif", "png", "webp", "tif")}
    faults = dict.fromkeys(("cut.jpg", "words.jpg", "huge.png"), "broken")
    return (
        {"turned.jpg": "turned", "cmyk.jpg": "cmyk", "alpha.png": "alpha", "deep.png": "16-bit", "deep.tif": "16-bit"}
        | animated
        | faults
    )


def test_awkward_pictures_are_handled_or_named(tmp_path: Path, photograph: Image.Image) -> None:
    said = write_odd(tmp_path, photograph)
    pictures = [Picture(name, tmp_path / name) for name in sorted(said)]
    out = build_dataset(
        pictures, None, made_up_ratings(sorted(said)), tmp_path / "d.h5", DatasetSpec(near_duplicates=None)
    )
    dataset = open_dataset(out)
    assert {row.image: row.remark for row in dataset.remarks.itertuples()} == said
    good = sorted(name for name, remark in said.items() if remark != "broken")
    assert dataset.ids == good
    expected = np.asarray(photograph).astype(int)
    for i, name in enumerate(good):
        pixels = dataset.picture(i).astype(int)
        if name == "turned.jpg":
            assert pixels.shape == (photograph.width, photograph.height, 3)
            pixels = np.rot90(pixels)
        if name == "alpha.png":
            assert (pixels[:, ::2] == 255).all(), "transparent columns are white"
            assert np.abs(pixels[:, 1::2] - expected[:, 1::2]).max() <= 1
        else:
            assert np.abs(pixels - expected).mean() < (6 if name.endswith("gif") else 4)
        assert dataset.read(i, size=32).shape == (32, 32, 3)


def test_threads_leave_the_filters_of_warnings_as_they_were(photograph: Image.Image) -> None:
    encoded = io.BytesIO()
    photograph.save(encoded, "jpeg")
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: inspect_picture(encoded.getvalue(), str(n)), range(5000)))
    assert {info.upright for info in found} == {(photograph.height, photograph.width)}
    assert list(warnings.filters) == before


def test_a_picture_that_is_too_large_is_named_before_it_is_decoded(tmp_path: Path) -> None:
    Image.new("1", (30_000, 30_000)).save(tmp_path / "bomb.png")
    with pytest.raises(FormatError, match=r"bomb\.png is too large"):
        read_picture(tmp_path / "bomb.png")


@pytest.mark.parametrize("kind", ["jpg", "png", "gif", "webp", "tif", "bmp"])
@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_a_picture_that_is_cut_off_never_passes(
    tmp_path: Path, photograph: Image.Image, kind: str, share: float
) -> None:
    file = tmp_path / f"x.{kind}"
    photograph.save(file)
    whole = file.read_bytes()
    assert examine_picture(whole, "x")[1].shape == (photograph.height, photograph.width, 3)
    with pytest.raises(GazekitError, match="x"):
        examine_picture(whole[: int(len(whole) * share)], "x")
