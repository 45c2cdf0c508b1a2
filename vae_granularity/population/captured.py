"""A population's step as one CUDA graph: tiny models wait for the host, which launches it once."""

import torch
from torch.utils._pytree import tree_leaves, tree_map

from vae_granularity.population.engine import Outputs, State, Step
from vae_granularity.population.step_inputs import Inputs

WARM_UP = 3


def captured(step: Step, state: State, inputs: Inputs) -> Step:
    """`step` replayed from a graph, for this state alone; the outputs are overwritten by the next.

    Args:
        step: without a wait for the host.
        state: on a CUDA device, and what it was when this returns.
        inputs: of any step; later ones must have the same shapes.
    """
    static: Inputs = tree_map(torch.clone, inputs)
    saved = [tensor.clone() for tensor in tree_leaves(state)]
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step(state, static)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = step(state, static)
    for tensor, value in zip(tree_leaves(state), saved, strict=True):
        tensor.copy_(value)

    def replay(_: State, inputs: Inputs) -> Outputs:
        for place, value in zip(tree_leaves(static), tree_leaves(inputs), strict=True):
            place.copy_(value)
        graph.replay()
        return outputs._replace(terms=outputs.terms.clone())

    return replay
