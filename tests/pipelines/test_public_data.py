"""Public data sets: definitions, a copy that is checked, and what is made of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
from PIL import Image

from gazekit.cli import main
from gazekit.core.errors import ConfigError, GazekitError, InputError
from gazekit.histograms import read_histograms
from gazekit.session import open_session
from pipelines.public_data import (
    PublicSet,
    check_set,
    define_set,
    named_set,
    planned_sessions,
    prepare_set,
    public_sets,
)
from tests.conftest import ROOT
from tests.fixtures import foreign

NAMES = ("osie", "saliency-in-crowd", "mit1003", "cat2000", "etdb", "figrim", "koniq", "ava", "photonet", "mebeauty")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small set of gaze and ratings: the sample's."""
    shutil.copytree(ROOT / "sample_data" / "comparison", tmp_path / "set")
    return tmp_path / "set"


@pytest.mark.parametrize("name", NAMES)
def test_a_definition_says_where_to_get_it_and_how_to_cite_it(name: str) -> None:
    definition = public_sets()[name]
    assert all((definition.title, definition.licence, definition.page, definition.citation))
    assert definition.makes or definition.note


def test_what_was_defined_is_prepared_and_a_changed_byte_is_refused(folder: Path, tmp_path: Path) -> None:
    file = define_set("mine", folder, tmp_path / "mine.toml", words={"title": 'A "small" set', "licence": "CC0"})
    definition = named_set("mine", public_sets(file))
    assert (definition.title, definition.pictures, definition.makes) == (
        'A "small" set',
        40,
        ["fixations", "histograms"],
    )
    lines = prepare_set("mine", definition, folder, tmp_path / "out")
    assert "there: 40 pictures, 1 fixations, 1 ratings" in lines
    made = pd.read_csv(tmp_path / "out" / "fixations.csv")
    assert len(made) == len(pd.read_csv(folder / "fixations.csv"))
    assert (
        read_histograms(tmp_path / "out" / "histograms.csv")["n"].sum()
        == read_histograms(folder / "histograms.csv")["n"].sum()
    )
    assert "fixations.csv" in json.loads((tmp_path / "out" / "fixations.csv.json").read_text())["inputs"]
    with (folder / "fixations.csv").open("a") as table:
        table.write("\n")
    with pytest.raises(InputError, match=r"fixations\.csv is another file: SHA-256"):
        prepare_set("mine", definition, folder, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_copy_that_is_not_whole_is_named(folder: Path, tmp_path: Path) -> None:
    definition = named_set("mine", public_sets(define_set("mine", folder, tmp_path / "mine.toml")))
    (folder / "pictures" / "0001.jpg").unlink()
    (folder / "histograms.csv").unlink()
    assert check_set(definition, folder).faults == [
        "**/*.jpg: 39 files, 40 or more were expected",
        "histograms.csv: 0 files, 1 or more were expected",
        "histograms.csv is missing",
    ]


def test_osie_as_its_authors_give_it(tmp_path: Path) -> None:
    (tmp_path / "stimuli").mkdir()
    cells = np.empty((1, 1), dtype=object)
    subjects = np.empty((1, 2), dtype=object)
    for number in range(2):
        subjects[0, number] = {"fix_x": [10.5, 30.0], "fix_y": [20.5, 40.0], "fix_duration": [200, 250]}
    cells[0, 0] = {"img": "1001.jpg", "subjects": subjects}
    scipy.io.savemat(tmp_path / "fixations.mat", {"fixations": cells})
    definition = public_sets()["osie"]
    assert check_set(definition, tmp_path).faults == ["**/*.jpg: 0 files, 700 or more were expected"]
    for number in range(700):
        (tmp_path / "stimuli" / f"{number}.jpg").touch()
    prepare_set("osie", definition, tmp_path, tmp_path / "out")
    made = pd.read_csv(tmp_path / "out" / "fixations.csv", dtype={"image": str})
    assert (len(made), set(made["image"]), made["duration_ms"].sum()) == (4, {"1001.jpg"}, 900.0)


def test_nothing_is_made_of_what_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "Stimuli" / "Action").mkdir(parents=True)
    (tmp_path / "Stimuli" / "Action" / "001.jpg").touch()
    with pytest.raises(InputError, match="so gazekit does not read them"):
        prepare_set("cat2000", public_sets()["cat2000"], tmp_path, tmp_path / "out")


def mit1003(**least: int) -> PublicSet:
    """The definition of MIT1003, for a copy of fewer files."""
    definition = public_sets()["mit1003"]
    files = [part.model_copy(update={"least": least[part.role]}) for part in definition.files]
    return definition.model_copy(update={"files": files})


def test_mit1003_becomes_a_session_a_viewer(tmp_path: Path) -> None:
    viewer = foreign.mit1003.write(tmp_path)
    (tmp_path / "__MACOSX" / "DATA" / "hp").mkdir(parents=True)
    shutil.copytree(viewer, tmp_path / "DATA" / ".svn")
    faults = check_set(public_sets()["mit1003"], tmp_path).faults
    assert faults == [
        "**/*.jpeg: 3 files, 1003 or more were expected",
        "**/DATA/*: 1 folder, 15 or more were expected",
    ]
    lines = prepare_set("mit1003", mit1003(pictures=3, recordings=1), tmp_path, tmp_path / "out")
    assert "  hp.gaze.h5: 216 samples, 3 pictures (mit1003)" in lines
    assert lines[-1] == f"next: gazekit fixations {tmp_path / 'out/sessions'} --out {tmp_path / 'out/fixations.csv'}"
    session = open_session(tmp_path / "out" / "sessions" / "hp.gaze.h5")
    assert (session.screen.width_px, session.screen.distance_mm) == (1280, 610)
    assert set(session.provenance["inputs"]) == {path.name for path in viewer.iterdir()}


def test_recordings_are_defined_prepared_and_a_damaged_one_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out, file = tmp_path / "set", tmp_path / "out", tmp_path / "m.toml"
    folder.mkdir()
    damaged = next(foreign.mit1003.write(folder, "CNG").iterdir())
    foreign.mit1003.write(folder)
    sound = damaged.read_bytes()
    damaged.write_bytes(sound[: len(sound) // 2])

    def run(*arguments: object) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main(["public-data", *map(str, arguments)])
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    assert run("define", "mine", folder, "--out", file)[0] == 0
    text = file.read_text()
    assert text.count('role = "recordings"\nfolders = true') == 2
    assert 'that is known: "DATA/hp_shuff_stimnames.mat"' in text
    prepare = ("prepare", "mine", folder, "--out", out, "--definitions", file)
    code, said = run(*prepare)
    assert (code, "2 recordings of mine could not be read" in said, "[files.reading]: format, mapping" in said) == (
        1,
        True,
        True,
    )
    screen = "width_px = 1280, height_px = 1024, width_mm = 376, height_mm = 301, distance_mm = 610"
    file.write_text(re.sub(r"(?m)^# reading = .*", f"reading = {{ screen = {{ {screen} }} }}", text))
    code, said = run(*prepare, "--dry-run")
    assert (code, "hp.gaze.h5 as mit1003" in said, out.exists()) == (0, True, False)
    code, said = run(*prepare)
    assert (code, f"{damaged} is damaged" in said, "1 session is in" in said) == (1, True, True)
    damaged.write_bytes(sound)
    file.write_text(re.sub(r"sha256 = .*", "", file.read_text()))
    code, said = run(*prepare)
    assert (code, "2 sessions" in said, "1 of them were there" in said) == (0, True, True)
    assert json.loads(run("list", "mit1003", "--json")[1])["mit1003"]["files"][1]["reading"]["format"] == "mit1003"


def test_a_table_of_gaze_is_read_by_the_mapping_beside_the_definition(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    table, screen, options = foreign.plain.sound(tmp_path / "set")
    shutil.move(options["mapping"], tmp_path / "columns.toml")
    Image.new("L", (1000, 800)).save(tmp_path / "set" / "ray.png")
    file = define_set("mine", tmp_path / "set", tmp_path / "mine.toml")
    assert "if it is gaze: `gazekit import FILE --propose`" in file.read_text()
    sizes = ", ".join(f"{key} = {value}" for key, value in screen.items())
    with file.open("a") as text:
        text.write(f'[[mine.files]]\npattern = "{table.name}"\nrole = "recordings"\n')
    (unknown,) = planned_sessions(public_sets(file)["mine"], tmp_path / "set", tmp_path / "out")
    assert unknown.startswith(f"! {table}: {table} is of no known format")
    with file.open("a") as text:
        text.write(f'reading = {{ mapping = "columns.toml", screen = {{ {sizes} }} }}\n')
    lines = prepare_set("mine", public_sets(file)["mine"], tmp_path / "set", tmp_path / "out")
    assert "  table.gaze.h5: 20 samples, 1 picture (plain)" in lines
    assert open_session(tmp_path / "out" / "sessions" / "table.gaze.h5").stimuli["image"].tolist() == ["ray.png"]


def test_what_is_no_gaze_and_pictures_that_are_not_matched_are_said(tmp_path: Path) -> None:
    (tmp_path / "set" / "gaze").mkdir(parents=True)
    table, screen, options = foreign.plain.sound(tmp_path / "set" / "gaze")
    shutil.move(options["mapping"], tmp_path / "columns.toml")
    (tmp_path / "set" / "gaze" / "read me.txt").write_text("by hand")
    for name in ("a", "b"):
        (tmp_path / "set" / name).mkdir()
        Image.new("L", (1000, 800)).save(tmp_path / "set" / name / "ray.png")
    sizes = ", ".join(f"{key} = {value}" for key, value in screen.items())
    (tmp_path / "mine.toml").write_text(
        '[mine]\ntitle = "x"\nlicence = "CC0"\n[[mine.files]]\npattern = "**/*.png"\nrole = "pictures"\n'
        f'[[mine.files]]\npattern = "{table.parent.name}/{table.name}"\nrole = "recordings"\n'
        f'reading = {{ mapping = "columns.toml", screen = {{ {sizes} }} }}\n'
        '[[mine.files]]\npattern = "ga*"\nrole = "recordings"\nfolders = true\n'
    )
    definition = public_sets(tmp_path / "mine.toml")["mine"]
    planned = planned_sessions(definition, tmp_path / "set", tmp_path / "out")
    assert f"  passed over, no gaze: {table.parent / 'read me.txt'}" in planned
    assert "  pictures lie in 2 folders: they were not matched with the recordings" in planned


def test_wrong_definitions_and_names_are_answered(tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text('[x]\ntitle = "x"\nlicense = "CC0"\nfiles = []\n')
    with pytest.raises(ConfigError, match=r"(?s)x\.licen[cs]e"):
        public_sets(tmp_path / "wrong.toml")
    with pytest.raises(GazekitError, match="did you mean osie"):
        named_set("osei", public_sets())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no picture"):
        define_set("x", tmp_path / "empty", tmp_path / "x.toml")
    with pytest.raises(InputError, match=r"no such folder: .*none\. Get the set from http"):
        check_set(public_sets()["osie"], tmp_path / "none")
    with pytest.raises(InputError, match="'a set' cannot name a set"):
        define_set("a set", tmp_path / "empty", tmp_path / "x.toml")
    assert not (tmp_path / "x.toml").exists()


def test_two_tables_of_one_kind_are_asked_about(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "fixations.csv", folder / "early.csv")
    definition = named_set("two", public_sets(define_set("two", folder, tmp_path / "two.toml")))
    with pytest.raises(InputError, match=r"2 entries of two are fixations \(early\.csv, fixations\.csv\); keep one"):
        prepare_set("two", definition, folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_odd_names_of_files_are_kept_and_what_is_passed_over_is_said(folder: Path, tmp_path: Path) -> None:
    (folder / "fixations.csv").rename(folder / 'fix [1] "a".csv')
    (folder / "read me.txt").write_text("about")
    file = define_set("odd", folder, tmp_path / "odd.toml", words={"title": "two\nlines", "licence": "CC0"})
    assert file.read_text("utf-8").startswith(
        '# passed over, neither a picture nor a table that is known: "read me.txt"\n'
    )
    definition = named_set("odd", public_sets(file))
    assert definition.title == "two\nlines"
    assert check_set(definition, folder).faults == []


def test_the_commands(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: object) -> str:
        with pytest.raises(SystemExit) as end:
            main(["public-data", *map(str, arguments)])
        assert end.value.code == 0
        return capsys.readouterr().out

    assert "KonIQ-10k" in run("list")
    assert json.loads(run("list", "ava", "--json"))["ava"]["files"][0]["format"] == "ava"
    assert "look it through" in run("define", "mine", folder, "--out", tmp_path / "m.toml", "--licence", "CC0")
    known = ("--definitions", tmp_path / "m.toml")
    assert "2 files compared by hash" in run("prepare", "mine", folder, "--out", tmp_path / "o", *known, "--dry-run")
    assert not (tmp_path / "o").exists()
    assert "40 histograms" in run("prepare", "mine", folder, "--out", tmp_path / "o", *known)


def test_a_set_of_several_tables_of_ratings_and_files_of_other_kinds(folder: Path, tmp_path: Path) -> None:
    """Fixations as their maker wrote them are known by their layout; what is no table of the kind is passed over."""
    from tests.formats.test_fixation_tables import data_viewer

    (folder / "fixations.csv").unlink()
    data_viewer(folder)
    (folder / "notes.csv").write_text("a,b\n1,2\n")
    file = define_set("mine", folder, tmp_path / "mine.toml")
    text = file.read_text()
    assert 'that is known: "notes.csv"' in text
    assert 'pattern = "report.txt"\nrole = "fixations"' in text
    shutil.copy(folder / "histograms.csv", folder / "histograms-2.csv")
    file.write_text(text.replace('pattern = "histograms.csv"', 'pattern = "histograms*.csv"'))
    definition = named_set("mine", public_sets(file))
    with pytest.raises(InputError, match=r"2 files may be the ratings of mine \(histograms-2.csv, histograms.csv\)"):
        prepare_set("mine", definition, folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("wwww = 3", r"reading\.wwww: unknown key; known in \[mine\.files\.reading\]: encoding, format, mapping, "),
        ("formt = 'asc'", r"reading\.formt: unknown key; did you mean 'format'\?"),
        ("distance_mm = 3", r"; it belongs in \[NAME\.files\.reading\.screen\]"),
    ],
)
def test_an_unknown_key_of_a_definition_is_answered_with_those_of_its_table(
    tmp_path: Path, line: str, words: str
) -> None:
    head = (
        '[mine]\ntitle = "a"\nlicence = "b"\n[[mine.files]]\npattern = "*"\nrole = "fixations"\n[mine.files.reading]\n'
    )
    (tmp_path / "mine.toml").write_text(head + line + "\n")
    with pytest.raises(ConfigError, match=words):
        public_sets(tmp_path / "mine.toml")
