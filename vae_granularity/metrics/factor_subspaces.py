"""Factor subspaces: how many directions of the code a factor needs, and so how large a group.

A factor that varies along a line needs one direction, a hue, which is a circle, needs two. The
number does not depend on how the code is rotated or on its partition: it is asked of the data, not
of the grouping that a model was trained with. Ours; the directions are those of linear discriminant
analysis (Fisher 1936; Rao 1948).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.errors import ArgumentError, integer, number
from vae_granularity.metrics.core import inactive
from vae_granularity.metrics.core.inputs import Array, Codes, FactorKinds, labelled_sample
from vae_granularity.metrics.core.result import MetricResult, Scores

# Added to the within-class covariance, as a share of its mean variance: codes of a deterministic
# encoder may not vary within a class.
RIDGE = 1e-4

# Codes are blurred by this share of a factor's steps. The ten hues of a sharp code can be told
# apart along any line; that their circle does not fit on a line shows when steps are blurred.
RESOLUTION = 0.5


@dataclass(frozen=True, eq=False, kw_only=True)
class FactorSubspacesResult(MetricResult):
    """Result of `factor_subspaces`.

    Attributes:
        information: (F, max_dimensions), share of each factor's entropy that its first 1, 2 …
            directions hold at the resolution of the factor's steps, up to the first number that is
            enough, and all of them; nan elsewhere.
        linear: (F,), the share that all directions together hold.
        whole: (F,), the share that the whole code holds.
        dimensions: (F,), directions that each factor needs; None where that cannot be said.
        reasons: by name, why a factor has none.
        factor_names: (F,) factors that vary.
    """

    score_names = ("subspace_dimensions/*", "needed_granularity")
    information: Array
    linear: Array
    whole: Array
    dimensions: tuple[int | None, ...]
    reasons: dict[str, str]
    factor_names: tuple[str, ...]


def factor_subspaces(
    latents: Any,
    factors: Any,
    *,
    test: tuple[Any, Any] | None = None,
    kl: Any = None,
    factor_names: Sequence[str] | None = None,
    factor_kinds: FactorKinds = None,
    share: float = 0.9,
    least: float = 0.1,
    max_dimensions: int = 8,
    num_samples: int = 2_000,
    num_neighbors: int = 30,
    seed: int = 0,
) -> FactorSubspacesResult:
    """Compute the number of directions of the code that each factor needs.

    For each factor the K directions of the code that separate its values best are fitted on one
    half of the rows. The information that the first k of them hold on the factor is measured on the
    other half, by the frequencies of its values among the nearest neighbours, after the codes were
    blurred by half a step of the factor. The factor needs the smallest k that holds `share` of what
    all K hold.

    `subspace_dimensions/<factor>` is that k. It is missing where the whole code holds less than
    `least` of the factor's entropy, and where no linear directions hold `share` of what the whole
    code does: the factor is then not laid out linearly. `needed_granularity` is the largest of
    them: the smallest γ at which every factor that the code holds fits into a group.

    Args:
        latents: (n, D).
        factors: (n, F) integers; continuous ones are cut into ten quantile bins.
        test: the part that information is measured on; None splits the rows into halves.
        kl: (D,) mean KL of each dimension in nats; None, or those of at most 0.01 are left out.
        factor_names: of the F columns; None for their numbers.
        factor_kinds: one kind for all factors or one each, see `core.inputs.FACTOR_KINDS`.
        share: in (0, 1].
        least: share of a factor's entropy, in [0, 1), from which the code counts as holding it.
        max_dimensions: K, at most; >= 1.
        num_samples: a seeded subset of that many rows of either part is used where there are more.
        num_neighbors: >= 1.
        seed: of the subsets.

    Raises:
        ArgumentError: bad tables, an argument outside its range, another number of names than
            factors.
    """
    share = number("share", share, 0.0, 1.0, above=True)
    least = number("least", least, 0.0, 1.0)
    max_dimensions = integer("max_dimensions", max_dimensions, 1)
    num_samples = integer("num_samples", num_samples, 4)
    num_neighbors = integer("num_neighbors", num_neighbors, 1)
    rng = np.random.default_rng(integer("seed", seed, 0))
    if test is None:
        sample = labelled_sample(latents, factors, min_rows=4, factor_kinds=factor_kinds)
        rows = rng.permutation(len(sample.latents))[: 2 * num_samples]
        middle = len(rows) // 2
        fit_rows = (sample.latents[rows[:middle]], sample.factors[rows[:middle]])
        held_out = (sample.latents[rows[middle:]], sample.factors[rows[middle:]])
    else:
        sample = labelled_sample(latents, factors, test, factor_kinds=factor_kinds)
        rows = rng.permutation(len(sample.latents))[:num_samples]
        fit_rows = (sample.latents[rows], sample.factors[rows])
        rows = rng.permutation(len(sample.test_latents))[:num_samples]
        held_out = (sample.test_latents[rows], sample.test_factors[rows])
    num_factors = len(sample.kept_factors) + len(sample.dropped_factors)
    names = [str(f) for f in range(num_factors)] if factor_names is None else list(factor_names)
    if len(names) != num_factors:
        raise ArgumentError(f"factor_names must name {num_factors} factors, got {names}")
    kept_names = tuple(names[f] for f in sample.kept_factors)

    alive = inactive.active(sample.latents, kl)
    fit_codes = fit_rows[0][:, alive]
    held_out_codes = held_out[0][:, alive]
    information = np.full((len(kept_names), max_dimensions), np.nan)
    linear = np.zeros(len(kept_names))
    whole = np.zeros(len(kept_names))
    dimensions: list[int | None] = []
    reasons: dict[str, str] = {}
    for f, name in enumerate(kept_names):
        fitted = (fit_codes, fit_rows[1][:, f])
        tested = (held_out_codes, held_out[1][:, f])
        if fit_codes.shape[1]:
            whole[f] = _whole_information(fitted, tested, num_neighbors)
            directions = discriminant_directions(*fitted)[:, :max_dimensions]
            fitted = (fit_codes @ directions, fitted[1])
            tested = (held_out_codes @ directions, tested[1])
            linear[f] = neighbor_information(fitted, tested, num_neighbors)
            blur = RESOLUTION * step_size(*fitted)
            fitted = (_blurred(fitted[0], blur, rng), fitted[1])
            tested = (_blurred(tested[0], blur, rng), tested[1])
            information[f] = _rising_information(
                fitted, tested, num_neighbors, share, max_dimensions
            )
        size, reason = _needed(information[f], linear[f], whole[f], share, least)
        dimensions.append(size)
        if reason:
            reasons[name] = reason
    scores: Scores = {
        f"subspace_dimensions/{name}": None if size is None else float(size)
        for name, size in zip(kept_names, dimensions, strict=True)
    }
    sizes = [size for size in dimensions if size is not None]
    scores["needed_granularity"] = float(max(sizes)) if sizes else None
    protocol = sample.protocol() | {
        "num_fitted": len(fit_codes),
        "num_held_out": len(held_out_codes),
        "share": share,
        "least": least,
        "max_dimensions": max_dimensions,
        "num_neighbors": num_neighbors,
        "seed": seed,
        "found": inactive.found(kl, len(alive)) | {"missing": reasons},
    }
    return FactorSubspacesResult(
        scores=scores,
        protocol=protocol,
        information=information,
        linear=linear,
        whole=whole,
        dimensions=tuple(dimensions),
        reasons=reasons,
        factor_names=kept_names,
    )


def discriminant_directions(codes: Array, values: Codes) -> Array:
    """Return the directions (D, K) that separate the values of a factor, best first.

    Generalised eigenvectors of the covariance between and within the classes, K = min(D, C - 1) for
    C values. Along each the codes have variance 1 within a class, so that distances in the
    projection are those of Mahalanobis.

    Args:
        codes: (n, D).
        values: (n,).
    """
    from scipy.linalg import eigh

    classes, which = np.unique(values, return_inverse=True)
    counts = np.bincount(which)
    means = np.zeros((len(classes), codes.shape[1]))
    np.add.at(means, which, codes)
    means /= counts[:, None]
    deviations = codes - means[which]
    within = deviations.T @ deviations / len(codes)
    ridge = RIDGE * float(np.trace(within + np.cov(codes.T, bias=True)).mean()) / len(within)
    within += max(ridge, np.finfo(float).tiny) * np.eye(len(within))
    centred = means - codes.mean(0)
    between = (centred * counts[:, None]).T @ centred / len(codes)
    _, vectors = eigh(between, within)
    return vectors[:, ::-1][:, : len(classes) - 1]


def step_size(codes: Array, values: Codes) -> float:
    """Return the median distance from the mean code of a value to the nearest other mean.

    Args:
        codes: (n, K).
        values: (n,), at least two different ones.

    >>> step_size(np.array([[0.0], [1.0], [3.0]]), np.array([0, 1, 2]))
    1.0
    """
    classes = np.unique(values)
    means = np.stack([codes[values == value].mean(0) for value in classes])
    distances = np.linalg.norm(means[:, None] - means, axis=-1)
    np.fill_diagonal(distances, np.inf)
    return float(np.median(distances.min(1)))


def neighbor_information(
    fitted: tuple[Array, Codes], held_out: tuple[Array, Codes], num_neighbors: int
) -> float:
    """Return the share of a factor's entropy that codes hold, on held-out rows.

    One less the log-loss of predicting each value by its frequency among the nearest fitted codes
    over the entropy of the value; never below 0. One count is spread over all values, so that a
    value without neighbours has a chance.

    Args:
        fitted: codes (n, k) and values (n,).
        held_out: codes (m, k) and values (m,).
    """
    from scipy.spatial import KDTree

    codes, values = fitted
    held_out_codes, held_out_values = held_out
    classes = np.unique(np.concatenate((values, held_out_values)))
    labels = np.searchsorted(classes, values)
    held_out_labels = np.searchsorted(classes, held_out_values)
    count = min(num_neighbors, len(codes))
    _, neighbors = KDTree(codes).query(held_out_codes, k=count)
    same = labels[np.reshape(neighbors, (len(held_out_codes), count))] == held_out_labels[:, None]
    chance = (same.sum(1) + 1.0 / len(classes)) / (count + 1.0)
    frequencies = np.bincount(held_out_labels) / len(held_out_labels)
    present = frequencies[frequencies > 0]
    entropy = -float(present @ np.log(present))
    return max(0.0, 1.0 + float(np.log(chance).mean()) / entropy)


def _whole_information(
    fitted: tuple[Array, Codes], held_out: tuple[Array, Codes], num_neighbors: int
) -> float:
    spread = fitted[0].std(0)
    return neighbor_information(
        (fitted[0] / spread, fitted[1]), (held_out[0] / spread, held_out[1]), num_neighbors
    )


def _blurred(codes: Array, deviation: float, rng: np.random.Generator) -> Array:
    return codes + deviation * rng.standard_normal(codes.shape)


def _rising_information(
    fitted: tuple[Array, Codes],
    held_out: tuple[Array, Codes],
    num_neighbors: int,
    share: float,
    length: int,
) -> Array:
    """Return the information (length,) of the first 1 … k and of all directions; nan elsewhere.

    k is the first number of directions with `share` of what all of them hold.
    """
    information = np.full(length, np.nan)
    num_directions = fitted[0].shape[1]

    def first(k: int) -> float:
        parts = ((fitted[0][:, :k], fitted[1]), (held_out[0][:, :k], held_out[1]))
        return neighbor_information(*parts, num_neighbors)

    information[num_directions - 1] = first(num_directions)
    for k in range(1, num_directions):
        information[k - 1] = first(k)
        if information[k - 1] >= share * information[num_directions - 1]:
            break
    return information


def _needed(
    information: NDArray[np.float64], linear: float, whole: float, share: float, least: float
) -> tuple[int | None, str]:
    """Return the directions that a factor needs, or None and the reason."""
    held = max(linear, whole)
    if held < least:
        return None, f"the code holds {held:.2f} of it, less than {least:g}"
    if linear < share * whole:
        return None, f"linear directions hold {linear:.2f} of it, the whole code {whole:.2f}"
    measured = np.flatnonzero(np.isfinite(information))
    enough = information[measured] >= share * information[measured[-1]]
    return int(measured[np.argmax(enough)]) + 1, ""
