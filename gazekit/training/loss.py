"""The Earth Mover's Distance between rating histograms, as a loss."""

from __future__ import annotations

from torch import Tensor

from gazekit.core.errors import InputError

_EPSILON = 1e-12  # inside the root: its slope at 0 stays finite; values move by 1e-6 at most (r = 2)


def emd_loss(p: Tensor, q: Tensor, r: float = 2, *, reduction: str = "mean") -> Tensor:
    """Compute the Earth Mover's Distance of order ``r`` between rating distributions (Talebi & Milanfar 2018, Eq. 2).

    Per picture ``(mean over k of |CDF_p(k) - CDF_q(k)|^r)^(1/r)``; the root is taken for each picture and the
    mean over the batch afterwards. The gradient is finite where ``p`` equals ``q``.

    Parameters
    ----------
    p, q : Tensor
        Probabilities, shape (N, K).
    r : float
        Order, 1 or more; 2 for training, 1 and 2 for reporting.
    reduction : str
        "mean" over the batch (a scalar), "sum", or "none" (shape (N,)).

    Raises
    ------
    InputError
        Shapes differ, or r below 1.

    Examples
    --------
    >>> import torch
    >>> certain, torn = torch.tensor([[0.0, 1.0, 0.0]]), torch.tensor([[0.5, 0.0, 0.5]])
    >>> round(float(emd_loss(certain, torn)), 4)
    0.4082
    """
    if p.shape != q.shape or p.ndim != 2:
        raise InputError(
            f"emd_loss compares distributions of one shape (N, K); found {tuple(p.shape)} and {tuple(q.shape)}"
        )
    if r < 1:
        raise InputError(f"emd_loss needs an order r of 1 or more; found {r}")
    distance = (p - q).cumsum(dim=1).abs()
    each = distance.mean(dim=1) if r == 1 else (distance.pow(r).mean(dim=1) + _EPSILON).pow(1.0 / r)
    if reduction == "none":
        return each
    return each.sum() if reduction == "sum" else each.mean()
