"""A small HTTP endpoint with the same function as ``gazekit score``."""

from __future__ import annotations

import threading
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from gazekit.core.counting import counted
from gazekit.core.errors import GazekitError, InputError
from gazekit.histograms import moments
from gazekit.models.scoring import Outcome, Scorer
from gazekit.training.load_model import Trained
from gazekit.training.scoring import make_scorer

LARGEST = 64 * 2**20  # bytes of a request
MOST = 64  # pictures of a request


def make_app(trained: Trained) -> Flask:
    """Return the application: ``GET /`` says which model it is, ``POST /score`` scores a picture or several.

    The body of ``POST /score`` is one encoded picture, or a form with any number of files (at most 64). The answer is
    JSON: ``{"results": [{"image", "mean", "std", "histogram"} or {"image", "error"}]}``.
    """
    app = Flask("gazekit")
    app.config["MAX_CONTENT_LENGTH"] = LARGEST
    scorer, lock = make_scorer(trained, batch=MOST, precision="float32"), threading.Lock()

    @app.get("/")
    def about() -> Response:
        names = ("model", "condition", "seed", "buckets", "size")
        return jsonify({name: trained.identity.get(name) for name in names})

    @app.post("/score")
    def score_pictures() -> tuple[Response, int]:
        sent = _sent_as_form() if request.mimetype == "multipart/form-data" else []
        sent = sent or [("picture", request.get_data())]  # whatever its type: curl calls a body a form of its own
        if len(sent) > MOST:
            return jsonify({"error": f"{counted(len(sent), 'picture')} in one request; at most {MOST} are taken"}), 413
        with lock:
            results = _results(scorer, sent)
        return jsonify({"results": results}), 200 if any("mean" in result for result in results) else 400

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[Response, int]:
        return jsonify({"error": f"{error.name}: {error.description}"}), error.code or 500

    return app


def _sent_as_form() -> list[tuple[str, bytes]]:
    files = [file for name in request.files for file in request.files.getlist(name)]
    return [(file.filename or "picture", file.read()) for file in files]


def _results(scorer: Scorer, sent: list[tuple[str, bytes]]) -> list[dict[str, Any]]:
    empty = "{} is empty; the body of the request should be a picture"
    scored = iter(scorer.encoded([(name, encoded) for name, encoded in sent if encoded]))
    outcomes = [(name, next(scored) if encoded else InputError(empty.format(name))) for name, encoded in sent]
    return [{"image": name, **_answer(outcome)} for name, outcome in outcomes]


def _answer(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, GazekitError):
        return {"error": str(outcome)}
    mean, std = moments(outcome)
    return {"mean": float(mean), "std": float(std), "histogram": [float(p) for p in outcome]}
