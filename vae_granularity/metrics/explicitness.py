"""Explicitness (Ridgeway and Mozer 2018, arXiv 1802.05312): linear readout of factors."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.metrics.core import classifiers, inactive
from vae_granularity.metrics.core.inputs import Array, Codes, FactorKinds, labelled_sample
from vae_granularity.metrics.core.result import MetricResult


@dataclass(frozen=True, eq=False, kw_only=True)
class ExplicitnessResult(MetricResult):
    score_names = ("explicitness",)
    explicitness_per_factor: Array  # (F, 2): train, test


def explicitness(
    latents: Any,
    factors: Any,
    *,
    test: tuple[Any, Any],
    kl: Any = None,
    factor_kinds: FactorKinds = None,
) -> ExplicitnessResult:
    """Mean over factors and their values of a logistic regression's one-vs-rest ROC-AUC.

    Latents (n, D) are standardised with the mean and population deviation of the training part;
    dead ones are left out (the reference divides by 0). Values that the training part or the test
    part lacks have no AUC there and are left out of its mean. The score is the test part's. It sees
    all dimensions, so it has no group form.

    Args:
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables, or no test part.
    """
    sample = labelled_sample(latents, factors, test, factor_kinds=factor_kinds)
    alive = inactive.active(sample.latents, kl)
    mean, spread = sample.latents.mean(0), sample.latents.std(0)
    train, held_out = (
        (z[:, alive] - mean[alive]) / spread[alive] for z in (sample.latents, sample.test_latents)
    )
    table = np.full((sample.factors.shape[1], 2), 0.5)  # a coin's, without a live latent
    unconverged = 0
    for f in range(len(table) if alive.any() else 0):
        model, converged = classifiers.logistic(train, sample.factors[:, f])
        unconverged += not converged
        read = model.decision_function if len(model.classes_) == 2 else model.predict_proba
        for part, (z, y) in enumerate(((train, sample.factors), (held_out, sample.test_factors))):
            table[f, part] = _mean_auc(read(z), y[:, f], model.classes_)
    found = {"unconverged_fits": unconverged, "dead_latents": inactive.indices(~alive)}
    found |= inactive.found(kl, len(alive))
    return ExplicitnessResult(
        scores={"explicitness": float(table[:, 1].mean())},
        protocol=sample.protocol() | {"classifier": classifiers.version("linear"), "found": found},
        explicitness_per_factor=table,
    )


def _mean_auc(scores: Array, y: Codes, classes: Codes) -> float:
    """Macro one-vs-rest AUC of (m, K) scores, or of (m,) scores of the second of two values."""
    from scipy.stats import rankdata

    if scores.ndim == 1:
        scores, classes = scores[:, None], classes[1:]
    own = y[:, None] == classes
    positives = own.sum(0)
    present = (positives > 0) & (positives < len(y))
    ranks = np.where(own, rankdata(scores, axis=0), 0.0).sum(0)[present]
    positives = positives[present]
    return float(
        np.mean((ranks - positives * (positives + 1) / 2) / (positives * (len(y) - positives)))
    )
