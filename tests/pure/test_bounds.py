"""Bounds of the exact terms hold the truth where the mixture has too few components for it."""

from __future__ import annotations

import math
import statistics

import pytest
import torch

from vae_granularity.densities.estimators import exact_densities_and_others
from vae_granularity.elbo import bracket_exact, decompose_exact
from vae_granularity.partition import LatentPartition

TERMS = ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl")


def gaussian_code(covariance, sigma, *, components, samples, seed):
    """Return z, mu, logvar and component; the aggregate posterior is N(0, covariance)."""
    generator = torch.Generator().manual_seed(seed)
    dim = len(covariance)
    root = torch.linalg.cholesky(covariance - sigma**2 * torch.eye(dim))
    mu = torch.randn(components, dim, generator=generator) @ root.t()
    logvar = torch.full_like(mu, 2 * math.log(sigma))
    component = torch.randint(components, (samples,), generator=generator)
    z = mu[component] + sigma * torch.randn(samples, dim, generator=generator)
    return z, mu, logvar, component


def truth(covariance, sigma, partition):
    """Return the four terms of that code in closed form."""
    joint = torch.logdet(covariance).item()
    groups = sum(torch.logdet(covariance[list(g)][:, list(g)]).item() for g in partition.groups)
    variances = covariance.diagonal()
    dims = variances.log().sum().item()
    return {
        "mutual_information": joint / 2 - len(covariance) * math.log(sigma),
        "between_group_tc": max(0.0, (groups - joint) / 2),
        "within_group_tc": max(0.0, (dims - groups) / 2),
        "dimension_kl": max(0.0, (variances - 1 - variances.log()).sum().item() / 2),
    }


def paired(correlation, dim=10):
    """Return a covariance in which dimension d and d + dim / 2 are correlated."""
    covariance, half = torch.eye(dim), dim // 2
    covariance[:half, half:] = covariance[half:, :half] = correlation * torch.eye(half)
    return covariance


def hits(covariance, sigma, granularity, *, components, samples, seeds):
    """Return by term in how many seeds the bounds hold the truth."""
    partition = LatentPartition.from_granularity(len(covariance), granularity)
    true = truth(covariance, sigma, partition)
    counts = dict.fromkeys(TERMS, 0)
    for seed in range(seeds):
        z, mu, logvar, component = gaussian_code(
            covariance, sigma, components=components, samples=samples, seed=seed
        )
        _, bounds = bracket_exact(z, mu, logvar, partition=partition, component=component)
        for name in TERMS:
            lower, upper = getattr(bounds, name).tolist()
            counts[name] += lower <= true[name] + 1e-6 and true[name] <= upper + 1e-6
    return counts


CODES = {"independent": torch.eye(10), "correlated": paired(0.6), "copies": paired(0.98)}


@pytest.mark.parametrize("granularity", [1, 2, 5])
@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("code", CODES)
def test_the_bounds_hold_the_truth(code, sigma, granularity):
    sigma = min(sigma, 0.1) if code == "copies" else sigma  # 0.98 leaves no room for more noise
    counts = hits(CODES[code], sigma, granularity, components=500, samples=200, seeds=10)
    assert min(counts.values()) >= 9, counts


@pytest.mark.slow
@pytest.mark.parametrize("sigma", [0.1, 0.2, 0.3, 0.5])
@pytest.mark.parametrize("code", ["independent", "correlated"])
def test_the_bounds_hold_the_truth_in_95_per_cent(code, sigma):
    counts = hits(CODES[code], sigma, 2, components=2_000, samples=500, seeds=100)
    assert min(counts.values()) >= 95, counts


def test_the_old_value_alone_was_nats_too_high_and_is_still_the_central_one():
    """D = 10, sigma = 0.2, independent: 6.8 nats at M = 10 000, here 8.5 at 2 000; the truth is
    0."""
    partition = LatentPartition.from_granularity(10, 1)
    z, mu, logvar, component = gaussian_code(
        torch.eye(10), 0.2, components=2_000, samples=300, seed=0
    )
    old = decompose_exact(z, mu, logvar, partition=partition, component=component)
    terms, bounds = bracket_exact(z, mu, logvar, partition=partition, component=component)
    for name in (*TERMS, "log_qz", "log_qz_groups", "log_qz_dims"):
        torch.testing.assert_close(
            getattr(terms, name), getattr(old, name), rtol=1e-5, atol=1e-4, msg=name
        )
    assert old.between_group_tc.mean() > 8
    lower, upper = bounds.between_group_tc.tolist()
    assert lower == 0.0
    assert upper > 8


def test_the_usual_value_is_no_upper_bound():
    """Two groups of five that copy each other: a mixture of M shows log M between them at most."""
    covariance, sigma = paired(0.98), 0.1
    partition = LatentPartition.from_granularity(10, 5)
    z, mu, logvar, component = gaussian_code(
        covariance, sigma, components=1_000, samples=300, seed=0
    )
    terms, bounds = bracket_exact(z, mu, logvar, partition=partition, component=component)
    true = truth(covariance, sigma, partition)["between_group_tc"]
    assert terms.between_group_tc.mean() < true - 1
    lower, upper = bounds.between_group_tc.tolist()
    assert lower <= true <= upper


def test_leaving_the_own_component_out_of_every_entropy_is_no_lower_bound():
    """One feature drives all ten dimensions: ten entropies err together by more than the joint one,
    so their difference errs upwards without the own components and downwards with them."""
    dim, sigma, components, draws = 10, 0.5, 100, 200
    share = 1 - sigma**2
    covariance = torch.full((dim, dim), share) + sigma**2 * torch.eye(dim)
    joint = torch.distributions.MultivariateNormal(torch.zeros(dim), covariance)
    single = torch.distributions.Normal(0.0, 1.0)
    errors: dict[str, list[float]] = {"without": [], "with": [], "lower": []}
    for seed in range(draws):
        generator = torch.Generator().manual_seed(seed)
        feature = torch.randn(components, 1, generator=generator) * math.sqrt(share)
        mu = feature.expand(components, dim).contiguous()
        logvar = torch.full_like(mu, 2 * math.log(sigma))
        component = torch.randint(components, (200,), generator=generator)
        z = mu[component] + sigma * torch.randn(200, dim, generator=generator)
        with_own, others = exact_densities_and_others(z, mu, logvar, torch.eye(dim), component)
        # Less the true value at the same samples: what their draw changes cancels.
        true = joint.log_prob(z) - single.log_prob(z).sum(1)
        for name, whole, dims in (
            ("without", others, others),
            ("with", with_own, with_own),
            ("lower", others, with_own),
        ):
            error = (whole.log_qz - dims.log_qz_dims.sum(1) - true).mean()
            errors[name].append(error.item())
    mean = {name: statistics.fmean(values) for name, values in errors.items()}
    spread = {n: statistics.stdev(values) / math.sqrt(draws) for n, values in errors.items()}
    assert mean["without"] > 2 * spread["without"]
    assert mean["with"] < -3 * spread["with"]
    assert mean["lower"] < -3 * spread["lower"]


def test_bounds_of_one_unit_are_zero():
    z, mu, logvar, component = gaussian_code(torch.eye(4), 0.3, components=100, samples=50, seed=0)
    for granularity, term in ((1, "within_group_tc"), (4, "between_group_tc")):
        partition = LatentPartition.from_granularity(4, granularity)
        _, bounds = bracket_exact(z, mu, logvar, partition=partition, component=component)
        assert getattr(bounds, term).tolist() == [0.0, 0.0]
        empty = torch.cat((partition.membership(), torch.zeros(4, 2)), 1)
        _, padded = bracket_exact(z, mu, logvar, partition=empty, component=component)
        torch.testing.assert_close(getattr(padded, term), getattr(bounds, term))


def test_no_bound_leaves_0_to_the_kl_however_narrow_posteriors_are():
    z, mu, logvar, component = gaussian_code(torch.eye(6), 1e-4, components=50, samples=40, seed=0)
    partition = LatentPartition.from_granularity(6, 3)
    terms, bounds = bracket_exact(z, mu, logvar, partition=partition, component=component)
    kl = sum(getattr(terms, name).sum() for name in TERMS) / len(z)
    for value in vars(bounds).values():
        assert torch.isfinite(value).all()
        assert (value[0] >= 0).all()
        assert (value <= 1.2 * kl).all()


def test_components_of_unequal_weight_are_repeated_ones():
    partition = LatentPartition.from_granularity(4, 2)
    z, mu, logvar, component = gaussian_code(torch.eye(4), 0.3, components=6, samples=50, seed=0)
    counts = torch.tensor([1, 4, 2, 1, 1, 3])
    rows = torch.arange(6).repeat_interleave(counts)
    first = torch.tensor([rows.tolist().index(c) for c in component.tolist()])
    weighted, bounds = bracket_exact(
        z,
        mu,
        logvar,
        partition=partition,
        component=component,
        log_weight=(counts / counts.sum()).log(),
    )
    repeated = decompose_exact(z, mu[rows], logvar[rows], partition=partition, component=first)
    for name in TERMS:
        torch.testing.assert_close(getattr(weighted, name), getattr(repeated, name))
    # Copies of the own component are left out with it.
    _, of_repeated = bracket_exact(z, mu[rows], logvar[rows], partition=partition, component=first)
    assert bounds.mutual_information[1] > of_repeated.mutual_information[1]


def test_chunks_and_a_single_component_change_nothing():
    partition = LatentPartition.from_granularity(4, 2)
    z, mu, logvar, component = gaussian_code(torch.eye(4), 0.3, components=40, samples=30, seed=0)
    whole = bracket_exact(z, mu, logvar, partition=partition, component=component)
    pieces = bracket_exact(
        z, mu, logvar, partition=partition, component=component, chunk_elements=50
    )
    for a, b in zip(whole, pieces, strict=True):
        for name, value in vars(a).items():
            torch.testing.assert_close(value, getattr(b, name), msg=name)
    one = torch.zeros(30, dtype=torch.long)
    _, bounds = bracket_exact(z, mu[:1], logvar[:1], partition=partition, component=one)
    assert all(torch.isfinite(value).all() for value in vars(bounds).values())
