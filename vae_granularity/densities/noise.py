"""Noise as a function of (seed, step): the same whether or not a run was stopped and continued."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def step_generator(
    seed: int, step: int, device: torch.device | str = "cpu", *, stream: int | None = None
) -> torch.Generator:
    """Return a generator whose state is a function of its arguments.

    NumPy's SeedSequence mixes them. `stream` sets apart a second use of random numbers in the same
    step.
    """
    entropy = (seed, step) if stream is None else (seed, step, stream)
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state))


def standard_normal(seed: int, step: int, shape: Sequence[int], *, like: Tensor) -> Tensor:
    """Draw standard normal noise of a shape for one step, with dtype and device of `like`."""
    generator = step_generator(seed, step, like.device)
    return torch.randn(*shape, generator=generator, dtype=like.dtype, device=like.device)
