"""The loss and the step launch few operators, never wait for the device, and the loss holds no
table of all pairs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from latents import random_batch
from operators import OperatorCount
from torch.utils._python_dispatch import TorchDispatchMode

from vae_granularity.densities import mixture
from vae_granularity.elbo import decompose, weighted_elbo
from vae_granularity.partition import LatentPartition
from vae_granularity.runs.build import build
from vae_granularity.training.config import compose


@pytest.mark.parametrize("estimator", ["mws", "mss", "stratified"])
@pytest.mark.parametrize("dim, granularity", [(10, 1), (10, 2), (64, 5)])
def test_operators_of_the_loss_do_not_grow_with_groups_or_dimensions(estimator, dim, granularity):
    _, mu, logvar = random_batch(16, dim, seed=0, dtype=torch.float32)
    membership = LatentPartition.from_granularity(dim, granularity).membership()
    noise, log_px = torch.ones(16, dim), torch.zeros(16)
    mu.requires_grad_(), logvar.requires_grad_()
    with OperatorCount() as count:
        z = mu + torch.exp(0.5 * logvar) * noise
        terms = decompose(
            z=z, mu=mu, logvar=logvar, partition=membership, dataset_size=1000, estimator=estimator
        )
        loss = -weighted_elbo(
            log_px,
            terms,
            mutual_information=1.0,
            between_group_tc=4.0,
            within_group_tc=-2.0,
            dimension_kl=1.0,
        ).mean()
        loss.backward()
    assert count.operators <= 140
    assert count.synchronisations == 0


def test_operators_of_a_training_step():
    """Forward, backward, logged terms and the fused optimiser of model=stcvae net=conv64 at
    B=64.
    """
    model, data = build(
        compose(
            "train", ["dataset=dsprites", "dataset.source=rendered", "model=stcvae", "net=conv64"]
        )
    )
    model.dataset_size = 1000
    optimizer, x = model.configure_optimizers(), torch.rand(64, *data.image_shape)
    for step in range(2):  # the first makes the optimiser's state
        with OperatorCount() as count:
            optimizer.zero_grad()
            model.train_batch(x, step)["loss"].backward()
            optimizer.step()
    assert count.operators <= 200
    assert count.synchronisations == 0


@pytest.mark.parametrize("estimator", ["mws", "stratified"])
@pytest.mark.parametrize("used", ["all", "groups only"])
def test_blocks_of_rows_change_neither_value_nor_gradient(estimator, used, monkeypatch):
    """One block or many, the last one shorter; also where some of the densities are not used."""
    found = []
    for block in (2**30, 5 * 23 * 4, 1):
        monkeypatch.setitem(mixture.BLOCK, "cpu", block)
        batch = [t.requires_grad_() for t in random_batch(23, 4, seed=1)]
        membership = LatentPartition.from_sizes([1, 3], 4).membership(3, dtype=torch.float64)
        terms = decompose(
            z=batch[0],
            mu=batch[1],
            logvar=batch[2],
            partition=membership,
            dataset_size=1000,
            estimator=estimator,
        )
        used_terms = (
            (terms.log_qz_groups,)
            if used == "groups only"
            else (terms.log_qz, terms.log_qz_groups.sin(), terms.log_qz_dims.cos())
        )
        value = sum(t.sum() for t in used_terms)
        found.append((value.detach(), *torch.autograd.grad(value, batch)))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            torch.testing.assert_close(a, b)


class LargestTensor(TorchDispatchMode):
    """Elements of the largest tensor that an operator makes."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for made in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(made, torch.Tensor):
                self.elements = max(
                    self.elements, made.untyped_storage().nbytes() // made.element_size()
                )
        return result


def test_no_tensor_of_all_pairs_and_dimensions_is_made():
    batch, dim = 256, 32
    z, mu, logvar = (
        t.requires_grad_() for t in random_batch(batch, dim, seed=0, dtype=torch.float32)
    )
    with LargestTensor() as largest:
        terms = decompose(
            z=z,
            mu=mu,
            logvar=logvar,
            partition=LatentPartition.from_granularity(dim, 2),
            dataset_size=1000,
        )
        (terms.between_group_tc.sum() + terms.dimension_kl.sum()).backward()
    assert largest.elements < batch * batch * dim / 10


def test_what_the_loss_keeps_does_not_grow_with_the_number_of_blocks():
    """Memory that a forward and backward pass adds to the peak of the process, against the table's
    64 MiB.
    """
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    if not clear.exists():
        pytest.skip("the peak of resident memory is reset through /proc, which only Linux has")
    batch, dim = 512, 64

    def peak() -> float:
        return (
            int(
                next(
                    line for line in status.read_text().splitlines() if line.startswith("VmHWM")
                ).split()[1]
            )
            / 1024
        )

    def run(size: int) -> None:
        z, mu, logvar = (
            t.requires_grad_() for t in random_batch(size, dim, seed=0, dtype=torch.float32)
        )
        terms = decompose(
            z=z,
            mu=mu,
            logvar=logvar,
            partition=LatentPartition.from_granularity(dim, 2),
            dataset_size=1000,
        )
        (terms.between_group_tc.sum() + terms.dimension_kl.sum()).backward()

    run(8)
    clear.write_text("5")  # forgets the peak so far
    before = peak()
    run(batch)
    assert peak() - before < batch * batch * dim * 4 / 2**20 / 2
