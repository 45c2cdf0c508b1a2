"""What each score says of codes whose answer is known: one row a code, one cell a score, with the expected range in the cell.

Ceilings of this grid (four factors of six values): SAP discrete 0.2, because a linear SVM on one number tells few of six values apart.
Two factors in a group cap the modularity-like scores: modularity 1 - 1/3, InfoM (1/2 - 1/4) / (1 - 1/4), DCI disentanglement
1 - log 2 / log 4, FactorVAE 1/2.
"""

from functools import lru_cache

import numpy as np
import pytest

from vae_granularity import LatentPartition, metrics
from vae_granularity.data.factors import FactorSpace
from vae_granularity.metrics.group_headline import group_headlines

SPACE = FactorSpace(("a", "b", "c", "d"), (6, 6, 6, 6))
GRID = SPACE.factors(np.arange(SPACE.size))
LINES = (2 * GRID / 5 - 1) * np.array([1.5, 1.2, 1.0, 0.8])
SHARP = 0.05
ANGLE = 2 * np.pi * GRID[:, 0] / 6


def rotation(dim):
    return np.linalg.qr(np.random.default_rng(3).normal(size=(dim, dim)))[0]


def code(mean, sigma, partition, num_factors=4):
    return mean, np.broadcast_to(sigma, mean.shape), partition, num_factors


PAIR = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
EQUAL = LINES / np.array([1.5, 1.2, 1.0, 0.8])
BY_ONE, BY_TWO = LatentPartition.from_granularity(4, 1), LatentPartition.from_granularity(4, 2)
CODES = {
    "perfect": code(LINES, SHARP, BY_ONE),
    "all zero": code(np.zeros_like(LINES), 0.0, BY_TWO),
    "duplicated": code(np.repeat(LINES, 2, axis=1), SHARP, LatentPartition.from_granularity(8, 2)),
    "rotated": code(LINES @ rotation(4), SHARP, BY_ONE),
    "pure noise": code(np.zeros_like(LINES), 1.0, BY_TWO),
    "permuted, signs flipped": code(-LINES[:, [2, 0, 3, 1]], SHARP, BY_ONE),
    "circle": code(np.column_stack((np.cos(ANGLE), np.sin(ANGLE), LINES[:, 1:])), SHARP, LatentPartition.from_sizes([2, 1, 1, 1])),
    "mixed pairs": code(EQUAL @ np.kron(np.eye(2), PAIR), SHARP, BY_TWO),
    "all in one group": code(
        np.column_stack((EQUAL[:, :3] @ rotation(3), np.zeros((len(GRID), 3)))),
        [SHARP] * 3 + [1.0] * 3,
        LatentPartition.from_sizes([3, 3]),
        3,
    ),
}
FEW = {"num_train": 1000, "num_eval": 500}


@lru_cache
def scores(name):
    mean, sigma, partition, num_factors = CODES[name]
    rng = np.random.default_rng(0)
    factors = GRID[:, :num_factors]
    z = mean + sigma * rng.normal(size=mean.shape)
    logvar = 2 * np.log(np.maximum(sigma, 1e-3))
    order = np.random.default_rng(1).permutation(len(z))
    train, test = ((z[rows], factors[rows]) for rows in (order[:864], order[864:]))
    continuous = metrics.sap(*train, continuous_factors=True, partition=partition).scores
    found = {f"continuous {key}": value for key, value in continuous.items()}

    def encode(points):
        return z[SPACE.index(points)]

    for result in (
        metrics.mig(*train),
        metrics.sap(*train, test=test, partition=partition),
        metrics.dci(*train, test=test, regressor="lightgbm", partition=partition, n_jobs=1),
        metrics.modularity(*train, partition=partition),
        metrics.explicitness(*train, test=test),
        metrics.irs(*train, partition=partition),
        metrics.infomec(*train, partition=partition),
        metrics.unsupervised(z, partition=partition),
        metrics.mig_entropy(z, mean, logvar, factors, partition=partition),
        metrics.active_units(mean, logvar, partition=partition),
        metrics.factor_vae_score(encode, SPACE, **FEW, partition=partition),
        metrics.beta_vae_score(encode, SPACE, **FEW),
    ):
        found |= result.scores
    return found | group_headlines(found)


MISSING = None
COMPLETE = ("mig", "mig_entropy", "mig_entropy_group", "continuous sap", "infoc", "infoc_group", "dci_fast_completeness")
MODULAR = ("modularity", "modularity_knn", "infom", "dci_fast_disentanglement", "factor_vae", "irs")
TABLE = {
    "perfect": {
        **dict.fromkeys((*COMPLETE, *MODULAR), (0.85, 1.0)),
        **dict.fromkeys(("explicitness", "infoe", "beta_vae", "dci_fast_informativeness"), (0.95, 1.0)),
        "sap": (0.15, 0.25),
        "gaussian_tc": (0.0, 0.02),
        "gaussian_wasserstein": (0.0, 0.02),
        "mutual_info_score": (0.0, 0.15),
        "active_kl": (4, 4),
        "active_variance": (4, 4),
    },
    "all zero": {
        **dict.fromkeys(("mig", "mig_entropy", "sap", "continuous sap", "infoe", "active_variance"), (0.0, 0.0)),
        **dict.fromkeys((*MODULAR, "infoc", "dci_fast_completeness", "gaussian_tc", "gaussian_wasserstein", "mutual_info_score"), MISSING),
        **dict.fromkeys((f"{score}_group" for score in MODULAR if score != "modularity"), MISSING),
        "explicitness": (0.5, 0.5),
        "beta_vae": (0.15, 0.35),
    },
    "duplicated": {
        **dict.fromkeys(("mig", "mig_entropy", "sap", "continuous sap"), (0.0, 0.02)),
        "sap_group": (0.15, 0.25),
        "continuous sap_group": (0.85, 1.0),
        "mig_entropy_group": (0.85, 1.0),
        "infoc": (0.3, 0.6),
        "infoc_group": (0.85, 1.0),
        "gaussian_tc": (4.0, 12.0),
        "gaussian_tc_group": (0.0, 0.02),
        "active_kl": (8, 8),
        "active_kl_group": (4, 4),
    },
    "rotated": {
        **dict.fromkeys(("mig", "mig_entropy", "continuous sap", "dci_fast_completeness", "dci_fast_disentanglement"), (0.0, 0.6)),
        **dict.fromkeys(("infoc", "infom", "irs"), (0.0, 0.85)),
        **dict.fromkeys(("explicitness", "infoe", "beta_vae"), (0.95, 1.0)),
        "sap": (0.0, 0.15),
        "modularity": (0.7, 0.985),
        "gaussian_tc": (0.02, 1.0),
        "gaussian_wasserstein": (0.02, 1.0),
        "mutual_info_score": (0.1, 0.5),
        "active_kl": (4, 4),
        "active_variance": (4, 4),
    },
    "pure noise": {
        **dict.fromkeys(("mig", "mig_entropy", "mig_entropy_group", "continuous sap", "continuous sap_group"), (0.0, 0.02)),
        **dict.fromkeys(("sap", "sap_group"), (0.0, 0.05)),
        **dict.fromkeys(("dci_fast_disentanglement", "dci_fast_completeness", "infoe"), (0.0, 0.05)),
        **dict.fromkeys(("factor_vae", "beta_vae"), (0.2, 0.35)),
        "explicitness": (0.45, 0.55),
        "infom": (0.2, 0.9),  # does not vanish: k-NN estimates of 0 are small, and unequal
        "infoc": (0.2, 1.0),
        "modularity": (0.0, 0.5),
        "modularity_knn": (0.6, 1.0),  # likewise
        "irs": (0.2, 0.4),
    },
    "circle": {
        **dict.fromkeys(("mig_entropy_group", "dci_fast_completeness_group", "infoc_group"), (0.95, 1.0)),
        "mig_entropy": (0.5, 0.85),
        "dci_fast_completeness": (0.8, 0.93),
        "infoc": (0.7, 0.9),
        "sap": (0.1, 0.25),
        "sap_group": (0.3, 0.5),
        **dict.fromkeys(("modularity", "infom", "dci_fast_disentanglement", "factor_vae", "irs"), (0.85, 1.0)),
        **dict.fromkeys(
            ("modularity_knn_group", "infom_group", "dci_fast_disentanglement_group", "factor_vae_group", "irs_group"), (0.85, 1.0)
        ),
        # The three straight factors reach 1, a line follows the angle to 0.3 at most.
        "continuous sap": (0.75, 0.95),
        "continuous sap_group": (0.75, 0.95),
    },
    "mixed pairs": {
        **dict.fromkeys(("mig", "mig_entropy", "sap", "continuous sap"), (0.0, 0.05)),
        **dict.fromkeys(("continuous sap_group", "mig_entropy_group", "dci_fast_completeness_group", "infoc_group"), (0.9, 1.0)),
        "sap_group": (0.15, 0.25),
        "modularity_knn_group": (0.6, 2 / 3 + 0.01),
        "infom_group": (0.28, 1 / 3 + 0.01),
        "dci_fast_disentanglement_group": (0.4, 0.5 + 0.01),
        "factor_vae_group": (0.4, 0.5 + 0.06),
    },
    "all in one group": {
        **dict.fromkeys(("continuous sap_group", "mig_entropy_group", "dci_fast_completeness_group", "infoc_group"), (0.8, 1.0)),
        **dict.fromkeys(("dci_fast_disentanglement_group",), (0.0, 0.1)),
        "dci_fast_completeness_harmonic_group": (0.0, 0.2),
        "sap_group": (0.15, 0.25),
    },
}
TABLE["permuted, signs flipped"] = TABLE["perfect"]
CELLS = [(name, score, expected) for name, row in TABLE.items() for score, expected in row.items()]


@pytest.mark.parametrize("name, score, expected", CELLS, ids=[f"{name}: {score}" for name, score, _ in CELLS])
def test_score_of_a_known_code(name, score, expected):
    value = scores(name)[score]
    if expected is MISSING:
        assert value is None
    else:
        assert value is not None
        assert expected[0] - 1e-9 <= value <= expected[1] + 1e-9


LOWER = [*COMPLETE, "sap", "modularity", "infom", "dci_fast_disentanglement", "irs"]


@pytest.mark.parametrize("score", LOWER)
def test_a_rotation_lowers_every_score_of_axes(score):
    assert scores("rotated")[score] < scores("perfect")[score] - 0.01


@pytest.mark.parametrize("score", ["explicitness", "infoe", "active_kl", "active_variance"])
def test_a_rotation_hardly_moves_scores_of_the_whole_space(score):
    assert scores("rotated")[score] == pytest.approx(scores("perfect")[score], abs=0.02)


@pytest.mark.parametrize("score", ["mig_entropy", "dci_fast_completeness", "infoc", "sap"])
def test_a_group_completes_a_circle(score):
    assert scores("circle")[f"{score}_group"] > scores("circle")[score] + 0.05


@lru_cache
def moved_scores(moved):
    rng = np.random.default_rng(0)
    z = LINES + SHARP * rng.normal(size=LINES.shape)
    partition = LatentPartition(((0, 2), (1, 3)))
    if moved:
        order = [2, 0, 3, 1]
        z, partition = -z[:, order], LatentPartition(tuple(tuple(order.index(d) for d in group) for group in partition.groups))
    continuous = metrics.sap(z, GRID, continuous_factors=True, partition=partition).scores
    return (
        {f"continuous {key}": value for key, value in continuous.items()}
        | metrics.mig(z, GRID).scores
        | metrics.sap(z, GRID, test=(z[:400], GRID[:400]), partition=partition).scores
        | metrics.modularity(z, GRID, partition=partition).scores
        | metrics.irs(z, GRID, partition=partition).scores
        | metrics.unsupervised(z, partition=partition).scores
        | metrics.active_units(z, np.zeros_like(z), partition=partition).scores
    )


MOVED = ("mig", "sap", "sap_group", "continuous sap", "continuous sap_group", "modularity", "modularity_knn", "modularity_knn_group")
MOVED += ("irs", "irs_group", "gaussian_tc", "gaussian_tc_group", "gaussian_wasserstein_group", "mutual_info_score", "active_kl_group")


@pytest.mark.parametrize("score", MOVED)
def test_order_and_sign_of_dimensions_do_not_matter(score):
    # Ties, bin edges and solvers may turn with the sign; nothing else may.
    assert moved_scores(True)[score] == pytest.approx(moved_scores(False)[score], abs=5e-3)
