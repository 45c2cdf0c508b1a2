"""What granularity above 1 means for the models whose published form knows only single
dimensions.
"""

from __future__ import annotations

import pytest
import torch
from tiny import tiny_config

from vae_granularity.densities.noise import step_generator
from vae_granularity.models.factorvae import Discriminator, discriminator_loss, shuffle_groups
from vae_granularity.partition import LatentPartition
from vae_granularity.runs.build import build

D = 6


def correlated(n: int, rho: float, seed: int = 0) -> torch.Tensor:
    """(n, 4) normal codes in which dimensions 0-1 and 2-3 have correlation rho, the pairs being
    independent.
    """
    noise = torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))
    z = noise.clone()
    z[:, 1::2] = rho * noise[:, 0::2] + (1 - rho**2) ** 0.5 * noise[:, 1::2]
    return z


@pytest.mark.parametrize("granularity, kept", [(1, 0.0), (2, 0.8), (4, 0.8)])
def test_shuffling_keeps_what_is_inside_a_group_and_breaks_the_rest(granularity, kept):
    z = correlated(20_000, 0.8)
    z[:, 2:] += 0.5 * z[:, :2]  # the pairs depend on each other, too
    membership = LatentPartition.from_granularity(4, granularity).membership()
    shuffled = shuffle_groups(z, membership, step_generator(0, 0))
    for d in range(4):
        assert torch.equal(shuffled[:, d].sort().values, z[:, d].sort().values)
    correlation = torch.corrcoef(shuffled.t())
    assert correlation[0, 1] == pytest.approx(kept, abs=0.03)
    assert correlation[0, 2] == pytest.approx(
        float(torch.corrcoef(z.t())[0, 2]) if granularity == 4 else 0.0, abs=0.03
    )


@pytest.mark.parametrize("granularity, expected", [(1, 1.02), (2, 0.0)])
def test_the_discriminator_learns_the_total_correlation_between_groups(granularity, expected):
    """TC of two pairs with rho = 0.8 is -log(1 - 0.64) = 1.02 nats between dimensions and 0 between
    the pairs.
    """
    torch.manual_seed(0)
    discriminator = Discriminator(4, units=64, layers=2)
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=3e-3)
    membership = LatentPartition.from_granularity(4, granularity).membership()
    for step in range(600):
        z = correlated(512, 0.8, seed=step + 1)
        loss = discriminator_loss(
            discriminator, z, shuffle_groups(z, membership, step_generator(0, step))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert discriminator(correlated(20_000, 0.8)).mean().item() == pytest.approx(
            expected, abs=0.12
        )


@pytest.mark.parametrize("name", ["dipvae_i", "dipvae_ii"])
def test_dip_leaves_covariances_inside_groups_alone(tmp_path, name):
    def off_diagonal_cost(granularity: int, mu: torch.Tensor) -> float:
        model, data = build(
            tiny_config(
                tmp_path, f"model={name}", f"model.granularity={granularity}", "model.lambda_d=0"
            )
        )
        out = model.forward_pass(torch.zeros(len(mu), *data.image_shape), torch.zeros(len(mu), D))
        with_codes = out._replace(mu=mu, logvar=torch.zeros_like(mu))
        plain = (with_codes.kl - with_codes.log_px).mean()
        return float(
            (
                model.objective(with_codes, model.hyperparameters(0), model.membership)[0] - plain
            ).detach()
        )

    pairs = torch.zeros(1000, D)
    pairs[:, :4] = correlated(1000, 0.9)
    assert off_diagonal_cost(1, pairs) == pytest.approx(10 * 4 * 0.81, rel=0.15)
    assert off_diagonal_cost(2, pairs) < 0.3
    assert off_diagonal_cost(D, pairs) == pytest.approx(0.0, abs=1e-4)


def test_pdisvae_keeps_the_kl_of_a_group_whole(tmp_path):
    """With beta 1 the weights are those of the VAE; with one group, beta does not act at all."""
    losses = []
    for overrides in (
        ["model.beta=1", "model.granularity=2"],
        ["model.beta=50", f"model.granularity={D}"],
    ):
        model, data = build(tiny_config(tmp_path, "model=pdisvae", *overrides))
        model.dataset_size = 100
        x = torch.randn(16, *data.image_shape, generator=torch.Generator().manual_seed(1))
        losses.append(model.train_batch(x, 0)["loss"])
    torch.testing.assert_close(*losses)


def test_the_controller_holds_the_kl_at_its_capacity(tmp_path):
    """A plant whose KL falls with beta: the controller ends where KL = C, and beta never leaves its
    bounds on the way.
    """
    bounds = ["model.beta_min=0.1", "model.beta_max=10"]
    model, _ = build(tiny_config(tmp_path, "model=controlvae", "model.capacity=8", *bounds))
    beta = torch.tensor(1.0)
    betas = []
    for step in range(6_000):
        kl = 20 / (1 + beta)
        beta, integral = model.control(kl, model.hyperparameters(step))
        model.integral.copy_(integral)
        betas.append(float(beta))
    assert 20 / (1 + betas[-1]) == pytest.approx(8.0, abs=0.05)
    assert min(betas) >= 0.1
    assert max(betas) <= 10


@pytest.mark.parametrize(
    "kl, before, beta, integral, old",
    [  # base is 1.01, but 1.0000034 for kl = 0
        (5008.0, 97.0, 100.0, 98.99, 98.01),  # I would be 102
        (0.0, 0.005, 1.0, -0.0000034, 1.0050034),  # I would be -0.003
        (1008.0, 97.0, 99.01, 98.0, float("nan")),  # inside, as before
    ],
    ids=["past beta_max", "below beta_min", "inside"],
)
def test_a_step_past_a_bound_puts_beta_on_it(tmp_path, kl, before, beta, integral, old):
    """I takes the value that belongs to the bound; the step used to be dropped, giving `old`."""
    model, _ = build(tiny_config(tmp_path, "model=controlvae", "model.capacity=8"))
    model.integral.fill_(before)
    found = [float(value) for value in model.control(torch.tensor(kl), model.hyperparameters(0))]
    assert found == pytest.approx([beta, integral], rel=1e-6, abs=1e-6)
    assert found[0] != pytest.approx(old, rel=1e-4)


@pytest.mark.parametrize("kl, end", [(0.0, "beta_min"), (500.0, "beta_max")])
def test_a_saturated_controller_does_not_wind_up(tmp_path, kl, end):
    model, _ = build(tiny_config(tmp_path, "model=controlvae", "model.capacity=8"))
    for step in range(2_000):
        beta, integral = model.control(torch.tensor(kl), model.hyperparameters(step))
        model.integral.copy_(integral)
    assert float(beta) == pytest.approx(getattr(model, end), rel=0.01)
    back, _ = model.control(
        torch.tensor(8.0), model.hyperparameters(0)
    )  # the error is gone: beta moves at once
    assert model.beta_min <= float(back) <= model.beta_max
    assert abs(float(model.integral)) <= model.beta_max


def test_qlae_codes_are_values_of_their_own_dimension(tmp_path):
    model, data = build(tiny_config(tmp_path, "model=qlae"))
    with torch.no_grad():
        model.values += torch.arange(D)[:, None]
    code, logvar = model.encode(torch.randn(50, *data.image_shape))
    assert all(bool(torch.isin(code[:, d], model.values[d]).all()) for d in range(D))
    assert bool((logvar.exp() == 0).all())
