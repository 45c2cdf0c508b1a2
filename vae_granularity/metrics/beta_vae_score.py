"""BetaVAE score (Higgins et al. 2017, "β-VAE", appendix A.4): a linear classifier on mean absolute
differences.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import integer
from vae_granularity.metrics.core import classifiers
from vae_granularity.metrics.core.inputs import Array, Codes, Encode, FactorSpace
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.core.sampling import (
    encode_rows,
    shared_factor_batches,
    varying_factors,
)


@dataclass(frozen=True, eq=False, kw_only=True)
class BetaVAEScoreResult(MetricResult):
    score_names = ("beta_vae",)
    train_accuracy: float
    coefficients: Array  # (C, D); one row for two factors


def beta_vae_score(
    encode: Encode,
    space: FactorSpace,
    *,
    seed: int = 0,
    num_train: int = 10_000,
    num_eval: int = 5_000,
    batch_size: int = 64,
) -> BetaVAEScoreResult:
    """Test accuracy of a logistic regression that tells which factor `batch_size` pairs share from
    the mean of |z1 - z2|.

    Each pair shares its own value of that factor. The classifier sees all dimensions, so there is
    no group form. With one factor that varies there is nothing to tell: missing.

    Args:
        encode: factors (n, F) to latents (n, D), arrays or tensors.
        space: the grid; factors of one value are never held.

    Raises:
        ArgumentError: a number out of range, latents of the wrong shape or not finite, a grid of
            one point.
    """
    num_train, num_eval = integer("num_train", num_train, 1), integer("num_eval", num_eval, 1)
    batch_size = integer("batch_size", batch_size, 1)
    rng = np.random.default_rng(integer("seed", seed, 0))
    varying = varying_factors(space)
    points, labels = [], []
    batches = shared_factor_batches(space, num_train + num_eval, 2 * batch_size, rng, pairs=True)
    for factors, fixed in batches:
        latents = encode_rows(encode, factors.reshape(-1, factors.shape[-1]))
        points.append(pair_differences(latents.reshape(len(fixed), 2 * batch_size, -1)))
        labels.append(fixed)
    x, y = np.concatenate(points), np.concatenate(labels)
    protocol: dict[str, Any] = {"num_train": num_train, "num_eval": num_eval}
    protocol |= {"batch_size": batch_size, "seed": seed, "kept_factors": varying}
    train_accuracy, accuracy, coefficients = 1.0, None, np.zeros((0, x.shape[1]))
    if len(np.unique(y[:num_train])) > 1:
        train_accuracy, accuracy, coefficients, converged = classify(x, y, num_train)
        protocol["classifier"] = classifiers.version("linear")
        protocol["found"] = {"unconverged_fits": int(not converged)}
    return BetaVAEScoreResult(
        scores={"beta_vae": accuracy},
        protocol=protocol,
        train_accuracy=train_accuracy,
        coefficients=coefficients,
    )


def pair_differences(latents: Array) -> Array:
    """Mean over pairs of |z1 - z2|, the first half of each batch against the second: (B, 2n, D) to
    (B, D).
    """
    n = latents.shape[1] // 2
    return np.abs(latents[:, :n] - latents[:, n:]).mean(1)


def classify(x: Array, y: Codes, num_train: int) -> tuple[float, float, Array, bool]:
    """Accuracy on the first `num_train` rows and on the rest, coefficients and convergence: x (n,
    D), y (n,).
    """
    model, converged = classifiers.logistic(x[:num_train], y[:num_train])
    right = np.asarray(model.predict(x) == y)
    return float(right[:num_train].mean()), float(right[num_train:].mean()), model.coef_, converged
