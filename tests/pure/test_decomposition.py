"""Identities of the four-way decomposition that hold for every partition, estimator and sample."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from latents import partitions, random_batch

from vae_granularity.densities import mixture
from vae_granularity.densities.estimators import ESTIMATORS
from vae_granularity.densities.gaussian import (
    kl_to_standard_normal,
    log_density,
    log_standard_normal,
)
from vae_granularity.elbo import LatentTerms, decompose, decompose_exact, weighted_elbo
from vae_granularity.errors import ArgumentError
from vae_granularity.partition import LatentPartition

SEEDS, SIGMAS = st.integers(0, 10**6), st.sampled_from([0.003, 0.1, 0.5, 1.5])
N = 1000


def total(terms: LatentTerms) -> torch.Tensor:
    return (
        terms.mutual_information
        + terms.between_group_tc
        + terms.within_group_tc.sum(-1)
        + terms.dimension_kl
    )


@given(seed=SEEDS, sigma=SIGMAS, estimator=st.sampled_from(ESTIMATORS), data=st.data())
def test_the_four_terms_sum_to_the_same_number_for_every_partition(seed, sigma, estimator, data):
    batch = random_batch(8, 6, seed, sigma=sigma)
    partition = data.draw(partitions(6))
    terms = decompose(**batch.named(), partition=partition, dataset_size=N, estimator=estimator)
    sampled_kl = (log_density(*batch) - log_standard_normal(batch.z)).sum(-1)
    torch.testing.assert_close(total(terms), sampled_kl, rtol=1e-9, atol=1e-7)


@given(seed=SEEDS, estimator=st.sampled_from(ESTIMATORS))
def test_extreme_granularities_empty_one_side(seed, estimator):
    batch = random_batch(8, 5, seed)
    for granularity, empty in ((1, "within_group_tc"), (5, "between_group_tc")):
        partition = LatentPartition.from_granularity(5, granularity)
        terms = decompose(**batch.named(), partition=partition, dataset_size=N, estimator=estimator)
        assert getattr(terms, empty).abs().max() < 1e-10


@given(seed=SEEDS, estimator=st.sampled_from(ESTIMATORS), order=st.permutations(range(6)))
def test_relabelling_dimensions_changes_nothing(seed, estimator, order):
    batch = random_batch(8, 6, seed)
    partition = LatentPartition(((0, 1, 2), (3,), (4, 5)))
    moved = LatentPartition(
        tuple(tuple(order.index(d) for d in group) for group in partition.groups)
    )
    plain = decompose(**batch.named(), partition=partition, dataset_size=N, estimator=estimator)
    there = decompose(
        **{k: v[:, order] for k, v in batch.named().items()},
        partition=moved,
        dataset_size=N,
        estimator=estimator,
    )
    for name in ("mutual_information", "between_group_tc", "within_group_tc", "dimension_kl"):
        torch.testing.assert_close(getattr(plain, name), getattr(there, name))


@given(seed=SEEDS, estimator=st.sampled_from(ESTIMATORS), data=st.data())
def test_empty_groups_change_neither_terms_nor_gradients(seed, estimator, data):
    partition = data.draw(partitions(5))
    results = []
    for groups in (None, partition.num_groups + 3):
        mu, logvar = (t.requires_grad_() for t in random_batch(7, 5, seed)[1:])
        z = mu + torch.exp(0.5 * logvar) * torch.ones(7, 5, dtype=torch.float64)
        membership = partition.membership(groups, dtype=torch.float64)
        terms = decompose(
            z=z, mu=mu, logvar=logvar, partition=membership, dataset_size=N, estimator=estimator
        )
        loss = -weighted_elbo(
            torch.zeros(7),
            terms,
            mutual_information=1,
            between_group_tc=4,
            within_group_tc=-2,
            dimension_kl=1,
        ).mean()
        results.append(
            (
                terms.within_group_tc[:, : partition.num_groups],
                *torch.autograd.grad(loss, (mu, logvar)),
            )
        )
        assert not terms.log_qz_groups[:, partition.num_groups :].any()
    for plain, padded in zip(*results, strict=True):
        torch.testing.assert_close(plain, padded, rtol=1e-12, atol=1e-13)


@given(seed=SEEDS, sigma=SIGMAS, size=st.integers(1, 6))
def test_dependence_inside_a_group_is_bounded_in_every_batch(seed, sigma, size):
    """(s-1) log(B N) under mws and (s-1) log N under stratified: the reward of beta-STCVAE cannot
    run away in one batch.
    """
    batch = random_batch(8, 6, seed, sigma=sigma)
    partition = LatentPartition.from_sizes([size, 6 - size] if size < 6 else [6])
    for estimator, bound in (("mws", math.log(8 * N)), ("stratified", math.log(N))):
        terms = decompose(**batch.named(), partition=partition, dataset_size=N, estimator=estimator)
        assert terms.within_group_tc[:, 0].mean() <= (size - 1) * bound + 1e-9


@given(seed=SEEDS)
def test_with_all_weights_one_the_objective_is_a_sample_of_the_elbo_at_any_partition(seed):
    batch = random_batch(6, 4, seed)
    log_px = torch.linspace(-3, 3, 6, dtype=torch.float64)
    terms = decompose(
        **batch.named(), partition=LatentPartition.from_granularity(4, 2), dataset_size=N
    )
    value = weighted_elbo(
        log_px, terms, mutual_information=1, between_group_tc=1, within_group_tc=1, dimension_kl=1
    )
    torch.testing.assert_close(
        value, log_px - (log_density(*batch) - log_standard_normal(batch.z)).sum(-1)
    )


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_written_out_gradient_is_the_derivative(estimator):
    """Against finite differences, in double precision, with z moving along with mu and logvar."""
    batch = random_batch(5, 4, seed=3)
    noise = torch.ones(5, 4, dtype=torch.float64)
    membership = LatentPartition.from_granularity(4, 3).membership(3, dtype=torch.float64)

    def objective(mu, logvar):
        z = mu + torch.exp(0.5 * logvar) * noise
        terms = decompose(
            z=z, mu=mu, logvar=logvar, partition=membership, dataset_size=N, estimator=estimator
        )
        return weighted_elbo(
            torch.zeros(5),
            terms,
            mutual_information=1.5,
            between_group_tc=4,
            within_group_tc=-2,
            dimension_kl=1,
        )

    assert torch.autograd.gradcheck(
        objective, (batch.mu.requires_grad_(), batch.logvar.requires_grad_())
    )


@pytest.mark.parametrize("sigma", [0.5, 0.01, 0.003])
def test_float32_gradients_stay_accurate_for_sharp_posteriors(sigma):
    """Relative error of the gradient below 1e-5, where the expanded quadratic form has 6e-3 at
    sigma 0.003.
    """
    gradients = {}
    for dtype in (torch.float32, torch.float64):
        z, mu, logvar = (
            t.to(dtype).requires_grad_()
            for t in random_batch(64, 10, seed=5, sigma=sigma, dtype=torch.float32)
        )
        terms = decompose(
            z=z,
            mu=mu,
            logvar=logvar,
            partition=LatentPartition.from_granularity(10, 2),
            dataset_size=10**5,
        )
        value = weighted_elbo(
            torch.zeros(64),
            terms,
            mutual_information=1,
            between_group_tc=4,
            within_group_tc=-2,
            dimension_kl=1,
        ).mean()
        gradients[dtype] = torch.cat(torch.autograd.grad(value, (z, mu, logvar))).double()
    error = (gradients[torch.float32] - gradients[torch.float64]).norm() / gradients[
        torch.float64
    ].norm()
    assert error < 1e-5


@pytest.mark.parametrize("together", ["all", "granularity", "noise", "beta"])
@pytest.mark.parametrize("estimator", ["mws", "stratified"])
@pytest.mark.parametrize("order", ["gradients of a vmapped loss", "vmapped gradients"])
def test_gradients_of_many_configurations_come_from_one_vmapped_call(
    together, estimator, order, monkeypatch
):
    """Whatever differs between the members, and whichever transform comes first; in several
    blocks.
    """
    monkeypatch.setitem(mixture.BLOCK, "cpu", 2 * 6 * 4)
    batches = [
        torch.stack(field)
        for field in zip(*(random_batch(6, 4, seed) for seed in range(3)), strict=True)
    ]
    memberships = torch.stack(
        [
            LatentPartition.from_granularity(4, g).membership(4, dtype=torch.float64)
            for g in (1, 2, 4)
        ]
    )
    betas = torch.tensor([1.0, 4.0, 8.0], dtype=torch.float64)
    differs = {
        "noise": (0, None, None, None, None),
        "granularity": (None, None, None, 0, None),
        "beta": (None,) * 4 + (0,),
        "all": (0,) * 5,
    }[together]
    arguments = [
        v if d == 0 else v[0] for v, d in zip((*batches, memberships, betas), differs, strict=True)
    ]

    def loss(z, mu, logvar, membership, beta):
        terms = decompose(
            z=z, mu=mu, logvar=logvar, partition=membership, dataset_size=N, estimator=estimator
        )
        weights = {
            "mutual_information": 1.0,
            "between_group_tc": beta,
            "within_group_tc": -beta / 2,
            "dimension_kl": 1.0,
        }
        return -weighted_elbo(torch.zeros(6, dtype=torch.float64), terms, **weights).mean()

    alone = [
        torch.func.grad(loss, argnums=(0, 1, 2))(
            *(v[i] if d == 0 else v for v, d in zip(arguments, differs, strict=True))
        )
        for i in range(3)
    ]
    if order == "vmapped gradients":
        found = torch.vmap(torch.func.grad(loss, argnums=(0, 1, 2)), in_dims=differs)(*arguments)
    else:  # every member gets its own copy of what is shared
        own = [
            v if d == 0 else v.expand(3, *v.shape) for v, d in zip(arguments, differs, strict=True)
        ]
        found = torch.func.grad(lambda *a: torch.vmap(loss)(*a, *own[3:]).sum(), argnums=(0, 1, 2))(
            *own[:3]
        )
    for k in range(3):
        torch.testing.assert_close(found[k], torch.stack([gradient[k] for gradient in alone]))


def test_many_configurations_run_as_one_vmapped_call():
    """One function for any granularity: memberships padded to equal width, everything else
    batched.
    """
    batches = [random_batch(6, 4, seed) for seed in range(3)]
    memberships = torch.stack(
        [
            LatentPartition.from_granularity(4, g).membership(4, dtype=torch.float64)
            for g in (1, 2, 4)
        ]
    )

    def between(z, mu, logvar, membership):
        return decompose(
            z=z, mu=mu, logvar=logvar, partition=membership, dataset_size=N
        ).between_group_tc

    together = torch.vmap(between)(
        *(torch.stack(field) for field in zip(*batches, strict=True)), memberships
    )
    for i, batch in enumerate(batches):
        torch.testing.assert_close(together[i], between(*batch, memberships[i]))


def test_exact_terms_do_not_depend_on_the_chunks():
    components = random_batch(50, 4, seed=8)
    drawn = torch.tensor([3, 3, 49, 0, 17])
    partition = LatentPartition.from_granularity(4, 3)
    calls = []
    z = components.z[drawn]
    whole = decompose_exact(z, *components[1:], partition=partition, component=drawn)
    parts = decompose_exact(
        components.z[drawn],
        *components[1:],
        partition=partition,
        component=drawn,
        chunk_elements=70,
        progress=lambda i, n: calls.append((i, n)),
    )
    for name, value in vars(whole).items():
        torch.testing.assert_close(getattr(parts, name), value, msg=name)
    assert len(calls) > 5
    assert [i for i, _ in calls] == list(range(1, calls[0][1] + 1))


@given(seed=SEEDS)
def test_analytic_kl_is_the_expectation_of_the_sampled_one(seed):
    _, mu, logvar = random_batch(3, 2, seed)
    noise = torch.randn(
        200_000, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    z = mu + torch.exp(0.5 * logvar) * noise
    sampled = log_density(z, mu, logvar) - log_standard_normal(z)
    error = sampled.std(0) / len(noise) ** 0.5
    assert ((sampled.mean(0) - kl_to_standard_normal(mu, logvar)).abs() < 6 * error + 1e-9).all()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"z": torch.zeros(3, 4)}, "same batch size, got 3 and 5"),
        ({"mu": torch.zeros(5, 3)}, "must have shapes"),
        (
            {"partition": LatentPartition.from_granularity(3, 1)},
            r"latent_dim=4 dimensions, got a membership of shape \(3, 3\)",
        ),
    ],
)
def test_mismatched_arguments_are_named(change, message):
    arguments = {
        **random_batch(5, 4, seed=0, dtype=torch.float32).named(),
        "partition": LatentPartition.from_granularity(4, 2),
        "dataset_size": N,
    }
    with pytest.raises(ArgumentError, match=message):
        decompose(**{**arguments, **change})


@pytest.mark.parametrize(
    "component, message",
    [
        (None, "must be given"),
        (torch.tensor([0, 9, 1]), r"in \[0, 5\), got 0..9"),
        (torch.tensor([0]), "shape"),
    ],
)
def test_exact_terms_need_to_know_the_components(component, message):
    z, mu, logvar = random_batch(5, 4, seed=0)
    with pytest.raises(ArgumentError, match=message):
        decompose_exact(
            z[:3], mu, logvar, partition=LatentPartition.from_granularity(4, 2), component=component
        )
