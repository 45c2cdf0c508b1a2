"""What a data set or a model lacks is reported with the reason, and its numbers are missing; the
rest is computed.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from tiny import results, tiny_config

from vae_granularity import LatentPartition, metrics
from vae_granularity.evaluation.evaluate import evaluate
from vae_granularity.metrics.core.suite import Companions
from vae_granularity.models.qlae import QLAE
from vae_granularity.training.job import prepare
from vae_granularity.training.run import train

CHOSEN = (
    "mig",
    "sap",
    "modularity",
    "explicitness",
    "infomec",
    "irs",
    "factor_vae_score",
    "beta_vae_score",
    "unsupervised",
    "active_units",
)
LABELS_ONLY = {"irs", "factor_vae_score", "beta_vae_score"}
Z = np.random.default_rng(0).normal(size=(80, 4))
F = np.arange(160).reshape(80, 2) % 4


@pytest.mark.parametrize(
    "inputs, absent, missing, reason",
    [
        (
            {"factors": F, "test": (Z, F)},
            dict.fromkeys(("space", "encode"), "the data set has no grid of factors"),
            LABELS_ONLY,
            "the data set has no grid of factors",
        ),
        (
            {},
            dict.fromkeys(("factors", "test", "space", "encode"), "the data set has no labels"),
            set(CHOSEN) - {"unsupervised", "active_units"},
            "the data set has no labels",
        ),
    ],
    ids=["labels only", "no labels"],
)
def test_which_run_where(inputs, absent, missing, reason):
    chosen = {name: getattr(metrics, name) for name in CHOSEN}
    given = {"latents": Z, "mu": Z, "logvar": np.zeros_like(Z), **inputs}
    found = metrics.run_suite(chosen, given, LatentPartition.from_granularity(4, 2), absent=absent)
    assert set(found.not_applicable) == missing
    assert set(found.results) == set(CHOSEN) - missing
    assert all(why.endswith(reason) for why in found.not_applicable.values())


def test_a_model_without_posterior_has_no_elbo_and_discrete_latents(tmp_path):
    chosen = "metrics=[active_units,infomec,mig,mig_entropy,unsupervised]"
    found = results(
        train(
            tiny_config(tmp_path, "model=qlae", "model.latent_dim=6", "model.granularity=2", chosen)
        )
    )
    terms = found["terms"]
    assert np.isfinite(terms["val/reconstruction"])
    absent = {
        "elbo",
        "kl",
        "mutual_information",
        "between_group_tc",
        "within_group_tc",
        "dimension_kl",
    }
    assert {name for name, value in terms.items() if value is None} == {
        f"val/{name}" for name in absent
    }
    reasons = found["protocol"]["not_applicable"]
    assert set(reasons) == {*absent, "active_kl", "mig_entropy"}
    assert all("the model has no posterior" in reason for reason in reasons.values())
    assert found["scores"]["active_kl"] is None
    assert found["scores"]["active_variance"] is not None
    assert found["protocol"]["metrics"]["infomec"]["discrete_latents"] is True
    assert found["protocol"]["codes"] == "quantised codes"


def test_groups_need_not_be_neighbours(tmp_path):
    """Scheduled and adaptive partitions end with any groups; a permuted partition scores a permuted
    code alike.
    """
    swapped, order = LatentPartition(((0, 3), (1, 2))), [0, 3, 1, 2]
    chosen = {
        "infomec": metrics.infomec,
        "dci": partial(metrics.dci, regressor="lightgbm", n_jobs=1),
        "null": metrics.group_null,
    }
    given = {"factors": F, "test": (Z, F)}
    companions = Companions({"own": swapped}, null_draws=0)
    ours = metrics.run_suite(chosen, {"latents": Z, **given}, swapped, companions=companions)
    companions = Companions({"own": LatentPartition.from_granularity(4, 2)}, null_draws=0)
    given["test"] = (Z[:, order], F)
    contiguous = metrics.run_suite(
        chosen,
        {"latents": Z[:, order], **given},
        companions.partitions["own"],
        companions=companions,
    )
    for name in ("infom_group", "infoc_group"):
        assert ours.scores[name] == pytest.approx(contiguous.scores[name], abs=1e-6)
    assert (
        ours.scores["own/dci_fast_completeness_group"] == ours.scores["dci_fast_completeness_group"]
    )


def test_nulls_of_every_group_score_where_asked_for():
    partition = LatentPartition.from_granularity(4, 2)
    # Two latents hold the factors: of pure noise groups hold nothing, and InfoM is missing.
    given = {
        "latents": np.hstack((Z[:, :2], F + 0.1 * Z[:, 2:])),
        "factors": F,
        "test": (Z, F),
        "mu": Z,
        "logvar": np.zeros_like(Z),
        "z": Z,
    }
    chosen = {
        name: getattr(metrics, name)
        for name in ("sap", "mig_entropy", "infomec", "unsupervised", "irs")
    }
    few = {"null_draws": 3}
    cheap = metrics.run_suite(
        chosen, given | {"space": object()}, partition, companions=Companions(**few)
    )
    every = metrics.run_suite(
        chosen, given | {"space": object()}, partition, companions=Companions(nulls="all", **few)
    )
    nulls = {name for name in every.scores if name.endswith("_null_group")}
    assert {
        f"{name}_null_group"
        for name in ("sap", "mig_entropy", "infom", "infoc", "infoc_harmonic", "irs", "gaussian_tc")
    } <= nulls
    assert {name for name in cheap.scores if name.endswith("_null_group")} == {
        "gaussian_tc_null_group",
        "gaussian_wasserstein_null_group",
    }
    assert every.scores["sap_lift_group"] == pytest.approx(
        every.scores["sap_group"] - every.scores["sap_null_group"]
    )


class Autoencoder(QLAE):
    """Deterministic and continuous."""

    discrete_codes = False

    def snap(self, z):
        return z


@pytest.mark.parametrize("kind, discrete", [(QLAE, True), (Autoencoder, False)])
def test_a_deterministic_model_is_not_taken_for_a_quantised_one(tmp_path, kind, discrete):
    """Old: an autoencoder got InfoE 1.000 and InfoM 0.010 from counts of values that occur once."""
    job = prepare(tiny_config(tmp_path, "model=qlae"))
    model, data, protocol = job.model, job.data, job.protocol
    data.setup()
    model.__class__ = kind
    evaluation = evaluate(model.eval(), data, protocol, {"infomec": metrics.infomec})
    assert evaluation.protocol["metrics"]["infomec"]["discrete_latents"] is discrete
    expected = "quantised codes" if discrete else "codes of a deterministic encoder"
    assert evaluation.protocol["codes"] == expected
    assert (evaluation.scores["infoe"] < 0.95) or discrete
