"""Whatever comes in: scores in range or missing, or one error that names the argument. Never nan,
never another exception.
"""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.errors import ArgumentError

NAMES = ("latents", "factors", "test", "num_bins", "partition", "z ", "mu ", "logvar ")
DTYPES = [np.float64, np.float32, np.float16, np.int64, np.uint8, bool]
SCALES = [1e-150, 1e-9, 1.0, 1e9, 1e60]
CALLS = {
    "mig": lambda z, f, t, p: metrics.mig(z, f),
    "sap": lambda z, f, t, p: metrics.sap(z, f, test=t, partition=p),
    "sap continuous": lambda z, f, t, p: metrics.sap(z, f, continuous_factors=True, partition=p),
    "dci": lambda z, f, t, p: metrics.dci(
        z, f, test=t, regressor="lightgbm", partition=p, n_jobs=1
    ),
    "modularity": lambda z, f, t, p: metrics.modularity(z, f),
    "modularity_knn": lambda z, f, t, p: metrics.modularity_knn(z, f, partition=p),
    "explicitness": lambda z, f, t, p: metrics.explicitness(z, f, test=t),
    "irs": lambda z, f, t, p: metrics.irs(z, f, partition=p),
    "infomec": lambda z, f, t, p: metrics.infomec(z, f, partition=p),
    "infomec discrete": lambda z, f, t, p: metrics.infomec(
        z, f, discrete_latents=True, partition=p
    ),
    "unsupervised": lambda z, f, t, p: metrics.unsupervised(z, partition=p),
    "mig_entropy": lambda z, f, t, p: metrics.mig_entropy(
        z, z, np.zeros(np.shape(z)), f, partition=p
    ),
    "active_units": lambda z, f, t, p: metrics.active_units(z, np.zeros(np.shape(z)), partition=p),
    "udr": lambda z, f, t, p: metrics.udr([z, z], partition=p),
    "unit_profile": lambda z, f, t, p: metrics.unit_profile(z, f, partition=p),
}
QUIET = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def tables(draw):
    """Latents, factors, a test part and a partition; most are fine, many are degenerate, some are
    wrong.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n, m, dim, num_factors = (
        draw(st.integers(1, 60)),
        draw(st.integers(1, 20)),
        draw(st.integers(1, 5)),
        draw(st.integers(1, 3)),
    )
    dtype = draw(st.sampled_from(DTYPES))
    scale = draw(st.sampled_from(SCALES)) if dtype == np.float64 else 1.0
    z = rng.integers(0, 2, (n + m, dim)).astype(dtype)
    if dtype not in (np.uint8, bool):
        z = (rng.normal(size=(n + m, dim)) * scale).astype(dtype)
    constant = draw(st.lists(st.integers(0, dim - 1), max_size=dim))
    z[:, constant] = z[0, constant]
    if draw(st.booleans()):
        z[:, -1] = z[:, 0]
    f = rng.integers(0, draw(st.integers(1, 6)), (n + m, num_factors)).astype(
        draw(st.sampled_from([np.int64, np.uint8, np.int16]))
    )
    f[:, draw(st.integers(0, num_factors - 1))] = draw(st.sampled_from([0, 3]))
    rows = draw(st.sampled_from([n, n, n, n, max(1, n - 1)]))  # now and then the wrong length
    train, test = (z[:n], f[:rows]), (z[n:], f[n:])
    if dtype in (np.float64, np.float32) and draw(st.integers(0, 5)) == 0:
        train[0][rng.integers(n), rng.integers(dim)] = draw(
            st.sampled_from([np.nan, np.inf, -np.inf, 1e30])
        )
    if draw(st.booleans()):
        train = tuple(torch.from_numpy(np.ascontiguousarray(a)) for a in train)
    return *train, test, LatentPartition.from_granularity(dim, draw(st.integers(1, dim)))


def scores_or_complaint(call):
    """Scores, or the message of the one error that is allowed."""
    try:
        return call().scores, ""
    except ArgumentError as error:
        return {}, str(error)


@pytest.mark.parametrize("metric", CALLS)
@QUIET
@given(tables())
def test_a_score_a_gap_or_a_named_argument(metric, inputs):
    scores, complaint = scores_or_complaint(lambda: CALLS[metric](*inputs))
    assert scores or complaint.startswith(NAMES)
    for name, value in scores.items():
        assert value is None or math.isfinite(value), f"{name} is {value}"


@QUIET
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=3),
    st.integers(1, 4),
    st.integers(0, 3),
    st.booleans(),
)
def test_scores_that_draw_from_a_grid(sizes, dim, kind, fail):
    space = FactorSpace(tuple(f"f{i}" for i in range(len(sizes))), tuple(sizes))

    def encode(factors):
        z = np.zeros((len(factors), dim))
        z[:, : min(dim, len(sizes))] = factors[:, :dim] * [0.0, 1.0, 1e-9, 1e30][kind]
        return np.full_like(z, np.nan) if fail else z

    for score in (metrics.factor_vae_score, metrics.beta_vae_score):
        scores, complaint = scores_or_complaint(
            partial(score, encode, space, num_train=20, num_eval=10, batch_size=4)
        )
        assert bool(complaint) == (fail or max(sizes) == 1)
        assert scores or complaint.startswith(("space", "encode(factors)"))
        assert all(value is None or 0 <= value <= 1 for value in scores.values())


Z, F = np.random.default_rng(0).normal(size=(40, 4)), np.arange(80).reshape(40, 2) % 3
BAD = [
    ("latents", {"latents": Z[:, 0]}, "latents must have shape"),
    ("latents", {"latents": Z[:10]}, "factors must have as many rows as latents, got 40 and 10"),
    ("latents", {"latents": np.where(Z > 2, np.nan, Z)}, "latents must be finite"),
    ("latents", {"latents": np.where(Z > 2, np.inf, Z)}, "latents must be finite"),
    ("latents", {"latents": Z.astype(complex)}, "latents must be real"),
    ("latents", {"latents": [[1.0], [1.0, 2.0]]}, "latents must be a rectangular array"),
    ("factors", {"factors": F + 1j}, "factors must be integers or real numbers"),
    ("factors", {"factors": F + np.nan}, "factors must be finite"),
    ("factors", {"factors": F[:, :0]}, "factors must have shape"),
    ("factors", {"factors": np.zeros_like(F)}, "at least one factor with two or more values"),
    ("num_bins", {"num_bins": 41}, r"num_bins must be an integer in \[2, 40\], got 41"),
    ("num_bins", {"num_bins": 1}, r"num_bins must be .*, got 1"),
    ("binning", {"binning": "log"}, "binning must be one of range, quantile, codes, got 'log'"),
    ("partition", {"partition": LatentPartition.from_granularity(4, 2)}, "use mig_entropy"),
]


@pytest.mark.parametrize(
    "argument, change, message", BAD, ids=[f"{name} {i}" for i, (name, _, _) in enumerate(BAD)]
)
def test_message_of_a_bad_argument(argument, change, message):
    with pytest.raises(ArgumentError, match=message):
        metrics.mig(**{"latents": Z, "factors": F, **change})


OTHER = {
    "test": (lambda: metrics.sap(Z, F), "test must be a pair"),
    "test width": (lambda: metrics.explicitness(Z, F, test=(Z[:, :3], F)), "test must have D=4"),
    "test is a table": (lambda: metrics.explicitness(Z, F, test=Z), "test must be a pair"),
    "partition size": (
        lambda: metrics.irs(Z, F, partition=LatentPartition.from_granularity(5, 2)),
        "partition must cover the 4",
    ),
    "partition type": (
        lambda: metrics.irs(Z, F, partition=[[0, 1], [2, 3]]),
        "partition must be a LatentPartition, got list",
    ),
    "diff_quantile": (
        lambda: metrics.irs(Z, F, diff_quantile=1.5),
        "diff_quantile must be .*, got 1.5",
    ),
    "regressor": (
        lambda: metrics.dci(Z, F, test=(Z, F), regressor="forest"),
        "regressor must be one of sklearn, lightgbm, got 'forest'",
    ),
    "logvar": (
        lambda: metrics.mig_entropy(Z, Z, Z[:, :2], F),
        r"logvar must have the shape of mu, \(40, 4\), got \(40, 2\)",
    ),
    "logvar size": (lambda: metrics.mig_entropy(Z, Z, Z + 999, F), "logvar must be at most 200"),
    "neighbours": (
        lambda: metrics.infomec(Z[:10], F[:10]),
        "latents must have at least 11 rows, got 10",
    ),
    "unique values": (
        lambda: metrics.infomec(Z[:20], np.arange(20)),  # few enough to count as they are
        "factors column 0 must have a value that occurs twice",
    ),
    "one model": (
        lambda: metrics.udr([Z]),
        "latents must hold the tables of at least 2 models, got 1",
    ),
    "lasso groups": (
        lambda: metrics.udr(
            [Z, Z], correlation="lasso", partition=LatentPartition.from_granularity(4, 2)
        ),
        "use correlation='spearman'",
    ),
    "kl": (
        lambda: metrics.udr([Z, Z], kl=np.ones((2, 3))),
        r"kl must be finite numbers of shape \(2, 4\)",
    ),
    "udr null": (
        lambda: metrics.udr([Z, Z], null_draws=1),
        "null_draws must be 0 or at least 2, got 1",
    ),
    "codes": (lambda: metrics.mig(Z, F, binning="codes"), "latents must be whole numbers"),
}


@pytest.mark.parametrize("name", OTHER)
def test_message_of_other_bad_arguments(name):
    call, message = OTHER[name]
    with pytest.raises(ArgumentError, match=message):
        call()


def test_a_factor_of_one_value_is_dropped_and_reported():
    factors = np.insert(F, 1, 0, axis=1)
    found = metrics.mig(Z, factors)
    assert found.protocol["dropped_factors"] == [1]
    assert found.scores == metrics.mig(Z, F).scores


@pytest.mark.parametrize(
    "metric", [name for name in CALLS if name not in ("mig", "unsupervised", "active_units", "udr")]
)
def test_one_group_has_no_gap_and_no_completeness(metric):
    found = CALLS[metric](Z, F, (Z[:20], F[:20]), LatentPartition.from_sizes([4])).scores
    for name in ("sap_group", "mig_entropy_group", "infoc_group", "dci_fast_completeness_group"):
        assert found.get(name) is None
