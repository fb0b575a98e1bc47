"""Groups, conditions, blocks, lists, pictures that come again: who sees what, in balance."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from gazekit.capture import record
from gazekit.capture.claims import take_turn
from gazekit.capture.design import assign
from gazekit.capture.ledger import assigned_before
from gazekit.capture.orders import with_again
from gazekit.capture.plan import plan_session
from gazekit.capture.preview import preview_study
from gazekit.capture.session_loop import State
from gazekit.capture.session_setup import SessionPart, _header, prepare_part, record_part
from gazekit.capture.simulation.tracker import SimulatedTracker
from gazekit.cli import gazekit
from gazekit.core.errors import ConfigError, GazekitError, InputError, OutputError
from gazekit.formats import export_bids
from gazekit.session import open_session
from gazekit.session.journal import JournalWriter
from gazekit.study import Study, check_study, read_study
from tests.capture.test_pages import record_for
from tests.capture.test_plugin import PLUGIN
from tests.fixtures.plugins import Install
from tests.fixtures.session_study import MakeStudy, write_pictures
from tests.fixtures.stopping_tracker import StoppingTracker

FACTORS = """
[[factors]]
name = "group"
levels = ["australian", "chinese", "first_peoples"]
assign = "given"
languages = {chinese = "de"}
[[factors]]
name = "task"
levels = ["free", "search"]
"""


def study_of(make_study: MakeStudy, extra: str, **changes: object) -> Study:
    path = make_study(extra=extra, **changes)
    path.write_text(path.read_text().replace("[study]", '[study]\nlanguages = ["en", "de"]'))
    return read_study(path)


def test_conditions_are_filled_up_within_each_given_group(make_study: MakeStudy) -> None:
    study, before = study_of(make_study, FACTORS), []
    rng = np.random.default_rng(3)
    for n in range(60):
        group = str(rng.choice(["australian", "chinese", "first_peoples"]))
        before.append(assign(study, f"P{n}", 1, given={"group": group}, others=before).levels)
        for level in ("australian", "chinese", "first_peoples"):
            counts = Counter(row["task"] for row in before if row["group"] == level)
            assert abs(counts["free"] - counts["search"]) <= 1
    first = [assign(study, f"P{n}", 1, given={"group": "chinese"}).levels["task"] for n in range(40)]
    assert 8 < first.count("free") < 32  # the first of a group is drawn


def test_levels_and_language_come_from_the_command_the_table_or_the_level(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study = study_of(make_study, FACTORS + '[design]\nparticipants = "people.csv"\n')
    (tmp_path / "study" / "people.csv").write_text(
        "participant,group,language,age\nP01,chinese,,31\nP02,australian,de,\n"
    )
    check_study(study)
    first = assign(study, "P01", 1)
    assert (first.levels["group"], first.language, first.row) == ("chinese", "de", {"group": "chinese", "age": "31"})
    assert assign(study, "P01", 1, given={"language": "en"}).language == "en"
    assert assign(study, "P02", 1).language == "de"
    assert assign(study, "P09", 1, given={"group": "first_peoples"}).language == "en"
    with pytest.raises(InputError, match="the group of P09 is not known; say it with --given"):
        assign(study, "P09", 1)
    with pytest.raises(InputError, match="known: australian, chinese, first_peoples"):
        assign(study, "P09", 1, given={"group": "martian"})
    with pytest.raises(InputError, match="no factor of the study; known: group, language, task"):
        assign(study, "P09", 1, given={"grup": "chinese"})
    with pytest.raises(InputError, match="no language 'fr'"):
        assign(study, "P01", 1, given={"language": "fr"})


def test_those_who_came_before_count_and_a_resumed_session_keeps_its_levels(
    make_study: MakeStudy, tmp_path: Path
) -> None:
    study, out = study_of(make_study, FACTORS, pictures=2), tmp_path / "out"
    sessions = [record_for(study, f"P0{n}", out, group="chinese") for n in range(2)]
    tasks = [session.provenance["parameters"]["assigned"]["levels"]["task"] for session in sessions]
    assert sorted(tasks) == ["free", "search"]
    people = pd.read_csv(export_bids(sessions, tmp_path / "bids") / "participants.tsv", sep="\t")
    assert people["group"].tolist() == ["chinese"] * 2
    assert people["task"].tolist() == tasks
    assert people["language"].tolist() == ["de"] * 2
    with pytest.raises(InputError, match="group of P00 was 'chinese' when the session was begun, not 'australian'"):
        prepare_part(study, "P00", out, resume=True, given={"group": "australian"})


def test_stations_that_start_at_once_take_different_cells(make_study: MakeStudy, tmp_path: Path) -> None:
    study, out = study_of(make_study, FACTORS, pictures=1), tmp_path / "out"
    gate = threading.Barrier(6)

    def start(n: int) -> SessionPart:
        gate.wait()
        return prepare_part(study, f"P0{n}", out, given={"group": "chinese"})

    with ThreadPoolExecutor(6) as stations:
        parts = list(stations.map(start, range(6)))
    assert Counter(part.assigned.levels["task"] for part in parts) == {"free": 3, "search": 3}
    assert len(list(out.glob(".*.claim"))) == 6
    again = prepare_part(study, "P03", out, given={"group": "chinese"})  # its own claim does not count
    assert again.assigned == parts[3].assigned
    for part in [*parts[1:], again]:
        part.release()
    os.utime(out / ".P00.claim", (0, 0))  # of a start that crashed
    prepare_part(study, "P07", out, given={"group": "chinese"}).release()
    assert list(out.iterdir()) == []


def test_a_dry_run_claims_nothing_and_a_refused_start_leaves_nothing(make_study: MakeStudy, tmp_path: Path) -> None:
    study, out = study_of(make_study, FACTORS), tmp_path / "out"
    prepare_part(study, "P01", out, given={"group": "chinese"}, write=False)
    lost = study.model_copy(update={"record": study.record.model_copy(update={"backup": Path("nowhere")})})
    lost._file = study.file
    with pytest.raises(OutputError, match="there is no folder"):
        prepare_part(lost, "P01", out, given={"group": "chinese"})
    with pytest.raises(InputError, match="known: australian"):
        prepare_part(study, "P01", out, given={"group": "martian"})
    part = prepare_part(study, "P01", out, given={"group": "chinese"})
    devices = study.model_copy(update={"tracker": study.tracker.model_copy(update={"kind": "replay"})})
    with pytest.raises(GazekitError):
        record_part(
            replace(part, sections=devices), realtime=True, keep_journal=False, headless=True, state=State(),
            stop=threading.Event(),
        )  # fmt: skip
    assert not out.exists()


def test_what_was_given_before_may_be_given_again_and_no_other_factor(make_study: MakeStudy, tmp_path: Path) -> None:
    study, out = study_of(make_study, FACTORS, pictures=2), tmp_path / "out"
    tracker = StoppingTracker(study.screen.screen(), 4.0)
    record(study, "P01", out, realtime=False, given={"group": "chinese"}, tracker=tracker, stop=tracker.stop_event)
    prepare_part(study, "P01", out, resume=True, given={"group": "chinese"}).release()
    with pytest.raises(InputError, match="group of P01 was 'chinese' when the session was begun, not 'australian'"):
        prepare_part(study, "P01", out, resume=True, given={"group": "australian"})
    one = study_of(make_study, FACTORS.replace('name = "task"', 'name = "duty"'), pictures=2)
    with pytest.raises(InputError, match=r"\[\[factors\]\] were \['group', 'task'\], are \['duty', 'group'\]"):
        prepare_part(one, "P01", out, resume=True)


@pytest.mark.parametrize(
    ("kind", "realtime", "headless", "fault"),
    [
        ("replay", False, True, "only a simulated session runs faster than real time"),
        ("webcam", True, True, "a session without a window needs the simulated tracker"),
    ],
)
def test_what_only_a_simulated_session_can_be_is_refused_of_others(
    make_study: MakeStudy, tmp_path: Path, install: Install, kind: str, realtime: bool, headless: bool, fault: str
) -> None:
    install(PLUGIN, {"gazekit.trackers": {"webcam": "Webcam"}})
    part = prepare_part(read_study(make_study()), "P01", tmp_path / "out", kind=kind)
    with pytest.raises(InputError, match=fault):
        record_part(
            part, realtime=realtime, keep_journal=False, headless=headless, state=State(), stop=threading.Event()
        )
    assert not (tmp_path / "out").exists()


def test_a_plan_of_pictures_that_people_end_themselves_says_so(make_study: MakeStudy, tmp_path: Path) -> None:
    path = make_study(extra='viewing = "self-paced"\nleast_ms = 500\nlongest_ms = 9000')
    part = prepare_part(read_study(path), "P01", tmp_path / "out", write=False)
    assert "self-paced (500 to 9000 ms) each" in "\n".join(part.sentences())


def test_a_turn_that_a_crash_left_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gazekit.capture.claims._WAIT_S", 0.05)
    (tmp_path / ".assigning").write_bytes(b"")
    with take_turn(tmp_path) as turn:
        assert turn.claimed() == {}
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot be written"), take_turn(tmp_path / "file" / "out"):
        pass


def refuse_to_open(monkeypatch: pytest.MonkeyPatch, *, times: int) -> None:
    """Refuse files as Windows refuses one that another process is deleting."""
    left, really_open = iter(range(times)), os.open

    def refusing(path: os.PathLike[str], *options: int) -> int:
        if next(left, None) is not None:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really_open(path, *options)

    monkeypatch.setattr("gazekit.capture.claims.os.open", refusing)


def test_a_turn_that_is_being_given_back_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_to_open(monkeypatch, times=3)
    with take_turn(tmp_path) as turn:
        assert turn.claimed() == {}
    refuse_to_open(monkeypatch, times=1000)
    with pytest.raises(OutputError, match="cannot be written: Permission denied"), take_turn(tmp_path):
        pass


def test_sessions_that_run_count_and_damaged_journals_are_said(
    make_study: MakeStudy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study, out = study_of(make_study, FACTORS), tmp_path / "out"
    part = prepare_part(study, "P01", out, given={"group": "chinese"})
    tracker = SimulatedTracker(study.screen.screen(), 1)
    running = JournalWriter(part.journal, _header(part, tracker, realtime=True))
    (out / "P09.gaze.journal").write_bytes(b"torn")
    part.release()
    assert assigned_before(out, "P02") == {"P01": part.assigned.levels}
    assert "P09.gaze.journal is not a journal of gazekit, or has lost its header; it does not count" in (
        capsys.readouterr().err
    )
    other = prepare_part(study, "P02", out, given={"group": "chinese"})
    assert other.assigned.levels["task"] != part.assigned.levels["task"]
    other.release()
    running.close()


def test_what_is_given_by_hand_is_given_from_python_too(make_study: MakeStudy, tmp_path: Path) -> None:
    study = study_of(make_study, FACTORS, pictures=1)
    with pytest.raises(InputError, match="the group of P01 is not known"):
        record(study, "P01", tmp_path, realtime=False)
    session = open_session(record(study, "P01", tmp_path, realtime=False, given={"group": "chinese"}))
    assert session.provenance["parameters"]["assigned"]["levels"]["group"] == "chinese"
    assert session.provenance["parameters"]["assigned"]["language"] == "de"
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["P01.gaze.h5"]


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ('[[factors]]\nname = "group"\nlevels = ["a"]\n', "at least 2"),
        ('[[factors]]\nname = "group"\nlevels = ["a b", "c"]\n', "at most 40 letters, digits, _ and -"),
        ('[[factors]]\nname = "g"\nlevels = ["a", "b"]\nlanguages = {c = "de"}\n', "no levels of 'g'"),
        ('[[factors]]\nname = "g"\nlevels = ["a", "b"]\nlanguages = {a = "fr"}\n', "'fr' of a is not among"),
        ('[[factors]]\nname = "g"\nlevels = ["a", "b"]\nassign = "file"\n', "needs [design] participants"),
        ('[[factors]]\nname = "g"\nlevels = ["a", "b"]\n' * 2, "name 'g' stands 2 times"),
        ('[[blocks]]\nname = "b"\nanswers = ["x"]\n', "answers x are none"),
        ('[[blocks]]\nname = "b"\npictures = "nothing"\n', "no such folder"),
        ('again = ["nothing.png"]\n', "nothing.png is no picture of the study"),
        ("again = 9\n", "there are 4 pictures"),
        ('[practice]\nfolder = "nothing"\n', "[practice] folder: no such folder"),
    ],
)  # fmt: skip
def test_a_design_that_cannot_be_is_said(make_study: MakeStudy, extra: str, fault: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        check_study(study_of(make_study, extra))
    assert fault in str(refusal.value)


def test_each_level_has_pictures_of_its_own(make_study: MakeStudy, tmp_path: Path) -> None:
    extra = '[[factors]]\nname = "list"\nlevels = ["a", "b"]\npictures = {a = "one", b = "two"}\n'
    study = study_of(make_study, extra)
    write_pictures(tmp_path / "study" / "one", 2)
    write_pictures(tmp_path / "study" / "two", 3)
    check_study(study)
    assert len(plan_session(study, "P01", 1, assign(study, "P01", 1, given={"list": "a"}))) == 2
    assert len(plan_session(study, "P01", 1, assign(study, "P01", 1, given={"list": "b"}))) == 3


BLOCKS = """
[[answers]]
name = "beauty"
text = {en = "How beautiful?", de = "Wie schön?"}
[[answers]]
name = "found"
text = {en = "Was there a fish?", de = "War da ein Fisch?"}
kind = "choice"
choices = [{en = "yes", de = "ja"}, {en = "no", de = "nein"}]
[[blocks]]
name = "rate"
answers = ["beauty"]
text = {en = "Rate.", de = "Bewerten."}
viewing = "self-paced"
longest_ms = 900
[[blocks]]
name = "search"
answers = ["found"]
text = {en = "Search.", de = "Suchen."}
[[blocks]]
name = "look"
answers = []
order = "listed"
[design]
blocks = "latin-square"
"""


def test_blocks_have_tasks_of_their_own_in_the_order_of_a_latin_square(make_study: MakeStudy, tmp_path: Path) -> None:
    study = study_of(make_study, BLOCKS, pictures=2)
    check_study(study)
    table = preview_study(study, 12).blocks()
    assert len(table) == 9
    assert (table["participants"] == 4).all()
    session = record_for(study, "P01", tmp_path)
    shown = session.stimuli
    assert shown.groupby("block")["image"].nunique().tolist() == [2, 2, 2]
    assert sorted(shown["presentation"]) == [1, 1, 2, 2, 3, 3]  # the same pictures, for other tasks
    assert ((shown["answer_beauty"] != "") == (shown["block"] == "rate")).all()
    assert (shown["answer_found"].isin(["yes", "no"]) == (shown["block"] == "search")).all()
    assert set(shown["ended_by"][shown["block"] == "search"]) == {"time"}
    ledger = session.streams["ledger"]
    pages = ledger[ledger["kind"] == "pages"]["id"]
    assert set(pages) == {"block rate", "block search"}
    assert (ledger["done_us"] >= 0).all()


@pytest.mark.parametrize("seed", range(8))
def test_pictures_that_come_again_are_far_enough_from_their_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    order = with_again(list(rng.permutation(12)), [2, 7, 11], 4, rng)
    assert Counter(order) == {n: 1 + (n in (2, 7, 11)) for n in range(12)}
    for n in (2, 7, 11):
        first, second = (k for k, thing in enumerate(order) if thing == n)
        assert second - first >= 4


def test_a_picture_that_comes_again_is_a_step_of_its_own(make_study: MakeStudy, tmp_path: Path) -> None:
    study = study_of(make_study, "again = ['p1.png']\nagain_after = 2\n[rating]\nquestion = {en = 'x', de = 'y'}\n"
                     "low_label = {en = 'a', de = 'b'}\nhigh_label = {en = 'c', de = 'd'}\n")  # fmt: skip
    check_study(study)
    session = record_for(study, "P01", tmp_path)
    twice = session.stimuli[session.stimuli["image"] == "p1.png"]
    assert twice["presentation"].tolist() == [1, 2]
    assert twice["sha256"].nunique() == 1
    assert "p1.png (2)" in session.streams["ledger"]["id"].tolist()
    assert (session.streams["ledger"]["done_us"] >= 0).all()
    with pytest.raises(InputError, match="nothing to resume"):
        prepare_part(study, "P01", tmp_path, resume=True)


def test_preview_draws_plans_and_says_their_balance(make_study: MakeStudy) -> None:
    study = study_of(make_study, "order = 'latin-square'\n" + FACTORS)
    run = CliRunner().invoke(gazekit, ["study", "preview", str(study.file), "-n", "12"])
    assert run.exit_code == 0, run.output
    assert "P12" in run.output
    assert "positions of the pictures" in run.output
    run = CliRunner().invoke(gazekit, ["study", "preview", str(study.file), "-n", "12", "--json"])
    content = json.loads(run.stdout)
    assert all(row["mean"] == 2.5 and row["different"] == 4 and row["first"] == 3 for row in content["positions"])
    assert [row["participants"] for row in content["cells"]] == [2] * 6
    assert {row["language"] for row in content["cells"] if row["group"] == "chinese"} == {"de"}


def test_a_dry_run_shows_what_was_drawn(make_study: MakeStudy) -> None:
    study = study_of(make_study, FACTORS)
    arguments = ["record", str(study.file), "-p", "P01", "--dry-run", "--given", "group=chinese"]
    run = CliRunner().invoke(gazekit, arguments)
    assert run.exit_code == 0, run.output
    assert "assigned: group chinese, task " in run.output
    assert "language de" in run.output
    assert "seed 11" in run.output
    for wrong, words in (
        (["group"], "it is NAME=LEVEL"),
        (["group=chinese", "--given", "group=australian"], "group stands 2 times"),
        (["group=chinese", "--by-hand", "--fast"], "--by-hand needs a window"),
    ):
        bad = CliRunner().invoke(gazekit, [*arguments[:-1], *wrong])
        assert bad.exit_code == 2
        assert words in bad.output
    run = CliRunner().invoke(gazekit, [*arguments, "--resume"])
    assert "no session of P01 in sessions yet: this is its first part" in run.output
