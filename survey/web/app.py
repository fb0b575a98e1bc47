"""The Flask application of one survey."""

from __future__ import annotations

import datetime
import hashlib
import secrets
from pathlib import Path

from flask import Flask, render_template
from flask_wtf.csrf import CSRFProtect
from sqlalchemy import select, update
from sqlalchemy.exc import InterfaceError, OperationalError, TimeoutError
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.security import generate_password_hash

from gazekit.core.counting import counted
from gazekit.core.errors import ConfigError, unknown_name
from gazekit.core.files import sha256
from survey.config import PicturePlace, SurveyStudy
from survey.database import Store, remembered
from survey.errors import SurveyError
from survey.languages import Spoken, spoken, survey_faults
from survey.operations import remember_study, study_facts
from survey.picture_files import picture_files
from survey.schema import image
from survey.side_process import SideProcess
from survey.web import operator_pages, participant_pages, security
from survey.web.app_state import AppState, app_state
from survey.web.limits import Limiter

SHORTEST_PASSWORD = 10


def create_app(
    study: SurveyStudy,
    base: str | Path,
    store: Store,
    *,
    password: str,
    https: bool = False,
    proxies: int = 0,
    public_url: str = "",
    side: SideProcess | None = None,
) -> Flask:
    """Make the web application of a study.

    Parameters
    ----------
    study : SurveyStudy
        The survey's part of the study file.
    base : str or Path
        The folder that the study's picture paths are relative to.
    store : Store
        Where the ratings go.
    password : str
        The operator's; there is no default.
    https : bool
        Cookies travel over HTTPS only.
    proxies : int
        How many reverse proxies stand in front and may say who the client is.
    public_url : str
        Where participants reach the survey; requests for other hosts are refused then.
    side : SideProcess, optional
        Where screening and the operator's numbers are computed; else in the thread of the page.

    Raises
    ------
    ConfigError
        The password is too short, the pictures are not usable, a text is missing in a language of the study, or the
        database is of another study.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise ConfigError(
            f"the operator's password has {counted(len(password), 'character')}; at least {SHORTEST_PASSWORD} "
            f"are needed"
        )
    app = Flask(__name__)
    app.session_interface = security.AgelessSessions()
    app.config.update(_settings(store.secret(Path(base)), https))
    folder = Path(base) / study.study.messages if study.study.messages else None
    faults = survey_faults(study.survey, study.study, folder)
    if faults:
        raise ConfigError("\n".join(faults))
    languages = {name: spoken(study.survey, name, folder) for name in study.study.languages}
    languages = _agree_with_earlier(study, store, languages)
    if study.survey.traces is None:  # not where raters agreed to a text that names no traces
        named = all(said.section.consent == said.texts("survey.default_consent").strip() for said in languages.values())
        study = study.model_copy(update={"survey": study.survey.model_copy(update={"traces": named})})
    pictures = _register(study, base, store)
    app.extensions["survey"] = AppState(
        study=study,
        store=store,
        side=side or SideProcess(store, study.survey, inside=True),
        pictures=pictures,
        password_hash=generate_password_hash(password),
        public_url=public_url.rstrip("/"),
        limiter=Limiter(),
        salt=secrets.token_bytes(32),
        languages=languages,
    )
    CSRFProtect(app)
    app.before_request(security.refuse_other_hosts)
    app.before_request(security.limit_requests)
    app.after_request(security.add_headers)
    app.register_error_handler(HTTPException, _problem)
    app.register_error_handler(500, _problem)
    # no connection is free; the process that counts beside the server died, and starts anew
    for away in (OperationalError, InterfaceError, TimeoutError, SurveyError):
        app.register_error_handler(away, lambda _: _page(503))
    app.register_blueprint(participant_pages.pages)
    app.register_blueprint(operator_pages.pages)
    app.context_processor(lambda: _words(study))
    if proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies)  # type: ignore[method-assign]
    return app


def _settings(secret: str, https: bool) -> dict[str, object]:
    return {
        "SECRET_KEY": secret,
        "MAX_CONTENT_LENGTH": 256 * 1024,
        "MAX_FORM_MEMORY_SIZE": 256 * 1024,
        "PERMANENT_SESSION_LIFETIME": datetime.timedelta(days=60),
        "SESSION_REFRESH_EACH_REQUEST": False,
        "SESSION_COOKIE_NAME": "survey",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": https,
        "SEND_FILE_MAX_AGE_DEFAULT": 3600,
        "WTF_CSRF_TIME_LIMIT": None,
        "WTF_CSRF_SSL_STRICT": https,
    }


def _words(study: SurveyStudy) -> dict[str, object]:
    """Give every page its texts."""
    here = app_state()
    said = here.spoken()
    names = {name: one.texts for name, one in here.languages.items()}
    return {"survey": said.section, "study": study.study, "t": said.texts, "languages": names}


def _agree_with_earlier(study: SurveyStudy, store: Store, languages: dict[str, Spoken]) -> dict[str, Spoken]:
    """Keep the consent's text by version, the scale and the question; refuse to mix two studies in one database.

    Where the study file gives no text of its own, the text that raters agreed to stays.
    """
    section, first = study.survey, languages[study.study.languages[0]].section
    facts = study_facts(study, first)
    consent = {}
    with store.write() as connection:
        for name, said in languages.items():
            version = section.consent_version
            if name != study.study.languages[0]:
                version = hashlib.sha256(f"{name} {version}".encode()).hexdigest()[:24]
            key = f"consent {version}"
            consent[name] = remembered(connection, key, str(said.section.consent))
        scale = remembered(connection, "scale", str(section.scale))
        differences = remember_study(connection, facts)
    if scale != str(section.scale):
        raise ConfigError(
            f"this database has ratings on 1 to {scale}, the study says 1 to {section.scale}; start with a new database"
        )
    if section.consent and any(consent[name] != said.section.consent for name, said in languages.items()):
        raise ConfigError(
            f"the consent's text is not the one that raters agreed to as version {section.consent_version!r}; give the "
            f"new text a new consent_version"
        )
    if differences:
        raise ConfigError(
            f"this database belongs to another study ({'; '.join(differences)}); start with a new database, or put the "
            f"study file back as it was"
        )
    return {
        name: Spoken(said.texts, said.section.model_copy(update={"consent": consent[name]}))
        for name, said in languages.items()
    }


def _register(study: SurveyStudy, base: str | Path, store: Store) -> dict[int, Path]:
    """Put the study's pictures into the store, and return their files by number."""
    files = picture_files(study.pictures, base)
    for name in sorted({name for pair in study.survey.gold for name in pair} - set(files)):
        raise unknown_name("picture in [survey] gold", name, sorted(files))
    store.add_images(list(files), study.survey.raters_per_picture)
    if study.survey.practice_folder is not None:
        practice = picture_files(PicturePlace(folder=study.survey.practice_folder), base)
        practice = {f"practice/{name}": file for name, file in practice.items()}
        store.add_practice_images(list(practice))
        files |= practice
    with store.read() as connection:
        rows = connection.execute(select(image)).all()
    gone = [row.name for row in rows if row.name not in files]
    if gone:
        raise ConfigError(
            f"{counted(len(gone), 'picture')} of this survey's database are not among the study's pictures any more: "
            f"{', '.join(gone[:10])}. Put them back, or start with a new database"
        )
    changes, changed = {}, []
    for row in rows:  # a file that was hashed and not touched since is not read again
        size_and_time = files[row.name].stat()
        stamp = f"{size_and_time.st_size} {size_and_time.st_mtime_ns}"
        if stamp != row.file_stamp:
            digest = sha256(files[row.name])
            changes[row.id] = {"sha256": digest, "file_stamp": stamp}
            if row.sha256 not in (None, digest):
                changed.append(row.name)
    if changed:
        raise ConfigError(
            f"{counted(len(changed), 'picture is', 'pictures are')} not what was rated under that name: "
            f"{', '.join(changed[:10])}. Put the earlier files back, or start with a new database"
        )
    with store.write() as connection:
        for number, values in changes.items():
            connection.execute(update(image).where(image.c.id == number).values(values))
    return {row.id: files[row.name] for row in rows}


def _problem(error: HTTPException) -> tuple[str, int]:
    return _page(error.code or 500)


def _page(code: int) -> tuple[str, int]:
    texts = app_state().spoken().texts
    key = f"survey.problem_{code}" if f"survey.problem_{code}" in texts.texts else "survey.problem_other"
    return render_template("problem.html", code=code, message=texts(key)), code
