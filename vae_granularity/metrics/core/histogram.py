"""Plug-in mutual information between latents cut into bins and integer factors."""

import numpy as np

from vae_granularity.errors import ArgumentError, choice, integer
from vae_granularity.metrics.core.inputs import (
    ROWS_PER_VALUE,
    Array,
    Codes,
    LabelledSample,
    TooLittleData,
    is_sparse,
)

BINNINGS = ("range", "quantile", "codes")
CROWDED = 0.9  # share of the rows in one bin from which a histogram says little of a latent


def discretize(latents: Array, num_bins: int = 20, binning: str = "range") -> Codes:
    """Bin index of every latent, (n, D) to (n, D), counted from 0.

    Args:
        binning: `range`: equal width between the sample's minimum and maximum (disentanglement_lib;
            the maximum belongs to the last bin, a constant latent to a single one); `quantile`:
            edges at the sample's quantiles; `codes`: the latents are integer codes already, one bin
            a value.

    Raises:
        ArgumentError: num_bins below 2; `codes` for latents that are not whole numbers.
        TooLittleData: fewer rows than bins.
    """
    choice("binning", binning, BINNINGS)
    if binning == "codes":
        if (latents != np.round(latents)).any():
            raise ArgumentError("latents must be whole numbers with binning='codes', got fractions")
        return factor_codes(latents)[0].astype(np.int64)
    if len(latents) < 2:
        raise TooLittleData(
            f"latents must have at least 2 rows for a histogram, got {len(latents)}"
        )
    if integer("num_bins", num_bins, 2) > len(latents):
        raise TooLittleData(
            f"num_bins must be an integer in [2, {len(latents)}], got {num_bins}: there are no more"
            " rows"
        )
    fractions = np.linspace(0, 1, num_bins + 1)
    bins = np.empty(latents.shape, dtype=np.int64)
    for d, column in enumerate(np.ascontiguousarray(latents.T)):
        low, high = column.min(), column.max()
        # A spread of a few units in the last place is rounding noise of a constant, as numpy's own
        # histogram would refuse to cut it.
        if high - low <= 8 * np.finfo(float).eps * max(abs(low), abs(high)):
            bins[:, d] = 0
            continue
        equal = binning == "range"
        edges = np.linspace(low, high, num_bins + 1) if equal else np.quantile(column, fractions)
        bins[:, d] = np.searchsorted(edges[1:-1], column, side="right")
    return bins


def sample_information(
    sample: LabelledSample, latents: Array, num_bins: int, binning: str = "range"
) -> tuple[Array, list[int]]:
    """Return the mutual information (D, F) in nats of latents (n, D) with a sample's factors, and
    the latents that nearly all have in one bin.

    Factors that are cut into quantile bins meet latents that are: equal widths would ask how
    evenly either is spread.

    Raises:
        ArgumentError, TooLittleData: as `discretize`.
        TooLittleData: a factor without an order has so many values that a histogram says nothing of
            it.
    """
    for column, factor in zip(sample.kept_factors, sample.factors.T, strict=True):
        num_values = len(np.unique(factor))
        if is_sparse(num_values, len(factor)):
            raise TooLittleData(
                f"factor {column} has {num_values} values without an order in {len(factor)} rows:"
                f" a histogram needs {ROWS_PER_VALUE} rows a value"
            )
    bins = discretize(latents, num_bins, binning)
    matrix = mutual_information(bins, sample.factors)
    if binning == "range" and sample.continuous.any():
        by_rank = discretize(latents, num_bins, "quantile")
        columns = np.flatnonzero(sample.continuous)
        matrix[:, columns] = mutual_information(by_rank, sample.factors[:, columns])
    return matrix, [] if binning == "codes" else crowded(bins)


def crowded(bins: Codes) -> list[int]:
    """Return the columns of bins (n, D) of which one bin holds more than 90 %, but not all, rows.

    >>> crowded(np.array([[0, 0, 0]] * 19 + [[0, 1, 1]] * 1 + [[0, 1, 0]] * 5))
    [2]
    """
    largest = np.array([np.bincount(column).max() for column in bins.T]) / len(bins)
    return np.flatnonzero((largest > CROWDED) & (largest < 1)).tolist()


def factor_codes(factors: Codes | Array) -> tuple[Codes, list[int]]:
    """Values of each factor renumbered 0..K-1: (n, F) and the F numbers of values."""
    columns = [np.unique(column, return_inverse=True) for column in factors.T]
    return np.column_stack([codes for _, codes in columns]), [len(values) for values, _ in columns]


def entropies(codes: Codes) -> Array:
    """Empirical entropy of each column in nats: (n, C) to (C,)."""
    counts = [np.unique(column, return_counts=True)[1] for column in codes.T]
    return np.array([-np.sum(c / c.sum() * np.log(c / c.sum())) for c in counts])


def mutual_information(bins: Codes, factors: Codes) -> Array:
    """Plug-in mutual information in nats between every column of `bins` (n, D), from 0, and of
    `factors` (n, F): (D, F).
    """
    codes, sizes = factor_codes(factors)
    n, dims = bins.shape
    width = int(bins.max()) + 1
    # One running index (dimension, bin) for all dimensions: a factor's D contingency tables are a
    # single count.
    rows = bins + np.arange(dims) * width
    result = np.empty((dims, len(sizes)))
    for f, size in enumerate(sizes):
        cells = (rows * size + codes[:, f, None]).ravel()
        p = np.bincount(cells, minlength=dims * width * size).reshape(dims, width, size) / n
        independent = p.sum(2, keepdims=True) * p.sum(1, keepdims=True)
        ratio = np.divide(p, independent, out=np.ones_like(p), where=p > 0)
        result[:, f] = np.sum(p * np.log(ratio), axis=(1, 2))
    # Exactly: rounding noise of a constant must not pass for information.
    result[(bins == bins[:1]).all(0)] = 0.0
    return np.maximum(result, 0.0)
