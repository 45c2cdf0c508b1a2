"""The backend that writes the networks of K members out: one batched matrix product a layer,
grouped convolutions.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vae_granularity.densities.gaussian import reparametrise
from vae_granularity.errors import ArgumentError
from vae_granularity.likelihoods.bernoulli import Bernoulli
from vae_granularity.likelihoods.continuous_bernoulli import ContinuousBernoulli
from vae_granularity.likelihoods.gaussian import Gaussian
from vae_granularity.models.base import Forward, LatentModel, Settings
from vae_granularity.models.gaussian_vae import GaussianVAE
from vae_granularity.population.member import loss_of
from vae_granularity.population.stack import Named
from vae_granularity.population.step_inputs import Inputs

ELEMENTWISE = (nn.ReLU, nn.LeakyReLU)
Layer = Callable[[Tensor, Named], Tensor]


class Grouped:
    """`nn.Sequential` applied to x (K, B, ...) with the parameters of K members.

    Between convolutions images are (B, K·C, H, W), the layout of a grouped convolution; elsewhere
    members come first.

    Args:
        layers: linear, (transposed) convolutions, ReLU, leaky ReLU, flatten, unflatten.
        prefix: of the parameters' names.

    Raises:
        ArgumentError: another layer.
    """

    def __init__(self, layers: nn.Sequential, prefix: str) -> None:
        self._layers = [self._layer(layer, f"{prefix}.{i}") for i, layer in enumerate(layers)]

    def __call__(self, x: Tensor, weights: Named) -> Tensor:
        self._members = len(x)
        for layer in self._layers:
            x = layer(x, weights)
        return self._members_first(x)

    def _layer(self, layer: nn.Module, name: str) -> Layer:
        if isinstance(layer, ELEMENTWISE):
            return lambda x, weights: layer(x)
        if isinstance(layer, nn.Flatten):
            return lambda x, weights: self._members_first(x).flatten(2)
        if isinstance(layer, nn.Unflatten):
            return lambda x, weights: x.unflatten(2, layer.unflattened_size)
        if isinstance(layer, nn.Linear):
            return lambda x, weights: torch.baddbmm(
                weights[f"{name}.bias"].unsqueeze(1), x, weights[f"{name}.weight"].mT
            )
        if (
            isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
            and layer.groups == 1
            and layer.padding_mode == "zeros"
        ):
            function = F.conv2d if isinstance(layer, nn.Conv2d) else F.conv_transpose2d

            def convolve(x: Tensor, weights: Named) -> Tensor:
                kernel, bias = (
                    weights[f"{name}.weight"].flatten(0, 1),
                    weights[f"{name}.bias"].flatten(),
                )
                return function(
                    self._members_as_channels(x),
                    kernel,
                    bias,
                    stride=layer.stride,
                    padding=layer.padding,
                    groups=self._members,
                )

            return convolve
        raise ArgumentError(
            f"the backend `grouped` must have linear layers and plain convolutions, got {type(layer).__name__}"
        )

    def _members_as_channels(self, x: Tensor) -> Tensor:
        """(K, B, C, H, W) or (B, K·C, H, W) to the latter."""
        return x if x.ndim == 4 else x.transpose(0, 1).flatten(1, 2)

    def _members_first(self, x: Tensor) -> Tensor:
        """(B, K·C, H, W) or (K, B, ...) to the latter."""
        return x.unflatten(1, (self._members, -1)).transpose(0, 1) if x.ndim == 4 else x


class GroupedNetwork:
    """The network of all members written out (`grouped.Grouped`), the objective by `torch.vmap`.

    For networks of linear layers and plain convolutions, and likelihoods that train nothing and
    look at one image at a time.

    Raises:
        ArgumentError: another network, model or likelihood.
    """

    def __init__(self, model: LatentModel) -> None:
        if type(model).run is not GaussianVAE.run or type(model).encode is not GaussianVAE.encode:
            raise ArgumentError(
                f"the backend `grouped` must have a model whose networks alone are trained, got {type(model).__name__}"
            )
        if not isinstance(model.likelihood, (Bernoulli, ContinuousBernoulli, Gaussian)) or list(
            model.likelihood.parameters()
        ):
            raise ArgumentError(
                f"the backend `grouped` must have a likelihood without trained state, got {type(model.likelihood).__name__}"
            )
        for part in (model.net.encoder, model.net.decoder):
            if not isinstance(part, nn.Sequential):
                raise ArgumentError(
                    f"the backend `grouped` must have networks that are nn.Sequential, got {type(part).__name__}"
                )
        self._model = model
        self._encoder, self._decoder = (
            Grouped(model.net.encoder, "net.encoder"),
            Grouped(model.net.decoder, "net.decoder"),
        )
        self._objective = torch.vmap(self._one)

    def __call__(
        self, weights: Named, buffers: Named, inputs: Inputs
    ) -> tuple[Tensor, dict[str, Tensor], Forward]:
        x, noise, settings, membership = inputs
        mu, logvar = self._encoder(x, weights).chunk(2, dim=-1)
        z = reparametrise(mu, logvar, noise)
        output = self._decoder(z, weights)
        log_px = self._model.likelihood.log_prob(output.flatten(0, 1), x.flatten(0, 1)).unflatten(
            0, x.shape[:2]
        )
        out = Forward(x, output, log_px, z, mu, logvar)
        return *self._objective(out, settings, membership), out

    def _one(
        self, out: Forward, settings: Settings, membership: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return loss_of(self._model, out, settings, membership)
