"""Weights of the minibatch estimators, and what they estimate."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from latents import random_batch

from vae_granularity.densities.estimators import log_weights
from vae_granularity.densities.mixture import mixture_densities
from vae_granularity.elbo import decompose, decompose_exact
from vae_granularity.errors import ArgumentError
from vae_granularity.partition import LatentPartition

DOUBLE = torch.zeros((), dtype=torch.float64)


@given(batch=st.integers(2, 30), extra=st.integers(0, 10**6))
def test_rows_sum_to_one_and_the_own_image_weighs_one_in_n(batch, extra):
    size = batch + extra
    for estimator in ("mss", "stratified"):
        weights = log_weights(estimator, batch, size, like=DOUBLE).exp()
        torch.testing.assert_close(weights.sum(1), torch.ones(batch, dtype=torch.float64))
        torch.testing.assert_close(
            weights.diagonal(), torch.full((batch,), 1 / size, dtype=torch.float64)
        )
    assert log_weights("mws", batch, size, like=DOUBLE) == -math.log(batch * size)


def test_mss_gives_the_next_column_what_the_derivation_leaves_over():
    weights = log_weights("mss", 4, 100, like=DOUBLE).exp()
    expected = torch.full((4, 4), 1 / 3, dtype=torch.float64)
    for i in range(4):
        expected[i, i], expected[i, (i + 1) % 4] = 1 / 100, 97 / 300
    torch.testing.assert_close(weights, expected)


def test_the_widely_copied_mss_matrix_is_not_ours(golden):
    """Public code fills column 0 in place of the diagonal; the golden numbers hold that matrix."""
    gold = golden("objective")
    for case in ("c0", "c1", "c2", "c3"):
        copied = torch.from_numpy(gold[f"{case}/rtq_mss/log_iw"])
        batch, size = len(copied), int(gold[f"{case}/dataset_size"])
        ours = log_weights("mss", batch, size, like=DOUBLE)
        assert not torch.allclose(copied, ours)
        torch.testing.assert_close(
            copied[:, 0].exp()[: batch - 2], torch.full((batch - 2,), 1 / size, dtype=torch.float64)
        )
        assert (copied.exp().sum(1) - 1).abs().max() > 1e-3
        torch.testing.assert_close(ours.exp().sum(1), torch.ones(batch, dtype=torch.float64))
        z, mu, logvar = (torch.from_numpy(gold[f"{case}/{name}"]) for name in ("z", "mu", "logvar"))
        terms = decompose(
            z=z,
            mu=mu,
            logvar=logvar,
            partition=LatentPartition.from_granularity(z.shape[1], 1),
            dataset_size=size,
            estimator="mss",
        )
        assert abs(terms.log_qz - torch.from_numpy(gold[f"{case}/rtq_mss/logqz"])).max() > 1e-3


@pytest.mark.parametrize("granularity", [1, 2, 4])
def test_stratified_over_the_whole_data_set_is_the_exact_mixture(granularity):
    batch = random_batch(16, 4, seed=0)
    partition = LatentPartition.from_granularity(4, granularity)
    whole = decompose(**batch.named(), partition=partition, dataset_size=16, estimator="stratified")
    exact = decompose_exact(*batch, partition=partition)
    for name, value in vars(exact).items():
        torch.testing.assert_close(getattr(whole, name), value, msg=name)


@pytest.mark.parametrize("estimator", ["mss", "stratified"])
def test_averaged_over_batches_the_density_is_unbiased(estimator):
    """E over batches of exp(log q̂(z_0)) is q(z_0), not its logarithm: the mean of all 990 batches
    of 4 from 12 images, in any order, that begin with image 0.
    """
    images, batch = 12, 4
    all_of = random_batch(images, 3, seed=1)
    membership = LatentPartition.from_granularity(3, 3).membership(dtype=torch.float64)
    truth = mixture_densities(
        all_of.z[:1], all_of.mu, all_of.logvar, membership, -math.log(images)
    ).log_qz.exp()
    weight = log_weights(estimator, batch, images, like=DOUBLE)[:1]
    estimates = []
    for others in permutations(range(1, images), batch - 1):
        rows = [0, *others]
        estimates.append(
            mixture_densities(
                all_of.z[:1], all_of.mu[rows], all_of.logvar[rows], membership, weight
            ).log_qz.exp()
        )
    estimates = torch.cat(estimates)
    assert estimates.mean().item() == pytest.approx(truth.item(), rel=1e-12)
    assert estimates.std() > 0.1 * truth.item(), "each batch gives another density"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("mwss", 8, 100), "estimator must be one of mws, mss, stratified, got 'mwss'"),
        (("mss", 1, 100), "batch size must be >= 2 .*'mss', got 1"),
        (("stratified", 1, 100), "batch size must be >= 2"),
        (("mss", 8, 7), "dataset_size must be >= the batch size 8 .* got 7"),
        (("mws", 8, 0), "dataset_size must be >= 1, got 0"),
    ],
)
def test_an_assumption_that_fails_is_named(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        log_weights(*arguments, like=DOUBLE)
