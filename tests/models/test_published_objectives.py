"""Each model at granularity 1 against its published loss, written here from the formula: value and
gradient in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from tiny import options, tiny_config
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from vae_granularity.densities.noise import standard_normal
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build
from vae_granularity.training.config import compose

N, B, D, PIXELS = 540, 12, 6, 9
STEP = 3


def sigma(model: LatentModel) -> float:
    """0.1 as float32 rounds it."""
    return float(model.likelihood.log_sigma.exp())


class Plain:
    """One pass, by the textbook."""

    def __init__(self, model: LatentModel, x: Tensor) -> None:
        encoded = model.net.encoder(x)
        self.x, self.mu, self.logvar = x, encoded[:, :D], encoded[:, D:]
        noise = standard_normal(model.seed, STEP, (B, D), like=x)
        self.posterior = Normal(self.mu, (self.logvar / 2).exp())
        self.z = self.mu + (self.logvar / 2).exp() * noise
        self.decoded = model.net.decoder(self.z)
        self.log_px = Normal(self.decoded, sigma(model)).log_prob(x).sum(1).mean()
        self.kl = kl_divergence(self.posterior, Normal(torch.zeros(()).double(), 1.0)).sum(1).mean()


def vae(model: LatentModel, x: Tensor) -> Tensor:
    p = Plain(model, x)
    return -p.log_px + p.kl


def betavae(model: LatentModel, x: Tensor) -> Tensor:
    p = Plain(model, x)
    return -p.log_px + 4 * p.kl


def annealedvae(model: LatentModel, x: Tensor) -> Tensor:
    """C(3) = 25 * 3 / 100 000."""
    p = Plain(model, x)
    return -p.log_px + 1000 * abs(p.kl - 25 * STEP / 100_000)


def lambdabetavae(model: LatentModel, x: Tensor) -> Tensor:
    p = Plain(model, x)
    return -p.log_px + 4 * p.kl + 1.0 * ((x - p.decoded) ** 2).sum() / B


def total_correlation_form(
    weight: Callable[[int, int], float],
) -> Callable[[LatentModel, Tensor], Tensor]:
    """I + 4 TC + sum KL with log q(z) = log sum_j weight(i, j) q(z_i|x_j), sample by sample and
    dimension by dimension.
    """

    def loss(model: LatentModel, x: Tensor) -> Tensor:
        p = Plain(model, x)
        total = -p.log_px
        for i in range(B):
            log_q = torch.stack(
                [Normal(p.mu[j], (p.logvar[j] / 2).exp()).log_prob(p.z[i]) for j in range(B)]
            )  # (B, D)
            log_w = torch.tensor([math.log(weight(i, j)) for j in range(B)], dtype=torch.float64)
            log_qz = torch.logsumexp(log_w + log_q.sum(1), 0)
            log_marginals = sum(torch.logsumexp(log_w + log_q[:, d], 0) for d in range(D))
            log_pz = Normal(0.0, 1.0).log_prob(p.z[i]).sum()
            total = (
                total
                + (
                    (log_q[i].sum() - log_qz)
                    + 4 * (log_qz - log_marginals)
                    + (log_marginals - log_pz)
                )
                / B
            )
        return total

    return loss


def mws(i: int, j: int) -> float:
    return 1 / (B * N)


def stratified(i: int, j: int) -> float:
    return 1 / N if i == j else (N - 1) / (N * (B - 1))


def factorvae(model: LatentModel, x: Tensor) -> Tensor:
    """log d - log(1 - d) of a two-way softmax is the difference of its logits."""
    p = Plain(model, x)
    h = p.z
    layers = [layer for layer in model.discriminator if hasattr(layer, "weight")]
    for layer in layers[:-1]:
        h = h @ layer.weight.detach().t() + layer.bias.detach()
        h = torch.maximum(h, 0.2 * h)
    d = torch.sigmoid(h @ layers[-1].weight.detach().t() + layers[-1].bias.detach())
    return -p.log_px + p.kl + 10 * (d.log() - (1 - d).log()).mean()


def dip(second: bool) -> Callable[[LatentModel, Tensor], Tensor]:
    def loss(model: LatentModel, x: Tensor) -> Tensor:
        p = Plain(model, x)
        c = (p.mu[:, :, None] * p.mu[:, None, :]).mean(0) - p.mu.mean(0)[:, None] * p.mu.mean(0)[
            None, :
        ]
        if second:
            c = c + torch.diag(p.logvar.exp().mean(0))
        off = sum(c[i, j] ** 2 for i in range(D) for j in range(D) if i != j)
        on = sum((c[i, i] - 1) ** 2 for i in range(D))
        return -p.log_px + p.kl + 10 * off + (10 if second else 100) * on

    return loss


def infovae(model: LatentModel, x: Tensor) -> Tensor:
    """Expectations under the prior by Gauss-Hermite quadrature in each dimension, of which the
    kernel, exp(-mean (z - z')² / D) in the authors' code, is a product.
    """
    p = Plain(model, x)
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(60))
    weights = weights / weights.sum()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-((a - b) ** 2) / D / D)

    codes = sum(kernel(p.z[i], p.z[j]).prod() for i in range(B) for j in range(B)) / B**2
    across = (
        sum(
            (weights[:, None] * kernel(p.z[i][None, :], nodes[:, None])).sum(0).prod()
            for i in range(B)
        )
        / B
    )
    prior = (
        weights[:, None] * weights[None, :] * kernel(nodes[:, None], nodes[None, :])
    ).sum() ** D
    return -p.log_px + p.kl + (1000 - 1) * (codes - 2 * across + prior)


def controlvae(model: LatentModel, x: Tensor) -> Tensor:
    """First step of the controller: I(0) = 0."""
    p = Plain(model, x)
    error = 0.5 - p.kl.item()
    beta = max(1.0, 0.01 / (1 + math.exp(error)) - 0.001 * error + 1)
    return -p.log_px + beta * p.kl


def qlae(model: LatentModel, x: Tensor) -> Tensor:
    """The published loss takes means, over pixels too: times their number, it is in nats."""
    z_c = model.net.encoder(x)[:, :D]
    z_q = torch.stack(
        [
            model.values[d][(z_c[:, d : d + 1] - model.values[d]).square().argmin(1)]
            for d in range(D)
        ],
        1,
    )
    z = z_c + (z_q - z_c).detach()
    reconstruction = -Normal(model.net.decoder(z), sigma(model)).log_prob(x).mean()
    quantise, commit = ((z_c.detach() - z_q) ** 2).mean(), ((z_c - z_q.detach()) ** 2).mean()
    return PIXELS * (reconstruction + 0.01 * (quantise + commit))


PUBLISHED = {
    "vae": vae,
    "betavae": betavae,
    "annealedvae": annealedvae,
    "betatcvae": total_correlation_form(mws),
    "stcvae": total_correlation_form(mws),
    "pdisvae": total_correlation_form(stratified),
    "factorvae": factorvae,
    "dipvae_i": dip(False),
    "dipvae_ii": dip(True),
    "controlvae": controlvae,
    "lambdabetavae": lambdabetavae,
    "infovae": infovae,
    "qlae": qlae,
}


def test_every_model_is_here():
    assert set(PUBLISHED) == set(options("model"))


@pytest.mark.parametrize("name", options("model"))
def test_loss_and_gradient_are_the_published_ones(tmp_path, name):
    model, data = build(
        tiny_config(
            tmp_path, f"model={name}", "model.granularity=1", f"dataset.observed_dim={PIXELS}"
        )
    )
    model = model.double()
    model.dataset_size = N
    x = torch.randn(
        B, *data.image_shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    parameters = list(model.trained_parameters())
    ours, theirs = model.train_batch(x, STEP)["loss"], PUBLISHED[name](model, x)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=0)
    gradients = [
        torch.cat(
            [
                torch.zeros_like(p).flatten() if g is None else g.flatten()
                for p, g in zip(parameters, found, strict=True)
            ]
        )
        for found in (
            torch.autograd.grad(loss, parameters, allow_unused=True) for loss in (ours, theirs)
        )
    ]
    assert gradients[1].norm() > 0
    assert (gradients[0] - gradients[1]).norm() <= 1e-10 * gradients[1].norm()


@pytest.mark.parametrize("beta", [1.0, 6.0])
@pytest.mark.parametrize("partition", ["[1,1,1,1,1,1]", "[2,4]"])
def test_the_analytic_betatcvae_is_that_of_disentanglement_lib(tmp_path, beta, partition):
    """-log p + KL + (beta - 1) TC, TC without the constant of `mws`, which no gradient sees."""
    overrides = ("model=betatcvae", "model.kl=analytic", f"model.beta={beta}")
    overrides += (f"model.partition={partition}", f"dataset.observed_dim={PIXELS}")
    model, data = build(tiny_config(tmp_path, *overrides))
    model = model.double()
    model.dataset_size = N
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(B, *data.image_shape, generator=generator, dtype=torch.float64)
    p = Plain(model, x)
    densities = torch.stack([p.posterior.log_prob(p.z[i]) for i in range(B)])  # (sample, image, D)
    log_qz = densities.sum(2).logsumexp(1)
    log_marginals = densities.logsumexp(1).sum(1)
    constant = (D - 1) * math.log(B * N)
    total_correlation = (log_qz - log_marginals).mean() + constant
    theirs = -p.log_px + p.kl + (beta - 1) * total_correlation
    ours = model.train_batch(x, STEP)["loss"]
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=0)
    parameters = list(model.trained_parameters())
    for a, b in zip(
        torch.autograd.grad(ours, parameters), torch.autograd.grad(theirs, parameters), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


def test_the_scale_of_qlae_is_not_that_of_sums(tmp_path):
    """0.01 against squared distances summed over latents, as it was, is C·H·W/D times weaker: about
    1 000 times on Shapes3D.
    """
    weights = {}
    for name, size, latent_dim in (("shapes3d", 3 * 64 * 64, 12), ("dsprites", 64 * 64, 12)):
        model, data = build(
            compose("train", ["model=qlae", f"dataset={name}", "net=mlp", "net.width=0.1"])
        )
        with torch.no_grad():
            out = model.forward_pass(torch.rand(2, *data.image_shape), torch.zeros(2, latent_dim))
            loss, _ = model.objective(out, model.hyperparameters(0), model.membership)
        distance = 2 * (out.mu - out.z).square().sum(1).mean()
        weights[name] = float((loss + out.log_px.mean()) / distance)
        assert weights[name] == pytest.approx(0.01 * size / latent_dim, rel=1e-2), "old: 0.01"
    assert weights == {
        "shapes3d": pytest.approx(10.24, 1e-2),
        "dsprites": pytest.approx(3.41, 1e-2),
    }


@pytest.mark.parametrize("latent_dim, published, old", [(10, 50.0, 10.0), (2, 2.0, 2.0)])
def test_the_kernel_of_infovae_is_the_authors(tmp_path, latent_dim, published, old):
    """exp(-mean (z - z')² / D) = exp(-|z - z'|² / D²); h² was D, the median heuristic."""
    overrides = (f"model.latent_dim={latent_dim}", f"net.latent_dim={latent_dim}")
    model, _ = build(tiny_config(tmp_path, "model=infovae", *overrides))
    assert model.bandwidth == published
    assert (
        build(tiny_config(tmp_path, "model=infovae", *overrides, f"model.bandwidth={old}"))[
            0
        ].bandwidth
        == old
    )
