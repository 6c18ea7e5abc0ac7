"""Many processes that train one model: Lightning Fabric under torchrun, and negatives gathered over all of them.

Each rank encodes its part of a batch, gathers the embeddings of all and computes the loss of the whole. The gradient of a gathered
row is summed over the ranks, and DDP takes the mean of the parameters' gradients: both together are the whole batch's gradient.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def engine(accelerator: str = "auto") -> Fabric:
    """The processes of this training: those that torchrun started, else this one; on GPUs where there are any."""
    from lightning_fabric import Fabric

    ranks, local = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    strategy = "ddp_find_unused_parameters_true" if ranks > 1 else "auto"  # CED's tagging head has no part in this
    fabric = Fabric(accelerator=accelerator, devices=local, num_nodes=ranks // local, strategy=strategy)
    fabric.launch()
    return fabric


def gather_numbers(fabric: Fabric, numbers: Sequence[int]) -> list[list[int]]:
    """The numbers of every rank, equally many on each."""
    if fabric.world_size == 1:
        return [list(numbers)]
    return fabric.all_gather(torch.tensor(numbers, device=fabric.device)).tolist()


def gather_rows(fabric: Fabric, rows: Tensor, sizes: Sequence[int]) -> Tensor:
    """The rows of all ranks, in order of rank, with gradient; rank r has `sizes[r]` of them: `(n, D) -> (sum of sizes, D)`."""
    if fabric.world_size == 1:
        return rows
    padded = F.pad(rows, (0, 0) * (rows.dim() - 1) + (0, max(sizes) - len(rows)))
    found = fabric.all_gather(padded, sync_grads=rows.requires_grad)
    return torch.cat([part[:size] for part, size in zip(found, sizes, strict=True)])


class SharedNorm(nn.BatchNorm2d):
    """Batch norm whose mean and variance in training are those over all ranks, on any device."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        axes, shape = (0, 2, 3), (1, -1, 1, 1)
        count = _sum_over_ranks(torch.full_like(self.running_mean, x.numel() / self.num_features))
        mean = _sum_over_ranks(x.sum(axes)) / count
        centred = x - mean.view(shape)
        variance = _sum_over_ranks(centred.square().sum(axes)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        return centred * (variance + self.eps).rsqrt().view(shape) * self.weight.view(shape) + self.bias.view(shape)


def _sum_over_ranks(values: Tensor) -> Tensor:
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(values)


def share_norms(module: nn.Module) -> None:
    """Replace every batch norm over spectrograms (BatchNorm2d) by a SharedNorm of the same parameters and buffers."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                shared = SharedNorm(child.num_features, child.eps, child.momentum)
                shared.weight, shared.bias = child.weight, child.bias
                shared._buffers.update(child._buffers)
                shared.train(child.training)
                setattr(parent, name, shared)


def wrap(fabric: Fabric, module: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[Any, Any]:
    """The module and its optimizer on the device of this rank, in DDP where there are several."""
    if fabric.world_size > 1:
        share_norms(module)
    return fabric.setup(module, optimizer)
