"""Read a run directory back: its model with the last weights, its data and its results."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import ArgumentError, integer
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build, match_precision
from vae_granularity.runs.checkpoint import load_weights
from vae_granularity.runs.status import is_done
from vae_granularity.runs.table import read_results
from vae_granularity.runs.trust import Trust, read_config
from vae_granularity.runs.types import BUILT_NODES, check_types


@dataclass(frozen=True, repr=False)
class Run:
    """A run read back: `model` in evaluation mode, `datamodule` not set up, `results` or {}."""

    directory: Path
    config: Any
    model: LatentModel
    datamodule: ImageDataModule
    results: dict[str, Any]

    def encode(self, images: Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
        """Return mu, logvar (n, D) of q(z|x) for images (n, *image_shape), scaled as the data.

        Raises:
            ArgumentError: another shape, or integers.
        """
        shape = self.datamodule.image_shape
        with torch.no_grad():
            return self.model.encode(self._batch("images", images, shape))

    def decode(self, z: Tensor | np.ndarray) -> Tensor:
        """Return means of p(x|z), (n, *image_shape), for codes z (n, D).

        Raises:
            ArgumentError: another shape, or integers.
        """
        with torch.no_grad():
            return self.model.decode(self._batch("z", z, (self.model.latent_dim,)))

    def sample(self, n: int = 1, seed: int = 0) -> Tensor:
        """Return means of p(x|z), (n, *image_shape), for n codes drawn from the prior N(0, I).

        Raises:
            ArgumentError: n < 1; a model without a prior.
        """
        if not self.model.stochastic:
            name = self.config.model._target_
            raise ArgumentError(f"sample needs a model with a prior, got {name}")
        shape = integer("n", n, 1), self.model.latent_dim
        return self.decode(torch.randn(shape, generator=torch.Generator().manual_seed(seed)))

    def traverse(
        self, image: Tensor | np.ndarray, dimension: int, values: Sequence[float] | np.ndarray
    ) -> Tensor:
        """Return means of p(x|z), (T, *image_shape), along one dimension of an image's code.

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
        batch = torch.as_tensor(values)
        if tuple(batch.shape[1:]) != shape or batch.ndim != len(shape) + 1:
            expected = ", ".join(map(str, ("n", *shape)))
            actual = ", ".join(map(str, batch.shape))
            raise ArgumentError(f"{name} must have shape ({expected}), got ({actual})")
        if not batch.is_floating_point():
            raise ArgumentError(
                f"{name} must be floats, as the data module gives, got {batch.dtype}"
            )
        return batch.to(self.model.device, next(self.model.parameters()).dtype)

    def __repr__(self) -> str:
        """Summarise the run: path, model and data, groups, result, available methods."""
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


def load_run(
    directory: str | Path,
    trust: Trust = (),
    *,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
) -> Run:
    """Read a finished or interrupted run directory, which someone else may have written.

    Args:
        trust: your own packages that the run was built from; it calls nothing else that is not of
            this package (docs/trust.md).
        data_dir: where its official files lie or are downloaded to, in place of the folder that its
            config names, from which they are only read.
        cache_dir: where its images are converted to, in place of the folder that its config names,
            which is used if images were converted to it before.

    Raises:
        DataError: the directory is no run directory, names code that is not trusted, or has no
            readable checkpoint.
    """
    directory = Path(directory)
    config = read_config(directory, trust)
    places = {"data_dir": data_dir, "cache_dir": cache_dir}
    named = {key: str(path) for key, path in places.items() if path is not None}
    # A folder that only the run names is read from, never written to.
    config.dataset.update(named)
    check_types(config, BUILT_NODES)
    model, data = build(config, tuple(key for key in places if key not in named))
    match_precision(model, config.get("trainer") or {})
    results = read_results(directory) if is_done(directory) else {}
    load_weights(model, directory, results["run"].get("steps") if results else None)
    return Run(directory, config, model.eval(), data, results)
