"""A run directory read back: its model with the last weights, its data and its results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import ArgumentError, DataError, integer
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build
from vae_granularity.runs.checkpoint import load_weights
from vae_granularity.runs.identity import CONFIG
from vae_granularity.runs.status import is_done
from vae_granularity.runs.table import read_results


@dataclass(frozen=True, repr=False)
class Run:
    """A run read back: `model` in evaluation mode, `datamodule` not set up, `results` or {}."""

    directory: Path
    config: Any
    model: LatentModel
    datamodule: ImageDataModule
    results: dict[str, Any]

    def encode(self, images: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """mu, logvar (n, D) of q(z|x) for images (n, *image_shape), floats in the data's range.

        Raises:
            ArgumentError: another shape, or integers.
        """
        shape = self.datamodule.image_shape
        with torch.no_grad():
            return self.model.encode(self._batch("images", images, shape))

    def decode(self, z: Tensor | np.ndarray) -> Tensor:
        """Means of p(x|z), (n, *image_shape), for codes z (n, D).

        Raises:
            ArgumentError: another shape, or integers.
        """
        with torch.no_grad():
            return self.model.decode(self._batch("z", z, (self.model.latent_dim,)))

    def sample(self, n: int = 1, seed: int = 0) -> Tensor:
        """Means of p(x|z), (n, *image_shape), for n codes drawn from the prior N(0, I).

        Raises:
            ArgumentError: n < 1; a model without a prior.
        """
        if not self.model.stochastic:
            raise ArgumentError(
                f"sample needs a model with a prior, got {self.config.model._target_}"
            )
        shape = integer("n", n, 1), self.model.latent_dim
        return self.decode(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))

    def traverse(
        self, image: Tensor | np.ndarray, dimension: int, values: Sequence[float] | np.ndarray
    ) -> Tensor:
        """Means of p(x|z), (T, *image_shape), along one dimension: z is the code of an image.

        Args:
            image: (*image_shape), where the traversal starts.
            dimension: 0 to D - 1, whose entry of z takes each of the T values.
            values: (T,).

        Raises:
            ArgumentError: another shape, or a dimension that there is not.
        """
        dimension = integer("dimension", dimension, 0, self.model.latent_dim - 1)
        mu, _ = self.encode(torch.as_tensor(image)[None])
        steps = torch.as_tensor(values, dtype=mu.dtype, device=mu.device)
        if steps.ndim != 1:
            raise ArgumentError(f"values must have shape (T), got {tuple(steps.shape)}")
        z = mu.repeat(len(steps), 1)
        z[:, dimension] = steps
        return self.decode(z)

    def _batch(self, name: str, values: Tensor | np.ndarray, shape: tuple[int, ...]) -> Tensor:
        found = torch.as_tensor(values)
        if tuple(found.shape[1:]) != shape or found.ndim != len(shape) + 1:
            expected, got = (", ".join(map(str, s)) for s in (("n", *shape), found.shape))
            raise ArgumentError(f"{name} must have shape ({expected}), got ({got})")
        if not found.is_floating_point():
            raise ArgumentError(
                f"{name} must be floats, as the data module gives, got {found.dtype}"
            )
        return found.to(self.model.device, next(self.model.parameters()).dtype)

    def __repr__(self) -> str:
        """Five lines: where, what on what, groups, how it ended, what can be asked."""
        model, terms, scores = (self.results.get(k, {}) for k in ("run", "terms", "scores"))
        named = {"ELBO": terms.get("val/elbo"), "MIG": scores.get("mig")}
        numbers = ", ".join(f"{k} {v:.4g}" for k, v in named.items() if v is not None)
        ended = f"{model['steps']} steps, {numbers}" if self.results else "interrupted, no results"
        name = model.get("model") or type(self.model).__module__.rpartition(".")[2]
        groups = " ".join(self.model.partition.labels)
        return (
            f"Run {self.directory}\n"
            f"  {name} on {self.datamodule.title}, images {self.datamodule.image_shape}\n"
            f"  {self.model.latent_dim} dimensions, groups {groups}\n"
            f"  {ended}\n"
            "  .config .model .datamodule .results .encode .decode .sample .traverse"
        )


def load_run(directory: str | Path) -> Run:
    """Read a finished or interrupted run directory.

    Raises:
        DataError: the directory is no run directory, or has no readable checkpoint.
    """
    directory = Path(directory)
    if not (directory / CONFIG).is_file():
        raise DataError(f"{directory} is no run directory: it has no {CONFIG}")
    config: Any = OmegaConf.load(directory / CONFIG)
    model, data = build(config)
    load_weights(model, directory)
    results = read_results(directory) if is_done(directory) else {}
    return Run(directory, config, model.eval(), data, results)
