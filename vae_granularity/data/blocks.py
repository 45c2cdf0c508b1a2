"""Blocks: a synthetic data set whose true latent structure, and so the right granularity, is
known.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vae_granularity.data.base import ImageDataModule
from vae_granularity.data.block_kinds import check_kind, draw_block
from vae_granularity.data.files.declaration import DatasetCard
from vae_granularity.data.files.store import ArrayStore
from vae_granularity.data.mixing import (
    MixingMap,
    random_mixing,
    random_orthonormal,
    smooth_orthonormal,
)
from vae_granularity.errors import ArgumentError
from vae_granularity.partition import LatentPartition

LOGIT_SCALE = (
    2.0  # standard deviation of the logits of all pixels: most pictures use most of the grey levels
)


class Blocks(ImageDataModule):
    """K independent blocks of coordinates that depend on one another, mixed by a fixed smooth
    invertible map.

    Observations are vectors of variance 1, or grey pictures whose pixels are sigmoids of the mixed
    coordinates. Each block is a label: the cell that its state lies in (see `block_kinds`). There
    is no grid of factors.

    Args:
        source: auto or synthetic, the only source there is.
        num_blocks: K.
        block_dim: coordinates n of a block, one number or one for each block.
        kinds: name of the distribution, one or one for each block: see `block_kinds.KINDS`.
        noise: standard deviation of the noise on the true coordinates, whose own is 1.
        num_samples: how many are drawn.
        observed_dim: length O of the observed vectors, at least the number D of coordinates; None
            is D.
        image_size: side of square pictures to observe in place of vectors.
        mixing_layers: non-linear layers of the map; 0 is a rotation.
        data_seed: of the draw and of the map; `seed` (of the split and the order) leaves the data
            what they are.
        data_dir, cache_dir: not used, nothing is read or kept; they are here because every dataset
            takes them.
        batch_size, seed, val_fraction, device: as for `ImageDataModule`; device cpu or cuda.

    Raises:
        ArgumentError: an argument outside its range.
    """

    def __init__(
        self,
        *,
        source: str = "auto",
        num_blocks: int = 3,
        block_dim: int | Sequence[int] = 2,
        kinds: str | Sequence[str] = "ring",
        noise: float = 0.05,
        num_samples: int = 20_000,
        observed_dim: int | None = None,
        image_size: int | None = None,
        mixing_layers: int = 2,
        data_seed: int = 0,
        data_dir: str | Path = "data",
        cache_dir: str | Path = "data_cache",
        batch_size: int = 64,
        seed: int = 0,
        val_fraction: float = 0.1,
        device: str = "cpu",
    ) -> None:
        if source not in ("auto", "synthetic"):
            raise ArgumentError(
                f"dataset.source must be auto or synthetic for blocks, which are generated, got {source!r}"
            )
        if device not in ("cpu", "cuda"):
            raise ArgumentError(
                f"dataset.device must be cpu or cuda for blocks, which are generated in memory, got {device!r}"
            )
        super().__init__(
            data_dir=data_dir,
            cache_dir=cache_dir,
            batch_size=batch_size,
            seed=seed,
            val_fraction=val_fraction,
            device=device,
        )
        self.source = "synthetic"
        for name, value, low in (
            ("num_blocks", num_blocks, 1),
            ("num_samples", num_samples, 2),
            ("mixing_layers", mixing_layers, 0),
        ):
            _at_least(name, value, low)
        _at_least("data_seed", data_seed, 0)
        if not 0 <= noise < float("inf"):
            raise ArgumentError(f"dataset.noise must be a finite number >= 0, got {noise}")
        self.kinds = _one_each("kinds", kinds, num_blocks)
        self.partition = LatentPartition.from_sizes(_one_each("block_dim", block_dim, num_blocks))
        for kind, size in zip(self.kinds, self.partition.sizes, strict=True):
            check_kind(kind, size)
        dim = self.partition.latent_dim
        if image_size is not None:
            if observed_dim is not None:
                raise ArgumentError(
                    f"dataset.observed_dim must be null where image_size={image_size} is given, got {observed_dim}"
                )
            _at_least("image_size", image_size, int(np.ceil(np.sqrt(dim + 1))))
        elif observed_dim is not None:
            _at_least("observed_dim", observed_dim, dim)
        self.observed_dim, self.image_size = observed_dim or dim, image_size
        self.noise, self.num_samples, self.mixing_layers, self.data_seed = (
            noise,
            num_samples,
            mixing_layers,
            data_seed,
        )
        self.card = DatasetCard(
            name="blocks",
            image_shape=(self.observed_dim,) if image_size is None else (1, image_size, image_size),
            files=(),
            licence="none needed: generated",
            citation="vae-granularity, dataset=blocks",
            homepage="",
            label_names=tuple(f"block{k}" for k in range(num_blocks)),
            max_value=1 if image_size is None else 255,
            values="real" if image_size is None else "unit",
        )

    @property
    def true_blocks(self) -> tuple[tuple[int, ...], ...]:
        """For each block, the columns of `coordinates` that belong to it."""
        return self.partition.groups

    @property
    def parts(self) -> dict[str, int]:
        """All samples are for training; the split is the seeded one."""
        return {"train": self.num_samples}

    @property
    def provenance(self) -> dict[str, Any]:
        """As for every dataset, and what the data were generated from."""
        made_from = {
            "kinds": list(self.kinds),
            "block_dims": list(self.partition.sizes),
            "noise": self.noise,
            "mixing_layers": self.mixing_layers,
            "data_seed": self.data_seed,
        }
        return super().provenance | made_from

    def resolve(self) -> str:
        """Always `synthetic`."""
        return self.source

    def open_store(self) -> ArrayStore:
        """Draw the blocks and mix them."""
        mixing_rng, *block_rngs = (
            np.random.default_rng(child)
            for child in np.random.SeedSequence(self.data_seed).spawn(len(self.kinds) + 1)
        )
        blocks = [
            draw_block(kind, size, self.num_samples, self.noise, rng)
            for kind, size, rng in zip(self.kinds, self.partition.sizes, block_rngs, strict=True)
        ]
        coordinates = np.concatenate([points for points, _ in blocks], axis=1)
        self._coordinates = coordinates.astype(np.float32)
        self._labels = np.stack([cells for _, cells in blocks], axis=1)
        self.mixing = self._mixing(coordinates.shape[1], mixing_rng)
        mixed = self.mixing.forward(coordinates)
        if self.image_size is None:
            observed = torch.from_numpy((mixed / mixed.std()).astype(np.float32))
        else:
            pixels = 1.0 / (1.0 + np.exp(-mixed * (LOGIT_SCALE / mixed.std())))
            observed = torch.from_numpy(np.rint(255.0 * pixels).astype(np.uint8)).reshape(
                -1, *self.image_shape
            )
        return ArrayStore(observed.to(self.device))

    def _mixing(self, dim: int, rng: np.random.Generator) -> MixingMap:
        if self.image_size is None:
            embedding = random_orthonormal(self.observed_dim, dim, rng)
        else:
            embedding = smooth_orthonormal(self.image_size, dim, rng)
        return random_mixing(dim, self.mixing_layers, embedding, rng)

    def coordinates(self, indices: torch.Tensor | np.ndarray) -> np.ndarray:
        """True coordinates (n, D) float32 of the indices (n,), noise included; `true_blocks` says
        which belong together.
        """
        assert self._store is not None, "setup() comes first"
        return self._coordinates[torch.as_tensor(indices).cpu().numpy()]


def _at_least(name: str, value: int, low: int) -> None:
    if isinstance(value, bool) or value != int(value) or value < low:
        raise ArgumentError(f"dataset.{name} must be an integer >= {low}, got {value!r}")


def _one_each(name: str, value: Any, count: int) -> tuple[Any, ...]:
    """One value for every block: a single one is repeated."""
    values = (value,) * count if isinstance(value, (str, int)) else tuple(value)
    if len(values) != count:
        raise ArgumentError(
            f"dataset.{name} must be one value or one for each of num_blocks={count}, got {list(values)}"
        )
    return values
