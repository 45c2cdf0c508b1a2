"""Mutual information gap from histograms (Chen et al. 2018, arXiv 1802.04942)."""

from dataclasses import dataclass
from typing import Any

from vae_granularity.metrics.core import factor_matrix, histogram
from vae_granularity.metrics.core.inputs import Array, NoGroupForm, labelled_sample
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class MIGResult(MetricResult):
    score_names = ("mig",)
    mi_matrix: Array  # (D, F) nats
    factor_entropy: Array  # (F,) empirical, nats


def mig(
    latents: Any,
    factors: Any,
    partition: LatentPartition | None = None,
    num_bins: int = 20,
    binning: str = "range",
) -> MIGResult:
    """Mean over factors of the gap of the two most informative latents / entropy of the factor.

    In the form of Locatello et al. (arXiv 1811.12359).

    Args:
        latents: (n, D). Constant ones count: they share no information.
        factors: (n, F) integers.
        binning: how latents become discrete, see `histogram.discretize`.

    Raises:
        ArgumentError: bad tables, or num_bins outside [2, n].
        NoGroupForm: a partition was given; bins of several dimensions at once would be empty.

    >>> mig([[0.0, 0.0], [1.0, 0.0]], [[0], [1]], num_bins=2).scores  # one latent tells all
    {'mig': 1.0}
    """
    if partition is not None:
        raise NoGroupForm(
            "partition must be None: histogram MIG has no group form (joint bins are empty); use"
            " mig_entropy"
        )
    sample = labelled_sample(latents, factors)
    bins = histogram.discretize(sample.latents, num_bins, binning)
    mi = histogram.mutual_information(bins, sample.factors)
    entropy = histogram.entropies(sample.factors)
    asked = {"num_bins": None if binning == "codes" else num_bins, "binning": binning}
    return MIGResult(
        scores={"mig": factor_matrix.mean_gap(mi, entropy)},
        protocol=sample.protocol() | asked,
        mi_matrix=mi,
        factor_entropy=entropy,
    )
