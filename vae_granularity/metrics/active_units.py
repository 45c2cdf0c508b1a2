"""Active units: how many latent dimensions, and how many groups, the encoder uses."""

from dataclasses import dataclass
from typing import Any

from vae_granularity.errors import ArgumentError, number
from vae_granularity.metrics.core import inactive
from vae_granularity.metrics.core.inputs import Array, as_latents, unit_sets
from vae_granularity.metrics.core.result import MetricResult, Scores
from vae_granularity.partition import LatentPartition


@dataclass(frozen=True, eq=False, kw_only=True)
class ActiveUnitsResult(MetricResult):
    score_names = ("active_kl", "active_kl_group", "active_variance", "active_variance_group")
    kl: Array | None  # (D,) mean KL(q(z_d|x) || N(0, 1)) in nats; None for a deterministic encoder
    variance: Array  # (D,) variance of the posterior means


def active_units(
    mu: Any,
    logvar: Any = None,
    *,
    partition: LatentPartition | None = None,
    kl_threshold: float = inactive.KL_THRESHOLD,
    variance_threshold: float = 0.01,
) -> ActiveUnitsResult:
    """`active_kl`: dimensions with mean KL above 0.01 nats; `active_variance`: dimensions whose
    posterior mean has variance above 0.01 (Burda, Grosse and Salakhutdinov, arXiv 1509.00519,
    section 5.2). Group scores count groups with any active dimension.

    Args:
        mu: (n, D) posterior means.
        logvar: (n, D) log-variances; None for a deterministic encoder, whose `active_kl` is
            missing.

    Raises:
        ArgumentError: bad tables, thresholds or partition; n < 2.
    """
    mu = as_latents(mu, "mu", min_rows=2)
    kl_threshold = number("kl_threshold", kl_threshold, 0)
    variance_threshold = number("variance_threshold", variance_threshold, 0)
    units = unit_sets(partition, mu.shape[1])
    kl, variance = None, mu.var(axis=0, ddof=1)
    if logvar is not None:
        logvar = as_latents(logvar, "logvar")
        if logvar.shape != mu.shape:
            raise ArgumentError(f"logvar must have the shape of mu, {mu.shape}, got {logvar.shape}")
        if logvar.max() > 200:
            raise ArgumentError(f"logvar must be at most 200, got {logvar.max():g}")
        kl = inactive.mean_kl(mu, logvar)
    scores: Scores = {}
    limits = {"kl": kl_threshold, "variance": variance_threshold}
    for (name, least), values in zip(limits.items(), (kl, variance), strict=True):
        for suffix, groups in units.items():
            used = None if values is None else inactive.active_groups(groups, values > least)
            scores[f"active_{name}{suffix}"] = None if used is None else float(sum(map(bool, used)))
    protocol = {"num_samples": len(mu)} | {f"{name}_threshold": of for name, of in limits.items()}
    return ActiveUnitsResult(scores=scores, protocol=protocol, kl=kl, variance=variance)
