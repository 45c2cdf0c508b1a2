"""Several processes that train one run: each has its own rows of the batch, and the loss may see
the rows of all.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist


def world() -> tuple[int, int]:
    """Number of this process and of all: (0, 1) where a run has one."""
    one_of_many = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if one_of_many else (0, 1)


def own_rows(x: Tensor) -> Tensor:
    """This process's rows (B, …) of x (W·B, …), W processes."""
    rank, size = world()
    return x.chunk(size)[rank]


def gathered(x: Tensor) -> Tensor:
    """The rows x (B, …) of all processes as one batch (W·B, …), in their order.

    With gradient: that of a row is the sum over the losses of all processes. Where each computes
    the same loss of the whole batch, Lightning's mean of the gradients over processes is then the
    gradient of that loss.
    """
    return x if world()[1] == 1 else _Gather.apply(x)


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(world()[1])]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        total = grad_outputs[0].clone()
        dist.all_reduce(total)
        return own_rows(total)


def mean_over_processes(x: Tensor) -> Tensor:
    """The mean of x (of any shape) over the processes, on all of them."""
    size = world()[1]
    if size > 1:
        dist.all_reduce(x)
    return x / size


@contextmanager
def processes_ended() -> Iterator[None]:
    """What Lightning leaves behind after training on several devices is removed, so that a next run
    of this process starts its own.
    """
    before = dict(os.environ)
    try:
        yield
    finally:
        if world()[1] > 1:
            dist.destroy_process_group()
        for name in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
            if name not in before:
                os.environ.pop(name, None)
