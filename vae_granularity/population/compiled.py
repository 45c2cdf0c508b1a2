"""Compile a population's step as a whole: networks, loss, gradient and Adam in one graph.

The graph is traced from the eager step, so any model is compiled without a line of its own. Dials,
memberships, noise, learning rates and weights are its inputs: one compilation serves every step of
every population of the same shapes. It is kept on disk, so that a sweep pays once a shape.
"""

import os
import shutil
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

from vae_granularity.densities.mixture import one_table
from vae_granularity.files import digest, private_cache
from vae_granularity.population.engine import Outputs, State, Step
from vae_granularity.population.step_inputs import Inputs

# Every intermediate that is used twice is stored, and short sums stay loops: inductor would fuse
# them into loops that it then cannot vectorise (experiments/population/README.md).
OPTIONS: dict[str, Any] = {"realize_reads_threshold": 0, "unroll_reductions_threshold": 1}
WARM_UP = 3  # of a step before it is captured
_COMPILED: dict[str, Callable] = {}  # by traced graph, for the populations of this process


def no_compiler() -> str | None:
    """Return why nothing can be compiled on this machine, or None if it can."""
    name = os.environ.get("CXX", "g++")
    if shutil.which(name) is None:
        return f"there is no C++ compiler here ({name} is not found; install g++ or set CXX)"
    return None


def compiled(step: Step, state: State, inputs: Inputs) -> Step:
    """Compile `step` for these shapes, which state and inputs of all later calls must have.

    The state is not changed. The first call compiles, or reads what an earlier process compiled
    from the private folder of this user.
    """
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(private_cache("compiled"))
    flat, form = tree_flatten((state, _dense(inputs)))

    def of_leaves(*leaves: torch.Tensor) -> Outputs:
        return step(*tree_unflatten(list(leaves), form))

    with one_table():
        graph = make_fx(of_leaves, tracing_mode="fake")(*flat)
    run = _COMPILED.setdefault(
        _key(graph, flat), torch.compile(graph, fullgraph=True, dynamic=False, options=OPTIONS)
    )

    def call(state: State, inputs: Inputs) -> Outputs:
        with torch.no_grad():
            return run(*tree_leaves((state, _dense(inputs))))

    return call


def warmed_up(step: Step, state: State, inputs: Inputs) -> Step:
    """Call `step` on copies, which makes it compile now, and return it."""
    step(tree_map(torch.clone, state), inputs)
    return step


def _dense(inputs: Inputs) -> Inputs:
    """Return the inputs without the strides of a view: other strides would be compiled again."""
    return tree_map(torch.Tensor.contiguous, inputs)


def _key(graph: GraphModule, flat: list[torch.Tensor]) -> str:
    """Return a digest of what decides the compiled function: code, constants, input types."""
    held = sorted((k, v) for k, v in vars(graph).items() if isinstance(v, torch.Tensor))
    constants = [(name, value.tolist()) for name, value in held]
    types = [(tuple(t.shape), t.stride(), str(t.dtype), str(t.device)) for t in flat]
    text = f"{graph.code}{constants}{types}{torch.get_num_threads()}"
    return digest(text)


def captured(step: Step, state: State, inputs: Inputs) -> Step:
    """Capture `step` in a CUDA graph and return its replay, for this state alone.

    The next replay overwrites the outputs.

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
        for captured_input, value in zip(tree_leaves(static), tree_leaves(inputs), strict=True):
            captured_input.copy_(value)
        graph.replay()
        return outputs._replace(terms=outputs.terms.clone())

    return replay
