"""Runs of versions before this one: they keep their names, or are refused with a sentence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from tiny import tiny_config
from torch import nn

from vae_granularity.errors import DataError
from vae_granularity.nets.conv_bn import ConvBN
from vae_granularity.runs.build import build
from vae_granularity.runs.checkpoint import load_weights
from vae_granularity.runs.identity import run_hash
from vae_granularity.training.config import compose

HIDDEN = 10  # units of a layer


def conv_bn_of_before(depth: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Return encoder and decoder of version 0.1: `depth` and `depth` + 1 hidden layers, leaky."""

    def normalised(layer: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
        return [layer, nn.BatchNorm2d(layer.out_channels), nn.LeakyReLU()]

    def hidden(n_in: int, count: int) -> list[nn.Module]:
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [nn.Linear(n_in, HIDDEN), nn.LeakyReLU()]
            n_in = HIDDEN
        return layers

    encoder = [
        *normalised(nn.Conv2d(1, 16, 4, 2, 1)),
        *normalised(nn.Conv2d(16, 32, 4, 2, 1)),
        *normalised(nn.Conv2d(32, 64, 4, 2, 1)),
        nn.Flatten(),
        *hidden(64 * 2 * 2, depth),
        nn.Linear(HIDDEN, 2 * 4),
    ]
    decoder = [
        *hidden(4, depth + 1),
        nn.Linear(HIDDEN, 64 * 2 * 2),
        nn.LeakyReLU(),
        nn.Unflatten(1, (64, 2, 2)),
        *normalised(nn.ConvTranspose2d(64, 32, 4, 2, 1)),
        *normalised(nn.ConvTranspose2d(32, 16, 4, 2, 1)),
        nn.ConvTranspose2d(16, 1, 4, 2, 1),
    ]
    return nn.Sequential(*encoder), nn.Sequential(*decoder)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_checkpoint_of_the_former_conv_bn_is_refused_with_a_sentence(tmp_path, depth):
    model, _ = build(tiny_config(tmp_path, "model.latent_dim=4", "model.granularity=1"))
    model.net = ConvBN((1, 16, 16), 4, width=HIDDEN / 1000, depth=depth)
    state = model.state_dict()
    kept = {name: value for name, value in state.items() if not name.startswith("net.")}
    encoder, decoder = conv_bn_of_before(depth)
    kept |= {f"net.encoder.{name}": value for name, value in encoder.state_dict().items()}
    kept |= {f"net.decoder.{name}": value for name, value in decoder.state_dict().items()}
    (tmp_path / "checkpoints").mkdir()
    path = tmp_path / "checkpoints" / "step=5.ckpt"
    torch.save({"global_step": 5, "state_dict": kept}, path)
    with pytest.raises(DataError, match=r"step=5.ckpt: it does not fit its config: net\."):
        load_weights(model, tmp_path)


def resolved(*overrides: str) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(compose("train", list(overrides)), resolve=True)
    return config


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_run_of_the_former_conv_bn_has_another_name_than_one_of_today(depth):
    """At equal depth, too: a finished one would otherwise count as trained."""
    today = resolved("net=conv_bn", f"net.depth={depth}")
    former_net = {k: v for k, v in today["net"].items() if k != "decoder_activation"}
    assert set(former_net) == {"_target_", "latent_dim", "width", "depth"}
    assert run_hash(today | {"net": former_net}) != run_hash(today)


@pytest.mark.parametrize(
    ("overrides", "group", "key"),
    [(("net=conv64",), "net", "initialisation"), (("model=betatcvae",), "model", "kl")],
)
def test_options_that_are_younger_than_a_run_leave_its_name(overrides, group, key):
    today = resolved(*overrides)
    before = today | {group: {k: v for k, v in today[group].items() if k != key}}
    assert before[group] != today[group]
    assert run_hash(before) == run_hash(today)


@pytest.mark.parametrize(
    "override", ["net.initialisation=glorot", "model.kl=analytic"], ids=["glorot", "analytic"]
)
def test_what_they_change_is_another_run(override):
    usual = resolved("model=betatcvae", "net=conv64")
    assert run_hash(resolved("model=betatcvae", "net=conv64", override)) != run_hash(usual)
