"""The warning of posteriors that become points: of a whole dimension, not of a few images."""

import logging

import pytest
import torch

from vae_granularity.likelihoods.gaussian import Gaussian
from vae_granularity.models.base import Forward, Parts
from vae_granularity.models.stcvae import BetaSTCVAE
from vae_granularity.nets.mlp import MLP
from vae_granularity.training.callbacks import TermLogger

B, D = 64, 4


def warned(logvar, caplog, batches=1):
    """How often a run of batches with these posteriors says that they collapse."""
    parts = Parts(MLP((6,), D), Gaussian(), torch.optim.Adam, 0)
    model = BetaSTCVAE(parts, latent_dim=D, granularity=2)
    zeros = torch.zeros(B, D)
    out = Forward(torch.zeros(B, 6), torch.zeros(B, 6), torch.zeros(B), zeros, zeros, logvar)
    outputs = {"terms": model.logged(torch.zeros(()), out, None), "forward": out}
    logger = TermLogger(every=1)
    model.decomposes = True
    trainer = type("Trainer", (), {"max_steps": 10, "world_size": 1, "loggers": ()})()
    with caplog.at_level(logging.WARNING):
        for batch in range(batches):
            logger.on_train_batch_end(trainer, model, outputs, None, batch)
    return caplog.text.count("collapsing to points")


def test_a_dimension_of_points_is_said_once(caplog):
    logvar = torch.zeros(B, D)
    logvar[:, 2] = 2 * torch.tensor(0.005).log()
    assert warned(logvar, caplog, batches=3) == 1
    assert "0.0050" in caplog.text


@pytest.mark.parametrize("images", [1, B // 4])
def test_sharp_posteriors_of_some_images_are_not(images, caplog):
    logvar = torch.full((B, D), 2 * torch.tensor(0.1).log())
    logvar[:images, 2] = 2 * torch.tensor(0.001).log()
    assert warned(logvar, caplog) == 0
