"""Likelihoods: against the reference's numbers, and as densities that integrate to one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from vae_granularity.likelihoods import Bernoulli, Gaussian


def test_bernoulli_is_the_exact_cross_entropy(golden):
    """The reference clips probabilities; the exact values it was compared with are ours, and it agrees where it does not clip."""
    gold = golden("recon")
    logits, target = torch.from_numpy(gold["logits"]), torch.from_numpy(gold["target"])
    ours = Bernoulli().log_prob(logits, target)
    np.testing.assert_allclose(ours, gold["bce_exact_f64"], rtol=1e-10)
    np.testing.assert_allclose(ours[1:4], gold["logpx_f64"][1:4], atol=2e-2)


def test_bernoulli_probabilities_of_both_values_sum_to_one():
    logits = torch.linspace(-8, 8, 9, dtype=torch.float64).reshape(9, 1)
    zero, one = (Bernoulli().log_prob(logits, torch.full_like(logits, v)).exp() for v in (0.0, 1.0))
    torch.testing.assert_close(zero + one, torch.ones(9, dtype=torch.float64))
    torch.testing.assert_close(Bernoulli().mean(logits)[:, 0], one)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("learned", [False, True])
def test_gaussian_integrates_to_one(sigma, learned):
    likelihood = Gaussian(sigma, learned).double()

    def density(x: float) -> float:
        return likelihood.log_prob(torch.tensor([[0.3]], dtype=torch.float64), torch.tensor([[x]], dtype=torch.float64)).exp().item()

    assert quad(density, 0.3 - 12 * sigma, 0.3 + 12 * sigma, points=[0.3])[0] == pytest.approx(1, abs=1e-8)
    assert sum(p.requires_grad for p in likelihood.parameters()) == learned


def test_log_densities_are_summed_over_pixels_and_channels():
    output, x = torch.zeros(2, 3, 4, 4), torch.full((2, 3, 4, 4), 0.5)
    for likelihood in (Bernoulli(), Gaussian(1.0)):
        single = likelihood.log_prob(output[:, :1, :1, :1], x[:, :1, :1, :1])
        torch.testing.assert_close(likelihood.log_prob(output, x), 48 * single)
