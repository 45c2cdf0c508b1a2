"""Likelihoods: against the reference's numbers, and as densities that integrate to one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from tiny import options
from torch import nn

from vae_granularity.errors import ArgumentError
from vae_granularity.likelihoods.bernoulli import Bernoulli
from vae_granularity.likelihoods.continuous_bernoulli import ContinuousBernoulli, log_integral
from vae_granularity.likelihoods.gaussian import Gaussian
from vae_granularity.likelihoods.gaussian_optimal import OptimalGaussian
from vae_granularity.runs.build import build as build_run
from vae_granularity.runs.build import create
from vae_granularity.training.config import compose

LIKELIHOODS = options("likelihood")


def build(name: str) -> nn.Module:
    return create(compose("train", [f"likelihood={name}"]).likelihood).double()


def density(likelihood: nn.Module, output: float):
    """x -> p(x) at one output of the decoder."""
    column = torch.tensor([[output]], dtype=torch.float64)
    return lambda x: (
        likelihood.log_prob(column, torch.tensor([[x]], dtype=torch.float64)).exp().item()
    )


def integrals(p, low: float, high: float, middle: float) -> tuple[float, float]:
    """Of p(x) and of x p(x)."""
    return tuple(
        quad(f, low, high, points=[middle], epsabs=1e-11, limit=200)[0]
        for f in (p, lambda x: x * p(x))
    )


def test_bernoulli_is_the_exact_cross_entropy(golden):
    """The reference clips probabilities; the exact values it was compared with are ours, and it
    agrees where it does not clip.
    """
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
    total, mean = integrals(density(likelihood, 0.3), 0.3 - 12 * sigma, 0.3 + 12 * sigma, 0.3)
    assert (total, mean) == pytest.approx((1, 0.3), abs=1e-8)
    assert sum(p.requires_grad for p in likelihood.parameters()) == learned


@pytest.mark.parametrize(
    "logit", [-40.0, -3.0, -0.301, -0.299, -1e-3, -1e-12, 0.0, 1e-12, 1e-3, 0.299, 0.301, 3.0, 40.0]
)
def test_continuous_bernoulli_integrates_to_one_and_its_mean_is_the_one_given(logit):
    likelihood = ContinuousBernoulli()
    total, mean = integrals(density(likelihood, logit), 0.0, 1.0, 0.5)
    assert total == pytest.approx(1, abs=1e-9)
    assert mean == pytest.approx(
        likelihood.mean(torch.tensor(logit, dtype=torch.float64)).item(), abs=1e-9
    )


def test_continuous_bernoulli_is_the_papers_density():
    """arXiv 1907.06845, eq. 6 and 7, in lambda, away from 1/2 where they are well conditioned."""
    lam = torch.tensor([0.01, 0.2, 0.7, 0.99], dtype=torch.float64).reshape(4, 1)
    x = torch.tensor([0.9, 0.25, 0.4, 0.05], dtype=torch.float64).reshape(4, 1)
    constant = 2 * torch.atanh(1 - 2 * lam) / (1 - 2 * lam)
    expected = (constant * lam**x * (1 - lam) ** (1 - x)).log()[:, 0]
    logit = torch.logit(lam)
    torch.testing.assert_close(ContinuousBernoulli().log_prob(logit, x), expected)
    torch.testing.assert_close(
        ContinuousBernoulli().mean(logit), lam / (2 * lam - 1) + 1 / (2 * torch.atanh(1 - 2 * lam))
    )


@pytest.mark.parametrize("dtype, tolerance", [(torch.float64, 1e-11), (torch.float32, 1e-6)])
def test_the_mean_is_the_slope_of_the_log_integral_everywhere(dtype, tolerance):
    """d/d logit log integral = E[x], through both branches, at 0 itself too; float32 keeps its
    digits around lambda = 1/2.
    """
    logit = (
        torch.cat((torch.linspace(-30, 30, 601), torch.linspace(-0.4, 0.4, 801), torch.zeros(1)))
        .to(dtype)
        .requires_grad_()
    )
    (slope,) = torch.autograd.grad(log_integral(logit).sum(), logit)
    torch.testing.assert_close(
        slope, ContinuousBernoulli().mean(logit.detach()), rtol=0, atol=tolerance
    )
    (curvature,) = torch.autograd.grad(ContinuousBernoulli().mean(logit).sum(), logit)
    assert bool((curvature > 0).all())
    assert curvature[-1].item() == pytest.approx(1 / 12, rel=1e-6)


def test_optimal_gaussian_scores_a_batch_at_its_maximum_likelihood_variance():
    torch.manual_seed(0)
    x, output = (
        torch.rand(8, 3, 4, 4, dtype=torch.float64),
        torch.rand(8, 3, 4, 4, dtype=torch.float64).requires_grad_(),
    )
    error = (x - output).square().mean()
    value = OptimalGaussian().double().log_prob(output, x)
    torch.testing.assert_close(
        value.mean(), -24 * (error.log() + math.log(2 * math.pi) + 1)
    )  # 48 pixels
    for factor in (0.9, 1.1):
        assert (
            value.mean()
            > Gaussian(factor * error.sqrt().item()).double().log_prob(output, x).mean()
        )
    # The gradient is that of the logarithm of the error.
    gradients = [
        torch.autograd.grad(f, output, retain_graph=True)[0]
        for f in (value.mean(), -24 * error.log())
    ]
    torch.testing.assert_close(*gradients)


def test_optimal_gaussian_evaluates_with_the_variance_of_the_training_batches():
    """As a density: the same for every x, so that it integrates to one."""
    torch.manual_seed(0)
    likelihood = OptimalGaussian().double()
    errors = []
    for _ in range(5):
        x, output = torch.rand(8, 10, dtype=torch.float64), torch.rand(8, 10, dtype=torch.float64)
        likelihood.log_prob(output, x)
        errors.append((x - output).square().mean().item())
    likelihood.eval()
    assert likelihood.variance.item() == pytest.approx(np.mean(errors))
    total, mean = integrals(density(likelihood, 0.3), -8.0, 8.0, 0.3)
    assert (total, mean) == pytest.approx((1, 0.3), abs=1e-8)
    assert likelihood.variance.item() == pytest.approx(np.mean(errors)), (
        "evaluation must not move it"
    )
    again = OptimalGaussian().double()
    again.load_state_dict(likelihood.state_dict())
    assert torch.equal(again.eval().log_prob(output, x), likelihood.log_prob(output, x))


def test_optimal_gaussian_follows_an_error_that_changes():
    likelihood, x = OptimalGaussian(), torch.zeros(4, 5)
    for step in range(1500):
        likelihood.log_prob(torch.full_like(x, 1.0 if step < 200 else 0.1), x)
    assert likelihood.variance.item() == pytest.approx(0.01, rel=0.01)


def test_a_batch_reproduced_exactly_is_scored_at_the_smallest_sigma():
    x = torch.rand(4, 6).requires_grad_()
    value = OptimalGaussian(0.01).log_prob(x, x.detach())
    torch.testing.assert_close(
        value, torch.full((4,), -6 * (math.log(0.01) + 0.5 * math.log(2 * math.pi)))
    )
    value.sum().backward()
    assert torch.equal(x.grad, torch.zeros(4, 6))


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_values_and_gradients_are_finite_at_extreme_outputs(name, dtype):
    likelihood = build(name).to(dtype)
    output = torch.tensor(
        [-1e4, -300.0, -90.0, -1e-30, 0.0, 1e-30, 90.0, 300.0, 1e4], dtype=dtype
    ).requires_grad_()
    for x in (0.0, 0.5, 1.0):
        value = likelihood.log_prob(output[:, None], torch.full_like(output, x)[:, None])
        (gradient,) = torch.autograd.grad(value.sum(), output)
        assert bool(value.isfinite().all()), value
        assert bool(gradient.isfinite().all()), gradient
    assert bool(likelihood.mean(output).isfinite().all())


@pytest.mark.parametrize("name", LIKELIHOODS)
def test_log_densities_are_summed_over_pixels_and_channels(name):
    output, x = (
        torch.zeros(2, 3, 4, 4, dtype=torch.float64),
        torch.full((2, 3, 4, 4), 0.5, dtype=torch.float64),
    )
    likelihood = build(name)
    single = likelihood.log_prob(output[:, :1, :1, :1], x[:, :1, :1, :1])
    torch.testing.assert_close(likelihood.log_prob(output, x), 48 * single)


def test_a_limit_that_is_not_positive_is_named():
    with pytest.raises(
        ArgumentError, match=r"likelihood\.min_sigma must be a finite number > 0, got 0"
    ):
        OptimalGaussian(0)


VECTORS, GREY = ("dataset=blocks", "net=mlp"), ("dataset=mnist", "net=mlp")
BINARY = ("dataset=dsprites", "net=mlp")


@pytest.mark.parametrize("data, values", [(VECTORS, "real"), (GREY, "unit"), (BINARY, "binary")])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_a_likelihood_that_is_no_density_at_the_data_is_refused(data, values, name):
    """Bernoulli on blocks reported an ELBO of +10 293 726 before, and exit code 0."""
    cfg = compose("train", [*data, "net.width=0.1", f"likelihood={name}"])
    if values == "real" and "bernoulli" in name:
        fitting = "dataset=blocks, .*: one of gaussian, gaussian_optimal; got .*Bernoulli"
        with pytest.raises(ArgumentError, match=fitting):
            build_run(cfg)
    else:
        assert build_run(cfg)[1].card.values == values


def test_blocks_as_pictures_are_grey():
    cfg = compose("train", [*VECTORS, "dataset.image_size=8", "likelihood=bernoulli"])
    assert build_run(cfg)[1].card.values == "unit"
