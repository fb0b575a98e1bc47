"""Training one network so that a run that was killed anywhere ends in the same weights, bit for bit.

Sample order and mirroring are pure functions of (seed, epoch, index), dropout is seeded at every step, learning rate
and stopping are pure functions of the losses so far. A checkpoint therefore holds the weights, the optimiser, the
moving average, the place in the epoch and the history; what came after it is done again and comes out the same.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from gazekit.core.encryption import cover, uncover
from gazekit.core.errors import InputError, TrainingError
from gazekit.core.types import Index
from gazekit.models.finetuning import train_mode
from gazekit.training.checkpoints import load_checkpoint, save_checkpoint
from gazekit.training.distributed import Team, shares
from gazekit.training.loading import Draw, Examples, Images, cropped, epoch_plan, in_order, mirrored
from gazekit.training.loss import emd_loss
from gazekit.training.recipe import Recipe, completed
from gazekit.training.schedule import best_epoch, finished, rate_factor
from gazekit.training.synchronise import ONE_VALUE, place, prepare

Criterion = Callable[[Tensor, Tensor], Tensor]  # probabilities (n, K) and truth (n, K) -> loss a picture (n,)
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class BatchPart:
    """A split as training needs it: where its pictures come from, and which they are."""

    examples: Examples
    indices: Index


@dataclass(frozen=True)
class Task:
    """What is trained on what."""

    train: BatchPart
    validation: BatchPart
    truth: Tensor  # (N, K) rating distributions of the whole dataset
    names: list[str]  # picture ids of the whole dataset
    mean: tuple[float, ...]
    std: tuple[float, ...]
    seed: int
    criterion: Criterion
    shapes: npt.NDArray[np.int64]  # (N, 2) of all pictures' views
    aspects: tuple[float, ...]  # of them


@dataclass
class TrainingState:
    """A network in training and all of its state."""

    task: Task
    recipe: Recipe
    network: nn.Module
    optimizer: torch.optim.Optimizer
    team: Team = field(default_factory=Team)
    average: Weights | None = None
    best: Weights | None = None
    history: list[dict[str, float]] = field(default_factory=list)
    position: int = 0  # steps done in the epoch under way
    loss_sum: float = 0.0

    @property
    def epoch(self) -> int:
        """Return the epoch under way, from 0."""
        return len(self.history)

    @property
    def losses(self) -> list[float]:
        """Return the validation losses so far."""
        return [row["validation_loss"] for row in self.history]

    @property
    def model(self) -> nn.Module:
        """Return the network without the wrapper of a team."""
        inner = getattr(self.network, "module", self.network)
        assert isinstance(inner, nn.Module)
        return inner


@dataclass
class Saver:
    """Writes ``last.pt`` and ``best.pt`` of a run at a measured pace; what it skips would be done again alike.

    Of a ``sealed`` run, neither tells the losses on pictures that are tested elsewhere; ``last.pt`` has them covered,
    since a run cannot go on without them.
    """

    folder: Path
    identity: dict[str, Any]
    seconds: float = 20.0
    leads: bool = True
    sealed: bool = False
    saved: float = field(default_factory=time.monotonic)
    learnt_from: dict[str, Tensor] = field(default_factory=dict)

    def offer(self, state: TrainingState) -> None:
        """Save, if the last time is long enough ago."""
        if time.monotonic() - self.saved >= self.seconds:
            self.save(state)

    def save(self, state: TrainingState) -> None:
        """Save now: the best weights first, so that ``last.pt`` never knows of a best that is not there."""
        if self.leads:
            if state.best is not None:
                best: dict[str, Any] = {"identity": self.identity, "state_dict": state.best, **self._history(state)}
                best.pop("covered", None)
                best |= {"mean": [*state.task.mean], "std": [*state.task.std], "aspects": [*state.task.aspects]}
                best |= {"learnt_from": self.learnt_from}
                save_checkpoint(self.folder / "best.pt", best)
            save_checkpoint(
                self.folder / "last.pt", {"identity": self.identity, **_content(state), **self._history(state)}
            )
        self.saved = time.monotonic()

    def _history(self, state: TrainingState) -> dict[str, Any]:
        if not self.sealed:
            return {"history": state.history}
        covered = cover(json.dumps(state.history).encode(), self.identity["registration"])
        return {"history": [told(row, sealed=True) for row in state.history], "covered": covered.hex()}

    def restore(self, state: TrainingState) -> bool:
        """Take the run to where ``last.pt`` left it; false where there is none."""
        path = self.folder / "last.pt"
        if not path.exists():
            return False
        content = load_checkpoint(path)
        check_identity(content["identity"], self.identity, path)
        state.model.load_state_dict(content["state_dict"])
        state.optimizer.load_state_dict(content["optimizer"])
        state.average, state.history = content["average"], content["history"]
        state.position, state.loss_sum = content["position"], content["loss_sum"]
        if "covered" in content:
            state.history = json.loads(uncover(bytes.fromhex(content["covered"]), self.identity["registration"]))
        if state.history:
            state.best = load_checkpoint(self.folder / "best.pt")["state_dict"]
        return True


def told(row: dict[str, float], *, sealed: bool) -> dict[str, float]:
    """Return what may be told of an epoch: of a sealed run, nothing of pictures that are not trained on."""
    return {name: value for name, value in row.items() if not (sealed and name == "validation_loss")}


def check_identity(found: dict[str, Any], expected: dict[str, Any], path: Path) -> None:
    """Raise an `InputError` naming what differs between a checkpoint and the run that wants it."""
    found, expected = completed(found), completed(expected)
    differ = [
        f"{key}: {found.get(key)!r} there, {expected.get(key)!r} here"
        for key in sorted(found.keys() | expected.keys())
        if found.get(key) != expected.get(key)
    ]
    if differ:
        raise InputError(
            f"{path} belongs to another run ({'; '.join(differ[:4])}); choose another folder, or move that one away"
        )


def fit(state: TrainingState, saver: Saver, on_epoch: Callable[[TrainingState], None] = lambda state: None) -> None:
    """Train until the recipe ends; afterwards ``state.best`` holds the weights of the best epoch."""
    saver.restore(state)
    state.team.wait()  # or another process could read what the first one writes next
    while not finished(state.recipe, state.losses):
        _train_epoch(state, saver)
        _close_epoch(state)
        on_epoch(state)
        saver.offer(state)
    saver.save(state)


def begin_training(task: Task, recipe: Recipe, network: nn.Module, team: Team) -> TrainingState:
    """Return a run from its beginning; two learning rates where the recipe has them."""
    device = device_of(recipe)
    network = network.to(device)
    if recipe.channels_last:
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = _optimizer(recipe, network)
    average = _copy(network.state_dict()) if recipe.ema else None
    return TrainingState(task, recipe, prepare(network, team), optimizer, team, average)


def device_of(recipe: Recipe) -> torch.device:
    """Return where the network lives: a GPU if there is one, unless the recipe says otherwise."""
    if recipe.device != "auto":
        return torch.device(recipe.device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def normalised(images: Images, task: Task, recipe: Recipe) -> Images:
    """Return what a network takes: floats of the weights' own mean and standard deviation, from uint8 (n, 3, h, w)."""
    device = device_of(recipe)
    mean = torch.tensor(task.mean, device=device)[:, None, None]
    std = torch.tensor(task.std, device=device)[:, None, None]
    scaled = ((one.to(device).float() / 255 - mean) / std for one in images)
    if not recipe.channels_last:
        return tuple(scaled)
    return tuple(one.contiguous(memory_format=torch.channels_last) if one.ndim == 4 else one for one in scaled)


@torch.no_grad()
def predict(state: TrainingState, part: BatchPart) -> npt.NDArray[np.float32]:
    """Predict the distributions (n, K) of a part's pictures, in their order; each is computed once over the team."""
    state.model.eval()
    mine = state.team.share(np.arange(len(part.indices)))
    plan = in_order(mine, 64, state.task.shapes[part.indices])
    local: npt.NDArray[np.float32] | None = None
    for rows, images in zip(plan, part.examples.stream([part.indices[rows] for rows in plan]), strict=True):
        found = _forward(state, state.model, images).float().cpu().numpy()
        local = np.empty((len(mine), found.shape[1]), np.float32) if local is None else local
        local[np.searchsorted(mine, rows)] = found
    empty = np.empty((0, state.task.truth.shape[1]), np.float32)
    return state.team.together(empty if local is None else local, len(part.indices))


def use_weights(state: TrainingState, weights: Weights) -> None:
    """Put weights in the run's network."""
    state.model.load_state_dict(weights)


def _train_epoch(state: TrainingState, saver: Saver) -> None:
    task, recipe = state.task, state.recipe
    factor = rate_factor(recipe, state.epoch, state.losses)
    for group in state.optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
    plan = epoch_plan(task.train.indices, recipe.batch, task.seed, state.epoch, task.shapes)[state.position :]
    mine = shares(plan, state.team)
    read = [share if len(share) else batch[:1] for batch, share in zip(plan, mine, strict=True)]
    train_mode(state.network)
    draw = Draw(task.seed, state.epoch)
    for batch, share, seen, images in zip(plan, mine, read, task.train.examples.stream(read, draw), strict=True):
        if recipe.crop is not None:
            images = cropped(images, seen, draw, task.shapes[batch[0]])
        if recipe.flip:
            images = mirrored(images, seen, draw, len(task.names))
        where = f"in epoch {state.epoch + 1}, step {state.position + 1}"
        try:
            loss = state.team.sum(_step(state, images, share, len(batch)))
        except ValueError as error:
            if ONE_VALUE not in str(error):
                raise
            raise TrainingError(
                f"batch normalisation needs more than one value {where}, on the pictures {_shown(state, batch)}. "
                "A larger --size or --batch, or --aspect-buckets 1 helps, with another --out"
            ) from error
        if not np.isfinite(loss):
            raise _not_finite(state, f"the loss is {loss} {where}", batch)
        state.loss_sum += loss
        state.position += 1
        saver.offer(state)


def _step(state: TrainingState, images: Images, share: Index, batch: int) -> float:
    """Return one optimiser step on this process's share of a batch; returns the sum of the losses of its pictures.

    Every process computes as many parts as the others, and its pictures of the same parts, since all wait for each
    other in each of them. A part without pictures, of a batch smaller than the team, is a tensor of no rows: it adds
    nothing to losses, gradients and the statistics of batch normalisation.
    """
    recipe, task = state.recipe, state.task
    seed = _step_seed(task.seed, state.epoch, state.position)
    torch.manual_seed(seed + state.team.rank)
    places = np.arange(state.team.rank, batch, state.team.world)  # of this process's pictures in the batch
    state.optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for part in np.array_split(np.arange(batch), recipe.accumulate):
        rows = np.flatnonzero(np.isin(places, part))
        place(state.model, seed, places[rows], batch)
        truth = task.truth[share[rows]].to(device_of(recipe))
        loss = task.criterion(_forward(state, state.network, tuple(one[rows] for one in images)).float(), truth).sum()
        total += float(loss.detach())
        (loss * (state.team.world / batch)).backward()  # type: ignore[no-untyped-call]
    if recipe.clip is not None:
        nn.utils.clip_grad_norm_(state.network.parameters(), recipe.clip)
    state.optimizer.step()
    if state.average is not None and recipe.ema is not None:
        _move_average(state.average, state.model.state_dict(), recipe.ema)
    return total


def _forward(state: TrainingState, network: nn.Module, images: Images) -> Tensor:
    inputs = normalised(images, state.task, state.recipe)
    with torch.autocast(inputs[0].device.type, torch.bfloat16, enabled=state.recipe.precision == "bf16"):
        output: Tensor = network(*inputs)
    return output


def _close_epoch(state: TrainingState) -> None:
    own = _copy(state.model.state_dict()) if state.average is not None else None
    if state.average is not None:
        use_weights(state, state.average)
    validation = _validation_loss(state)
    seen = state.loss_sum / len(state.task.train.indices)
    lr = state.optimizer.param_groups[0]["lr"]
    state.history.append({"epoch": state.epoch + 1, "lr": lr, "train_loss": seen, "validation_loss": validation})
    if best_epoch(state.losses) == len(state.history) - 1:
        state.best = _copy(state.model.state_dict())
    if own is not None:
        use_weights(state, own)
    state.position, state.loss_sum = 0, 0.0


def _validation_loss(state: TrainingState) -> float:
    part = state.task.validation
    predicted = torch.from_numpy(predict(state, part))
    with torch.no_grad():
        losses = state.task.criterion(predicted, state.task.truth[part.indices])
    bad = ~torch.isfinite(losses).numpy()
    if bad.any():
        raise _not_finite(state, f"the validation loss is not finite after epoch {state.epoch + 1}", part.indices[bad])
    return float(losses.mean())


def _not_finite(state: TrainingState, what: str, indices: Index) -> TrainingError:
    return TrainingError(
        f"{what}, on the pictures {_shown(state, indices)}. A lower --lr or --clip 1 may help, with another --out: "
        "a folder keeps the options it was begun with. The last checkpoint stays"
    )


def _shown(state: TrainingState, indices: Index) -> str:
    names = [state.task.names[i] for i in indices]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    groups = []
    for base_lr, parameters in _rate_groups(recipe, network):
        groups.append({"params": parameters, "lr": base_lr, "base_lr": base_lr})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return torch.optim.Adam(groups, weight_decay=recipe.weight_decay)


def _rate_groups(recipe: Recipe, network: nn.Module) -> Iterator[tuple[float, list[nn.Parameter]]]:
    trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]
    if recipe.lr_backbone is None:
        yield recipe.lr, [p for _, p in trained]
        return
    head = {id(p) for p in head_parameters(network)}
    yield recipe.lr, [p for _, p in trained if id(p) in head]
    backbone = [p for _, p in trained if id(p) not in head]
    if backbone:
        yield recipe.lr_backbone, backbone


def head_parameters(network: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the head: the child module named ``head``."""
    head = getattr(network, "head", None)
    if not isinstance(head, nn.Module):
        raise InputError(f"{type(network).__name__} has no head of its own; leave lr_backbone out")
    return list(head.parameters())


def _step_seed(*parts: int) -> int:
    return int(np.random.SeedSequence([*parts, 13]).generate_state(1, np.uint64)[0] >> 2)


def _copy(state: dict[str, Tensor]) -> Weights:
    return copy.deepcopy({name: value.detach() for name, value in state.items()})


@torch.no_grad()
def _move_average(average: Weights, state: dict[str, Tensor], decay: float) -> None:
    for name, value in state.items():
        if value.is_floating_point():
            average[name].lerp_(value, 1 - decay)
        else:
            average[name].copy_(value)


def _content(state: TrainingState) -> dict[str, Any]:
    return {
        "state_dict": state.model.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "average": state.average,
        "history": state.history,
        "position": state.position,
        "loss_sum": state.loss_sum,
    }


def emd_criterion(r: float) -> Criterion:
    """Return the EMD loss of each picture, as a criterion."""
    return lambda p, q: emd_loss(p, q, r, reduction="none")
