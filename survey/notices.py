"""Telling the study's people, once, that every picture has its ratings: by a webhook, by mail."""

from __future__ import annotations

import json
import os
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from urllib.request import Request, urlopen

from sqlalchemy import select

from survey.assignment import record
from survey.config import Mail, SurveySection
from survey.database import Store
from survey.schema import event, image

SMTP_PASSWORD = "GAZEKIT_SMTP_PASSWORD"
SECONDS = 10


def tell_when_full(store: Store, section: SurveySection, name: str) -> list[str]:
    """Tell the study's webhook and mail addresses that every picture has its ratings; return which were told now.

    Each is told once; who could not be reached is told at the next call.

    Raises
    ------
    OSError
        A webhook or mail server does not answer or refuses, after the others were told.
    """
    with store.read() as connection:
        missing = select(image.c.id).where(image.c.done < image.c.target, image.c.withdrawn_at.is_(None)).limit(1)
        if connection.execute(missing).first() is not None:
            return []
        told = set(connection.execute(select(event.c.detail).where(event.c.kind == "full")).scalars())
    ways: dict[str, Callable[[], None]] = {}
    if section.webhook:
        ways["webhook"] = lambda: _call(section.webhook, name)
    if section.mail is not None:
        mail = section.mail
        ways["mail"] = lambda: _mail(mail, name)
    now, refused = [], None
    for way, tell in ways.items():
        if way in told:
            continue
        try:
            tell()
        except OSError as error:
            refused = error
            continue
        with store.write() as connection:
            record(connection, "full", detail=way)
        now.append(way)
    if refused is not None:
        raise refused
    return now


def _call(address: str, name: str) -> None:
    body = json.dumps({"event": "full", "study": name}).encode()
    with urlopen(Request(address, body, {"Content-Type": "application/json"}, method="POST"), timeout=SECONDS):
        pass


def _mail(mail: Mail, name: str) -> None:
    message = EmailMessage()
    message["Subject"] = f"{' '.join(name.split())}: every picture has its ratings"
    message["From"], message["To"] = mail.sender or mail.to[0], ", ".join(mail.to)
    message.set_content(f"The survey {name!r} is full: every picture has its ratings.\n")
    with smtplib.SMTP(mail.host, mail.port, timeout=SECONDS) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, os.environ.get(SMTP_PASSWORD, ""))
        server.send_message(message)
