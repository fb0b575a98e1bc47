"""Datasets of datasets, exports, plots, and the commands."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from gazekit.attention.fixation_io import read_fixations
from gazekit.core.errors import GazekitError, InputError, OutputError
from gazekit.dataset import Dataset, DatasetSpec, build_dataset, open_dataset
from gazekit.dataset.export import export_folder, export_images, export_webdataset, masked, pairs_sheet
from gazekit.dataset.plots import plot_samples, plot_scores, sample_rows
from gazekit.dataset.rating_formats import read_ratings
from gazekit.dataset.sources import read_scheme
from gazekit.dataset.subset_merge import chosen, merge, subset
from gazekit.dataset.summary import summary, summary_lines
from gazekit.pictures import Picture, list_pictures, read_picture
from gazekit.shapes.masks import apply_mask
from tests.fixtures.command_line import gazekit
from tests.fixtures.dataset_collection import Collection, cut_photographs, made_up_ratings, same_rows


@pytest.mark.parametrize("shard", [None, 3], ids=["one file", "shards"])
def test_a_subset_keeps_everything_of_its_pictures(dataset: Dataset, tmp_path: Path, shard: int | None) -> None:
    rows = dataset.indices("validation").tolist() + dataset.indices("test").tolist()
    some = open_dataset(subset(dataset, rows, tmp_path / "s.h5", shard=shard))
    same_rows(some, dataset, sorted(rows))
    np.testing.assert_array_equal(some.codes("default"), dataset.codes("default")[sorted(rows)])
    assert some.provenance["parameters"]["subset_of"] == dataset.sha256
    assert some.caches == dataset.caches
    assert some.shards == (0 if shard is None else 3)


def test_a_merged_dataset_is_all_of_both_with_one_split_over_them(dataset: Dataset, tmp_path: Path) -> None:
    first = open_dataset(subset(dataset, range(0, 25), tmp_path / "a.h5"))
    second = open_dataset(subset(dataset, range(25, 40), tmp_path / "b.h5"))
    both = open_dataset(merge([second, first], tmp_path / "m.h5"))
    same_rows(both, dataset, [*range(25, 40), *range(25)])
    assert [len(both.indices(s)) for s in ("train", "validation", "test")] == [32, 4, 4]
    with pytest.raises(InputError, match=r"25 picture ids stand in two datasets: p000\.jpg"):
        merge([dataset, first], tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()


def test_merging_keeps_near_duplicates_of_two_sets_together(tmp_path: Path) -> None:
    pictures = cut_photographs(tmp_path / "p", 20)
    copies = []
    for n, picture in enumerate(pictures):
        copy = tmp_path / "p" / f"copy{n:02d}.png"
        assert cv2.imwrite(str(copy), cv2.imread(str(picture.file)))
        copies.append(Picture(copy.name, copy))
    sets = [
        open_dataset(build_dataset(part, None, made_up_ratings([p.image for p in part]), tmp_path / f"{n}.h5"))
        for n, part in enumerate((pictures, copies))
    ]
    both = open_dataset(merge(sets, tmp_path / "m.h5"))
    np.testing.assert_array_equal(both.codes()[:20], both.codes()[20:])


def test_datasets_of_different_scales_are_not_merged(dataset: Dataset, tmp_path: Path) -> None:
    pictures = cut_photographs(tmp_path / "p", 3, seed=9)
    histograms = made_up_ratings([p.image for p in pictures], scale=7)
    other = open_dataset(build_dataset(pictures, None, histograms, tmp_path / "o.h5"))
    with pytest.raises(InputError, match=r"different scales: d\.dataset\.h5: 10, o\.h5: 7"):
        merge([dataset, other], tmp_path / "m.h5")


def test_pictures_are_chosen_by_all_that_is_asked(dataset: Dataset) -> None:
    test = dataset.indices("test")
    np.testing.assert_array_equal(chosen(dataset, split_name="test"), test)
    names = [dataset.ids[test[0]], dataset.ids[dataset.indices("train")[0]]]
    np.testing.assert_array_equal(chosen(dataset, images=names, split_name="test"), test[:1])
    with pytest.raises(InputError, match="no picture"):
        chosen(dataset, min_ratings=13)
    with pytest.raises(InputError, match=r"unknown picture 'p1\.jpg'"):
        chosen(dataset, images=["p1.jpg"])


def test_an_exported_folder_builds_the_same_pictures_again(dataset: Dataset, tmp_path: Path) -> None:
    out = export_folder(dataset, tmp_path / "f")
    pictures = [Picture(f.name, f) for f in sorted((out / "pictures").iterdir())]
    split = read_scheme_of(out / "splits.csv")
    again = open_dataset(
        build_dataset(
            pictures,
            read_fixations(out / "fixations.csv"),
            read_ratings(out / "ratings.csv")[0],
            tmp_path / "again.h5",
            DatasetSpec(sigma_px=12.0, cache=96, schemes={"kept": split}),
        )
    )
    same_rows(again, dataset, list(range(40)))
    np.testing.assert_array_equal(again.codes("kept"), dataset.codes("default"))


def read_scheme_of(path: Path) -> dict[str, list[str]]:
    table = pd.read_csv(path).rename(columns={"default": "split"})
    table.to_csv(path.with_name("scheme.csv"), index=False)
    return read_scheme(path.with_name("scheme.csv"))


def test_webdataset_archives_hold_samples(dataset: Dataset, tmp_path: Path) -> None:
    files = export_webdataset(dataset, tmp_path / "w.tar", range(5), conditions=("original", "human"), per_tar=3)
    assert [f.name for f in files] == ["w-000000.tar", "w-000001.tar"]
    with tarfile.open(files[1]) as archive:
        names = archive.getnames()
        content = {name: archive.extractfile(name).read() for name in names}  # type: ignore[union-attr]
    assert names == [f"00000{n}.{kind}" for n in (3, 4) for kind in ("jpg", "human.png", "json")]
    assert content["000003.jpg"] == dataset.encoded(3)
    facts = json.loads(content["000003.json"])
    assert facts["counts"] == dataset.counts[3].tolist()
    assert facts["rectangles"]["human"] == dataset.rectangles(3, "human").tolist()
    pixels = cv2.imdecode(np.frombuffer(content["000003.human.png"], np.uint8), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(pixels, apply_mask(dataset.picture(3), dataset.mask(3, "human")))
    again = export_webdataset(dataset, tmp_path / "v.tar", range(5), conditions=("original", "human"), per_tar=3)
    assert again[1].read_bytes() == files[1].read_bytes()


def test_an_archive_of_masked_pictures_alone_holds_no_originals(dataset: Dataset, tmp_path: Path) -> None:
    (file,) = export_webdataset(dataset, tmp_path / "w.tar", range(2), conditions=("human",))
    with tarfile.open(file) as archive:
        assert archive.getnames() == [f"00000{n}.{kind}" for n in (0, 1) for kind in ("human.png", "json")]


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"per_tar": 0}, "per_tar must be 1 or more; found 0"),
        ({"conditions": ()}, "name at least one condition"),
        ({"conditions": ("humna",)}, "did you mean human"),
    ],
    ids=["none a file", "no condition", "unknown"],
)
def test_archives_that_cannot_be_are_refused(
    dataset: Dataset, tmp_path: Path, options: dict[str, Any], fault: str
) -> None:
    with pytest.raises(GazekitError, match=fault):
        export_webdataset(dataset, tmp_path / "w.tar", **options)
    assert list(tmp_path.iterdir()) == []


def test_an_export_of_pictures_that_nobody_looked_at_has_no_fixations(collection: Collection, tmp_path: Path) -> None:
    path = build_dataset(collection.pictures[:5], None, collection.histograms[:5], tmp_path / "d.h5")
    folder = export_folder(open_dataset(path), tmp_path / "f")
    assert sorted(file.name for file in folder.iterdir() if file.is_file()) == [
        "pictures.csv",
        "ratings.csv",
        "ratings.csv.json",
        "rectangles.csv",
        "splits.csv",
    ]


def test_pictures_of_too_few_ratings_are_drawn_without_parts_and_none_is_not_drawn(
    dataset: Dataset, collection: Collection, tmp_path: Path
) -> None:
    spec = DatasetSpec(min_ratings=1000)  # of each picture: nobody is in a part of the split
    few = open_dataset(build_dataset(collection.pictures[:5], None, collection.histograms[:5], tmp_path / "d.h5", spec))
    assert [len(few.indices(part)) for part in ("train", "validation", "test")] == [0, 0, 0]
    assert read_picture(plot_scores(few, tmp_path / "p.png")).std() > 5
    with pytest.raises(InputError, match="no picture is rated, so there are no samples to show"):
        plot_samples(dataset, tmp_path / "s.png", [])


def test_remarks_are_said_up_to_a_number_and_counted_beyond(dataset: Dataset) -> None:
    facts = summary(dataset)
    remarks = [f"p{n:03d}.jpg | few ratings | {n}" for n in range(23)]
    lines = summary_lines(facts | {"remarks": remarks})
    assert lines[-1] == "  ... and 3 more remarks (gazekit dataset info --json has all)"
    assert lines[-2] == f"  {remarks[19]}"
    assert f"pixel caches: {dataset.caches[0]}" in lines
    assert not any("more remarks" in line for line in summary_lines(facts | {"remarks": remarks[:20]}))


def test_masked_pictures_are_written_as_files(dataset: Dataset, tmp_path: Path) -> None:
    conditions = ("human", "human-removed")
    files = export_images(dataset, tmp_path / "i", [2, 3], conditions=conditions, workers=2)
    assert sorted(str(f.relative_to(tmp_path / "i")) for f in files) == [
        "human-removed/p002.png",
        "human-removed/p003.png",
        "human/p002.png",
        "human/p003.png",
    ]
    kept, removed = (read_picture(tmp_path / "i" / c / "p003.png").astype(int) for c in conditions)
    np.testing.assert_array_equal(kept + removed, dataset.picture(3))
    assert (kept[~dataset.mask(3, "human")] == 0).all()
    small = export_images(dataset, tmp_path / "j", [2], conditions=("centre",), size=64, kind="jpg")
    assert read_picture(small[0]).shape == (64, 64, 3)
    sheet = pairs_sheet(dataset, [0, 1, 2], conditions)
    assert sheet.shape[1] > 3 * 240
    with pytest.raises(InputError, match="did you mean human"):
        export_images(dataset, tmp_path / "i", [2], conditions=("humans",))
    with pytest.raises(InputError, match="unknown picture format 'tiff'"):
        export_images(dataset, tmp_path / "i", [2], kind="tiff")


AWKWARD = [
    "..",
    "a/b.jpg",
    "a_b.jpg",
    "a,b.jpg",
    "A_b.jpg",
    "a b.png",
    'a"b.jpg',
    "con.jpg",
    "é.jpg",
    "x" * 300,
]


@pytest.mark.parametrize("mask", ["rectangle", "region"])
def test_ids_and_files_are_one_to_one(collection: Collection, tmp_path: Path, mask: str) -> None:
    pictures = [Picture(image, p.file) for image, p in zip(AWKWARD, collection.pictures, strict=False)]
    names = {p.image: image for image, p in zip(AWKWARD, collection.pictures, strict=False)}
    looks = collection.fixations[collection.fixations["image"].isin(list(names))].replace({"image": names})
    ratings = made_up_ratings(AWKWARD)
    spec = DatasetSpec(sigma_px=12.0, mask=mask, near_duplicates=None)
    dataset = open_dataset(build_dataset(pictures, looks, ratings, tmp_path / "d.h5", spec))
    out = export_folder(dataset, tmp_path / "f", conditions=("human", "centre"))
    for folder in (out / "pictures", out / "masked" / "human", out / "masked" / "centre"):
        files = [f.name for f in folder.iterdir()]
        assert len({name.casefold() for name in files}) == len(AWKWARD)
        assert max(len(name.encode()) for name in files) < 255
        assert not any(set(name) & set('/\\<>:"|?*,') for name in files)
    again = build_dataset(
        list_pictures(out / "pictures.csv"),
        read_fixations(out / "fixations.csv"),
        read_ratings(out / "ratings.csv")[0],
        tmp_path / "again.h5",
        spec,
    )
    same_rows(open_dataset(again), dataset, list(range(len(AWKWARD))))


@pytest.mark.parametrize("export", [export_folder, export_images], ids=["folder", "images"])
def test_an_export_is_whole_or_not_there(
    collection: Collection, tmp_path: Path, export: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(collection.build(tmp_path / "d.h5"))
    encoded = Dataset.encoded

    def fails(self: Dataset, i: int) -> bytes:
        if i == 20:
            raise OSError(28, "No space left on device")
        return encoded(self, i)

    monkeypatch.setattr(Dataset, "encoded", fails)
    with pytest.raises(OutputError, match="No space left"):
        export(dataset, tmp_path / "f", conditions=("human",))
    assert not list((tmp_path / "f").glob("*")), "nothing is left, hidden or not"
    monkeypatch.undo()
    export(dataset, tmp_path / "f", conditions=("human",))
    with pytest.raises(OutputError, match="never overwritten"):
        export(dataset, tmp_path / "f", conditions=("human",))


def test_plots_are_pictures_and_repeat(dataset: Dataset, tmp_path: Path) -> None:
    for plot in (plot_scores, plot_samples):
        first, second = plot(dataset, tmp_path / "a.png"), plot(dataset, tmp_path / "b.png")
        assert first.read_bytes() == second.read_bytes()
        assert read_picture(first).std() > 10
    rows = sample_rows(dataset)
    assert len(set(rows)) == 6
    assert dataset.mean[rows[:2]].min() > dataset.mean[rows[4:]].max()


@pytest.fixture
def study(collection: Collection, tmp_path: Path) -> Path:
    collection.fixations.to_csv(tmp_path / "fixations.csv", index=False)
    collection.histograms.to_csv(tmp_path / "ratings.csv", index=False)
    rows = [(p.image, str(p.file)) for p in collection.pictures]
    pd.DataFrame(rows, columns=["image", "file"]).to_csv(tmp_path / "pictures.csv", index=False)
    groups = [(p.image, n // 4) for n, p in enumerate(collection.pictures)]
    pd.DataFrame(groups, columns=["image", "group"]).to_csv(tmp_path / "groups.csv", index=False)
    pd.DataFrame(groups, columns=["image", "category"]).replace({"category": {0: "reef"}}).to_csv(
        tmp_path / "categories.csv", index=False
    )
    (tmp_path / "study.toml").write_text(
        """
        [study]
        name = "pieces"
        seed = 3
        [screen]
        width_px = 1920
        height_px = 1080
        width_mm = 527
        height_mm = 296
        distance_mm = 630
        [pictures]
        list = "pictures.csv"
        [attention]
        share = 0.5
        [dataset]
        out = "pieces.dataset.h5"
        fixations = "fixations.csv"
        ratings = "ratings.csv"
        groups = "groups.csv"
        categories = "categories.csv"
        sigma_px = 12
        folds = 3
        """
    )
    return tmp_path / "study.toml"


def test_a_study_file_is_built(study: Path, collection: Collection, capfd: pytest.CaptureFixture[str]) -> None:
    code, said = gazekit(capfd, "build-dataset", study, "--json", "--cache", 32)
    facts = json.loads(said)
    assert (code, facts["pictures"], facts["categories"]["reef"]) == (0, 40, 4)
    dataset = open_dataset(study.with_name("pieces.dataset.h5"))
    assert dataset.schemes == ("default", "fold1", "fold2", "fold3")
    assert dataset.caches == (32,)
    assert dataset.provenance["parameters"]["share"] == 0.5
    assert dataset.provenance["parameters"]["seed"] == 3
    for part in range(10):
        assert len(set(dataset.codes()[part * 4 : part * 4 + 4].tolist())) == 1


def test_the_commands_walk_through_a_dataset(study: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = study.parent
    path = folder / "d.dataset.h5"
    options = ["--pictures", folder / "pictures.csv", "--ratings", folder / "ratings.csv", "--out", path]
    options += ["--fixations", folder / "fixations.csv", "--sigma-px", 12]
    for arguments, expected in (
        (["build-dataset", *options, "--dry-run"], "nothing was built"),
        (["build-dataset", *options, "--dry-run", "--json"], '"built": false'),
        (["build-dataset", *options], "40 pictures"),
        (["dataset", "info", path], "split default: 32 / 4 / 4"),
        (["dataset", "verify", path], "whole; 40 pictures"),
        (["dataset", "subset", path, "--split", "test", "--out", folder / "t.h5"], "4 pictures"),
        (["dataset", "subset", path, "--split", "train", "--out", folder / "u.h5"], "32 pictures"),
        (["dataset", "merge", folder / "t.h5", folder / "u.h5", "--out", folder / "m.h5"], "36 pictures"),
        (["dataset", "export", path, "--out", folder / "w.tar", "--condition", "human"], "40 samples in 1 archive"),
        (["dataset", "export", path, "--out", folder / "folder"], "40 pictures and their tables"),
        (["dataset", "plot", path, "--out", folder / "figures"], "samples.png"),
        (["export-images", path, "--out", folder / "i", "--dry-run"], "would write 40 pictures in 5 conditions"),
        (["export-images", path, "--out", folder / "i", "--limit", 2, "--sheet", folder / "s.png"], "10 pictures"),
    ):
        code, said = gazekit(capfd, *arguments)
        assert code == 0, said
        assert expected in said
    assert not list(folder.glob("*.build"))
    assert read_picture(folder / "s.png").shape[2] == 3


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build-dataset"], 2, "give a study file"),
        (["build-dataset", "nothing.toml"], 1, "no such study file"),
        (["build-dataset", "--pictures", ".", "--ratings", "nothing.csv", "--out", "x.h5"], 1, "nothing.csv"),
        (["build-dataset", "s.toml", "--ratings", "r.csv"], 2, "leave out --ratings"),
        (["build-dataset", "s.toml", "--list", "a=b.csv"], 2, "leave out --list\n"),
        (["build-dataset", "--pictures", "no", "--ratings", "r", "--out", "x", "--list", "a"], 2, "NAME=CSV; found a"),
        (["build-dataset", "--pictures", "no", "--ratings", "r", "--out", "x", "--patches", 2], 2, "--mask rectangle"),
        (["build-dataset", "--pictures", "no", "--mask", "patches", "--share", 0.5], 2, "--share means nothing"),
        (["dataset", "info", "nothing.h5"], 1, "no such dataset: nothing.h5"),
        (["dataset", "inf", "nothing.h5"], 2, "inf"),
        (["export-images", "nothing.h5", "--out", "x"], 1, "no such dataset"),
    ],
)
def test_wrong_calls_say_so(arguments: list[str], code: int, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    found, said = gazekit(capfd, *arguments)
    assert (found, message in said) == (code, True), said
    assert "Traceback" not in said


def test_a_masked_square_is_what_a_network_reads(dataset: Dataset) -> None:
    np.testing.assert_array_equal(masked(dataset, 1, "human", size=80), dataset.read(1, "human", 80))


def test_sessions_become_a_dataset(sample_data: Path, tmp_path: Path) -> None:
    """From the sample's recorded sessions and single ratings, as a study file says."""
    from gazekit.study import dataset_inputs

    text = (sample_data / "study.toml").read_text().split("[dataset]")[0]
    text = text.replace('list = "pictures.csv"', f'list = "{(sample_data / "pictures.csv").as_posix()}"')
    study = tmp_path / "study.toml"
    study.write_text(
        text
        + f"""
        [dataset]
        sessions = ["{(sample_data / "sessions").as_posix()}"]
        ratings = "{(sample_data / "ratings.csv").as_posix()}"
        scale = 10
        min_ratings = 1
        """
    )
    dataset = open_dataset(dataset_inputs(study).build(tmp_path / "d.dataset.h5"))
    listed = pd.read_csv(sample_data / "pictures.csv")["image"].astype(str)
    assert dataset.ids == sorted(listed)
    assert dataset.viewers.max() == len(list((sample_data / "sessions").glob("*.gaze.h5")))
    assert dataset.counts.sum() > 0
    seen = np.flatnonzero(dataset.viewers)
    assert len(seen) > 0
    for i in seen[:3]:
        looks = dataset.fixations_of(i)
        height, width = dataset.sizes[i]
        on = looks[looks["x_picture"].between(0, width - 1e-3) & looks["y_picture"].between(0, height - 1e-3)]
        inside = dataset.mask(i, "human")[on["y_picture"].astype(int), on["x_picture"].astype(int)]
        assert on.loc[inside, "duration_ms"].sum() > 0.5 * on["duration_ms"].sum()


def test_a_study_that_says_too_little_is_refused(study: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = study.read_text()
    for line, message in (
        ('out = "pieces.dataset.h5"', "say where the dataset goes"),
        ('ratings = "ratings.csv"', "needs ratings"),
        ('name = "pieces"', "study.name: is missing"),
    ):
        study.write_text(text.replace(line, ""))
        code, said = gazekit(capfd, "build-dataset", study)
        assert (code, message in said) == (1, True), said
    study.write_text(text.replace("folds = 3", "fold = 3"))
    assert "did you mean 'folds'?" in gazekit(capfd, "build-dataset", study)[1]
    study.write_text(text.replace("folds = 3", 'folds = 3\n        sessions = ["x"]'))
    assert "both fixations and sessions" in gazekit(capfd, "build-dataset", study)[1]


def test_what_options_say_is_taken(study: Path, collection: Collection, capfd: pytest.CaptureFixture[str]) -> None:
    folder = study.parent
    path, lists = folder / "o.dataset.h5", folder / "fixed.csv"
    parts = [(p.image, ("train", "validation", "test")[n % 3]) for n, p in enumerate(collection.pictures)]
    pd.DataFrame(parts, columns=["image", "split"]).to_csv(lists, index=False)
    few = collection.histograms.copy()
    few.loc[0, "c1":"c10"] = [1] + [0] * 9
    few.to_csv(folder / "few.csv", index=False)
    given = ["--pictures", folder / "pictures.csv", "--ratings", folder / "few.csv", "--out", path, "--sigma-px", 12]
    given += ["--fixations", folder / "fixations.csv", "--list", f"thirds={lists}", "--condition", "human"]
    given += ["--categories", folder / "categories.csv", "--mask", "region", "--share", 0.1, "--share-of", "area"]
    code, said = gazekit(capfd, "build-dataset", *given)
    assert code == 0, said
    assert "masks: regions" in said
    dataset = open_dataset(path)
    assert dataset.conditions == ("original", "human")
    assert dataset.schemes == ("default", "thirds")
    assert [len(dataset.indices(s, "thirds")) for s in ("train", "validation", "test")] == [13, 13, 13]
    assert "reef" in dataset.categories
    assert dataset.mask(1, "human").mean() == pytest.approx(0.1, abs=1e-3)
    for option in (["--include-marked"], ["--min-ratings", 0, "--shard", 0]):
        code, said = gazekit(capfd, "build-dataset", *given, *option)
        assert code == 0, said
        assert sum(len(open_dataset(path).indices(s)) for s in ("train", "validation", "test")) == 40


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["dataset", "export", "{d}", "--out", "{d}"], "exists already"),
        (["dataset", "export", "{d}", "--out", "x.tar.gz"], "neither a folder nor name.tar"),
        (["dataset", "plot", "{d}", "--out", "{d}"], "cannot be"),
        (["export-images", "{d}", "--out", "{d}"], "cannot be"),
        (["dataset", "subset", "{d}", "--out", "{f}"], "is a folder; give a file"),
        (["dataset", "subset", "{d}", "--out", "{d}/x.h5"], "cannot be"),
        (["dataset", "subset", "{d}", "--category", "fish", "--out", "x.h5"], "unknown category 'fish'; known: none"),
    ],
    ids=["export", "gz", "plot", "images", "folder", "under a file", "category"],
)
def test_places_that_cannot_be_written_are_named(
    built: Path, tmp_path: Path, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(tmp_path.rglob("*"))
    code, said = gazekit(capfd, *(text.format(d=built, f=tmp_path) for text in arguments))
    assert code != 0
    assert message in said
    assert "Traceback" not in said
    assert sorted(tmp_path.rglob("*")) == before
    assert not list(built.parent.glob("*.build"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 41}, "41 folds need as many usable pictures that are not of one group; there are 40"),
        ({"schemes": {"a": {"tests": ["p001.jpg"]}}}, "unknown part of the split 'a' 'tests'; did you mean test"),
        ({"schemes": {"a": {"test": ["p1"], "train": ["p2"]}}}, "none of the pictures that the split 'a' lists"),
        ({"schemes": {"a": {"test": ["p001.jpg"], "train": ["p001.jpg"]}}}, r"more than one list: p001\.jpg"),
        ({"scheduler": "nonsense"}, "address is tcp://host:port"),
    ],
)
def test_splits_that_cannot_be_are_refused_before_any_work(
    collection: Collection, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        collection.build(tmp_path / "d.h5", **options)
    assert not list(tmp_path.iterdir())
