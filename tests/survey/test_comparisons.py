"""Pictures that are compared: pairs and best-worst, from the page to the scores."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import choix
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient
from sqlalchemy import func, select

from gazekit.core.errors import GazekitError
from survey import raters
from survey.assignment import advance, slot_at, submit
from survey.choice_scores import PRIOR, Comparisons, bradley_terry, comparison_scores, comparisons
from survey.choice_screening import screen_choices
from survey.cli import survey as command
from survey.config import SurveySection, read_study
from survey.database import Store, open_store
from survey.live_quality import judge, leave_out
from survey.monitoring import overview
from survey.operations import exclude, merge, readmit, withdraw_picture
from survey.rating_export import export_choices, export_ratings
from survey.schema import compared, image, slot
from survey.screening import without
from survey.simulate import fill
from survey.web import create_app
from tests.benchmarks.figures import record
from tests.fixtures.survey import (
    PASSWORD,
    STUDY,
    begin,
    field,
    look,
    newcomer,
    operator,
    rate,
    section,
    send,
    write_study,
)

TASKS = {"pairs": 'task = "pairs"', "best-worst": 'task = "best-worst"\nset_size = 4'}


def counters_agree(store: Store) -> None:
    """Held and done showings of each picture are those of the slots that show it."""
    with store.read() as connection:
        for row in connection.execute(select(image)):
            of_it = select(compared.c.slot_id).where(compared.c.image_id == row.id)
            live = slot.c.id.in_(of_it), slot.c.kind == "M"
            done = connection.scalar(select(func.count()).select_from(slot).where(*live, slot.c.state == "done"))
            held = connection.scalar(select(func.count()).select_from(slot).where(*live, slot.c.state == "held"))
            assert (row.done, row.taken) == (done, done + held)


@pytest.fixture(params=list(TASKS))
def clients(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], FlaskClient]]:
    study = write_study(tmp_path, STUDY.replace("practice = 1", f"practice = 1\n{TASKS[request.param]}"))
    store = open_store(tmp_path / "s.db", durable=False)
    yield create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client
    store.close()


def store_of(client: FlaskClient) -> Store:
    store: Store = client.application.extensions["survey"].store
    return store


def compare_once(client: FlaskClient, best: int = 1, worst: int = 2) -> int:
    page = client.get("/rate").get_data(as_text=True)
    check = re.search(r"please choose <strong>(\d+)", page)
    look(client, page)
    data = {name: field(page, name) for name in ("csrf_token", "slot", "shown")}
    answer = client.post("/rate", data=data | {"score": check.group(1) if check else str(best), "worst": str(worst)})
    return int(answer.status_code)


def test_a_participant_compares_and_the_table_says_what_was_chosen(clients: Callable[[], FlaskClient]) -> None:
    client = clients()
    begin(client)
    several = client.application.extensions["survey"].study.survey.together
    while client.get("/rate").status_code == 200:
        assert compare_once(client) == 303
    store = store_of(client)
    table = export_choices(store, practice=True)
    assert table["kind"].value_counts().to_dict() == {"main": 6, "practice": 1, "repeat": 1, "check": 1}
    shown = table[table["kind"] != "check"]
    pictures = [f"picture{k}" for k in range(1, several + 1)]
    assert (shown["best"] == shown["picture1"]).all()
    assert (shown["worst"] == (shown["picture2"] if several > 2 else "")).all()
    assert shown[pictures].nunique(axis=1).eq(several).all()
    together = shown[pictures].apply(frozenset, axis=1)
    assert set(together[shown["kind"] == "repeat"]) <= set(together[shown["kind"] == "main"])
    assert export_ratings(store)["kind"].tolist() == ["check"]
    counters_agree(store)
    boss = operator(clients())
    assert "choices.csv" in boss.get("/operator/").get_data(as_text=True)
    assert boss.get("/operator/download/choices.csv").get_data(as_text=True).count("r00001") == 9


def test_a_participant_gets_a_copy_of_what_was_chosen(clients: Callable[[], FlaskClient]) -> None:
    client = clients()
    begin(client)
    while client.get("/rate").status_code == 200:
        assert compare_once(client) == 303
    several = client.application.extensions["survey"].study.survey.together
    table = export_choices(store_of(client), practice=True).query("kind != 'check'")
    copy = client.get("/mine/data.json").get_json()
    expected = [
        {"pictures": [row[f"picture{k}"] for k in range(1, several + 1)], "best": row["best"], "worst": row["worst"]}
        for row in table.to_dict("records")
    ]
    assert sorted(copy["comparisons"], key=str) == sorted(expected, key=str)
    assert len(copy["ratings"]) == 1, "the attention check"


def test_what_the_page_may_not_send(clients: Callable[[], FlaskClient]) -> None:
    client, other = clients(), clients()
    begin(client)
    begin(other)
    page = client.get("/rate").get_data(as_text=True)
    data = {name: field(page, name) for name in ("csrf_token", "slot", "shown")}
    first = re.findall(r'src="(/picture/\d+/\d)', page)
    client.get(first[0]).close()
    assert client.post("/rate", data=data | {"score": "1", "worst": "2"}).status_code == 400  # one was not asked for
    assert other.get(first[0]).status_code == 404
    look(client, page)
    if len(first) > 2:
        same = client.post("/rate", data=data | {"score": "1", "worst": "1"})
        assert "cannot be the same" in same.get_data(as_text=True)
        assert client.post("/rate", data=data | {"score": "1"}).status_code == 400
    assert client.post("/rate", data=data | {"score": "9", "worst": "2"}).status_code == 400
    assert export_choices(store_of(client), practice=True).empty
    assert client.post("/rate", data=data | {"score": "2", "worst": "1"}).status_code == 303
    assert len(export_choices(store_of(client), practice=True)) == 1


def test_undo_failure_exclusion_merging_and_deletion_keep_the_counts(clients: Callable[[], FlaskClient]) -> None:
    client, other = clients(), clients()
    store = store_of(client)
    for someone in (client, other):
        begin(someone)
        for _ in range(4):
            compare_once(someone)
    assert send(client, "/undo").status_code == 303
    page = client.get("/rate").get_data(as_text=True)
    counters_agree(store)
    assert send(client, "/failed", slot=field(page, "slot"), position="2").status_code == 303
    assert field(client.get("/rate").get_data(as_text=True), "slot") != field(page, "slot")
    counters_agree(store)
    with store.write() as connection:
        exclude(connection, "r00002", "test")
    counters_agree(store)
    assert set(export_choices(store).query("rater == 'r00002'")["kind"]) <= {"excluded", "check", "repeat"}
    with store.write() as connection:
        readmit(connection, "r00002")
        withdraw_picture(connection, "p003.jpg")
    counters_agree(store)
    assert "p003.jpg" not in client.get("/rate").get_data(as_text=True)
    with store.write() as connection:
        merge(connection, "r00001", "r00002")
    counters_agree(store)
    assert send(client, "/mine/delete", sure="yes").status_code == 200
    counters_agree(store)
    with store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(compared)) == 0


@pytest.mark.parametrize("task", list(TASKS))
def test_every_picture_has_its_comparisons_and_the_scores_are_right(
    tmp_path: Path, task: str, rng: np.random.Generator
) -> None:
    truth = {f"p{k:02d}": float(value) for k, value in enumerate(rng.uniform(2, 9, 30))}
    settings = section(task=task, raters_per_picture=16, pictures_per_rater=30, repeats=3, attention_checks=1)
    store = open_store(tmp_path / "s.db", durable=False)
    kinds = fill(store, truth, section=settings, kinds={"careful": 0.9, "straight-lining": 0.1})
    choices = export_choices(store)
    counters_agree(store)
    scores = comparison_scores(choices).set_index("image")
    store.close()
    assert scores["shown"].between(16, 22).all()
    assert scores["group"].eq(1).all()
    assert np.corrcoef(scores["score"], [truth[name] for name in scores.index])[0, 1] > 0.9
    findings = screen_choices(choices)
    bad = {name for name, kind in kinds.items() if kind == "straight-lining"}
    assert set(findings.loc[findings["action"] == "excluded", "rater"]) <= bad
    main = choices[choices["kind"] == "main"]
    met = main.apply(lambda row: (row["rater"], *sorted((row["picture1"], row["picture2"]))), axis=1)
    assert task != "pairs" or not met.duplicated().any()
    assert 0.35 < (main["best"] == main["picture1"]).mean() * (2 if task == "best-worst" else 1) < 0.65


def test_a_comparison_after_its_hold_is_a_spare_that_fills_an_opened_place(tmp_path: Path) -> None:
    settings = section(task="pairs", raters_per_picture=1, pictures_per_rater=1)
    store = open_store(tmp_path / "s.db", durable=False)
    store.add_images(["a.jpg", "b.jpg"], 1)
    late, quick = newcomer(store, settings), newcomer(store, settings)
    with store.write() as connection:
        person = raters.find(connection, late)
        assert person is not None
        advance(connection, person, settings, 1000.0)  # held, and never answered in time
    assert rate(store, quick, settings, 1, now=5000.0)
    with store.write() as connection:
        person = raters.find(connection, late)
        assert person is not None
        current = slot_at(connection, person.id, person.place)
        assert current is not None
        assert submit(connection, person, current.id, 2, settings, now=5100.0) is not None
    assert export_choices(store)["kind"].tolist() == ["main", "spare"]
    with store.write() as connection:
        assert exclude(connection, "r00002", "same answer to all") == 1
    assert sorted(export_choices(store)["kind"]) == ["excluded", "main"]
    counters_agree(store)
    store.close()


def test_the_operator_sees_strengths_and_positions_in_place_of_scores(clients: Callable[[], FlaskClient]) -> None:
    client = clients()
    begin(client)
    for _ in range(4):
        compare_once(client)
    settings = client.application.extensions["survey"].study.survey
    seen = overview(store_of(client), settings)
    main = export_choices(store_of(client)).query("kind == 'main'")
    assert seen.distribution == [len(main)] + [0] * (settings.together - 1)  # always the first
    assert sum(seen.strengths) == len(set(main.filter(regex="picture").to_numpy().ravel()))
    by_name = {picture.name: picture for picture in seen.pictures}
    assert [by_name[name].best for name in main["best"]] == main["best"].map(main["best"].value_counts()).tolist()
    assert sum(picture.worst for picture in seen.pictures) == (len(main) if settings.task == "best-worst" else 0)
    page = operator(clients()).get("/operator/").get_data(as_text=True)
    assert "All scores" not in page
    assert f"1: {len(main)} (100 %)" in page
    assert "Pictures by strength so far" in page


def simulated(rng: np.random.Generator, pictures: int, raters: int, each: int) -> tuple[Comparisons, np.ndarray]:
    strength = rng.normal(0, 1.2, pictures)
    first = rng.integers(0, pictures, raters * each)
    second = (first + rng.integers(1, pictures, len(first))) % pictures
    wins = rng.random(len(first)) < 1 / (1 + np.exp(strength[second] - strength[first]))
    who = np.repeat(np.arange(raters), each)
    data = Comparisons(
        np.where(wins, first, second), np.where(wins, second, first), who, np.arange(pictures), np.arange(raters)
    )
    return data, strength - strength.mean()


def test_strengths_are_choixs_and_their_intervals_cover(rng: np.random.Generator) -> None:
    data, _ = simulated(rng, 20, 10, 20)
    strength, _ = bradley_terry(data)
    pairs = list(zip(data.winner.tolist(), data.loser.tolist(), strict=True))
    known = choix.opt_pairwise(20, pairs, alpha=PRIOR / 2, tol=1e-12)
    assert np.abs(strength - (known - known.mean())).max() < 1e-6
    inside = []
    for _ in range(60):
        data, truth = simulated(rng, 40, 30, 40)
        strength, error = bradley_terry(data)
        inside.append(np.abs(strength - truth) < 1.96 * error)
    record(
        "survey",
        "pairs: cover of the scores' 95 % intervals",
        f"{np.mean(inside):.1%}",
        bar="93 to 97 %",
        data="60 simulated studies, 40 pictures, 30 raters of 40 pairs",
        command="pytest -n 0 -s tests/survey/test_comparisons.py -k intervals",
    )
    assert 0.93 <= np.mean(inside) <= 0.97


@pytest.mark.once
def test_active_pairing_needs_fewer_comparisons(tmp_path: Path, rng: np.random.Generator) -> None:
    truth = {f"p{k:02d}": float(value) for k, value in enumerate(rng.uniform(1, 10, 30))}
    agreement = {}
    for pairing in ("random", "active"):
        settings = section(task="pairs", pairing=pairing, raters_per_picture=10, pictures_per_rater=30)
        rank = []
        for seed in range(2):
            store = open_store(tmp_path / f"{pairing}{seed}.db", durable=False)
            fill(store, truth, section=settings, seed=seed)
            scores = comparison_scores(export_choices(store)).set_index("image")["score"]
            store.close()
            rank.append(scores.corr(pd.Series(truth), method="spearman"))
        agreement[pairing] = float(np.mean(rank))
    record(
        "survey",
        "pairs: rank correlation with the truth at 10 comparisons a picture",
        f"active pairing {agreement['active']:.3f}, random {agreement['random']:.3f}",
        data="30 pictures, simulated raters, 2 studies each",
        command="pytest -n 0 -s tests/survey/test_comparisons.py -k active",
    )
    assert agreement["active"] > agreement["random"]


def test_gold_pairs_are_shown_to_everybody_and_their_rule_leaves_out(tmp_path: Path) -> None:
    gold = [(f"p{k}", f"p{k + 4}") for k in range(3)]
    settings = section(
        task="pairs", gold=gold, raters_per_picture=30, pictures_per_rater=20, exclude_by=["gold"], scale=10
    )
    truth = {f"p{k}": 9.5 - k for k in range(8)}
    store = open_store(tmp_path / "s.db", durable=False)
    fill(store, truth, section=settings, raters=3)
    fill(store, {name: 10.0 - mean for name, mean in truth.items()}, section=settings, raters=1, seed=5)  # upside down
    choices = export_choices(store)
    shown = choices[choices["kind"] == "gold"]
    assert shown.groupby("rater").size().tolist() == [3] * 4
    assert leave_out(store, settings, now=10.0**11) == ["sim00004"]
    counters_agree(store)
    store.close()


def test_the_commands_write_choices_and_scores(tmp_path: Path) -> None:
    study = write_study(tmp_path, STUDY.replace("practice = 1", f"practice = 1\n{TASKS['best-worst']}"))
    run = CliRunner()
    for words in (
        ["simulate", str(study), "--seed", "1"],
        ["export", str(study), "--out", str(tmp_path / "choices.csv")],
        ["scores", str(tmp_path / "choices.csv"), "--screen", "--out", str(tmp_path / "scores.csv"), "--json"],
        ["screen", str(tmp_path / "choices.csv"), "--out", str(tmp_path / "screening.csv"), "--json"],
    ):
        done = run.invoke(command, words, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert json.loads(done.output)["findings"] >= 0
    scores = pd.read_csv(tmp_path / "scores.csv")
    assert len(scores) == 9
    assert scores["best_worst"].between(-1, 1).all()
    assert (tmp_path / "scores.screening.csv").exists()


def test_bad_choices_and_settings_are_named() -> None:
    table = pd.DataFrame({"rater": "A", "picture1": ["a", "a"], "picture2": ["b", "b"], "best": ["a", "c"]})
    with pytest.raises(GazekitError, match=r"1 row chooses a picture that is not among theirs.*: 3"):
        comparisons(table)
    with pytest.raises(GazekitError, match="missing: picture2, best"):
        comparisons(table[["rater", "picture1"]])
    apart = comparison_scores(
        pd.DataFrame({"rater": "A", "picture1": ["a", "c"], "picture2": ["b", "d"], "best": ["a", "c"]})
    )
    assert apart["group"].nunique() == 2
    with pytest.raises(ValueError, match="compares pictures; stop_width, exposure_ms are for task 'rate'"):
        SurveySection(task="pairs", stop_width=1.0, exposure_ms=500)


def test_a_rater_of_few_pictures_meets_every_pair_once(tmp_path: Path) -> None:
    settings = section(task="pairs", raters_per_picture=50, pictures_per_rater=20)
    store = open_store(tmp_path / "s.db", durable=False)
    fill(store, {f"p{k}": 2.0 + k for k in range(5)}, section=settings, raters=2)
    choices = export_choices(store)
    pairs = choices.assign(pair=choices[["picture1", "picture2"]].apply(frozenset, axis=1))
    assert pairs.groupby("rater")["pair"].nunique().tolist() == [10, 10]
    assert len(choices) == 20
    counters_agree(store)
    store.close()


@pytest.mark.parametrize("first", ["rate", "pairs"])
def test_a_database_keeps_to_one_task(tmp_path: Path, first: str) -> None:
    study = write_study(tmp_path)
    store = open_store(tmp_path / "s.db")
    for task in (first, {"rate": "pairs", "pairs": "rate"}[first]):
        study.write_text(STUDY.replace("practice = 1", f'practice = 1\ntask = "{task}"'))
        if task == first:
            create_app(read_study(study), tmp_path, store, password=PASSWORD)
            continue
        with pytest.raises(GazekitError, match="belongs to another study"):
            create_app(read_study(study), tmp_path, store, password=PASSWORD)
    store.close()


def test_raters_whose_names_are_numbers_are_screened_as_others() -> None:
    """Also who always chooses the same place; without scores and times the other rules are judged."""
    rng = np.random.default_rng(4)
    rows = [
        {"rater": rater, "kind": "main", "picture1": a, "picture2": b, "best": a, "score": 1, "time_ms": 4000}
        for rater in range(5)
        for a, b in (sorted(rng.choice(list("abcdefgh"), 2, replace=False)) for _ in range(12))
    ]
    numbers = pd.DataFrame(rows)
    words = numbers.assign(rater=numbers["rater"].astype(str))
    found = screen_choices(numbers)
    assert found[found["rule"] == "straight-lining"]["rater"].tolist() == list("01234")
    assert found["ratings"].eq(12).all()
    pd.testing.assert_frame_equal(found, screen_choices(words))
    one = numbers.assign(score=np.where(numbers["rater"] == 3, numbers["score"], numbers.index % 2))
    assert sorted(set(without(one, screen_choices(one))["rater"])) == [0, 1, 2, 4]
    bare = screen_choices(numbers.drop(columns=["score", "time_ms"]))
    assert set(bare["rule"]) <= {"correlation", "repeats"}
    with pytest.raises(GazekitError, match="rules bias are not for comparisons; those are attention"):
        screen_choices(numbers, exclude_by=["bias"])


def test_more_pictures_than_strengths_are_computed_for_leave_agreement_out(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.DataFrame({"rater": list("AB") * 10, "kind": "main", "picture1": "a", "picture2": "b"})
    table["best"] = np.where(table["rater"] == "A", "a", "b")
    few = screen_choices(table)
    monkeypatch.setattr("survey.choice_screening.MOST_PICTURES", 1)
    many = screen_choices(table)
    assert "correlation" not in set(many["rule"])
    assert set(many["rule"]) <= set(few["rule"])


def test_nothing_is_judged_before_the_first_comparison(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db", durable=False)
    store.add_images(["a", "b"], 3)
    assert judge(store, section(task="pairs")).empty
    store.close()
