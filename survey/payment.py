"""Who is paid: raters, the platform's ids for them, and what each of them gets, with the reasons."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import pandas as pd
from sqlalchemy import Connection, Row, select

from survey.assignment import record
from survey.config import SurveySection
from survey.database import Store
from survey.errors import SurveyError
from survey.schema import event, platform, rater, slot
from survey.screening import Limits

FAILED_CHECKS = Limits().failed_checks
SAME_PERSON = "the same person as"
"""How the reason begins that a second id of one person on a platform is given when two raters are merged."""
BY_THE_OPERATOR = "by the operator"
"""The reason of an operator who left a rater out and gave none."""
SecondIds = Literal["approve", "reject", "review"]


def completion_code(connection: Connection, person: Row[Any], section: SurveySection) -> str:
    """Return the code that a rater who is through gets; those who failed the attention checks have one of their own."""
    if section.codes.failed_checks and failed_share(connection, person.id) > FAILED_CHECKS:
        return section.codes.failed_checks
    if section.codes.screened_out and person.excluded_at is not None:
        return section.codes.screened_out
    return section.codes.complete or str(person.code)


def failed_share(connection: Connection, rater_id: int) -> float:
    """Compute the share of a rater's attention checks that was not answered as asked."""
    checks = connection.execute(
        select(slot.c.score, slot.c.expected).where(
            slot.c.rater_id == rater_id, slot.c.kind == "C", slot.c.state == "done"
        )
    ).all()
    return sum(row.score != row.expected for row in checks) / len(checks) if checks else 0.0


@dataclass(frozen=True)
class Payment:
    """What becomes of one rater's submission."""

    rater: str
    source: str
    participant: str
    study: str
    session: str
    action: str  # approve, reject, review or wait
    bonus: float
    code: str
    evidence: str


def payments(
    store: Store, section: SurveySection, *, bonus: float = 0.0, second_ids: SecondIds = "review"
) -> list[Payment]:
    """List what becomes of everybody who came from a platform.

    Raters who came to the end are approved; those who were left out after it are rejected, with what was found as
    evidence; the others are waited for. Who deleted the data after the end is approved: the work was done. A person is
    to decide (``review``) where nothing speaks of bad faith: about a second id of one person, and about a rater whom
    the operator left out without a reason.

    Parameters
    ----------
    store : Store
        The survey's database.
    section : SurveySection
        Its settings.
    bonus : float
        Paid to everybody who is approved, in the platform's currency.
    second_ids : {"review", "approve", "reject"}
        What becomes of a second id of one person, who came to the end with it.
    """
    with store.read() as connection:
        rows = connection.execute(
            select(rater, *(platform.c[name] for name in ("source", "participant", "study", "session")))
            .join(platform, platform.c.rater_id == rater.c.id)
            .order_by(rater.c.id)
        ).all()
        return [_payment(connection, row, section, bonus, second_ids) for row in rows]


def _payment(
    connection: Connection, row: Row[Any], section: SurveySection, bonus: float, second_ids: SecondIds
) -> Payment:
    action, evidence = "wait", f"{row.place} of {len(row.plan)} pages"
    if row.deleted_at is not None:
        evidence = "deleted the data before the end"
    reason = str(row.excluded_why or "") if row.excluded_at is not None else None
    if reason is not None and row.finished_at is None:  # nothing was submitted that could be rejected
        evidence = f"left out before the end: {reason}"
    elif reason is not None and reason.startswith(SAME_PERSON):
        action, evidence = second_ids, reason
    elif reason in ("", BY_THE_OPERATOR):
        action, evidence = "review", "left out by the operator, who gave no reason"
    elif reason is not None:
        action, evidence = "reject", reason
    elif row.finished_at is not None:
        action, evidence = "approve", "deleted the data afterwards" if row.deleted_at is not None else ""
    code = completion_code(connection, row, section) if row.finished_at is not None else ""
    paid = bonus if action == "approve" else 0.0
    return Payment(row.name, row.source, row.participant, row.study, row.session, action, paid, code, evidence)


def payment_lists(rows: list[Payment]) -> dict[str, pd.DataFrame]:
    """Make the lists that platforms take, by the ending of their file's name; empty ones are left out.

    Prolific takes the ids of those who are approved and, for bonuses, id and amount; MTurk takes its results with the
    columns Approve and Reject.
    """
    everybody = pd.DataFrame(
        [dataclasses.asdict(row) for row in rows], columns=[f.name for f in dataclasses.fields(Payment)]
    )
    prolific, mturk = (everybody[everybody["source"] == source] for source in ("prolific", "mturk"))
    approved = prolific[prolific["action"] == "approve"]
    decided = mturk[mturk["action"].isin(["approve", "reject"])]
    lists = {
        "": everybody,
        "prolific-approve": approved[["participant"]],
        "prolific-bonus": approved.loc[approved["bonus"] > 0, ["participant", "bonus"]],
        "mturk": pd.DataFrame(
            {
                "HITId": decided["study"],
                "AssignmentId": decided["session"],
                "WorkerId": decided["participant"],
                "Approve": decided["action"].eq("approve").map({True: "x", False: ""}),
                "Reject": decided["evidence"].where(decided["action"] == "reject", ""),
            }
        ),
    }
    return {ending: table for ending, table in lists.items() if len(table) or not ending}


APPROVED, REJECTED, PAID = "approved", "rejected", "bonus paid"
"""Events of what was sent to Prolific, which is sent once."""


def pay_by_prolific(store: Store, rows: list[Payment], prolific: Prolific) -> list[str]:
    """Send to Prolific what it was not sent before, and note it in the database; return what was done, a line each.

    Raises
    ------
    SurveyError
        Prolific does not answer or refuses; the message says what had been done by then.
    """
    with store.read() as connection:
        numbers = {row.name: row.id for row in connection.execute(select(rater.c.id, rater.c.name))}
        kinds = event.c.kind.in_((APPROVED, REJECTED, PAID))
        earlier = connection.execute(select(event.c.kind, event.c.rater_id).where(kinds)).all()
    names = {number: name for name, number in numbers.items()}
    sent = {(row.kind, names[row.rater_id]) for row in earlier if row.rater_id in names}

    def note(kind: str, done: list[Payment]) -> None:
        with store.write() as connection:
            for row in done:
                record(connection, kind, rater_id=numbers[row.rater], detail=f"{row.bonus:.2f}" if kind == PAID else "")

    return prolific.pay(rows, sent, note)


def _nowhere(_kind: str, _rows: list[Payment]) -> None:
    """Note nothing."""


@dataclass(frozen=True)
class Prolific:
    """Prolific's API (version 1): approves, rejects and pays bonuses."""

    token: str
    address: str = "https://api.prolific.com"

    def pay(
        self,
        rows: list[Payment],
        sent: Collection[tuple[str, str]] = (),
        note: Callable[[str, list[Payment]], None] = _nowhere,
    ) -> list[str]:
        """Approve, pay bonuses and reject, study by study; return what was done, a line each.

        Parameters
        ----------
        rows : list of Payment
            What becomes of everybody.
        sent : collection of (kind, rater)
            What was sent before, and is not sent again.
        note : function
            Called with the kind and the rows at once when Prolific has done it.

        Raises
        ------
        SurveyError
            Prolific does not answer or refuses; the message says what had been done by then.
        """
        rows = [row for row in rows if row.source == "prolific" and row.action in ("approve", "reject")]
        done = [f"{row.participant} not sent: came without STUDY_ID or SESSION_ID" for row in rows if not _known(row)]
        rows = [row for row in rows if _known(row)]
        try:
            for study in sorted({row.study for row in rows}):
                self._study(study, [row for row in rows if row.study == study], sent, note, done)
        except (OSError, ValueError, KeyError) as error:
            reason = error.read().decode("utf-8", "replace")[:500] if isinstance(error, HTTPError) else ""
            raise SurveyError(
                f"Prolific refused: {error} {reason}; done so far: {'; '.join(done) or 'nothing'}"
            ) from error
        return done

    def _study(
        self,
        study: str,
        rows: list[Payment],
        sent: Collection[tuple[str, str]],
        note: Callable[[str, list[Payment]], None],
        done: list[str],
    ) -> None:
        good = [row for row in rows if row.action == "approve"]
        approved = [row for row in good if (APPROVED, row.rater) not in sent]
        if approved:
            people = [row.participant for row in approved]
            self._post("submissions/bulk-approve/", {"study_id": study, "participant_ids": people})
            note(APPROVED, approved)
            done.append(f"{len(people)} approved in {study}")
        paid = [row for row in good if row.bonus > 0 and (PAID, row.rater) not in sent]
        if paid:
            body = {"study_id": study, "csv_bonuses": "\n".join(f"{row.participant},{row.bonus:.2f}" for row in paid)}
            order = self._post("submissions/bonus-payments/", body)
            try:
                self._post(f"bulk-bonus-payments/{quote(str(order['id']), safe='')}/pay/", {})
            except OSError as error:
                if not (isinstance(error, HTTPError) and error.code < 500):  # no refusal: it may be paid
                    note(PAID, paid)
                    done.append(
                        f"{len(paid)} bonuses ordered in {study}, whose answer was lost: look at Prolific whether they "
                        "are paid; they are not sent again"
                    )
                raise
            note(PAID, paid)
            done.append(f"{len(paid)} bonuses paid in {study}")
        for row in rows:
            if row.action == "reject" and not {(APPROVED, row.rater), (REJECTED, row.rater)} & set(sent):
                message = REJECTION.format(evidence=row.evidence)
                body = {"action": "REJECT", "message": message, "rejection_category": "OTHER"}
                self._post(f"submissions/{quote(row.session, safe='')}/transition/", body)
                note(REJECTED, [row])
                done.append(f"{row.participant} rejected in {study}")
        late = [row.participant for row in rows if row.action == "reject" and (APPROVED, row.rater) in sent]
        late += [row.participant for row in good if (REJECTED, row.rater) in sent]
        done += [f"{who} was decided otherwise before, and is left so: change it at Prolific" for who in late]
        before = sum((PAID, row.rater) in sent for row in good if row.bonus > 0)
        done += [f"{before} bonuses in {study} were paid or ordered before, and are not sent again"] if before else []

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        headers = {"Authorization": f"Token {self.token}", "Content-Type": "application/json"}
        request = Request(f"{self.address}/api/v1/{path}", json.dumps(body).encode(), headers, method="POST")
        with urlopen(request, timeout=30) as answer:
            text = answer.read()
        content: dict[str, Any] = json.loads(text) if text.strip().startswith(b"{") else {}
        return content


REJECTION = (
    "Your submission could not be used: the ratings do not meet the criteria that the study states. What was found: "
    "{evidence}. If you think that this is a mistake, please write to us."
)
"""What Prolific tells those who are rejected: at least 100 characters."""


def _known(row: Payment) -> bool:
    """Say whether Prolific can be told of a submission: its study is known and, to reject it, its own id."""
    return bool(row.study and (row.session or row.action == "approve"))
