"""The backend that leaves each member its own operators."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from vae_granularity.errors import ArgumentError
from vae_granularity.models.base import Forward, LatentModel
from vae_granularity.population.member import OneMember
from vae_granularity.population.stack import Named
from vae_granularity.population.step_inputs import Inputs


class OnStreams:
    """Each member by its own operators on its own CUDA stream; meant to be captured in one graph
    (`captured.Captured`).

    Raises:
        ArgumentError: the model is not on a CUDA device.
    """

    def __init__(self, model: LatentModel) -> None:
        if model.device.type != "cuda":
            raise ArgumentError(
                f"the backend `streams` must have a CUDA device, got {model.device.type}"
            )
        self._member = OneMember(model)
        self._streams: list[torch.cuda.Stream] = []

    def __call__(
        self, weights: Named, buffers: Named, inputs: Inputs
    ) -> tuple[Tensor, dict[str, Tensor], Forward]:
        members = len(inputs.x)
        while len(self._streams) < members:
            self._streams.append(torch.cuda.Stream())
        main = torch.cuda.current_stream()
        results = []
        for k, stream in enumerate(self._streams[:members]):
            stream.wait_stream(main)
            with torch.cuda.stream(stream):
                state = {f"model.{name}": value[k] for name, value in (weights | buffers).items()}
                settings = {name: value[k] for name, value in inputs.settings.items()}
                results.append(
                    functional_call(
                        self._member,
                        state,
                        (inputs.x[k], inputs.noise[k], settings, inputs.membership[k]),
                    )
                )
        for stream in self._streams[:members]:
            main.wait_stream(stream)
        losses, logged, forwards = zip(*results, strict=True)
        terms = {name: torch.stack([one[name] for one in logged]) for name in logged[0]}
        return (
            torch.stack(losses),
            terms,
            Forward(*(torch.stack(field) for field in zip(*forwards, strict=True))),
        )
