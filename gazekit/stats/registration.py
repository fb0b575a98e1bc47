"""What was registered before any score was seen, whether the scores are still sealed, and which claims it covers.

::

    registration.json     the terms: hypotheses, pairs, metric, margin, alpha, pictures, code, splits; the public key
    registration.key      the private key, which `gazekit register open` needs
    registration.log      a line an event (registered, opened), each with the hash of the line before it
    ....sealed            what is locked until then

Sealing is against oversight, not against fraud: the ratings lie on the disk, and so does the key.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gazekit.core.config import validated
from gazekit.core.encryption import encrypt
from gazekit.core.errors import FormatError
from gazekit.core.files import whole_file

REGISTRATION, KEY, SEALED = "registration.json", "registration.key", ".sealed"
SCHEMA = "gazekit.registration/1"


class Registration(BaseModel):
    """The terms of a registered study."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    form: str = SCHEMA
    id: str = ""
    registered_utc: str
    title: str
    hypotheses: list[str]
    metric: str
    primary_contrast: tuple[str, str] | None
    pairs: list[tuple[str, str]]
    margin: float | None
    difference: float | None
    alpha: float
    models: list[str]
    conditions: list[str]
    seeds: list[int]
    scheme: str
    cross_validate: int | None
    repeats: int
    recipe: dict[str, Any]
    n: int  # pictures that are tested
    pictures: dict[str, str]  # id to SHA-256
    splits: str  # SHA-256
    exclusions: list[str]
    excluded: dict[str, str]  # pictures in no split, and why
    files: dict[str, str]  # SHA-256
    code: dict[str, str]
    public_key: str

    def digest(self) -> str:
        """Return the id: the first digits of the SHA-256 of the terms."""
        terms = self.model_dump(mode="json", exclude={"id"})
        return hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()[:16]

    def covers(self, claim: Mapping[str, Any]) -> bool:
        """Return whether a claim of a comparison was registered: its metric, its pair and its networks."""
        known = {*self.models, "all networks"}
        networks = {str(claim["model"]), str(claim.get("model_b") or claim["model"])}
        sides = [str(claim["a"]), str(claim["b"])]
        named = [sides, [f"{claim['model']}:{sides[0]}", f"{claim.get('model_b') or claim['model']}:{sides[1]}"]]
        pairs = [*self.pairs, *([self.primary_contrast] if self.primary_contrast else [])]
        in_pairs = any(sorted(pair) == sorted(names) for pair in pairs for names in named)
        return claim["metric"] == self.metric and networks <= known and in_pairs


def read_registration(folder: str | Path) -> Registration | None:
    """Read the registration of a folder; None where there is none.

    Raises
    ------
    FormatError
        It was altered since it was registered.
    """
    path = Path(folder) / REGISTRATION
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"{path} is damaged: {error}") from error
    registration = validated(Registration, content, path)
    if registration.id != registration.digest():
        raise FormatError(f"{path} has been altered since it was registered: its content is not that of its id")
    return registration


def write_sealed(path: Path, content: str, public_key: str) -> None:
    """Write a file under its name with ``.sealed``, readable with the private key only."""
    with whole_file(path.with_name(path.name + SEALED)) as temporary:
        temporary.write_bytes(encrypt(content.encode(), public_key))


def marked(words: dict[str, Any], registration: Registration, opened: str, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return a conclusion in which every claim says whether it was registered, and what departs from the terms.

    Parameters
    ----------
    words : dict
        Of `gazekit.stats.conclusion`.
    registration : Registration
        The terms.
    opened : str
        When the scores were opened.
    asked : mapping
        The options of the comparison; where they are others than registered, nothing is covered.
    """
    terms = registration.model_dump(mode="json", include={"metric", "primary_contrast", "margin", "alpha"})
    departures = [
        f"{name}: {terms[name]} registered, {given} here"
        for name in terms
        if (given := _plain(asked[name])) != terms[name]
    ]
    if words["pictures"] != registration.n:
        departures.append(f"pictures: {registration.n} registered, {words['pictures']} here")
    claims = [{**claim, "registered": not departures and registration.covers(claim)} for claim in words["claims"]]
    shared = [
        {**claim, "registered": not departures and registration.covers(claim)}
        for claim in words.get("over_networks", ())
    ]
    sentences, first = list(words["sentences"]), len(words["sentences"]) - len(claims)
    for place, claim in enumerate(claims, first):
        if not claim["registered"]:
            sentences[place] = f"Exploratory, not registered: {sentences[place]}"
    stated = {
        "id": registration.id,
        "registered_utc": registration.registered_utc,
        "opened_utc": opened,
        "hypotheses": registration.hypotheses,
        "exclusions": registration.exclusions,
        "departures": departures,
    }
    return {
        **words,
        "claims": claims,
        "sentences": sentences,
        "registration": stated,
        **({"over_networks": shared} if shared else {}),
    }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
