"""Mutual information gap from histograms (Chen et al. 2018, arXiv 1802.04942)."""

from dataclasses import dataclass
from typing import Any

from vae_granularity.metrics.core import factor_matrix, histogram
from vae_granularity.metrics.core.inputs import Array, FactorKinds, NoGroupForm, labelled_sample
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
    *,
    factor_kinds: FactorKinds = None,
) -> MIGResult:
    """Mean over factors of the gap of the two most informative latents / entropy of the factor.

    In the form of Locatello et al. (arXiv 1811.12359).

    Args:
        latents: (n, D). Constant ones count: they share no information.
        factors: (n, F) numbers; those with more than 20 values and fewer than 20 rows a value are
            cut into ten quantile bins, and latents meet them by quantile bins too.
        binning: how latents become discrete, see `histogram.discretize`.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

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
    sample = labelled_sample(latents, factors, factor_kinds=factor_kinds)
    mi, crowded = histogram.sample_information(sample, sample.latents, num_bins, binning)
    entropy = histogram.entropies(sample.factors)
    asked: dict[str, Any] = {
        "num_bins": None if binning == "codes" else num_bins,
        "binning": binning,
    }
    if crowded:  # outliers stretch the range: one bin holds more than 90 % of the rows
        asked["found"] = {"latents_nearly_in_one_bin": crowded}
    return MIGResult(
        scores={"mig": factor_matrix.mean_gap(mi, entropy)},
        protocol=sample.protocol() | asked,
        mi_matrix=mi,
        factor_entropy=entropy,
    )
