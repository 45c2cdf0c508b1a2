"""experiment=disentanglement_lib and its sweeps are the settings of that library.

Numbers are copied from its config/unsupervised_study_v1 (sweep.py and shared.gin).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from omegaconf import OmegaConf

from vae_granularity.data.dsprites import DSprites
from vae_granularity.training.config import compose, config_dir

GRIDS = {
    "betavae": ("model.beta", [1, 2, 4, 6, 8, 16]),
    "annealedvae": ("model.capacity.end", [5, 10, 25, 50, 75, 100]),
    "factorvae": ("model.tc_weight", [10, 20, 30, 40, 50, 100]),
    "dipvae_i": ("model.lambda_od", [1, 2, 5, 10, 20, 50]),
    "dipvae_ii": ("model.lambda_od", [1, 2, 5, 10, 20, 50]),
    "betatcvae": ("model.beta", [1, 2, 4, 6, 8, 10]),
}
FIXED: dict[str, dict[str, Any]] = {
    "annealedvae": {
        "capacity": {"schedule": "linear", "start": 0.0, "end": 25.0, "steps": 100_000},
        "capacity_weight": 1000.0,
    },
    "factorvae": {
        "discriminator_lr": 1e-4,
        "discriminator_warmup": 0,
        "discriminator_units": 1000,
        "discriminator_layers": 6,
    },
    "dipvae_i": {"lambda_d": None},  # 10 lambda_od
    "dipvae_ii": {"lambda_d": None},  # lambda_od
    "betatcvae": {"kl": "analytic", "alpha": 1.0},
}


@pytest.mark.parametrize("model", GRIDS)
def test_a_sweep_is_the_grid_of_disentanglement_lib(model):
    name = f"sweep=disentanglement_lib_{model}"
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = hydra_compose("train", [name, "dataset=dsprites"], return_hydra_config=True)
    params = OmegaConf.to_container(config.hydra.sweeper.params)
    key, values = GRIDS[model]
    assert params == {key: ",".join(map(str, values)), "seed": "range(0,50)"}
    assert config.model._target_.split(".")[-2] == model
    node: Any = OmegaConf.to_container(config.model, resolve=True)
    shared = {"latent_dim": 10, "granularity": 1, "partition": None}
    for option, value in (shared | FIXED.get(model, {})).items():
        assert node[option] == value
    assert config.net._target_.endswith("Conv64")
    assert (config.net.initialisation, config.net.width, config.net.depth) == ("glorot", 1.0, 1)
    assert config.likelihood._target_.endswith("Bernoulli")
    assert (config.optimizer._target_, config.optimizer.lr) == ("torch.optim.Adam", 1e-4)
    assert (config.dataset.batch_size, config.trainer.max_steps) == (64, 300_000)
    assert config.dataset.val_fraction == 0


def test_the_experiment_draws_from_the_whole_grid(tmp_path):
    """Every image of the grid in an epoch, none held out; N of the estimators is the grid's."""
    config = compose("train", ["experiment=disentanglement_lib", "dataset=dsprites"])
    sizes = (1, 3, 2, 4, 4, 4)
    data = DSprites(
        source="rendered",
        factor_sizes=sizes,
        cache_dir=tmp_path,
        batch_size=config.dataset.batch_size,
        val_fraction=config.dataset.val_fraction,
    )
    data.setup()
    assert (data.dataset_size, len(data.val_indices), data.steps_per_epoch) == (384, 0, 6)
    epoch = np.concatenate([data.batch_indices(step).numpy() for step in range(6)])
    np.testing.assert_array_equal(np.sort(epoch), np.arange(384))


def test_the_script_of_the_stcvae_authors():
    config = compose("train", ["experiment=stcvae_shapes3d"])
    assert config.net._target_.endswith("ConvBN")
    # 1 + their `layer`, which is 2, hidden layers of the encoder
    assert (config.net.width, config.net.depth) == (1.0, 3)
    model = config.model
    assert (model.latent_dim, model.granularity, model.beta) == (16, 2, 10.0)
    assert (model.within_group_weight, model.estimator) == (None, "mws")  # null is -beta / 2
    assert (config.dataset.batch_size, config.optimizer.lr) == (128, 1e-4)
