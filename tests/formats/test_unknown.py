"""Files that are not what they seem: one clear message each, and nothing half-written."""

from __future__ import annotations

import doctest
import functools
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from gazekit.cli import COMMANDS
from gazekit.core.errors import FormatError, InputError
from gazekit.formats import import_recording, registry
from gazekit.formats.batch import import_files, unique_stems
from gazekit.formats.text import Head

SIZES = {"width_px": 1920, "height_px": 1080, "width_mm": 527.0, "height_mm": 296.0, "distance_mm": 630.0}
NAMES = [
    "bids",
    "edf",
    "eprime",
    "eyelink",
    "gazepoint",
    "glasses",
    "iohub",
    "mit1003",
    "plain",
    "prolab",
    "pupil",
    "pygaze",
    "smi",
]
NAMES += ["studio", "tables", "titta", "titta-matlab", "tobii-sdk", "tx300", "webgazer", "xdf"]


def test_formats_that_are_installed() -> None:
    assert set(NAMES) <= set(registry.formats())
    assert all(known.TITLE for known in registry.formats().values())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            b"a,b,c\n1,2,3\n",
            "a comma-separated table with the columns a, b, c; a mapping file can describe such a table",
        ),
        (b"x;y\n1,5;2\n", "a semicolon-separated table with the columns x, y"),
        (b'{"trial": 1}', "JSON, beginning '{\"trial\": 1}'"),
        (
            b"RECORDING_SESSION_LABEL\tCURRENT_FIX_X\tCURRENT_FIX_Y\na\t1\t2\n",
            "a table of fixations with the columns",
        ),
        (b"Recording,TOI,Total_duration_of_fixations.ray\na,b,1\n", "a table of metrics of areas or times of interest"),
        (b"timestamp [ns],gyro x [deg/s],gyro y [deg/s]\n1,2,3\n", "a table of movements of the head"),
        (b"image,fix_x,fix_y,fix_duration\na.png,1,2,200\n", "fix_duration; gazekit attention and aoi read it with"),
        (b"Dear reader,\nhello", "text that begins with 'Dear reader,'"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"gazekit session file, sha256 0", "a session file of gazekit: there is nothing to import"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "an HDF5 file"),
        (b"\xff\xd8\xff\xe0", "a JPEG picture"),
        (bytes(range(256)), "a binary file that begins with 00 01 02 03"),
    ],
)
def test_what_it_looks_like_and_what_is_supported(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "mystery.dat"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="is of no known format: it looks like") as caught:
        import_recording(path)
    assert words in str(caught.value)
    assert "Tobii Pro Lab data export" in str(caught.value)


def test_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(FormatError, match=r"a folder of 1 file \(notes\.txt\)"):
        import_recording(tmp_path)


def test_zero_bytes_and_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "empty.tsv").touch()
    with pytest.raises(InputError, match=r"is empty \(0 bytes\)"):
        import_recording(tmp_path / "empty.tsv")
    with pytest.raises(InputError, match="no such gaze file"):
        import_recording(tmp_path / "nowhere.tsv")


def test_unknown_format_and_option(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "export.tsv")
    with pytest.raises(InputError, match="did you mean prolab"):
        import_recording(path, format="prolabs")
    with pytest.raises(
        InputError, match="option of the format prolab 'speed'; known: encoding, offset, onset, pictures, placement"
    ):
        import_recording(path, screen=SIZES, speed=3)


def test_column_that_stands_twice(tmp_path: Path) -> None:
    path = tmp_path / "export.tsv"
    path.write_text("Recording timestamp [ms]\tGaze point X\tGaze point X\tGaze point Y\n1\t2\t3\t4\n")
    with pytest.raises(FormatError, match="columns stand twice: Gaze point X"):
        import_recording(path, screen=SIZES)


def test_a_bad_file_is_named_and_the_rest_goes_on(foreign, tmp_path: Path, run) -> None:
    files = tmp_path / "files"
    files.mkdir()
    foreign.prolab.write(files / "a.tsv")
    (files / "b.tsv").touch()
    foreign.prolab.write(files / "c.tsv").write_text(
        (files / "a.tsv").read_text("utf-8").replace("\t540\t", "\tx\t"), "utf-8"
    )
    sizes = ["--screen-mm", "527x296", "--distance-mm", 630]
    result = run("import", files, *sizes, "--out", tmp_path / "out", "--json")
    assert result.exit_code == 1
    document = json.loads(result.output)
    assert [Path(path).name for path in document["faults"]] == ["b.tsv", "c.tsv"]
    assert "holds no samples" in document["faults"][str(files / "c.tsv")]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_P01_Recording1.gaze.h5"]
    strict = run("import", files, *sizes, "--out", tmp_path / "strict", "--strict")
    assert strict.exit_code == 1
    assert [path.name for path in (tmp_path / "strict").iterdir()] == ["a_P01_Recording1.gaze.h5"]


def test_sidecars_in_a_folder_are_passed_over_and_named(foreign, tmp_path: Path, run) -> None:
    files = tmp_path / "files"
    files.mkdir()
    foreign.prolab.write(files / "a.tsv")
    (files / "README.md").write_text("Gaze of one person, taken in May.\n")
    (files / "meta.json").write_text('{"wearer": "p1"}')
    (files / "ray.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    sizes = ["--screen-mm", "527x296", "--distance-mm", 630, "--out", tmp_path / "out"]
    result = run("import", files, *sizes)
    assert result.exit_code == 0
    assert "3 files that are no gaze were passed over: README.md, meta.json, ray.png" in result.output
    (files / "a.tsv").unlink()
    nothing = run("import", files, *sizes)
    assert nothing.exit_code == 1
    assert str(nothing.exception).count("Supported:") == 1
    assert 'meta.json: JSON, beginning \'{"wearer": "p1"}\'' in str(nothing.exception)


def test_table_in_a_folder_that_no_format_reads_is_a_fault(foreign, tmp_path: Path, run) -> None:
    foreign.prolab.write(tmp_path / "a.tsv")
    (tmp_path / "b.csv").write_text("time,where,what\n1,2,3\n")
    result = run("import", tmp_path, "--screen-mm", "527x296", "--distance-mm", 630, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "b.csv was left out" in result.output


def test_dry_run_writes_nothing(foreign, tmp_path: Path, run) -> None:
    path = foreign.prolab.write(tmp_path / "a.tsv")
    result = run("import", path, "--out", tmp_path / "out", "--dry-run")
    assert f"{path} -> {tmp_path / 'out' / 'a.gaze.h5'} as prolab" in result.output
    assert not (tmp_path / "out").exists()


def test_other_options_never_overwrite(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "a.tsv")
    assert not import_files([path], tmp_path / "out", screen=SIZES).faults
    again = import_files([path], tmp_path / "out", screen=SIZES | {"distance_mm": 700.0})
    assert "exists already" in again.faults[str(path)]
    path.write_bytes(path.read_bytes().replace(b"P01", b"P01"))
    assert import_files([path], tmp_path / "out", screen=SIZES).done_before


def test_one_recording_of_several_lost_is_made_again(foreign, tmp_path: Path) -> None:
    path = foreign.prolab.write(tmp_path / "a.tsv", people=("P01", "P02"))
    first = import_files([path], tmp_path / "out", screen=SIZES)
    first.imported[1].session.unlink()
    second = import_files([path], tmp_path / "out", screen=SIZES)
    assert [item.participant for item in second.imported] == ["P02"]
    assert not second.faults


def test_names_take_as_much_of_their_folders_as_they_need() -> None:
    paths = [Path("/data/p1/1.tsv"), Path("/data/p2/1.tsv"), Path("/data/p2/2.tsv")]
    assert list(unique_stems(paths).values()) == ["p1_1", "p2_1", "2"]


def plug_in(monkeypatch: pytest.MonkeyPatch, **modules: object) -> None:
    """Formats of other packages, beside those that are installed."""
    real = list(registry.entry_points(group=registry.GROUP))
    made = [
        SimpleNamespace(name=name, value=f"other.{name}", load=functools.partial(_load, module))
        for name, module in modules.items()
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: [*real, *made])
    registry.formats.cache_clear()


def _load(module: object) -> object:
    if isinstance(module, Exception):
        raise module
    return module


@pytest.fixture
def fresh():
    yield
    registry.formats.cache_clear()


def test_plug_in_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    (tmp_path / "a.xyz").write_text("XYZ 1\n")
    other = SimpleNamespace(TITLE="XYZ", looks_like=lambda head: head.start.startswith(b"XYZ"))
    plug_in(monkeypatch, xyz=other)
    assert registry.detect(Head.of(tmp_path / "a.xyz")) == "xyz"


def test_two_formats_that_both_fit(foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    path = foreign.prolab.write(tmp_path / "a.tsv")
    plug_in(monkeypatch, other=SimpleNamespace(TITLE="other", looks_like=lambda head: True))
    with pytest.raises(FormatError, match="looks like other and prolab; choose one with --format"):
        import_recording(path, screen=SIZES)
    assert len(import_recording(path, screen=SIZES, format="prolab").recording) == 10


def test_plug_in_that_is_broken(foreign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    path = foreign.prolab.write(tmp_path / "a.tsv")
    plug_in(monkeypatch, broken=ImportError("no module of mine"))
    with pytest.warns(UserWarning, match="the format broken .* cannot be loaded: no module of mine"):
        assert registry.detect(Head.of(path)) == "prolab"


@pytest.mark.parametrize("name", ["import", "export"])
def test_help_has_an_example(name: str, run) -> None:
    assert name in COMMANDS
    assert f"gazekit {name} " in run(name, "--help").output


def test_example_of_import_recording() -> None:
    finder, module = doctest.DocTestFinder(), sys.modules[import_recording.__module__]
    (example,) = finder.find(import_recording, "import_recording", module=module, globs=vars(module).copy())
    assert example.examples
    assert doctest.DocTestRunner(verbose=False).run(example).failed == 0
