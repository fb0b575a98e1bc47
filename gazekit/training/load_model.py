"""A trained network from its checkpoint, ready to score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from gazekit.core.errors import FormatError, InputError
from gazekit.core.registration_log import check_network
from gazekit.training.checkpoints import load_checkpoint, load_weights

if TYPE_CHECKING:
    from gazekit.models.input_spec import Look


@dataclass(frozen=True)
class Trained:
    """A network with its weights, in evaluation mode, what it was trained on and how it looks at pictures."""

    network: nn.Module
    identity: dict[str, Any]
    look: Look

    @property
    def size(self) -> int:
        """Return the side of its input, pixels."""
        return int(self.identity["size"])

    @property
    def buckets(self) -> int:
        """Return K, the number of rating buckets."""
        return int(self.identity["buckets"])


def checkpoint_of(path: str | Path) -> Path:
    """Return the checkpoint that a path means: itself, or the ``best.pt`` of a run's folder.

    Raises
    ------
    InputError
        A folder without one, such as a whole comparison's.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    if not (path / "best.pt").exists():
        raise InputError(f"{path} has no best.pt; give a checkpoint, or the folder of one run (runs/MODEL/...)")
    return path / "best.pt"


def load_trained(path: str | Path, *, while_sealed: bool = False) -> Trained:
    """Return the network of a checkpoint (``best.pt``), or of a run's folder.

    A network of a registered study predicts no picture while its scores are sealed; ``while_sealed`` is for training,
    which asks it where it looks.

    Raises
    ------
    InputError, FormatError
        No such file, damaged, not a checkpoint of gazekit, or weights of another network.
    """
    from gazekit import models
    from gazekit.models.finetuning import merged
    from gazekit.models.inputs import look_of

    path = checkpoint_of(path)
    content = load_checkpoint(path)
    identity = content.get("identity")
    wanted = {"model", "buckets", "size", "model_options"}
    complete = {"state_dict", "mean", "std", "aspects"} <= content.keys()
    if not isinstance(identity, dict) or not wanted <= identity.keys() or not complete:
        raise FormatError(
            f"{path} does not say which model it is of and how it looks; a best.pt of gazekit train was expected"
        )
    if not while_sealed:
        check_network(path, identity.get("registration", ""))
    network = models.create(identity["model"], identity["buckets"], **identity["model_options"])
    load_weights(network, merged(content["state_dict"]), str(path))
    network.mean, network.std = tuple(content["mean"]), tuple(content["std"])  # type: ignore[assignment]
    look = look_of(network, int(identity["size"]), tuple(content["aspects"]))
    return Trained(network.eval(), identity, look)
