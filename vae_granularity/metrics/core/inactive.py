"""Which latent dimensions hold nothing, by their posterior: the one rule of all scores that
standardise, and of the figures.

Standardising makes the ripple of a dead dimension as large as a live one: on MNIST a group with a
KL of at most 0.03 nats seemed to hold 1.14 nats about the digit, beside 1.18 for the live group.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.inputs import Array, as_array

KL_THRESHOLD = 0.01  # nats


def mean_kl(mu: Array, logvar: Array) -> Array:
    """Mean KL(N(mu, exp(logvar)) || N(0, 1)) of each dimension in nats: (n, D) twice to (D,)."""
    return 0.5 * np.mean(mu**2 + np.exp(logvar) - logvar - 1, axis=0)


def inactive(kl: Any, dim: int) -> NDArray[np.bool_]:
    """(D,) dimensions whose mean KL is at most 0.01 nats; none where kl is None, for a model
    without posterior.

    Raises:
        ArgumentError: kl is not a finite number for each of the D dimensions.
    """
    if kl is None:
        return np.zeros(dim, dtype=bool)
    values = as_array("kl", kl)
    if values.shape != (dim,) or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise ArgumentError(f"kl must be a finite number for each of the {dim} latents, got {kl!r}")
    return values <= KL_THRESHOLD


def silenced(latents: Array, kl: Any) -> Array:
    """The latents (n, D) with inactive dimensions constant 0: what a score does with constant ones,
    it does with them.
    """
    quiet = inactive(kl, latents.shape[1])
    return np.where(quiet, 0.0, latents) if quiet.any() else latents


def found(kl: Any, dim: int) -> dict[str, list[int]]:
    """What a protocol says of it: the inactive dimensions, nothing where kl is None."""
    return {} if kl is None else {"inactive_kl": np.flatnonzero(inactive(kl, dim)).tolist()}


def marked(
    labels: Sequence[str], groups: Sequence[Sequence[int]], quiet: Sequence[int]
) -> list[str]:
    """The labels of units, those of units whose dimensions are all inactive with a note."""
    return [
        f"{label} (inactive)" if set(group) <= set(quiet) else label
        for label, group in zip(labels, groups, strict=True)
    ]
