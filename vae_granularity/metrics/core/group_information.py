"""k-NN information of groups on one sample: the scores of any partition of it, without a fit."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vae_granularity.errors import integer
from vae_granularity.metrics.core import factor_matrix, histogram, inactive, unit_information
from vae_granularity.metrics.core.group_scores import with_harmonic
from vae_granularity.metrics.core.inputs import (
    ROWS_PER_VALUE,
    Array,
    FactorKinds,
    LabelledSample,
    labelled_sample,
)
from vae_granularity.metrics.core.result import Scores
from vae_granularity.metrics.infomec import active_latents, info_scores
from vae_granularity.metrics.modularity import mean_modularity
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False)
class GroupInformation:
    """A sample and what its k-NN scores need; groups without their inactive (InfoMEC) latents."""

    sample: LabelledSample
    active: NDArray[np.bool_]  # (D,)
    entropy: Array  # (F,) nats
    num_neighbors: int
    seed: int
    kl: Any = None  # (D,) nats
    known: unit_information.Known = field(default_factory=dict)  # shared by all partitions

    @classmethod
    def of(
        cls,
        latents: Any,
        factors: Any,
        *,
        num_samples: int,
        num_neighbors: int,
        seed: int,
        kl: Any = None,
        factor_kinds: FactorKinds = None,
    ) -> Self:
        """From latents (n, D), factors (n, F), a seeded subset of `num_samples` rows; kl (D,) nats.

        More rows where a factor has so many values that groups need them, as far as there are any.

        Raises:
            ArgumentError: bad tables, numbers out of range, not more rows than `num_neighbors`.
        """
        num_samples = integer("num_samples", num_samples, 2)
        num_neighbors = integer("num_neighbors", num_neighbors, 1)
        rng = np.random.default_rng(integer("seed", seed, 0))
        full = labelled_sample(
            latents, factors, min_rows=num_neighbors + 1, factor_kinds=factor_kinds
        )
        most_values = max(len(np.unique(column)) for column in full.factors.T)
        count = max(num_samples, num_neighbors + 1, ROWS_PER_VALUE * most_values)
        sample = full.subset(rng.permutation(len(full.latents))[:count])
        sample = replace(sample, latents=inactive.silenced(sample.latents, kl))
        active, entropy = active_latents(sample.latents), histogram.entropies(sample.factors)
        return cls(sample, active, entropy, num_neighbors, seed, kl)

    def shares(self, partition: LatentPartition) -> Array:
        """(G, F) mutual information of each group and factor / entropy of the factor."""
        live = inactive.active_groups(partition.groups, self.active)
        how = (self.num_neighbors, self.seed, self.known)
        return unit_information.mutual_information_matrix(self.sample, live, *how) / self.entropy

    def scores(self, partition: LatentPartition, shares: Array | None = None) -> Scores:
        """InfoM, InfoC, modularity, carriers, harmonic mean of groups; shares (G, F) if known."""
        shares = self.shares(partition) if shares is None else shares
        several = partition.num_groups > 1
        scores = info_scores(shares, self.active, partition.groups, "_group") | {
            "modularity_knn_group": mean_modularity(shares * self.entropy),
            "carriers_group": factor_matrix.carriers(shares) if several else None,
        }
        return with_harmonic(scores)

    def protocol(self) -> dict[str, Any]:
        """Rows, factors, neighbours, seed; `found`: inactive dimensions, why values are missing."""
        of_groups = np.array(list(self.known.values()))
        noted = inactive.found(self.kl, len(self.active)) | unit_information.missing(of_groups)
        asked = {"num_neighbors": self.num_neighbors, "seed": self.seed}
        return self.sample.protocol() | asked | ({"found": noted} if noted else {})
