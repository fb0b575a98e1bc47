"""``gazekit attention``: files that appear whole, and one clear message for wrong input."""

from __future__ import annotations

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import skimage.data
from click.testing import CliRunner

from gazekit.attention import attended_rectangle, attention_map
from gazekit.cli import gazekit
from gazekit.cli.attention_ import command
from gazekit.core.errors import GazekitError

SAMPLE = Path(__file__).parents[2] / "sample_data"


@pytest.fixture
def study(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two real photographs, one file that is not a picture, and the fixations of three people."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("astronaut", "coffee"):
        small = cv2.resize(getattr(skimage.data, name)(), (160, 120), interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(folder / f"{name}.png"), small[..., ::-1])
    (folder / "broken.png").write_bytes(b"no picture")
    cv2.imwrite(str(folder / "unseen.png"), np.zeros((8, 8, 3), np.uint8))
    rows = [
        (who, image, rng.normal(70, 15), rng.normal(50, 12), rng.gamma(3, 80))
        for image in ("astronaut.png", "coffee.png", "broken.png")
        for who in ("p1", "p2", "p3")
        for _ in range(6)
    ]
    table = pd.DataFrame(rows, columns=["participant", "image", "x_picture", "y_picture", "duration_ms"])
    table.to_csv(tmp_path / "fixations.csv", index=False)
    return tmp_path


def run(study: Path, *arguments: str) -> str:
    result = CliRunner().invoke(
        command,
        [str(study / "fixations.csv"), "--pictures", str(study / "pictures"), "--out", str(study / "out"), *arguments],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    assert "pictures left out: " in result.stderr
    return result.stdout + "".join(line for line in result.stderr.splitlines(True) if " left out: " not in line)


def test_it_writes_maps_overlays_masks_sheets_and_agreement(study: Path) -> None:
    output = run(study, "--sigma-px", "6")
    out = study / "out"
    assert output.startswith("2 maps of 2 pictures")
    assert "| half of the viewers | " in output
    table = pd.read_csv(out / "attention.csv").set_index("image")
    own = pd.read_csv(study / "fixations.csv").query("image == 'coffee.png'")
    amap = attention_map(own["x_picture"], own["y_picture"], own["duration_ms"], size=(120, 160), sigma_px=6)
    row = table.loc["coffee.png"]
    assert tuple(row[["top", "left", "bottom", "right"]]) == attended_rectangle(amap)
    assert 0.7 <= row["mass"] < 0.8
    assert (row["fixations"], row["viewers"]) == (18, 3)
    stored = cv2.imread(str(out / "maps" / "coffee.png.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    np.testing.assert_allclose(stored / 65535, amap / amap.max(), atol=1e-5)
    masked = cv2.imread(str(out / "masked" / "coffee.png.png"))
    assert (masked[: row["top"]] == 0).all()
    assert masked[row["top"] : row["bottom"], row["left"] : row["right"]].mean() > 20
    for name in ("contact-sheet.png", "pairs.png", "heatmaps/coffee.png.jpg", "scanpaths/astronaut.png.jpg"):
        assert cv2.imread(str(out / name)).std() > 10
    left_out = dict(pd.read_csv(out / "left-out.csv").to_numpy())
    assert set(left_out) == {"broken.png", "unseen.png"}
    assert "not a picture" in left_out["broken.png"]
    assert set(pd.read_csv(out / "agreement.csv")["metric"]) >= {"nss", "auc_shuffled", "ig"}
    origin = json.loads((out / "attention.csv.json").read_text())
    assert origin["parameters"]["share"] == 0.7
    assert len(origin["inputs"]["fixations"]) == 64


@pytest.mark.parametrize(
    ("options", "boxes", "kept"),
    [
        (["--mask", "patches", "--patches", "2", "--patch-share", "0.25"], 2, (0.1, 0.1251)),
        (["--mask", "region", "--share", "0.5"], None, (0.01, 0.5)),
        (["--mask", "fixations", "--fill", "foveated"], 0, (0.01, 0.3)),
        (["--remove", "--fill", "mean", "--soft-px", "5"], 1, (0.01, 0.9)),
    ],
    ids=["patches", "region", "fixations", "remove"],
)
def test_what_a_mask_keeps_is_chosen(
    study: Path, options: list[str], boxes: int | None, kept: tuple[float, float]
) -> None:
    lines = run(study, "--sigma-px", "6", "--no-agreement", "--json", *options).splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 2
    for row in rows:
        assert boxes is None or len(json.loads(row["boxes"])) == boxes
        assert kept[0] <= row["kept_area"] <= kept[1]
    assert not (study / "out" / "agreement.csv").exists()


def test_maps_of_people_and_groups(study: Path) -> None:
    run(study, "--sigma-px", "6", "--by", "participant", "--tables-only")
    table = pd.read_csv(study / "out" / "attention.csv")
    assert sorted(table["who"].unique()) == ["p1", "p2", "p3"]
    assert not (study / "out" / "maps").exists()
    run(study, "--sigma-px", "6", "--by", "leave-one-out", "--no-agreement")
    table = pd.read_csv(study / "out" / "attention.csv").query("image == 'coffee.png'").set_index("who")
    assert table["viewers"].to_dict() == {f"all but p{n}": 2 for n in (1, 2, 3)}
    assert (study / "out" / "maps" / "coffee.png-all_but_p2.png").exists()
    groups = study / "groups.csv"
    groups.write_text("participant,group\np1,young\np2,old\np3,old\n")
    run(study, "--sigma-px", "6", "--groups", str(groups), "--tables-only", "--no-agreement")
    table = pd.read_csv(study / "out" / "attention.csv").query("image == 'coffee.png'").set_index("who")
    assert table["viewers"].to_dict() == {"old": 2, "young": 1}


def test_a_study_file_gives_pictures_and_settings(study: Path) -> None:
    (study / "study.toml").write_text(
        '[study]\nname = "two"\n[screen]\nwidth_px = 1920\nheight_px = 1080\nwidth_mm = 527\nheight_mm = 296\n'
        'distance_mm = 630\n[pictures]\nfolder = "pictures"\n[attention]\nshare = 0.4\nweight = "count"\n'
    )
    arguments = [str(study / "fixations.csv"), "--study", str(study / "study.toml"), "--out", str(study / "out")]
    result = CliRunner().invoke(command, [*arguments, "--sigma-px", "6", "--tables-only"], catch_exceptions=False)
    assert result.exit_code == 0
    origin = json.loads((study / "out" / "attention.csv.json").read_text())
    assert (origin["parameters"]["share"], origin["parameters"]["weight"]) == (0.4, "count")
    assert set(origin["inputs"]) == {"fixations", "study"}


def test_other_peoples_tables_are_renamed_and_shifted(study: Path) -> None:
    path = study / "fixations.csv"
    table = pd.read_csv(path)
    run(study, "--sigma-px", "6", "--tables-only")
    plain = pd.read_csv(study / "out" / "attention.csv")
    table[["x_picture", "y_picture"]] += 0.5
    table.rename(columns={"x_picture": "x", "y_picture": "y", "participant": "who", "duration_ms": "duration"}).to_csv(
        path, index=False
    )
    run(study, "--sigma-px", "6", "--tables-only", "--one-based", "--rename", "who=participant")
    pd.testing.assert_frame_equal(pd.read_csv(study / "out" / "attention.csv"), plain)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda s: (s / "fixations.csv").unlink(), [], "no such fixation table"),
        (lambda s: (s / "fixations.csv").write_text(""), [], "is empty"),
        (lambda s: (s / "fixations.csv").write_text("image,x\na,1\n"), [], "lacks y_picture; it has image, x_picture"),
        (lambda s: (s / "fixations.csv").write_text("image,x_picture,y_picture\nz,1,1\n"), [], "none of the pictures"),
        (lambda s: None, [], "no x_deg"),
        (lambda s: None, ["--rename", "x"], "OLD=NEW"),
        (lambda s: None, ["--sigma-px", "6", "--groups", "nowhere.csv"], "no such table of groups"),
    ],
    ids=["absent", "empty", "columns", "pictures", "degrees", "rename", "groups"],
)
def test_wrong_input_gives_one_message_and_no_output(study: Path, change, arguments: list[str], message: str) -> None:
    change(study)
    with pytest.raises(GazekitError, match=message):
        run(study, *arguments)
    assert not (study / "out").exists()


FAULTS = pd.DataFrame(
    [
        ("a.png", "v1", 30, 30, 200),
        ("a.png", "v2", 60, 40, 300),
        ("b.png", "v1", -12, 40, 250),
        ("b.png", "v2", 170, 40, 250),
        ("c.png", "v1", 50, 50, 0),
        ("c.png", "v2", 90, 80, 0),
        ("d.png", "v1", -5, 10, 200),
        ("d.png", "v2", 90, 80, 300),
    ],
    columns=["image", "participant", "x_picture", "y_picture", "duration_ms"],
)


def test_who_looked_elsewhere_is_counted_and_ends_no_study(study: Path) -> None:
    for name in "abcd":
        cv2.imwrite(str(study / "pictures" / f"{name}.png"), np.zeros((100, 120, 3), np.uint8))
    FAULTS.to_csv(study / "fixations.csv", index=False)
    output = run(study, "--sigma-px", "5", "--tables-only")
    assert "5 of 8 fixations (62%) lie off their picture or have no duration" in output
    assert "is the placement of the pictures" in output
    table = pd.read_csv(study / "out" / "attention.csv").set_index("image")
    assert table["viewers"].to_dict() == {"a.png": 2, "d.png": 1}
    assert table["off_picture"].to_dict() == {"a.png": 0, "d.png": 1}
    left_out = dict(pd.read_csv(study / "out" / "left-out.csv").to_numpy())
    assert left_out["b.png"] == "nobody looked at it; 2 fixations lie beside it or have no duration"
    assert "nobody looked at it" in left_out["c.png"]


def test_fixations_on_no_picture_are_counted_and_named(study: Path) -> None:
    table = pd.read_csv(study / "fixations.csv")
    pd.concat([table, table.head(3).assign(image="elsewhere.png")]).to_csv(study / "fixations.csv", index=False)
    run(study, "--sigma-px", "5", "--tables-only")
    left_out = dict(pd.read_csv(study / "out" / "left-out.csv").to_numpy())
    assert left_out["elsewhere.png"] == "not among the pictures; it has 3 fixations"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--groups", "groups.csv", "--differences", "9"], "found 3 groups, and among those who looked at it 1 of a, "),
        (["--differences", "9"], "differences are between two groups of people (--groups), or two conditions"),
        (["--differences", "9", "--conditions", "participant"], "column participant has 3 values: p1, p2, p3"),
        (["--differences", "9", "--conditions", "task"], "the fixation table has no column task; it has participant"),
        (["--judge", "pictures/none"], "has no map (<picture>.png) of any of the pictures"),
        (["--own", "ratings.csv"], "4 people or more with one id in both; gaze and ratings share 1: gaze has p1, p2, "),
    ],
)
def test_what_cannot_be_compared_is_said_before_anything_is_written(
    study: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.chdir(study)
    pd.DataFrame({"participant": ["p1", "p2", "p3"], "group": list("abc")}).to_csv("groups.csv", index=False)
    scores = pd.DataFrame({"rater": ["p1", "r2"], "image": ["coffee.png"] * 2, "score": [3, 4]})
    scores.to_csv("ratings.csv", index=False)
    given = ["fixations.csv", "--pictures", "pictures", "--out", "out", "--sigma-px", "5", *arguments]
    with pytest.raises(GazekitError, match=re.escape(message)):
        CliRunner().invoke(command, given, catch_exceptions=False)
    assert not (study / "out").exists()


def test_two_folders_of_maps_of_one_name_are_told_apart(study: Path) -> None:
    for model, middle in (("one", 30), ("two", 70)):
        (study / model / "maps").mkdir(parents=True)
        amap = attention_map([middle], [50], size=(120, 160), sigma_px=12)
        for name in ("astronaut", "coffee"):
            cv2.imwrite(str(study / model / "maps" / f"{name}.png"), (amap / amap.max() * 65535).astype(np.uint16))
    folders = [str(study / model / "maps") for model in ("one", "two")]
    run(study, "--sigma-px", "5", "--tables-only", "--scanpaths", "--judge", folders[0], "--judge", folders[1])
    assert list(pd.read_csv(study / "out" / "worth.csv")["maps"]) == folders
    compared = set(pd.read_csv(study / "out" / "scanpaths.csv")["comparison"])
    assert all(any(folder in name for name in compared) for folder in folders)


def test_a_picture_in_which_a_metric_is_not_defined_does_not_undo_its_mean(study: Path) -> None:
    cv2.imwrite(str(study / "pictures" / "dot.png"), np.zeros((1, 1, 3), np.uint8))
    table = pd.read_csv(study / "fixations.csv")
    dot = pd.DataFrame({"participant": ["p1", "p2"], "image": "dot.png", "x_picture": 0.5, "y_picture": 0.5})
    pd.concat([table, dot.assign(duration_ms=200)]).to_csv(study / "fixations.csv", index=False)
    run(study, "--sigma-px", "5", "--tables-only")
    found = pd.read_csv(study / "out" / "agreement.csv").set_index(["map", "metric"])
    half = found.loc["half of the viewers"]
    assert np.isfinite(half["value"]).all()
    assert half["pictures"].to_dict()["auc_judd"] == 2
    assert half["pictures"].to_dict()["nss"] == 3


def test_pictures_whose_names_are_alike_have_a_file_each(study: Path) -> None:
    names = ["my photo.png", "my_photo.png", "my,photo.png", "it's.png", "A.png", "a.png", "con.png", "plain.png"]
    for name in names:
        cv2.imwrite(str(study / "pictures" / name), np.full((40, 50, 3), 90, np.uint8))
    rows = [(who, name, 10 + n, 20, 200) for n, name in enumerate(names) for who in ("p1", "p2")]
    columns = ["participant", "image", "x_picture", "y_picture", "duration_ms"]
    pd.DataFrame(rows, columns=columns).to_csv(study / "fixations.csv", index=False)
    run(study, "--sigma-px", "5", "--no-agreement", "--by", "participant")
    table = pd.read_csv(study / "out" / "attention.csv")
    assert table["file"].str.casefold().is_unique
    assert len(table) == 2 * len(names)
    assert sorted(p.name for p in (study / "out" / "maps").iterdir()) == sorted(table["file"] + ".png")
    assert set(table.loc[table["image"] == "plain.png", "file"]) == {"plain.png-p1", "plain.png-p2"}
    assert not table["file"].str.casefold().str.startswith("con.").any()


def test_sessions_are_read_as_gazekit_fixations_reads_them(tmp_path: Path) -> None:
    """Detector, provenance and table are those of `gazekit fixations`, and the maps those of its table."""
    sessions, study_file = str(SAMPLE / "sessions"), str(SAMPLE / "study.toml")
    chosen = ["--study", study_file, "--detector", "ivt", "-p", "min_duration_ms=80", "--cut", "drop-start"]
    table, out = tmp_path / "fixations.csv", tmp_path / "out"

    def done(*arguments: str) -> str:
        result = CliRunner().invoke(gazekit, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    done("fixations", sessions, "--out", str(table), *chosen)
    assert "6 maps of 6 pictures" in done("attention", sessions, "--out", str(out), "--tables-only", *chosen)
    for name in ("fixations.csv", "fixations.csv.json"):
        assert (out / name).read_bytes() == (tmp_path / name).read_bytes()
    origin = json.loads((out / "attention.csv.json").read_text())
    assert origin["parameters"]["fixations"] == {"detector": "ivt", "min_duration_ms": 80, "cut": "drop-start"}
    assert sorted(Path(name).name for name in origin["inputs"]) == ["P01.gaze.h5", "P02.gaze.h5", "study"]
    done("attention", str(table), "--out", str(tmp_path / "other"), "--tables-only", "--study", study_file)
    assert (tmp_path / "other" / "attention.csv").read_bytes() == (out / "attention.csv").read_bytes()
    assert not (tmp_path / "other" / "fixations.csv").exists()


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (["fixations.csv"], ["--detector", "ivt"], "--detector say how fixations are found in sessions"),
        (["fixations.csv"], ["-p", "a=1", "--strict"], "--parameter, --strict say how"),
        (["SESSIONS"], ["--one-based"], "are for tables of fixations"),
        (["SESSIONS", "fixations.csv"], [], "is a table of fixations and .* is not"),
        (["pictures"], [], "holds no session file"),
        (["SESSIONS"], ["--pictures", "other"], "none of the pictures"),
    ],
    ids=["detector of a table", "parameter of a table", "one-based sessions", "both", "no sessions", "other pictures"],
)
def test_inputs_that_do_not_go_together_are_said(
    study: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[str], options: list[str], message: str
) -> None:
    monkeypatch.chdir(study)
    Path("other").mkdir()
    Path("pictures", "unseen.png").rename("other/unseen.png")
    sessions = str(SAMPLE / "sessions" / "P01.gaze.h5")
    places = [sessions if name == "SESSIONS" else name for name in inputs]
    with pytest.raises(GazekitError, match=message):
        CliRunner().invoke(
            command, [*places, "--pictures", "pictures", "--out", "out", *options], catch_exceptions=False
        )
    assert not Path("out").exists()


def test_several_tables_are_one(study: Path) -> None:
    table = pd.read_csv(study / "fixations.csv")
    run(study, "--sigma-px", "6", "--tables-only")
    whole = pd.read_csv(study / "out" / "attention.csv")
    table[table["participant"] == "p1"].to_csv(study / "p1.csv", index=False)
    table[table["participant"] != "p1"].to_csv(study / "fixations.csv", index=False)
    run(study, str(study / "p1.csv"), "--sigma-px", "6", "--tables-only")
    pd.testing.assert_frame_equal(pd.read_csv(study / "out" / "attention.csv"), whole)
