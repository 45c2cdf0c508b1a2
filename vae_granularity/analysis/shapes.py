"""Which shape a trajectory has: level, straight, monotone, or two straight pieces that form a V.

A trajectory is a place on a grid for each of n equally spaced places, so distances are grid steps on both axes: only the order of a
parameter's values counts, not their scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIGMA = 0.5  # grid steps: an optimum on a grid is known to half a step at best
MIN_ARM = 1.0  # grid steps that each side of a V must rise
LINE, MONOTONE, V, INVERTED_V = "line", "monotone", "V", "inverted V"


@dataclass(frozen=True, eq=False)
class Fit:
    """A least-squares fit of one shape."""

    shape: str
    fitted: Array  # (n,)
    squares: float  # sum of squared residuals, grid steps squared
    parameters: int
    turn: float | None = None  # place of the tip, for a V

    @property
    def criterion(self) -> float:
        """Bayesian information criterion for residuals of known spread `SIGMA`; the smaller the better."""
        return self.squares / SIGMA**2 + self.parameters * math.log(len(self.fitted))

    @property
    def rise(self) -> float:
        """Grid steps from the first to the last place."""
        return float(self.fitted[-1] - self.fitted[0])


def fits(places: Array, best: Array) -> list[Fit]:
    """Every shape fitted to the optima `best` (n,) at `places` (n,), both in grid steps, n >= 3; the V only where its sides are there."""
    t, y = np.asarray(places, dtype=np.float64), np.asarray(best, dtype=np.float64)
    return [_level(y), _line(t, y), _monotone(y), *_vees(t, y)]


def best_fit(places: Array, best: Array) -> Fit:
    """The shape of smallest criterion; of two equal ones the simpler."""
    return min(fits(places, best), key=lambda fit: (round(fit.criterion, 9), fit.parameters))


def _level(y: Array) -> Fit:
    return _fit(LINE, y, np.full(len(y), y.mean()), 1)


def _line(t: Array, y: Array) -> Fit:
    centred = t - t.mean()
    return _fit(LINE, y, y.mean() + centred * (centred @ y) / (centred @ centred), 2)


def _monotone(y: Array) -> Fit:
    """Isotonic regression in the direction that fits better; each level of it is a parameter."""
    from scipy.optimize import isotonic_regression

    both = [np.asarray(isotonic_regression(y, increasing=up).x, dtype=np.float64) for up in (True, False)]
    fitted = min(both, key=lambda f: float(np.sum((y - f) ** 2)))
    return _fit(MONOTONE, y, fitted, len(np.unique(fitted.round(9))))


def _vees(t: Array, y: Array) -> list[Fit]:
    """Two straight pieces that meet at an inner place, one falling and one rising, each by `MIN_ARM` or more."""
    found = []
    for turn in t[1:-1]:
        design = np.stack([np.ones_like(t), np.minimum(t - turn, 0.0), np.maximum(t - turn, 0.0)], axis=1)
        coefficients = np.linalg.lstsq(design, y, rcond=None)[0]
        left, right = coefficients[1] * (t[0] - turn), coefficients[2] * (t[-1] - turn)  # heights of the ends over the tip
        shape = V if min(left, right) >= MIN_ARM - 1e-9 else INVERTED_V if max(left, right) <= -MIN_ARM + 1e-9 else None
        if shape is not None:
            found.append(_fit(shape, y, design @ coefficients, 4, float(turn)))
    return found


def _fit(shape: str, y: Array, fitted: Array, parameters: int, turn: float | None = None) -> Fit:
    return Fit(shape, fitted, float(np.sum((y - fitted) ** 2)), parameters, turn)
