"""Weights that timm and torchvision publish, by those libraries' own download: only where somebody asks for them."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from typing import Any

import torch
from torch import nn

import gazekit.models._torchvision  # noqa: F401  (before timm and torchvision)
from gazekit.core.errors import InputError, unknown_name
from gazekit.models.backbones import backbone
from gazekit.models.timm_models import PREFIX
from gazekit.models.weights import State, digest, fill_trunks

TORCHVISION = {"alexnet": "alexnet", "vgg16": "vgg16", "resnet18": "resnet18", "resnet50": "resnet50",
               "inception": "inception_v3"}  # fmt: skip
PATIENCE_S = 5.0


def load_published(model: nn.Module, name: str, publisher: str) -> None:
    """Fill the backbones of a model with the weights that a library publishes for them.

    The model's ``weights_from`` then says the publisher, the name there and a SHA-256 of the tensors; ``mean`` and
    ``std`` become the weights' own.

    Parameters
    ----------
    model : nn.Module
        Of `gazekit.models.create`.
    name : str
        The model's name.
    publisher : str
        ``timm`` or ``torchvision``.

    Raises
    ------
    InputError
        The model has no published backbone; the library has no weights for it; they are not on this machine and the
        network cannot be reached.
    """
    trunks = [str(module.backbone_name) for module in model.modules() if hasattr(module, "backbone_name")]
    if not trunks:
        raise InputError(f"{name} has no backbone that {publisher} publishes weights of; give a file")
    own, state = _from_timm(trunks[0]) if publisher == "timm" else _from_torchvision(trunks[0])
    fill_trunks(model, state, f"{publisher}'s {own['name']}", (own["mean"], own["std"]))
    facts = {"publisher": publisher, "name": own["name"], "sha256": digest(state)}
    model.weights_from = facts  # type: ignore[assignment]


def _from_timm(trunk: str) -> tuple[dict[str, Any], State]:
    import timm

    name = trunk.removeprefix(PREFIX) if trunk.startswith(PREFIX) else backbone(trunk).library_name
    config = timm.models.get_pretrained_cfg(name)
    if config is None or not (config.has_weights):
        tagged = timm.list_pretrained(f"{name.split('.')[0]}.*")
        hint = f"; there are weights of {', '.join(tagged[:4])}" if tagged else "; give a file"
        raise InputError(f"timm publishes no weights of {name}{hint}")
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    network = _fetched(lambda: timm.create_model(name, pretrained=True), f"timm's weights of {name}", endpoint)
    stated = network.pretrained_cfg
    return {"name": f"{stated['architecture']}.{stated['tag']}".rstrip("."), "mean": _three(stated["mean"]),
            "std": _three(stated["std"])}, network.state_dict()  # fmt: skip


def _from_torchvision(trunk: str) -> tuple[dict[str, Any], State]:
    from torchvision.models import get_model_weights

    if trunk not in TORCHVISION:
        raise unknown_name("backbone of torchvision", trunk, TORCHVISION)
    weights = next(iter(get_model_weights(TORCHVISION[trunk])))  # the first published ones: the papers' own
    what = f"torchvision's {weights}"
    state = _fetched(lambda: torch.hub.load_state_dict_from_url(weights.url, progress=False, check_hash=True), what,
                     weights.url)  # fmt: skip
    facts = backbone(trunk)
    mean, std = (facts.mean, facts.std) if trunk == "inception" else _normalisation_of(weights)
    return {"name": str(weights), "mean": mean, "std": std}, state


def _normalisation_of(weights: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    transforms = weights.transforms()
    return _three(transforms.mean), _three(transforms.std)


def _three(values: Any) -> tuple[float, float, float]:
    return tuple(float(value) for value in values)  # type: ignore[return-value]


def _fetched(fetch: Any, what: str, address: str) -> Any:
    """Return what a library fetches; offline it takes what is on this machine, or says so at once."""
    offline = not _reachable(address)
    constants = _hub_constants()
    before = constants.HF_HUB_OFFLINE if constants else False
    try:
        if constants and offline:
            constants.HF_HUB_OFFLINE = True  # else it tries again for minutes
        return fetch()
    except Exception as error:  # what libraries of several makers raise where there is no file
        reason = "this machine is offline" if offline else (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"{what} are not on this machine and cannot be fetched from {address.split('/')[2]}: {reason};"
            " give a file (--weights FILE)"
        ) from error
    finally:
        if constants:
            constants.HF_HUB_OFFLINE = before


def _hub_constants() -> Any:
    try:
        from huggingface_hub import constants
    except ImportError:
        return None
    return constants


def _reachable(address: str) -> bool:
    request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "gazekit"})
    try:
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True
