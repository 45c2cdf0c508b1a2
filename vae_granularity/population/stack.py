"""Hold the parameters of K modules of one architecture as the rows of one matrix."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

Named = dict[str, Tensor]


class Stack:
    """Columns of a (K, P) matrix by parameter of a module with P numbers.

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
        """Copy the parameters of K modules into a matrix (K, P).

        >>> layers = [nn.Linear(3, 2), nn.Linear(3, 2)]
        >>> Stack(layers[0]).rows(layers).shape
        torch.Size([2, 8])
        """
        return torch.stack([self.row(dict(module.named_parameters())) for module in modules])

    def row(self, named: Named) -> Tensor:
        """Return the row (P,) of tensors by parameter name."""
        tensors = [named[name].detach() for name in self.shapes]
        return torch.cat([(t.mT if t.ndim == 2 else t).flatten() for t in tensors])

    def views(self, rows: Tensor) -> Named:
        """Return views (..., *shape) into rows (..., P), by parameter name."""
        columns = rows.split(self.sizes, dim=-1)
        return {
            name: _view(numbers, shape)
            for (name, shape), numbers in zip(self.shapes.items(), columns, strict=True)
        }


def _view(numbers: Tensor, shape: torch.Size) -> Tensor:
    if not shape:
        return numbers.squeeze(-1)
    if len(shape) == 2:
        return numbers.unflatten(-1, shape[::-1]).mT
    return numbers.unflatten(-1, shape)


def stacked_buffers(modules: Sequence[nn.Module]) -> Named:
    """Copy the buffers in the saved state of K modules into tensors (K, *shape), by name."""
    saved = set(modules[0].state_dict())
    names = [name for name, _ in modules[0].named_buffers() if name in saved]
    return {name: torch.stack([module.get_buffer(name) for module in modules]) for name in names}
