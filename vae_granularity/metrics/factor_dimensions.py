"""How many latents a factor needs: the smallest set, grown greedily, that tells nearly all that the
whole code tells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from vae_granularity.errors import integer, number
from vae_granularity.metrics.core import classifiers, inactive, knn
from vae_granularity.metrics.core.inputs import (
    Array,
    Codes,
    FactorKinds,
    LabelledSample,
    labelled_sample,
)
from vae_granularity.metrics.core.result import MetricResult


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorDimensionsResult(MetricResult):
    score_names = ("factor_dimensions/*",)
    dimensions: tuple[int | None, ...]  # F; None where the whole code tells nothing
    chosen: tuple[tuple[int, ...], ...]  # F; latents in the order they were added
    information: Array  # (F,) held-out InfoE of the whole code


def factor_dimensions(
    latents: Any,
    factors: Any,
    *,
    test: tuple[Any, Any] | None = None,
    kl: Any = None,
    factor_names: Sequence[str] | None = None,
    share: float = 0.9,
    num_samples: int = 2_000,
    seed: int = 0,
    negligible: float = 0.02,
    factor_kinds: FactorKinds = None,
) -> FactorDimensionsResult:
    """Smallest number of latents, added greedily, that reaches `share` of the held-out predictive
    information (InfoE) of all latents on a factor.

    Scores are named `factor_dimensions/<factor>`. A factor on which the whole code has less than
    `negligible` information has none.

    Args:
        latents: (n, D); factors: (n, F) integers; factor_names: of their F columns, None for the
            numbers.
        test: the part that information is measured on; None splits the rows used into halves.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        num_samples: a seeded subset of that many rows of either part is used where there are more:
            D fits a step and factor.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.

    Raises:
        ArgumentError: bad tables, share outside (0, 1], num_samples < 2.
    """
    share = number("share", share, 0, 1, above=True)
    negligible = number("negligible", negligible, 0, 1)
    num_samples, seed = integer("num_samples", num_samples, 2), integer("seed", seed, 0)
    full = labelled_sample(latents, factors, test, factor_kinds=factor_kinds)
    sample = _parts(full, num_samples, seed)
    live = inactive.silenced(sample.latents, kl)
    x, other = knn.standardize(live)[0], knn.standardize(live, sample.test_latents)[0]
    information, chosen = [], []
    for y, other_y in zip(sample.factors.T, sample.test_factors.T, strict=True):

        def told(dims: list[int], y: Codes = y, other_y: Codes = other_y) -> float:
            test = (other[:, dims], other_y)
            return classifiers.predictive_information(x[:, dims], y, test)[0]

        whole = told(list(range(x.shape[1])))
        information.append(whole)
        chosen.append(_grow(told, x.shape[1], share * whole) if whole >= negligible else ())
    dimensions = tuple(len(dims) or None for dims in chosen)
    columns = [full.kept_factors[f] for f in sample.kept_factors]
    asked = {"share": share, "negligible": negligible, "seed": seed}
    how = {"classifier": classifiers.version("linear"), "found": inactive.found(kl, x.shape[1])}
    names = [str(f) if factor_names is None else factor_names[f] for f in columns]
    scores = {
        f"factor_dimensions/{name}": None if d is None else float(d)
        for name, d in zip(names, dimensions, strict=True)
    }
    return FactorDimensionsResult(
        scores=scores,
        protocol=sample.protocol() | {"kept_factors": columns, **asked, **how},
        dimensions=dimensions,
        chosen=tuple(chosen),
        information=np.array(information),
    )


def _parts(full: LabelledSample, num_samples: int, seed: int) -> LabelledSample:
    """A seeded subset of at most `num_samples` rows of either part; halves of one without a test
    part.
    """
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(full.latents))[:num_samples]
    z, f, other = full.latents, full.factors, (full.test_latents, full.test_factors)
    if len(other[0]):
        held = rng.permutation(len(other[0]))[:num_samples]
    else:
        other, (rows, held) = (z, f), (rows[: -(len(rows) // 2)], rows[-(len(rows) // 2) :])
    # Continuous factors are codes of bins by now, and those of other kinds stay as they are.
    held_out = (other[0][held], other[1][held])
    return labelled_sample(z[rows], f[rows], held_out, factor_kinds="discrete")


def _grow(told: Callable[[list[int]], float], dim: int, target: float) -> tuple[int, ...]:
    """Latents in the order in which each adds most to what they tell together, until that reaches
    the target.
    """
    chosen: list[int] = []
    while len(chosen) < dim:
        rest = [d for d in range(dim) if d not in chosen]
        reached = [told([*chosen, d]) for d in rest]
        chosen.append(rest[int(np.argmax(reached))])
        if max(reached) >= target:
            break
    return tuple(chosen)
