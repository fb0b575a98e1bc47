"""Hostile requests against the whole application; the full ten thousand run as a benchmark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask.testing import FlaskClient
from sqlalchemy import func, select

from survey.config import read_study
from survey.database import open_store
from survey.schema import compared, rater, slot
from survey.web import create_app
from tests.fixtures.hostile import attack, attack_without_consent, unlimited
from tests.fixtures.survey import PASSWORD, STUDY, begin, write_study


def test_hostile_strangers_leave_no_trace_without_consent(client: FlaskClient) -> None:
    unlimited(client)
    real = client.application.extensions["survey"].study.survey.consent_version
    assert real == "1"
    statuses = attack_without_consent(client, 400, seed=1)
    assert set(statuses) <= {200, 303, 308, 400, 403, 404, 405, 413}
    with client.application.extensions["survey"].store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(slot)) == 0


def test_a_hostile_rater_touches_nobody_else(make_client: Callable[[], FlaskClient]) -> None:
    victim, enemy = make_client(), make_client()
    unlimited(victim)
    begin(victim)
    store = victim.application.extensions["survey"].store
    with store.read() as connection:
        before = connection.execute(select(slot).order_by(slot.c.id)).all()
        secrets = connection.execute(select(rater.c.code, rater.c.name)).one()
    begin(enemy)
    attack(enemy, 400, seed=2)
    assert secrets.code not in enemy.get("/mine").get_data(as_text=True)
    with store.read() as connection:
        after = connection.execute(select(slot).where(slot.c.rater_id == before[0].rater_id).order_by(slot.c.id)).all()
    assert after == before


def test_a_hostile_rater_of_comparisons_touches_nobody_else(tmp_path: Path) -> None:
    study = write_study(tmp_path, STUDY.replace("practice = 1", 'practice = 1\ntask = "best-worst"'))
    store = open_store(tmp_path / "s.db", durable=False)
    clients = create_app(read_study(study), tmp_path, store, password=PASSWORD).test_client
    victim, enemy = clients(), clients()
    unlimited(victim)
    begin(victim)
    begin(enemy)
    with store.read() as connection:
        mine = select(compared).join(slot, slot.c.id == compared.c.slot_id).where(slot.c.rater_id == 1)
        before = connection.execute(mine.order_by(compared.c.slot_id, compared.c.position)).all()
    attack(enemy, 300, seed=3)
    with store.read() as connection:
        assert connection.execute(mine.order_by(compared.c.slot_id, compared.c.position)).all() == before
    store.close()
