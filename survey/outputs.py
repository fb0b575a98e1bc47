"""Results on disk: whole or not at all, with their provenance beside them."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from survey.errors import SurveyError


def write_bytes(target: str | Path, content: bytes) -> Path:
    """Write a file beside its target, sync it, and put it in the target's place."""
    target = Path(target)
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except OSError as error:
        raise SurveyError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)
    return target


def write_csv(table: pd.DataFrame, target: str | Path, provenance: Mapping[str, Any] | None = None) -> Path:
    """Write a table as CSV, and its provenance as ``<target>.json``."""
    path = write_bytes(target, table.to_csv(index=False, lineterminator="\n").encode())
    if provenance is not None:
        write_bytes(f"{path}.json", (json.dumps(provenance, indent=1, sort_keys=True) + "\n").encode())
    return path


def provenance(parameters: Mapping[str, Any], source: str | Path | None = None) -> dict[str, Any]:
    """What a table carries of its making: schema, version, parameters, SHA-256 of the ratings."""
    inputs = {}
    if source is not None:
        with open(source, "rb") as file:
            digest = hashlib.sha256()
            while block := file.read(1 << 20):
                digest.update(block)
        inputs["ratings"] = digest.hexdigest()
    return {
        "schema": "histograms/1",
        "gazekit": version("gazekit"),
        "parameters": dict(parameters),
        "inputs": inputs,
    }
