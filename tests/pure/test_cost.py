"""The loss launches few operators and never waits for the device."""

from __future__ import annotations

import pytest
import torch
from latents import random_batch
from operators import OperatorCount

from vae_granularity.elbo import decompose, weighted_elbo
from vae_granularity.partition import LatentPartition


@pytest.mark.parametrize("estimator", ["mws", "mss", "stratified"])
@pytest.mark.parametrize("dim, granularity", [(10, 1), (10, 2), (64, 5)])
def test_operators_of_the_loss_do_not_grow_with_groups_or_dimensions(estimator, dim, granularity):
    _, mu, logvar = random_batch(16, dim, seed=0, dtype=torch.float32)
    membership = LatentPartition.from_granularity(dim, granularity).membership()
    noise, log_px = torch.ones(16, dim), torch.zeros(16)
    mu.requires_grad_(), logvar.requires_grad_()
    with OperatorCount() as count:
        z = mu + torch.exp(0.5 * logvar) * noise
        terms = decompose(z=z, mu=mu, logvar=logvar, partition=membership, dataset_size=1000, estimator=estimator)
        loss = -weighted_elbo(log_px, terms, mutual_information=1.0, between_group_tc=4.0, within_group_tc=-2.0, dimension_kl=1.0).mean()
        loss.backward()
    assert count.operators <= 150
    assert count.synchronisations == 0
