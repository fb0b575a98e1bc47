"""Checkpoints that appear whole or not at all."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from gazekit.core.errors import FormatError, InputError, OutputError
from gazekit.core.files import existing_file, whole_file

SCHEMA = "gazekit.checkpoint/1"
_DAMAGED = (
    RuntimeError, pickle.UnpicklingError, EOFError, ValueError, LookupError, AttributeError, TypeError, AssertionError,
)  # fmt: skip  # what torch raises of a file with wrong bytes


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint beside its target, sync it, and put it in the target's place.

    Raises
    ------
    OutputError
        The disk is full or cannot be written; the last good checkpoint stays.
    """
    try:
        with whole_file(path) as temporary, open(temporary, "wb") as file:
            torch.save(_unshared({"schema": SCHEMA, **content}, {}), file)
    except (OutputError, RuntimeError) as error:
        kept = "; the one before it stays" if path.exists() else ""
        raise OutputError(
            f"the checkpoint {path} cannot be written: {_reason(error)}{kept}. Make room and "
            "start the same command again: it goes on from there"
        ) from error


def _unshared(value: Any, texts: dict[str, str]) -> Any:
    """Return equal content whose texts are shared and whose containers are not.

    Pickle writes an object that it met before as a reference. What a run that went on has read from a file shares
    other objects than what it would have made itself, and its checkpoints would be of other bytes.
    """
    if isinstance(value, str):
        return texts.setdefault(value, value)
    if isinstance(value, dict):
        copied = type(value)((_unshared(key, texts), _unshared(one, texts)) for key, one in value.items())
        if hasattr(value, "_metadata"):  # of a module's state
            copied._metadata = _unshared(value._metadata, texts)  # type: ignore[attr-defined]
        return copied
    if isinstance(value, (list, tuple)) and type(value) in (list, tuple):
        return type(value)(_unshared(one, texts) for one in value)
    return value


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are loaded, no code is run.

    Raises
    ------
    InputError, FormatError
        No such file, empty, truncated, or not a checkpoint of gazekit.
    """
    path = existing_file(path, "checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _DAMAGED as error:
        # what the unpickler says is of no use, or advice to run whatever code the file holds
        reason = f": {str(error).splitlines()[0][:160]}" if type(error) is RuntimeError else ""
        raise FormatError(f"{path} is not a checkpoint of gazekit, or is damaged{reason}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise FormatError(f"{path} is not a checkpoint of gazekit: schema {found!r}, expected {SCHEMA!r}")
    return content


def _reason(error: BaseException) -> str:
    """Return what the system said; torch hides it behind an error of its own."""
    said: BaseException | None = error
    while said is not None:
        if isinstance(said, OSError):
            return said.strerror or str(said)
        said = said.__cause__ or said.__context__
    return str(error)


def load_weights(model: torch.nn.Module, state: dict[str, Any], where: str) -> None:
    """Put weights in a model; an `InputError` names what does not fit."""
    from gazekit.models.weights import MARKS

    wanted = model.state_dict()
    missing = sorted(wanted.keys() - state.keys() - MARKS)
    extra = sorted(state.keys() - wanted.keys() - MARKS)
    shapes = [
        f"{name} is {tuple(state[name].shape)}, expected {tuple(wanted[name].shape)}"
        for name in sorted(wanted.keys() & state.keys())
        if state[name].shape != wanted[name].shape
    ]
    faults = [f"lacks {len(missing)} ({', '.join(missing[:3])})"] if missing else []
    faults += [f"has {len(extra)} that the model does not ({', '.join(extra[:3])})"] if extra else []
    faults += shapes[:3]
    if faults:
        raise InputError(f"{where} holds the weights of another model: it " + "; ".join(faults))
    model.load_state_dict(state)
