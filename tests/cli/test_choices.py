"""Options and states of the commands that a person meets now and then: what is answered, and the exit code."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from tests.conftest import ROOT
from tests.fixtures.command_line import gazekit

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample study, and beside it twelve pictures with ratings, of which one person looked at eight."""
    folder, rng = tmp_path_factory.mktemp("lab"), np.random.default_rng(20261121)
    shutil.copytree(ROOT / "sample_data", folder / "sample", ignore=shutil.ignore_patterns(".explore"))
    (folder / "pictures").mkdir()
    names = [f"{n:02d}.png" for n in range(12)]
    for name in names:
        cv2.imwrite(str(folder / "pictures" / name), rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    counts = rng.multinomial(12, [0.1] * 10, len(names))
    ratings = pd.DataFrame(counts, index=pd.Index(names, name="image"), columns=[f"c{k}" for k in range(1, 11)])
    ratings.to_csv(folder / "ratings.csv")
    looks = {
        "x_picture": rng.uniform(0, 60, 24),
        "y_picture": rng.uniform(0, 40, 24),
        "onset_us": 0,
        "duration_ms": 200.0,
    }
    pd.DataFrame({"participant": "a", "image": names[:8] * 3, **looks}).to_csv(folder / "fixations.csv", index=False)
    (folder / "areas.json").write_text('{"11.png": {"face": [[10, 10], [30, 10], [20, 30]]}}')
    return folder


@pytest.fixture(autouse=True)
def usual_signals() -> Iterator[None]:
    """A session that begins in this process takes over its signals; here they are put back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def dataset(lab: Path) -> Path:
    from gazekit.dataset import DatasetSpec, build_dataset
    from gazekit.histograms import read_histograms
    from gazekit.pictures import list_pictures

    pictures, table = list_pictures(lab / "pictures"), pd.read_csv(lab / "fixations.csv")
    spec = DatasetSpec(sigma_px=8.0)
    build_dataset(pictures, table, read_histograms(lab / "ratings.csv"), lab / "lab.dataset.h5", spec)
    return lab / "lab.dataset.h5"


USAGE = {
    "screen-of-one-number": ("fixations sample/sessions --out x.csv --screen-mm 500", "'500' is not WIDTHxHEIGHT"),
    "screen-below-0": ("fixations sample/sessions --out x.csv --screen-mm 500x-1", "both sizes must be above 0"),
    "parameter-without-value": ("fixations sample/sessions --out x.csv -p speed", "not of the form name=value"),
    "setting-without-value": ("import fixations.csv --out x --set rate", "'rate' is not NAME=VALUE"),
    "folders-without-out": ("compare sample/comparison sample", "several folders are joined in a new one: give --out"),
    "out-for-one-folder": ("compare sample/comparison --out x", "--out is for several folders"),
    "nothing-to-exclude": ("exclude sample/study.toml", "say what: --person and --picture with --reason"),
    "one-name-for-two": ("recover a.gaze.journal b.gaze.journal --out x.gaze.h5", "give one journal with it"),
    "keys-without-terminal": ("record sample/study.toml -p Q1 --operator-keys", "--operator-keys needs a terminal"),
}  # fmt: skip
REFUSED = {
    "both-exclusions": (
        "fixations sample/sessions --out x.csv --exclusions x.toml --with-excluded",
        "--exclusions and --with-excluded say opposite things",
    ),
    "maps-of-no-pictures": ("attention fixations.csv --out x", "where are the pictures? give --pictures FOLDER"),
    "build-of-no-pictures": (
        "build-dataset --pictures none --ratings ratings.csv --out x.dataset.h5",
        "no such folder of pictures, and no such picture list: none",
    ),
    "exclude-in-no-study": ("exclude none.toml --list", "no such study file or folder: none.toml"),
    "exclude-nobody": (
        "exclude sample/study.toml --person P09 --reason moved",
        "unknown participant 'P09'; did you mean P0",
    ),
    "ratings-of-no-question": ("ratings sample/sessions --out x.csv", "has the study a section [rating]?"),
    "areas-of-no-interview": ("study regions sample/sessions --out x.json", "has the study a section [interview]?"),
    "nothing-registered": ("register show sample", "sample holds no registration.json"),
    "demo-without-its-weights": ("demo --dry-run --out x --pretrained none.pth", "no such file of weights: none.pth"),
    "fit-without-pictures": (
        "attention-model fit fixations.csv --weights none.pth --out x.model",
        "where are the pictures? give --pictures FOLDER (or a CSV list), or a dataset for FIXATIONS",
    ),
    "maps-into-a-file": (
        "attention-model fit fixations.csv --pictures pictures --weights none.pth --out x.model --maps ratings.csv",
        "ratings.csv is no folder, and maps are written into one",
    ),
    "draw-nothing": (
        "attention-model apply none.model pictures --out x --tables-only --maps-only",
        "--tables-only and --maps-only say opposite things",
    ),
}


@pytest.mark.parametrize(
    ("line", "said", "code"),
    [(*case, 2) for case in USAGE.values()] + [(*case, 1) for case in REFUSED.values()],
    ids=[*USAGE, *REFUSED],
)
def test_it_is_refused_with_one_message_and_nothing_is_written(
    line: str, said: str, code: int, lab: Path, monkeypatch: pytest.MonkeyPatch, capfd: Printed
) -> None:
    if line.startswith("attention-model") and find_spec("torch") is None:
        pytest.skip("torch is not installed: pip install 'gazekit[train]'")
    monkeypatch.chdir(lab)
    before = sorted(lab.rglob("*"))
    ended, printed = gazekit(capfd, *line.split())
    assert (ended, said in printed) == (code, True), printed
    assert "Traceback" not in printed
    assert sorted(lab.rglob("*")) == before


ANSWERED = {
    "trackers": ("trackers", "simulated   gazekit simulated person      serial SIM-0"),
    "status-before-the-first": ("study status sample/study.toml --sessions none", "no session in none yet"),
    "aoi-where-nobody-looked": ("aoi fixations.csv areas.json", "no fixation lies on a picture with areas"),
    "by-hand": ("record sample/study.toml -p Q1 --by-hand --dry-run --out none", "6 pictures in random order"),
    "measures-in-pictures": ("measures fixations.csv --pictures pictures --out x.csv", "8 rows of 1 person and 8 pic"),
    "demo-in-advance": ("demo --dry-run --out none", "[9/9] report: would run"),
}


@pytest.mark.parametrize(("line", "said"), ANSWERED.values(), ids=ANSWERED)
def test_it_is_answered(line: str, said: str, lab: Path, monkeypatch: pytest.MonkeyPatch, capfd: Printed) -> None:
    monkeypatch.chdir(lab)
    ended, printed = gazekit(capfd, *line.split())
    assert (ended, said in printed) == (0, True), printed
    assert not (lab / "none").exists()


def test_the_plan_is_told_to_a_program(lab: Path, capfd: Printed, tmp_path: Path) -> None:
    code, printed = gazekit(
        capfd, "record", lab / "sample" / "study.toml", "-p", "Q1", "--dry-run", "--json", "--out", tmp_path / "none"
    )
    plan = json.loads(printed)
    assert (code, plan["participant"], len(plan["trials"])) == (0, "Q1", 6)
    assert not (tmp_path / "none").exists()


def test_when_everybody_is_excluded_nothing_is_left(tmp_path: Path, sample_data: Path, capfd: Printed) -> None:
    """As it says, and with a fixation table beside the sessions and without its pictures too."""
    shutil.copytree(sample_data, tmp_path / "study", ignore=shutil.ignore_patterns("pictures", "comparison"))
    study, table = tmp_path / "study" / "study.toml", tmp_path / "fixations.csv"
    assert gazekit(capfd, "fixations", study.parent / "sessions", "--out", table)[0] == 0
    study.write_text(study.read_text() + f'\n[dataset]\nsessions = ["sessions"]\nfixations = "{table.as_posix()}"\n')
    named = ["--person", "P01", "--person", "P02", "--reason", "lights went out"]
    code, printed = gazekit(capfd, "exclude", study, *named)
    assert (code, printed) == (0, "excluded: P01 (lights went out)\nexcluded: P02 (lights went out)\n")
    code, printed = gazekit(capfd, "measures", study.parent / "sessions", "--out", tmp_path / "m.csv")
    assert code == 1
    assert "everything in 2 sessions is excluded" in printed
    assert not (tmp_path / "m.csv").exists()
    (study.parent / "pictures.csv").unlink()
    code, printed = gazekit(capfd, "exclude", study, "--picture", "none.jpg", "--reason", "dark")
    assert code == 1
    assert "gazekit: the pictures cannot be listed: no such" in printed
    assert "unknown picture 'none.jpg'" in printed


def test_one_session_that_cannot_be_read_is_left_out_of_the_figures(
    tmp_path: Path, sample_data: Path, capfd: Printed
) -> None:
    shutil.copytree(sample_data / "sessions", tmp_path / "sessions", ignore=shutil.ignore_patterns(".explore"))
    whole = (tmp_path / "sessions" / "P01.gaze.h5").read_bytes()
    (tmp_path / "sessions" / "P03.gaze.h5").write_bytes(whole[: len(whole) // 2])
    code, printed = gazekit(capfd, "quality", tmp_path / "sessions")
    assert code == 0, printed
    assert "left out" in printed
    assert "P03.gaze.h5" in printed


def test_a_dataset_is_verified_and_its_detail_told(dataset: Path, capfd: Printed) -> None:
    code, printed = gazekit(capfd, "dataset", "verify", dataset, "--json")
    assert (code, json.loads(printed)["pictures"]) == (0, 12)
    code, printed = gazekit(capfd, "dataset", "detail", dataset)
    assert code == 0
    lines = [line.split() for line in printed.splitlines()]
    assert lines[0] == ["condition", "area", "detail", "contrast", "colour", "left", "pictures"]
    assert lines[1] == ["original", "1.000", "1.000", "1.000", "1.000", "NaN", "8"]


def test_pictures_without_a_mask_are_not_written_and_counted(dataset: Path, tmp_path: Path, capfd: Printed) -> None:
    code, printed = gazekit(capfd, "export-images", dataset, "--out", tmp_path / "images", "--condition", "human")
    assert code == 0, printed
    assert "4 pictures lack a mask, since nobody looked at them" in printed
    assert len(list((tmp_path / "images").rglob("*.png"))) == 8


def test_a_dataset_without_masks_has_no_pictures_to_write(lab: Path, tmp_path: Path, capfd: Printed) -> None:
    plain, out = tmp_path / "plain.dataset.h5", tmp_path / "images"
    options = ["--pictures", lab / "pictures", "--ratings", lab / "ratings.csv", "--out", plain]
    assert gazekit(capfd, "build-dataset", *options)[0] == 0
    code, printed = gazekit(capfd, "export-images", plain, "--out", out)
    assert code == 1
    assert "has nothing to write: 12 pictures, 0 masked conditions" in printed
    assert not out.exists()
