"""What each model's loss is, and what the models promise of one another."""

from __future__ import annotations

import pytest
import torch
from operators import OperatorCount
from tiny import options, tiny_config

from vae_granularity.densities.gaussian import kl_to_standard_normal
from vae_granularity.elbo import decompose
from vae_granularity.errors import ArgumentError
from vae_granularity.models.base import LatentModel
from vae_granularity.runs.build import build
from vae_granularity.training.config import compose

N = 540
MODELS = options("model")


def make(
    tmp_path, *overrides: str, dtype: torch.dtype = torch.float64
) -> tuple[LatentModel, torch.Tensor]:
    """A small model and a batch of 16 that fits it."""
    model, data = build(tiny_config(tmp_path, *overrides))
    model.dataset_size = N
    x = torch.randn(16, *data.image_shape, generator=torch.Generator().manual_seed(1), dtype=dtype)
    return model.to(dtype), x


def loss_and_gradients(model: LatentModel, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    loss = model.train_batch(x, 0)["loss"]
    return loss.detach(), torch.cat(
        [g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))]
    )


@pytest.mark.parametrize("model", MODELS)
def test_a_step_gives_finite_terms_in_nats_and_a_gradient_everywhere(tmp_path, model):
    built, x = make(tmp_path, f"model={model}", dtype=torch.float32)
    out = built.train_batch(x, 0)
    out["loss"].backward()
    assert all(bool(value.isfinite()) for value in out["terms"].values())
    assert all(
        p.grad is not None and bool(p.grad.isfinite().all()) for p in built.trained_parameters()
    )
    assert ("elbo" in out["terms"]) == built.stochastic
    if built.stochastic:
        elbo, reconstruction, kl = (out["terms"][name] for name in ("elbo", "reconstruction", "kl"))
        torch.testing.assert_close(elbo, reconstruction - kl)


def test_stcvae_with_single_dimensions_is_betatcvae(tmp_path):
    """Equal losses, gradients to 1e-11 relative, 50 steps to 1e-8; the two are implemented apart
    and round differently.
    """
    st, x = make(tmp_path, "model=stcvae", "model.granularity=1")
    tc, _ = make(tmp_path, "model=betatcvae", "model.granularity=1")
    (loss_st, grad_st), (loss_tc, grad_tc) = loss_and_gradients(st, x), loss_and_gradients(tc, x)
    torch.testing.assert_close(loss_st, loss_tc, rtol=1e-13, atol=0)
    assert (grad_st - grad_tc).norm() <= 1e-11 * grad_tc.norm()
    optimizers = [torch.optim.SGD(m.parameters(), lr=1e-4) for m in (st, tc)]
    for step in range(50):
        for model, optimizer in zip((st, tc), optimizers, strict=True):
            optimizer.zero_grad()
            model.train_batch(x, step)["loss"].backward()
            optimizer.step()
    for a, b in zip(st.parameters(), tc.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)


def test_stcvae_with_all_weights_one_is_a_sampled_vae_at_any_granularity(tmp_path):
    losses = []
    for granularity in (1, 2, 6):
        model, x = make(
            tmp_path,
            "model=stcvae",
            "model.beta=1",
            "model.within_group_weight=1",
            f"model.granularity={granularity}",
        )
        losses.append(loss_and_gradients(model, x)[0])
    torch.testing.assert_close(losses[0], losses[1])
    torch.testing.assert_close(losses[0], losses[2])


@pytest.mark.parametrize("weight, expected", [("null", -5.0), ("0", 0.0), ("1.5", 1.5)])
def test_the_weight_inside_groups_defaults_to_minus_half_beta(tmp_path, weight, expected):
    model, x = make(
        tmp_path, "model=stcvae", "model.beta=10", f"model.within_group_weight={weight}"
    )
    out = model.train_batch(x, 0)
    forward = out["forward"]
    terms = decompose(
        z=forward.z, mu=forward.mu, logvar=forward.logvar, partition=model.partition, dataset_size=N
    )
    i, between, within, kl = (
        t.mean()
        for t in (
            terms.mutual_information,
            terms.between_group_tc,
            terms.within_group_tc.sum(1),
            terms.dimension_kl,
        )
    )
    torch.testing.assert_close(
        out["loss"], -out["terms"]["reconstruction"] + i + 10 * between + expected * within + kl
    )


@pytest.mark.parametrize("beta", [1.0, 6.0])
def test_betavae_weighs_the_analytic_kl(tmp_path, beta):
    model, x = make(tmp_path, "model=betavae", f"model.beta={beta}")
    out = model.train_batch(x, 0)
    kl = kl_to_standard_normal(out["forward"].mu, out["forward"].logvar).sum(1).mean()
    torch.testing.assert_close(out["loss"], beta * kl - out["terms"]["reconstruction"])
    if beta == 1:
        vae, _ = make(tmp_path, "model=vae")
        torch.testing.assert_close(vae.train_batch(x, 0)["loss"], out["loss"])


def test_betatcvae_loss_does_not_depend_on_its_partition(tmp_path):
    losses = [
        loss_and_gradients(*make(tmp_path, "model=betatcvae", f"model.granularity={g}"))[0]
        for g in (1, 3)
    ]
    torch.testing.assert_close(*losses)


def test_noise_depends_on_seed_and_step_alone(tmp_path):
    model, x = make(tmp_path)
    torch.manual_seed(99)
    first = model.train_batch(x, 7)["forward"].z
    assert torch.equal(first, model.train_batch(x, 7)["forward"].z)
    assert not torch.equal(first, model.train_batch(x, 8)["forward"].z)
    other, _ = make(tmp_path, "seed=1")
    assert not torch.equal(first, other.train_batch(x, 7)["forward"].z)


@pytest.mark.parametrize("model", MODELS)
def test_a_step_never_waits_for_the_device(tmp_path, model):
    built, x = make(tmp_path, f"model={model}", dtype=torch.float32)
    with OperatorCount() as count:
        built.train_batch(x, 0)["loss"].backward()
    assert count.synchronisations == 0


def test_half_precision_networks_leave_the_loss_in_float32(tmp_path):
    model, x = make(tmp_path, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model.train_batch(x, 0)
    assert out["loss"].dtype == torch.float32
    assert out["forward"].mu.dtype == torch.float32


@pytest.mark.parametrize(
    "override, message",
    [
        ("model.granularity=99", r"granularity must be an integer in \[1, latent_dim=6\], got 99"),
        ("model.partition=[1,2]", "sum to latent_dim=6"),
        ("model.beta=-1", "model.beta must be a finite number >= 0, got -1"),
        ("model.beta=abc", "model.beta must be a finite number >= 0, got 'abc'"),
        ("model.within_group_weight=inf", "within_group_weight must be a finite number, got inf"),
        ("model.estimator=mwss", "model.estimator must be one of mws, mss, stratified"),
        ("net.width=0", "net.width must be a finite number > 0, got 0"),
        ("net.depth=0", "net.depth must be an integer >= 1, got 0"),
        ("likelihood.sigma=0", "likelihood.sigma must be a finite number > 0"),
    ],
)
def test_a_bad_argument_is_named_before_anything_is_read(tmp_path, override, message):
    with pytest.raises(ArgumentError, match=message):
        build(tiny_config(tmp_path, "model=stcvae", override))


@pytest.mark.parametrize(
    "overrides, cautious",
    [
        (("model.granularity=2",), False),  # the authors' own setting
        (("model.granularity=1",), False),
        (("model.granularity=3",), True),
        (("model.granularity=6",), True),
        (("model.granularity=6", "model.within_group_weight=0"), False),
        (
            ("model.granularity=2", "model.within_group_weight=-4"),
            True,
        ),  # 1 + 4 * 2 - 4 * 3 = -3 for three groups
        (("model.granularity={schedule: piecewise, levels: [1, 6], at: [3]}",), True),
    ],
)
def test_a_loss_that_points_would_lower_is_announced(tmp_path, overrides, cautious):
    model, _ = make(tmp_path, "model=stcvae", "model.beta=4", *overrides)
    told = model.warnings(steps=6)
    assert bool(told) == cautious
    assert all("rewards zero-variance posteriors" in text for text in told)


@pytest.mark.parametrize("model", sorted(set(MODELS) - {"stcvae"}))
def test_no_other_default_asks_for_points(tmp_path, model):
    assert make(tmp_path, f"model={model}")[0].warnings(steps=6) == []


@pytest.mark.parametrize("decay, decayed", [(0.1, True), (0.0, False)])
def test_weight_decay_spares_biases_and_the_values_of_qlae(tmp_path, decay, decayed):
    """As the authors of QLAE do (arXiv 2305.18378); everything decayed before, in one group."""
    model, _ = make(tmp_path, "model=qlae", "optimizer=adamw", f"optimizer.weight_decay={decay}")
    groups = model.configure_optimizers().param_groups
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {names[p]: group["weight_decay"] for group in groups for p in group["params"]}
    assert set(found) == set(names.values())
    assert {name for name, value in found.items() if value} == {
        name for name in found if decayed and name.endswith(".weight")
    }
    assert {group["lr"] for group in groups} == {1e-3}


def test_the_preset_of_qlae_is_the_authors(tmp_path):
    """Clipped by value, at 1 for a mean over pixels; it was by norm, at 1 for the sum."""
    cfg = compose("train", ["experiment=qlae_shapes3d"])
    assert cfg.model.quantisation_weight == 0.01
    assert cfg.trainer.gradient_clip_algorithm == "value"
    assert cfg.trainer.gradient_clip_val == 1.0 * 3 * 64 * 64
    groups = build(cfg)[0].configure_optimizers().param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(p.ndim > 1 for p in groups[0]["params"])
