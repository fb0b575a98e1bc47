"""Learning rate and stopping as pure functions of what has happened, so that nothing of them needs saving."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gazekit.training.recipe import Recipe


def rate_factor(recipe: Recipe, epoch: int, losses: Sequence[float]) -> float:
    """Return what the learning rates are multiplied with in an epoch (from 0), given the validation losses so far."""
    if recipe.schedule == "step":
        return recipe.lr_factor ** (epoch // recipe.lr_step)
    if recipe.schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs))
    if recipe.schedule == "plateau":
        return recipe.lr_factor ** plateaus(losses, recipe.lr_step)
    return 1.0


def plateaus(losses: Sequence[float], patience: int) -> int:
    """Return how often ``patience`` epochs went by without a better loss (each plateau counts anew)."""
    best, stale, count = math.inf, 0, 0
    for loss in losses:
        if loss < best:
            best, stale = loss, 0
        else:
            stale += 1
        if stale >= patience:
            count, stale = count + 1, 0
    return count


def best_epoch(losses: Sequence[float]) -> int:
    """Return the first epoch (from 0) with the lowest loss; -1 where there is none."""
    return min(range(len(losses)), key=lambda epoch: losses[epoch], default=-1)


def finished(recipe: Recipe, losses: Sequence[float]) -> bool:
    """Return whether training ends: all epochs done, or ``patience`` of them without a better validation loss."""
    return len(losses) >= recipe.epochs or len(losses) - 1 - best_epoch(losses) >= recipe.patience
