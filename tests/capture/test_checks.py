"""`gazekit study check` finds what any later stage would refuse, all of it at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError
from gazekit.study import check_study, read_study
from tests.fixtures.session_study import MakeStudy

CASES = {
    "detector": ("[fixations]\ndetector = 'adaptiv'", "[fixations] unknown detector 'adaptiv'; did you mean adaptive"),
    "parameter": ("[fixations]\ndetector = 'ivt'\nparameters = {speed = 3}", "[fixations]"),
    "contrast": (
        "background = [90, 90, 90]\n[text]\ncolour = [120, 120, 120]",
        "has a contrast of 1.6; 3 or more can be read",
    ),
    "latin square": ("order = 'latin-square'\nblock_size = 2", "block_size has no meaning in a Latin square"),
    "a choice twice": (
        "[[questions]]\nname = 'a'\ntext = 'A?'\nchoices = ['x', 'y', 'x']",
        "a choice stands twice",
    ),
    "backup": ("[record]\nbackup = 'unplugged'", "[record] backup: there is no folder"),
    "condition": ("[dataset]\nconditions = ['humen']", "[dataset] unknown condition 'humen'; did you mean human"),
    "folds": ("[dataset]\nfolds = 2", "[dataset] folds must be 3 or more"),
    "patches": ("[attention]\nmask = 'patches'\npatches = 40", "40 patches of 0.2 of height and width cover 160%"),
    "questions": (
        "[[questions]]\nname = 'a'\ntext = 'A?'\nchoices = ['x', 'y']\n" * 2,
        "[[questions]] name 'a' stands 2 times",
    ),
    "one choice": ("[[questions]]\nname = 'a'\ntext = 'A?'\nchoices = ['x']", "'a': 2 to 20 choices, found 1"),
    "labels as a list": (
        "[[answers]]\nname = 'a'\ntext = 'A?'\nlabels = ['x']",
        "answers.0.labels: should be a table, found ['x']",
    ),
    "no room below": (
        "[[answers]]\nname = 'a'\ntext = 'A?'\nkind = 'choice'\nwhen = 'while'\nchoices = ["
        + "".join(f"'{n}', " for n in range(8))
        + "]",
        "[[answers]] a: 8 choices have no room below a picture; at most 7, or when = 'after'",
    ),
    "page without its picture": ("[[pages]]\npicture = 'gone.png'", "[[pages]] 1 (before) picture: no such"),
    "empty page": ("[[pages]]\nplace = 'after'", "a page needs text, picture, or standard"),
    "colour": ("background = [90, 90, 900]", "red, green and blue must be 0 to 255"),
    "too few between": ("again = ['p0.png']\nagain_after = 4", "again_after = 4: there are 4 pictures"),
    "name of a factor": (
        "[[factors]]\nname = 'language'\nlevels = ['a', 'b']",
        "a factor cannot be called 'language': every participant has that",
    ),
    "pictures of one level": (
        "[[factors]]\nname = 'list'\nlevels = ['a', 'b']\npictures = {a = 'pictures'}",
        "pictures must name a folder or list for every level of 'list', or for none",
    ),
    "pictures of two factors": (
        "".join(
            f"[[factors]]\nname = '{name}'\nlevels = ['a', 'b']\npictures = {{a = 'pictures', b = 'pictures'}}\n"
            for name in ("one", "two")
        ),
        "[[factors]] several have pictures; one factor at most decides",
    ),
    "two kinds of blocks": (
        "block_size = 2\n[[blocks]]\nname = 'rate'",
        "[presentation] block_size has no meaning beside [[blocks]]",
    ),
}
EDITS = {
    "gate": ("dwell_ms = 300", "dwell_ms = 300\ngate_deg = 0.01", "gate_deg = 0.01: no eye tracker"),
    "not square": ("height_mm = 296", "height_mm = 310", "they are square on every display"),
    "centimetres": ("distance_mm = 630", "distance_mm = 63", "distance_mm = 63: are these centimetres? Then it is 630"),
    "rate": ("rate_hz = 120", "rate_hz = 5000", "the simulated tracker runs at 60 to 1200 Hz"),
    "reuse": ("points = 5", "reuse = 'gone.gaze.h5'", "[calibration] reuse: no such saved calibration"),
    "gate without points": ("points = 4", "points = 0\ngate_deg = 1.0", "gate_deg has no meaning without points"),
    "display area": (
        "rate_hz = 120",
        "rate_hz = 120\ndisplay_area = [[-26, 31, 2], [26, 31, 2], [-26, 1, 2]]",
        "[tracker] display_area is 52 x 30 mm, [screen] 527 x 296 mm",
    ),
    "points": ("points = 5", "points = [[0.5, 1.5]]", "points must lie on the display area: 0 to 1 across and down"),
    "replay of nothing": ('kind = "simulated"', 'kind = "replay"', "kind = 'replay' needs file, the session to play"),
    "licence": ("rate_hz = 120", "rate_hz = 120\nlicense = 'gone.lic'", "[tracker] license: no such file"),
    "replay": ('kind = "simulated"', 'kind = "replay"\nfile = "gone.gaze.h5"', "[tracker] file: no such session file"),
    "kind": ('kind = "simulated"', 'kind = "tobi"', "did you mean tobii"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_what_a_later_stage_would_refuse_is_found(make_study: MakeStudy, case: str) -> None:
    extra, words = CASES[case]
    with pytest.raises(ConfigError) as refusal:
        check_study(read_study(make_study(extra=extra)))
    assert words in str(refusal.value)


@pytest.mark.parametrize("case", EDITS)
def test_a_wrong_value_is_found(make_study: MakeStudy, case: str) -> None:
    before, after, words = EDITS[case]
    path = make_study()
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    with pytest.raises(ConfigError) as refusal:
        check_study(read_study(path))
    assert words in str(refusal.value)


def test_all_faults_are_said_in_one_message_and_nothing_is_recorded(make_study: MakeStudy, tmp_path: Path) -> None:
    path = make_study(extra="[fixations]\ndetector = 'adaptiv'")
    path.write_text(path.read_text().replace("height_mm = 296", "height_mm = 310"))
    (path.parent / "pictures" / "p1.png").write_bytes(b"no picture")
    for command in (["study", "check", str(path)], ["record", str(path), "-p", "P01", "-o", str(tmp_path / "out")]):
        text = str(CliRunner().invoke(gazekit, command).exception)
        for words in ("square on every display", "p1.png", "unknown detector"):
            assert words in text
    assert not (tmp_path / "out").exists()


def test_a_study_in_another_code_is_read_or_said(make_study: MakeStudy) -> None:
    path = make_study()
    text = path.read_text().replace("four pictures", "vier Bücher")
    path.write_bytes(text.encode("utf-8-sig"))
    assert read_study(path).study.name == "vier Bücher"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"not UTF-8 but, it seems, Latin-1 or Windows-1252 \(line 3\)"):
        read_study(path)
    for code in ("utf-16", "utf-16-le", "utf-16-be"):
        path.write_bytes(text.replace("ü", "u").encode(code))
        with pytest.raises(ConfigError, match=r"not UTF-8 but, it seems, UTF-16"):
            read_study(path)


def test_a_stream_takes_no_calibration(make_study: MakeStudy) -> None:
    path = make_study(kind="lsl")
    path.write_text(path.read_text().replace("points = 5", "reuse = 'study.toml'"))
    with pytest.raises(ConfigError, match=r"a tracker of kind 'lsl' takes no calibration"):
        check_study(read_study(path))


def test_what_macos_leaves_beside_a_picture_is_no_picture(make_study: MakeStudy) -> None:
    path = make_study()
    (path.parent / "pictures" / "._p1.png").write_bytes(b"Mac OS X resource fork")
    check_study(read_study(path))


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("participant,group\nP01,a\nP02,b\nP01,b\n", "P01 more than once; a participant is one row"),
        ("participant,age\nP01,31\n", "the table has no column group"),
        ("participant,group\nP01,c\n", "group holds c"),
    ],
    ids=["twice", "no-column", "no-level"],
)
def test_a_table_of_participants_that_does_not_fit_is_said(make_study: MakeStudy, table: str, fault: str) -> None:
    factor = "[[factors]]\nname = 'group'\nlevels = ['a', 'b']\nassign = 'file'\n[design]\nparticipants = 'people.csv'"
    path = make_study(extra=factor)
    (path.parent / "people.csv").write_text(table)
    with pytest.raises(ConfigError) as refusal:
        check_study(read_study(path))
    assert fault in str(refusal.value)


def test_a_practice_picture_that_is_none_is_said(make_study: MakeStudy) -> None:
    path = make_study(extra="[practice]\nfolder = 'warm-up'")
    (path.parent / "warm-up").mkdir()
    (path.parent / "warm-up" / "w.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError) as refusal:
        check_study(read_study(path))
    assert "[practice] 1 cannot be shown" in str(refusal.value)
    assert "w.png" in str(refusal.value)


def test_corners_of_the_display_that_fit_the_screen_are_no_fault(make_study: MakeStudy) -> None:
    path = make_study(tracker="display_area = [[-263.5, 311, 20], [263.5, 311, 20], [-263.5, 15, 20]]")
    check_study(read_study(path))
