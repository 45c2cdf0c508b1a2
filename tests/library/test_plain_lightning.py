"""Models in plain Lightning: own loaders, several epochs, any logger, the same steps as `train`."""

import functools

import numpy as np
import pytest
import torch
from lightning import LightningDataModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch.utils.data import DataLoader, TensorDataset

import vae_granularity
from vae_granularity import QLAE, BetaSTCVAE, FactorVAE
from vae_granularity.errors import ArgumentError

SCHEDULE = {"schedule": "linear", "start": 0.0, "end": 8.0, "steps": 8}
QUIET = {
    "accelerator": "cpu",
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "logger": False,
    "enable_checkpointing": False,
}

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*does not have many workers",
    "ignore:.*LeafSpec.* is deprecated",
    "ignore:The number of training batches",
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
)


@pytest.fixture
def vectors():
    return torch.from_numpy(np.random.default_rng(0).normal(size=(64, 6))).float()


def loader(images, **options):
    return DataLoader(TensorDataset(images), batch_size=16, **options)


def test_five_lines_train_a_model_on_an_own_loader(vectors):
    model = BetaSTCVAE.default((6,), latent_dim=4, granularity=2)
    before = [parameter.clone() for parameter in model.parameters()]
    Trainer(max_epochs=2, **QUIET).fit(model, loader(vectors))
    assert model.dataset_size == 64, "N of the estimators is the length of the loader's data"
    assert model.global_step == 8
    pairs = zip(before, model.parameters(), strict=True)
    assert all(not torch.equal(old, new) for old, new in pairs)


def test_images_have_a_convolutional_network_and_a_bernoulli_likelihood():
    model = BetaSTCVAE.default((3, 32, 32), granularity=2)
    assert type(model.net).__name__ == "Conv64"
    assert model.decode(torch.zeros(2, 10)).shape == (2, 3, 32, 32)
    with pytest.raises(ArgumentError, match="multiple of 16"):
        BetaSTCVAE.default((3, 50, 40))


@pytest.mark.parametrize("kind", [BetaSTCVAE, FactorVAE])
def test_schedules_noise_and_results_go_on_over_epochs_as_over_steps(kind, vectors):
    """Two epochs of four batches are the eight steps of one epoch with the same batches."""
    options = {
        "latent_dim": 4,
        "granularity": {"schedule": "piecewise", "levels": [4, 2], "at": [5]},
    }
    name = "beta" if kind is BetaSTCVAE else "tc_weight"
    make = functools.partial(kind.default, (6,), seed=3, **options, **{name: SCHEDULE})
    two_epochs = make()
    Trainer(max_epochs=2, **QUIET).fit(two_epochs, loader(vectors))
    one_epoch = make()
    one_epoch.dataset_size = 64
    Trainer(max_epochs=1, **QUIET).fit(one_epoch, loader(torch.cat((vectors, vectors))))
    assert two_epochs.partitions == one_epoch.partitions
    assert len(two_epochs.partitions) == 2
    pairs = zip(two_epochs.parameters(), one_epoch.parameters(), strict=True)
    assert all(torch.equal(first, second) for first, second in pairs)


def test_validation_logs_the_elbo_for_early_stopping_checkpoints_and_loggers(vectors, tmp_path):
    model = BetaSTCVAE.default((6,), latent_dim=4)
    stop = EarlyStopping("val/elbo", mode="max", patience=1, min_delta=1e9)
    best = ModelCheckpoint(tmp_path / "best", monitor="val/elbo", mode="max")
    options = QUIET | {"enable_checkpointing": True, "logger": CSVLogger(tmp_path)}
    trainer = Trainer(max_epochs=9, callbacks=[stop, best], log_every_n_steps=1, **options)
    trainer.fit(model, loader(vectors), loader(vectors))
    assert trainer.current_epoch == 2, "stopped: nothing improves by that much"
    metrics = trainer.callback_metrics
    parts = metrics["val/reconstruction"] - metrics["val/kl"]
    torch.testing.assert_close(metrics["val/elbo"], parts)
    assert {"train/loss", "train/between_group_tc"} <= set(metrics)
    assert best.best_model_score is not None
    assert "val/elbo" in (tmp_path / "lightning_logs/version_0/metrics.csv").read_text()


def test_a_model_without_an_elbo_logs_its_reconstruction(vectors):
    model = QLAE.default((6,), latent_dim=4)
    trainer = Trainer(max_epochs=1, **QUIET)
    trainer.fit(model, loader(vectors), loader(vectors))
    held_out = {name for name in trainer.callback_metrics if name.startswith("val/")}
    assert held_out == {"val/reconstruction"}


def test_a_batch_may_come_with_labels_and_must_begin_with_images(vectors):
    model = BetaSTCVAE.default((6,), latent_dim=4)
    labelled = DataLoader(TensorDataset(vectors, torch.arange(64)), batch_size=16)
    Trainer(max_epochs=1, **QUIET).fit(model, labelled)
    named = DataLoader([{"x": vector} for vector in vectors], batch_size=16)
    with pytest.raises(ArgumentError, match=r"must be a tensor of images .* got dict"):
        Trainer(max_epochs=1, **QUIET).fit(model, named)


def test_what_the_package_exports_is_there():
    for name in vae_granularity.__all__:
        assert getattr(vae_granularity, name) is not None
    assert issubclass(vae_granularity.Shapes3D, LightningDataModule)
