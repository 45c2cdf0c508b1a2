"""K modules of one architecture as the rows of one matrix."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

Named = dict[str, Tensor]


class Stack:
    """Which columns of a (K, P) matrix hold which parameter of a module with P of them.

    One matrix, so that one operator acts on all parameters of all K members and a row is a member.
    Matrices lie transposed in it, as the backward pass of a linear layer makes their gradients:
    turning those round took a third of a compiled step (experiments/population/README.md).

    Args:
        module: gives names, shapes and order of the parameters.
    """

    def __init__(self, module: nn.Module) -> None:
        self.shapes = {name: parameter.shape for name, parameter in module.named_parameters()}
        self.sizes = [prod(shape) for shape in self.shapes.values()]

    def rows(self, modules: Sequence[nn.Module]) -> Tensor:
        """(K, P) copy of the parameters of K modules.

        >>> layers = [nn.Linear(3, 2), nn.Linear(3, 2)]
        >>> Stack(layers[0]).rows(layers).shape
        torch.Size([2, 8])
        """
        return torch.stack([self.row(dict(module.named_parameters())) for module in modules])

    def row(self, named: Named) -> Tensor:
        """(P,) from tensors by parameter name."""
        of = (named[name].detach() for name in self.shapes)
        return torch.cat([(p.mT if p.ndim == 2 else p).flatten() for p in of])

    def views(self, rows: Tensor) -> Named:
        """Tensors (..., *shape) by parameter name that look into rows (..., P)."""
        parts = zip(self.shapes.items(), rows.split(self.sizes, dim=-1), strict=True)
        return {name: _view(part, shape) for (name, shape), part in parts}


def _view(part: Tensor, shape: torch.Size) -> Tensor:
    if not shape:
        return part.squeeze(-1)
    return part.unflatten(-1, shape[::-1]).mT if len(shape) == 2 else part.unflatten(-1, shape)


def stacked_buffers(modules: Sequence[nn.Module]) -> Named:
    """(K, *shape) copies of the buffers in the saved state of K modules, by name."""
    saved = set(modules[0].state_dict())
    each = [dict(module.named_buffers()) for module in modules]
    return {name: torch.stack([own[name] for own in each]) for name in each[0] if name in saved}
