"""Counts the tensor operators and host synchronisations of a call, as the dispatcher sees them."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

# Operators that only rename memory and launch nothing.
VIEWS = {
    "alias",
    "as_strided",
    "chunk",
    "detach",
    "diagonal",
    "expand",
    "permute",
    "select",
    "slice",
    "split",
    "squeeze",
    "t",
    "transpose",
}
VIEWS |= {"unbind", "unsqueeze", "view", "_unsafe_view"}
SYNCHRONISING = {"_local_scalar_dense", "item", "nonzero"}


class OperatorCount(TorchDispatchMode):
    """`with OperatorCount() as count: …`, then `count.operators` and `count.synchronisations`."""

    def __init__(self) -> None:
        super().__init__()
        self.operators = 0
        self.synchronisations = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        if name in SYNCHRONISING:
            self.synchronisations += 1
        elif name not in VIEWS:
            self.operators += 1
        return func(*args, **(kwargs or {}))
