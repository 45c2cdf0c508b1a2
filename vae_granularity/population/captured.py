"""A population's step as one CUDA graph: launched as a whole, where the operators of tiny models
wait for the host.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vae_granularity.population.engine import Outputs, Population
from vae_granularity.population.step_inputs import Inputs

WARM_UP = 3


class Captured:
    """Replays `population.compute` from a graph; called like `Population.step`.

    Args:
        population: on a CUDA device. Its state is what it was when this returns.
        inputs: of any step; later ones must have the same shapes.
    """

    def __init__(self, population: Population, inputs: Inputs) -> None:
        self._population = population
        self._inputs = Inputs(
            inputs.x.clone(),
            inputs.noise.clone(),
            _cloned(inputs.settings),
            inputs.membership.clone(),
        )
        state = [*population.state()]
        saved = [tensor.detach().clone() for tensor in state]
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP):
                population.compute(self._inputs)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = population.compute(self._inputs)
        with torch.no_grad():
            for tensor, value in zip(state, saved, strict=True):
                tensor.copy_(value)

    def __call__(self, inputs: Inputs) -> Outputs:
        """One step; the outputs are overwritten by the next."""
        for static, value in zip(_flat(self._inputs), _flat(inputs), strict=True):
            static.copy_(value)
        self._population.count_step()
        self._graph.replay()
        return self._outputs._replace(terms=self._outputs.terms.clone())


def _cloned(settings: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in settings.items()}


def _flat(inputs: Inputs) -> list[Tensor]:
    return [inputs.x, inputs.noise, *inputs.settings.values(), inputs.membership]
