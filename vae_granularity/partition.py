"""Which latent dimensions form a group: the one concept that everything else shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import TYPE_CHECKING

from vae_granularity.errors import ArgumentError, integer

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class LatentPartition:
    """A partition of the latent dimensions 0..D-1 into disjoint, non-empty groups.

    Frozen and hashable; holds no tensors. The disentangling granularity of Chen, Xiang and Wang
    (arXiv 2505.24684) is the number of dimensions per group.

    >>> LatentPartition(((0, 3), (1, 2))).labels
    ('z0+z3', 'z1-z2')

    Raises:
        ArgumentError: the groups are empty, overlap, or do not cover 0..D-1.
    """

    groups: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        groups = tuple(tuple(int(d) for d in group) for group in self.groups)
        object.__setattr__(self, "groups", groups)
        dims = [d for group in groups for d in group]
        if not dims or any(not group for group in groups) or sorted(dims) != list(range(len(dims))):
            raise ArgumentError(
                f"groups must be non-empty and hold each of 0..D-1 exactly once, got {groups}"
            )

    @classmethod
    def from_granularity(cls, latent_dim: int, granularity: int) -> LatentPartition:
        """Contiguous blocks of `granularity` dimensions; the last block may be shorter.

        >>> LatentPartition.from_granularity(latent_dim=10, granularity=3).sizes
        (3, 3, 3, 1)

        Raises:
            ArgumentError: latent_dim < 1, or granularity outside [1, latent_dim].
        """
        latent_dim = integer("latent_dim", latent_dim, 1)
        whole = isinstance(granularity, Integral) and not isinstance(granularity, bool)
        if not whole or not 1 <= granularity <= latent_dim:
            accepted = f"[1, latent_dim={latent_dim}]"
            raise ArgumentError(
                f"granularity must be an integer in {accepted}, got {granularity!r}"
            )
        granularity = int(granularity)
        starts = range(0, latent_dim, granularity)
        return cls(tuple(tuple(range(s, min(s + granularity, latent_dim))) for s in starts))

    @classmethod
    def from_sizes(cls, sizes: Sequence[int], latent_dim: int | None = None) -> LatentPartition:
        """Contiguous blocks of the given sizes, in order.

        >>> LatentPartition.from_sizes([1, 2]).groups
        ((0,), (1, 2))

        Raises:
            ArgumentError: no sizes, a size < 1, or a sum other than the given `latent_dim`.
        """
        sizes = [integer(f"partition sizes[{i}]", size, 1) for i, size in enumerate(sizes)]
        if not sizes:
            raise ArgumentError("partition sizes must name at least one group, got []")
        if latent_dim is not None and sum(sizes) != latent_dim:
            found = f"{sizes} (sum {sum(sizes)})"
            raise ArgumentError(f"partition sizes must sum to latent_dim={latent_dim}, got {found}")
        starts = [sum(sizes[:i]) for i in range(len(sizes))]
        return cls(tuple(tuple(range(s, s + size)) for s, size in zip(starts, sizes, strict=True)))

    @property
    def latent_dim(self) -> int:
        """D, the number of latent dimensions."""
        return sum(len(group) for group in self.groups)

    @property
    def num_groups(self) -> int:
        """G, the number of groups."""
        return len(self.groups)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Dimensions per group, length G."""
        return tuple(len(group) for group in self.groups)

    @property
    def labels(self) -> tuple[str, ...]:
        """One ASCII label a group for log keys and plots: `z3`, `z0-z1` (in a row), `z0+z4`."""
        return tuple(_label(group) for group in self.groups)

    def membership(
        self, num_groups: int | None = None, *, dtype: torch.dtype | None = None
    ) -> torch.Tensor:
        """The (D, G) matrix of 0/1; with `num_groups` >= G, padded on the right with empty groups.

        >>> LatentPartition.from_sizes([1, 2]).membership(num_groups=3).tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 1.0, 0.0]]

        Raises:
            ArgumentError: `num_groups` is below G.
        """
        import torch  # here, so that naming a partition does not load torch

        least = self.num_groups
        columns = least if num_groups is None else integer("num_groups", num_groups, least)
        matrix = torch.zeros(self.latent_dim, columns, dtype=dtype)
        for g, group in enumerate(self.groups):
            matrix[list(group), g] = 1
        return matrix


def _label(group: tuple[int, ...]) -> str:
    if len(group) == 1:
        return f"z{group[0]}"
    if list(group) == list(range(group[0], group[-1] + 1)):
        return f"z{group[0]}-z{group[-1]}"
    return "+".join(f"z{d}" for d in group)
