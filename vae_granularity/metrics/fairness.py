"""Unfairness: how much a prediction moves when a factor that it is not about is set (Locatello et
al. 2019, arXiv 1905.13662).
"""

from dataclasses import dataclass

import numpy as np

from vae_granularity.errors import integer
from vae_granularity.metrics.core import classifiers
from vae_granularity.metrics.core.inputs import Array, Codes, Encode, FactorSpace
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.metrics.core.sampling import encode_rows, varying_factors


@dataclass(frozen=True, eq=False, kw_only=True)
class FairnessResult(MetricResult):
    score_names = ("unfairness*",)
    factors: tuple[int, ...]  # those with two or more values: rows and columns of the matrices
    # (F, F): target by sensitive factor, nan on the diagonal. The total variation between the
    # predictions under one value of the sensitive factor and under all of them: mean and maximum
    # over the values.
    mean_shift: Array
    max_shift: Array


def fairness(
    encode: Encode,
    space: FactorSpace,
    *,
    seed: int = 0,
    num_train: int = 10_000,
    num_eval: int = 100,
    regressor: str = "sklearn",
) -> FairnessResult:
    """Demographic disparity of trees that predict each factor, as in disentanglement_lib; 0 is
    fair, lower is better.

    Boosted trees are fitted on `num_train` random codes to predict a target factor. For each other
    factor, `num_eval` random points are encoded once with every value of it set; the shift of a
    value is half the L1 distance between the distribution of predictions under it and that under
    all values. `unfairness` is the mean over values and pairs, `unfairness_max` the mean over
    pairs of the largest shift. Trees see all dimensions, so there is no group form.

    Args:
        encode: factors (n, F) to latents (n, D).
        space: the grid of factors.
        seed: of the points and the trees.
        regressor: `sklearn` (published) or `lightgbm`, whose scores are named `unfairness_fast…`.

    Raises:
        ArgumentError: bad numbers or regressor; lightgbm is not installed.
        TooLittleData: fewer than two factors vary.
    """
    fast, seed = classifiers.check_trees(regressor, seed)
    num_train, num_eval = integer("num_train", num_train, 2), integer("num_eval", num_eval, 1)
    varying = varying_factors(space, at_least=2)
    rng = np.random.default_rng(seed)
    train = np.asarray(space.sample(num_train, rng))
    x = encode_rows(encode, train)
    points = np.asarray(space.sample(num_eval, rng))
    mean_shift, max_shift = np.full((2, len(varying), len(varying)), np.nan)
    settings = [_interventions(points, s, space.sizes[s]) for s in varying]
    codes = [encode_rows(encode, setting, x.shape[1]) for setting in settings]
    every = np.concatenate(codes)
    guesses = classifiers.predict_all(regressor, x, train[:, varying], every, seed)
    ends = np.cumsum([len(code) for code in codes])[:-1]
    for t, of_target in enumerate(guesses):
        for s, part in enumerate(np.split(of_target, ends)):
            if s != t:
                shifts = _shifts(part.reshape(space.sizes[varying[s]], num_eval))
                mean_shift[t, s], max_shift[t, s] = shifts.mean(), shifts.max()
    asked = {"seed": seed, "num_train": num_train, "num_eval": num_eval}
    name = f"unfairness{fast}"
    return FairnessResult(
        scores={name: float(np.nanmean(mean_shift)), f"{name}_max": float(np.nanmean(max_shift))},
        protocol=asked | {"regressor": classifiers.version(regressor)},
        factors=tuple(varying),
        mean_shift=mean_shift,
        max_shift=max_shift,
    )


def _interventions(points: Codes, factor: int, size: int) -> Codes:
    """The points (n, F) once with each value of a factor set: (size * n, F), value by value."""
    table = np.tile(points, (size, 1))
    table[:, factor] = np.repeat(np.arange(size), len(points))
    return table


def _shifts(guesses: Codes) -> Array:
    """(V,) total variation between the guesses under a value (V, n) and those under all values.

    >>> _shifts(np.array([[0, 0], [1, 1]])).tolist(), _shifts(np.array([[0, 1], [1, 0]])).tolist()
    ([0.5, 0.5], [0.0, 0.0])
    """
    shares = (guesses[:, :, None] == np.unique(guesses)).mean(1)
    return 0.5 * np.abs(shares - shares.mean(0)).sum(1)
