"""The command that the page gives trains the very run that it names."""

import shlex

import pytest
from omegaconf import OmegaConf

from vae_granularity.runs.identity import run_hash
from vae_granularity.training.command import command, overrides_of
from vae_granularity.training.config import compose


def resolved(*overrides):
    return OmegaConf.to_container(compose("train", list(overrides)), resolve=True)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("model=stcvae", "dataset=blocks", "model.latent_dim=6", "seed=3", "net.width=0.5"),
        ("model=betatcvae", "dataset=blocks", "model.partition=[1,2,3]", "model.latent_dim=6"),
        ("model.beta={schedule: linear, start: 0, end: 4, steps: 10}", "trainer=quick"),
        ("dataset=mpi3d", "dataset.variant=real", "net=burgess", "optimizer=adam_fast"),
        ("model=qlae", "likelihood=gaussian", "likelihood.sigma=0.2"),
        ("+callbacks.mine={_target_: my.Clip, at: 'a b'}", "trainer.max_steps=77"),
    ],
)
def test_the_command_of_a_run_composes_the_run(overrides):
    config = resolved(*overrides)
    again = shlex.split(command(overrides_of(config)))[3:]
    assert run_hash(resolved(*again)) == run_hash(config)
    assert len(again) <= 5 + len(overrides) + 3  # only what differs from the defaults


def test_options_of_another_package_have_no_command_here():
    config = resolved()
    config["names"]["model"] = "somebody_elses"
    assert overrides_of(config) is None
