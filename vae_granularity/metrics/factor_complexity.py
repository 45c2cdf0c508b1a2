"""How complex the factors of a data set are: dimensions that images along an orbit spread over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import ArgumentError, integer
from vae_granularity.metrics.core.inputs import Array, FactorSpace, as_array
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.core.sampling import varying_factors


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorComplexityResult(MetricResult):
    score_names = ("complexity/*",)
    names: tuple[str, ...]  # F factors with two or more values
    per_setting: Array  # (F, S)

    @property
    def complexity(self) -> Array:
        """(F,) mean over the settings."""
        return self.per_setting.mean(1)


def factor_complexity(
    images: Callable[[Any], Any], space: FactorSpace, *, num_settings: int = 20, seed: int = 0
) -> FactorComplexityResult:
    """Participation ratio (Σλ)² / Σλ² of the covariance spectrum of the images along a factor's
    orbit, the other factors held.

    1 is a straight line in pixel space; a hue or a full turn is a circle and needs two dimensions
    or more. The measure is this project's own. A factor that changes no pixel has complexity 0.
    Scores are named `complexity/<factor>`.

    Args:
        images: factors (n, F) to images (n, …), arrays or tensors.
        space: the grid; factors of one value have no orbit and are left out.
        num_settings: S, random settings of the other factors, the same for every factor.

    Raises:
        ArgumentError: num_settings < 1, or images that are not one finite array a factor row.
        TooLittleData: no factor with two values.
    """
    num_settings = integer("num_settings", num_settings, 1)
    varying = varying_factors(space)
    settings = space.sample(num_settings, np.random.default_rng(integer("seed", seed, 0)))
    per_setting = np.empty((len(varying), num_settings))
    for row, f in enumerate(varying):
        for s, setting in enumerate(settings):
            orbit = np.repeat(setting[None], space.sizes[f], axis=0)
            orbit[:, f] = np.arange(space.sizes[f])
            pixels = as_array("images(factors)", images(orbit)).astype(np.float64)
            if len(pixels) != len(orbit) or not np.isfinite(pixels).all():
                raise ArgumentError(
                    f"images(factors) must give {len(orbit)} finite images, got shape"
                    f" {pixels.shape}"
                )
            per_setting[row, s] = participation_ratio(pixels.reshape(len(orbit), -1))
    names = tuple(space.names[f] for f in varying)
    means = zip(names, per_setting.mean(1), strict=True)
    return FactorComplexityResult(
        scores={f"complexity/{name}": float(value) for name, value in means},
        protocol={"num_settings": num_settings, "seed": seed, "kept_factors": varying},
        names=names,
        per_setting=per_setting,
    )


def participation_ratio(points: Array) -> float:
    """(Σλ)² / Σλ² = (tr C)² / tr C² of the covariance of points (n, P); 0 if all are the same.

    >>> participation_ratio(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]))  # a line
    1.0
    """
    centred = points - points.mean(0)
    gram = centred @ centred.T  # the same non-zero spectrum as the covariance, n × n
    square = float(np.sum(gram**2))
    return float(np.trace(gram)) ** 2 / square if square > 0 else 0.0
