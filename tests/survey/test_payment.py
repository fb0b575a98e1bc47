"""Who is paid, as lists and by a local stand-in of Prolific's documented API."""

from __future__ import annotations

import json
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from gazekit.cli import gazekit
from gazekit.core.errors import GazekitError
from survey.config import SurveySection, read_study
from survey.database import open_store
from survey.operations import exclude
from survey.payment import Payment, Prolific, payment_lists, payments
from survey.rating_export import export_events
from survey.web import create_app
from tests.fixtures.survey import PASSWORD, STUDY, begin, field, finish, look, rate_once, send, store_of, write_study

CODES = STUDY.replace("[[survey.questions]]", """[survey.codes]
complete = "CDONE"
failed_checks = "CFAILED"
full = "CFULL"
no_consent = "CNONE"

[[survey.questions]]""", 1)  # fmt: skip
Requests = list[tuple[str, str, dict[str, object]]]


@pytest.fixture
def stand_in() -> Iterator[tuple[str, Requests]]:
    """A server that answers as Prolific's API documents: bulk approval, transitions, bonus payments."""
    requests: Requests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            requests.append((self.path, self.headers["Authorization"], body))
            if self.headers["Authorization"] == "Token lost" and self.path.endswith("/pay/"):
                return  # the answer is lost on the way
            good = self.headers["Authorization"] in ("Token right", "Token lost")
            answer = {"id": "bonus-1"} if "bonus-payments" in self.path else {"message": "ok"}
            content = json.dumps(answer if good else {"error": {"detail": "Invalid token"}}).encode()
            self.send_response(200 if good else 401)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], FlaskClient]]]:
    study = write_study(tmp_path, CODES)
    store = open_store(study.with_suffix(".survey.db"), durable=False)
    yield study, create_app(read_study(study), study.parent, store, password=PASSWORD).test_client
    store.close()


def take_part(client: FlaskClient, who: str, checks: bool = True) -> str:
    """Come by Prolific and do all of it; the code at the end."""
    begin(client, f"?PROLIFIC_PID={who}&STUDY_ID=s1&SESSION_ID=sub-{who}")
    while client.get("/rate").status_code == 200:
        page = client.get("/rate").get_data(as_text=True)
        if "please choose <strong>" in page and not checks:
            look(client, page)
            wrong = 1 if "please choose <strong>1<" not in page else 2
            send(client, "/rate", slot=field(page, "slot"), shown=field(page, "shown"), score=str(wrong))
        else:
            rate_once(client)
    return finish(client)


def test_who_is_paid_who_is_not_and_why(served: tuple[Path, Callable[[], FlaskClient]]) -> None:
    study, new = served
    assert take_part(new(), "good") == "CDONE"
    assert take_part(new(), "sleepy", checks=False) == "CFAILED"
    begin(new(), "?PROLIFIC_PID=early&STUDY_ID=s1&SESSION_ID=sub-early")
    begin(worker := new(), "?workerId=W1&hitId=H1&assignmentId=A1")
    finish(worker)
    deleting = new()
    take_part(deleting, "private")
    send(deleting, "/mine/delete", sure="yes")
    with store_of(worker).write() as connection:
        exclude(connection, "r00002", "attention 1.00 (limit 0.33)")
    out = study.parent / "pay.csv"
    result = CliRunner().invoke(gazekit, ["survey", "pay", str(study), "--bonus", "0.5", "--out", str(out), "--json"])
    assert json.loads(result.output) | {"lists": []} == {
        "approve": 3, "reject": 1, "review": 0, "wait": 1, "lists": [],
    }  # fmt: skip
    table = pd.read_csv(out).set_index("participant")
    assert table["action"].to_dict() == {
        "good": "approve", "sleepy": "reject", "early": "wait", "W1": "approve", "private": "approve",
    }  # fmt: skip
    assert table.loc["sleepy", "evidence"] == "attention 1.00 (limit 0.33)"
    assert pd.read_csv(out.with_suffix(".prolific-approve.csv"))["participant"].tolist() == ["good", "private"]
    assert pd.read_csv(out.with_suffix(".prolific-bonus.csv"))["bonus"].tolist() == [0.5, 0.5]
    mturk = pd.read_csv(out.with_suffix(".mturk.csv"), keep_default_na=False)
    assert mturk.to_numpy().tolist() == [["H1", "A1", "W1", "x", ""]]
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_who_deleted_the_data_before_the_end_is_waited_for(served: tuple[Path, Callable[[], FlaskClient]]) -> None:
    study, new = served
    begin(client := new(), "?PROLIFIC_PID=gone&STUDY_ID=s1&SESSION_ID=sub-gone")
    send(client, "/mine/delete", sure="yes")
    (row,) = payments(store_of(client), read_study(study).survey)
    assert (row.action, row.evidence) == ("wait", "deleted the data before the end")


def test_full_and_declined_lead_back_with_a_code(served: tuple[Path, Callable[[], FlaskClient]]) -> None:
    _, new = served
    client = new()
    client.get("/?PROLIFIC_PID=no&STUDY_ID=s1&SESSION_ID=x")
    declined = send(client, "/consent", decline="yes").get_data(as_text=True)
    assert "https://example.org/back?code=CNONE&amp;who=no" in declined
    store_of(client).add_images([], 0)
    full = new().get("/?PROLIFIC_PID=late&STUDY_ID=s1&SESSION_ID=y").get_data(as_text=True)
    assert "https://example.org/back?code=CFULL&amp;who=late" in full


ROWS = [
    Payment("r1", "prolific", "p1", "s1", "sub1", "approve", 0.5, "C", ""),
    Payment("r2", "prolific", "p2", "s1", "sub2", "reject", 0.0, "", "same answer to all"),
    Payment("r3", "prolific", "p3", "s1", "sub3", "wait", 0.0, "", ""),
    Payment("r4", "mturk", "w", "h", "a", "approve", 0.0, "C", ""),
    Payment("r5", "prolific", "p5", "s1", "sub5", "review", 0.0, "", "the same person as r1"),
    Payment("r6", "mturk", "w2", "h", "a2", "review", 0.0, "", "the same person as r4"),
]


def test_prolific_is_told_by_its_api(stand_in: tuple[str, Requests]) -> None:
    address, requests = stand_in
    done = Prolific("right", address).pay(ROWS)
    assert done == ["1 approved in s1", "1 bonuses paid in s1", "p2 rejected in s1"]
    assert [path for path, _, _ in requests] == [
        "/api/v1/submissions/bulk-approve/",
        "/api/v1/submissions/bonus-payments/",
        "/api/v1/bulk-bonus-payments/bonus-1/pay/",
        "/api/v1/submissions/sub2/transition/",
    ]
    assert requests[0][2] == {"study_id": "s1", "participant_ids": ["p1"]}
    assert requests[1][2] == {"study_id": "s1", "csv_bonuses": "p1,0.50"}
    assert requests[3][2]["action"] == "REJECT"
    assert "same answer to all" in str(requests[3][2]["message"])
    assert len(str(requests[3][2]["message"])) >= 100


def test_bonuses_whose_answer_is_lost_are_not_sent_again(
    stand_in: tuple[str, Requests], served: tuple[Path, Callable[[], FlaskClient]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, requests = stand_in
    study, new = served
    order = ["survey", "pay", str(study), "--out", str(study.parent / "pay.csv"), "--send", "--api", address, "--json"]
    take_part(new(), "first")
    monkeypatch.setenv("PROLIFIC_TOKEN", "lost")
    result = CliRunner().invoke(gazekit, [*order, "--bonus", "0.5"])
    assert result.exit_code != 0
    assert "1 approved in s1; 1 bonuses ordered in s1, whose answer was lost" in str(result.exception)
    requests.clear()
    monkeypatch.setenv("PROLIFIC_TOKEN", "right")
    again = CliRunner().invoke(gazekit, [*order, "--bonus", "0.5"])
    assert json.loads(again.output)["sent"] == ["1 bonuses in s1 were paid or ordered before, and are not sent again"]
    assert requests == []


def test_nothing_is_paid_twice(
    stand_in: tuple[str, Requests], served: tuple[Path, Callable[[], FlaskClient]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, requests = stand_in
    study, new = served
    monkeypatch.setenv("PROLIFIC_TOKEN", "right")
    order = ["survey", "pay", str(study), "--out", str(study.parent / "pay.csv"), "--send", "--api", address, "--json"]

    def pay(*more: str) -> list[str]:
        result = CliRunner().invoke(gazekit, [*order, *more])
        assert result.exit_code == 0, result.output
        return list(json.loads(result.output)["sent"])

    take_part(client := new(), "first")
    assert pay("--bonus", "0.5") == ["1 approved in s1", "1 bonuses paid in s1"]
    take_part(new(), "second")
    with store_of(client).write() as connection:
        exclude(connection, "r00001", "same answer to all")
    requests.clear()
    assert pay("--bonus", "0.5") == [
        "1 approved in s1",
        "1 bonuses paid in s1",
        "first was decided otherwise before, and is left so: change it at Prolific",
    ]
    assert requests[0][2] == {"study_id": "s1", "participant_ids": ["second"]}
    requests.clear()
    assert "1 bonuses in s1 were paid or ordered before, and are not sent again" in pay("--bonus", "0.5")
    assert requests == []
    events = export_events(store_of(client))
    assert events.loc[events["kind"] == "bonus paid", ["rater", "detail"]].to_numpy().tolist() == [
        ["r00001", "0.50"],  # no platform's id stands beside a pseudonym
        ["r00002", "0.50"],
    ]


def test_who_came_without_the_ids_of_a_submission_is_said_and_stops_nobody(stand_in: tuple[str, Requests]) -> None:
    rows = [
        Payment("r1", "prolific", "p1", "", "", "approve", 0.0, "C", ""),
        Payment("r2", "prolific", "p2", "s1", "", "reject", 0.0, "", "same answer to all"),
        Payment("r3", "prolific", "p3", "s1", "", "approve", 0.0, "C", ""),
    ]
    done = Prolific("right", stand_in[0]).pay(rows)
    assert [line.split(":")[0] for line in done] == ["p1 not sent", "p2 not sent", "1 approved in s1"]
    assert [path for path, _, _ in stand_in[1]] == ["/api/v1/submissions/bulk-approve/"]


def test_an_id_that_is_a_formula_is_defused_in_every_list(served: tuple[Path, Callable[[], FlaskClient]]) -> None:
    study, new = served
    take_part(new(), "=1%2B1")
    out = study.parent / "pay.csv"
    assert CliRunner().invoke(gazekit, ["survey", "pay", str(study), "--out", str(out)]).exit_code == 0
    assert pd.read_csv(out)["participant"].tolist() == ["'=1+1"]
    assert pd.read_csv(out.with_suffix(".prolific-approve.csv"))["participant"].tolist() == ["'=1+1"]


def test_what_is_to_be_decided_is_in_no_list_for_a_platform() -> None:
    lists = payment_lists(ROWS)
    assert lists[""]["rater"].tolist() == ["r1", "r2", "r3", "r4", "r5", "r6"]
    assert lists["mturk"]["WorkerId"].tolist() == ["w"]
    assert lists["prolific-approve"]["participant"].tolist() == ["p1"]


def test_a_refusal_says_what_had_been_done(stand_in: tuple[str, Requests]) -> None:
    with pytest.raises(GazekitError, match=r"Prolific refused: .*401.*Invalid token.*done so far: nothing"):
        Prolific("wrong", stand_in[0]).pay(ROWS)
    with pytest.raises(GazekitError, match="Prolific refused"):
        Prolific("right", "http://127.0.0.1:1").pay(ROWS)


def test_nobody_from_a_platform_is_an_empty_list(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.db")
    assert payments(store, SurveySection()) == []
    store.close()
