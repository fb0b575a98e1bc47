"""Shared batch statistics and dropout drawn for the whole batch: several processes train as one would."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn

from gazekit.training.distributed import Team

ONE_VALUE = "Expected more than 1 value per channel when training"  # as torch's batch normalisation says it


def prepare(network: nn.Module, team: Team) -> nn.Module:
    """Return the network with its dropout drawn by place in the batch, and wrapped for a team where there is one."""
    for module in network.modules():
        if type(module) is nn.Dropout:
            module.__class__ = PlacedDropout
    if team.world == 1:
        return network
    on_gpu = next(network.parameters()).is_cuda
    if on_gpu:
        network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    else:
        for module in network.modules():
            if type(module) is nn.BatchNorm2d:
                module.__class__ = SharedBatchNorm
    devices = [torch.cuda.current_device()] if on_gpu else None
    # the graph of a network is the same in every step, and may leave parameters out: MTRL-CNN's second task has none
    return nn.parallel.DistributedDataParallel(network, device_ids=devices, static_graph=True)


def place(network: nn.Module, seed: int, rows: npt.NDArray[np.int64], total: int) -> None:
    """Tell the dropout layers which rows of a batch of ``total`` pictures come next, and the step's seed."""
    for number, module in enumerate(m for m in network.modules() if isinstance(m, PlacedDropout)):
        module.seed, module.rows, module.total = seed + number, rows, total


class PlacedDropout(nn.Dropout):
    """Dropout whose draw for a picture depends on the step's seed and its place in the whole batch.

    So it is the same in one process or several, and with a batch in one part or several.
    """

    seed: int
    rows: npt.NDArray[np.int64]
    total: int

    def forward(self, input: Tensor) -> Tensor:
        """Do as `torch.nn.Dropout`."""
        if not self.training or self.p == 0:
            return input
        generator = torch.Generator().manual_seed(self.seed)
        kept = torch.rand((self.total, *input.shape[1:]), generator=generator)[self.rows] >= self.p
        return input * kept.to(input.device) / (1 - self.p)


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation with the statistics of the whole batch over all processes, on CPUs.

    `torch.nn.SyncBatchNorm` does the same, on GPUs only.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Do as `torch.nn.BatchNorm2d`."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        own = torch.tensor([x.numel() / x.shape[1]], dtype=x.dtype)
        summed = _Sum.apply(torch.cat([x.sum((0, 2, 3)), own]))  # type: ignore[no-untyped-call]
        count = summed[-1].detach()
        if count < 2:
            raise ValueError(ONE_VALUE)
        mean = (summed[:-1] / count)[:, None, None]
        variance = _Sum.apply(((x - mean) ** 2).sum((0, 2, 3))) / count  # type: ignore[no-untyped-call]
        self._remember(mean.detach().flatten(), variance.detach() * count / (count - 1))
        result: Tensor = (x - mean) * torch.rsqrt(variance + self.eps)[:, None, None]
        if self.affine:
            result = result * self.weight[:, None, None] + self.bias[:, None, None]
        return result.to(input.dtype)

    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total
