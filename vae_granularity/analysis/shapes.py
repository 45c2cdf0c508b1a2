"""Fit shapes to a trajectory: level, straight, monotone, or two straight pieces that form a V.

A trajectory is a place on a grid for each of n equally spaced places, so distances are grid steps
on both axes: only the order of a parameter's values counts, not their scale. All functions take R
trajectories at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIGMA = 0.5  # grid steps: an optimum on a grid is known to half a step at best
MIN_ARM = 1.0  # grid steps that each side of a V must rise
# Squared grid steps by which a monotone curve must fit better than one of the other direction.
MIN_AHEAD = 2 * SIGMA**2
LINE, MONOTONE, V, INVERTED_V = "line", "monotone", "V", "inverted V"


@dataclass(frozen=True, eq=False)
class Fit:
    """Least-squares fit of one shape to R trajectories.

    Where the shape does not apply, `squares` is infinite.
    """

    shape: str
    fitted: Array  # (R, n)
    squares: Array  # (R,) sums of squared residuals, grid steps squared
    parameters: Array  # (R,)
    turn: float | None = None  # place of the tip, for a V

    @property
    def criterion(self) -> Array:
        """(R,) Bayesian information criterion for residuals of known spread `SIGMA`.

        The smaller the better.
        """
        return self.squares / SIGMA**2 + self.parameters * np.log(self.fitted.shape[1])


def fits(places: Array, paths: Array) -> list[Fit]:
    """Fit every shape to the trajectories `paths` (R, n) at `places` (n,), n >= 3.

    Both in grid steps. The simpler shapes come first.
    """
    t = np.asarray(places, dtype=np.float64)
    y = np.asarray(paths, dtype=np.float64)
    level = np.ones((len(t), 1))
    slope = np.stack([np.ones_like(t), t], axis=1)
    shapes = [
        _fit(LINE, y, _project(level, y), parameters=1),
        _fit(LINE, y, _project(slope, y), parameters=2),
        _monotone(y),
    ]
    for turn in t[1:-1]:
        shapes += _vees(t, y, float(turn))
    return shapes


def best_fit(shapes: list[Fit]) -> NDArray[np.int64]:
    """Return (R,) the index of the fit with the smallest criterion; of equal ones the simpler."""
    return np.stack([fit.criterion for fit in shapes]).round(9).argmin(0)


def _monotone(y: Array) -> Fit:
    """Fit the isotonic regression in the direction that fits better; each level is a parameter.

    It does not apply where the other direction fits about as well: what falls and rises has no
    direction.
    """
    up = isotonic(y)
    down = -isotonic(-y)
    ahead = np.sum((y - down) ** 2, -1) - np.sum((y - up) ** 2, -1)
    fitted = np.where(ahead[:, None] >= 0, up, down)
    levels = 1 + (np.abs(np.diff(fitted, axis=-1)) > 1e-9).sum(-1)
    return _fit(MONOTONE, y, fitted, levels, applies=np.abs(ahead) > MIN_AHEAD + 1e-9)


def isotonic(y: Array) -> Array:
    """Return the rising curve (R, n) of least squares.

    By its max-min formula (Robertson, Wright and Dykstra 1988, section 1.4).
    """
    n = y.shape[-1]
    sums = np.concatenate([np.zeros((*y.shape[:-1], 1)), np.cumsum(y, -1)], axis=-1)
    # Of the stretch from j (down) to k (right).
    length = np.arange(n)[None, :] - np.arange(n)[:, None] + 1
    means = (sums[..., None, 1:] - sums[..., :-1, None]) / np.maximum(length, 1)
    lowest = np.minimum.accumulate(np.where(length > 0, means, np.inf)[..., ::-1], -1)[..., ::-1]
    return np.where(length > 0, lowest, -np.inf).max(-2)


def _vees(t: Array, y: Array, turn: float) -> list[Fit]:
    """Fit the V and the inverted V with their tip at `turn`.

    Two straight pieces, one falling and one rising, each by `MIN_ARM` or more.
    """
    past = t - turn
    design = np.stack([np.ones_like(t), np.minimum(past, 0.0), np.maximum(past, 0.0)], axis=1)
    fitted = _project(design, y)
    tip = fitted[:, np.searchsorted(t, turn)]
    first_arm = fitted[:, 0] - tip
    last_arm = fitted[:, -1] - tip
    rises = {V: np.minimum(first_arm, last_arm), INVERTED_V: -np.maximum(first_arm, last_arm)}
    return [
        _fit(shape, y, fitted, parameters=4, turn=turn, applies=rise >= MIN_ARM - 1e-9)
        for shape, rise in rises.items()
    ]


def _project(design: Array, y: Array) -> Array:
    return y @ (design @ np.linalg.pinv(design)).T


def _fit(
    shape: str,
    y: Array,
    fitted: Array,
    parameters: int | Array,
    turn: float | None = None,
    applies: bool | np.ndarray = True,
) -> Fit:
    squares = np.where(applies, np.sum((y - fitted) ** 2, -1), np.inf)
    count = np.broadcast_to(np.asarray(parameters, dtype=np.float64), squares.shape)
    return Fit(shape, fitted, squares, count, turn)
