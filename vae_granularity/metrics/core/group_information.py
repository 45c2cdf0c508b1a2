"""k-NN mutual information between groups of latents and factors on one sample: the scores of any
partition of it, without a fit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.errors import integer
from vae_granularity.metrics.core import factor_matrix, histogram, inactive, unit_information
from vae_granularity.metrics.core.harmonic_scores import group_headlines
from vae_granularity.metrics.core.inputs import Array, LabelledSample, labelled_sample
from vae_granularity.metrics.core.result import Scores
from vae_granularity.metrics.infomec import active_latents, group_scores
from vae_granularity.metrics.modularity import mean_modularity
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False)
class GroupInformation:
    """A sample of rows and what its k-NN scores need; inactive latents (InfoMEC's rule) are left
    out of their groups.
    """

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
    ) -> GroupInformation:
        """From latents (n, D) and factors (n, F); a seeded subset of `num_samples` rows where n is
        larger; `kl` (D,) as in `inactive`.

        Raises:
            ArgumentError: bad tables, numbers out of range, not more rows than `num_neighbors`.
        """
        num_samples, num_neighbors = (
            integer("num_samples", num_samples, 2),
            integer("num_neighbors", num_neighbors, 1),
        )
        seed = integer("seed", seed, 0)
        full = labelled_sample(latents, factors, min_rows=num_neighbors + 1)
        rows = np.random.default_rng(seed).permutation(len(full.latents))[
            : max(num_samples, num_neighbors + 1)
        ]
        sample = labelled_sample(full.latents[rows], full.factors[rows])
        kept = tuple(full.kept_factors[f] for f in sample.kept_factors)
        dropped = tuple(
            sorted({*full.dropped_factors, *(full.kept_factors[f] for f in sample.dropped_factors)})
        )
        sample = LabelledSample(
            inactive.silenced(sample.latents, kl),
            sample.factors,
            sample.test_latents,
            sample.test_factors,
            kept,
            dropped,
        )
        return cls(
            sample,
            active_latents(sample.latents),
            histogram.entropies(sample.factors),
            num_neighbors,
            seed,
            kl,
        )

    def shares(self, partition: LatentPartition) -> Array:
        """(G, F) mutual information of each group and factor / entropy of the factor."""
        live = [[d for d in group if self.active[d]] for group in partition.groups]
        mi = unit_information.mutual_information_matrix(
            self.sample.latents,
            live,
            self.sample.factors,
            num_neighbors=self.num_neighbors,
            seed=self.seed,
            known=self.known,
        )
        return mi / self.entropy

    def scores(self, partition: LatentPartition, shares: Array | None = None) -> Scores:
        """`infom_group`, `infoc_group`, their harmonic mean, `modularity_knn_group` and
        `carriers_group`; shares (G, F) where known.
        """
        shares = self.shares(partition) if shares is None else shares
        scores = group_scores(shares, self.active, partition.groups)
        scores["modularity_knn_group"] = mean_modularity(shares * self.entropy)
        scores["carriers_group"] = (
            factor_matrix.carriers(shares) if partition.num_groups > 1 else None
        )
        return scores | group_headlines(scores)

    def protocol(self) -> dict[str, object]:
        """Rows, factors, neighbours and seed; under `found`, inactive dimensions and why values are
        missing.
        """
        of_groups = np.array(list(self.known.values()))
        noted = inactive.found(self.kl, len(self.active)) | unit_information.missing(of_groups)
        return (
            self.sample.protocol()
            | {"num_neighbors": self.num_neighbors, "seed": self.seed}
            | ({"found": noted} if noted else {})
        )
