"""What decides the trained weights makes another run; what is measured or logged does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf
from tiny import results, tiny_config

from vae_granularity import load_run, read_runs
from vae_granularity.runs.identity import RunInfo
from vae_granularity.training import run as training_run
from vae_granularity.training.run import train

SAME = (
    "evaluation.figures=true",
    "evaluation.batch_size=7",
    "evaluation.every=2",
    "evaluation.num_codes=99",
    "evaluation=quick",
    "metrics=full",
    "callbacks.terms.every=3",
    "callbacks.checkpoint.every_n_train_steps=5",
    "~callbacks.best",
    "dataset.device=cuda",
    "trainer.accelerator=auto",
    "trainer.devices=[3]",
    "+trainer.profiler=simple",
    "+trainer.limit_val_batches=0",
    "compile=step",
    "logger=none",
    "paths.data_dir=elsewhere",
    "model.beta=4",
)
OTHER = (
    "seed=1",
    "model=betavae",
    "model.beta=4.5",
    "model.granularity=3",
    "model.partition=[1,2,3]",
    "net.width=0.2",
    "optimizer.lr=0.002",
    "dataset.batch_size=9",
    "dataset.val_fraction=0.2",
    "dataset.num_samples=500",
    "likelihood=bernoulli",
    "likelihood.sigma=0.5",
    "trainer.max_steps=7",
    "trainer.precision=bf16-mixed",
    "trainer.gradient_clip_val=1",
    "trainer.devices=2",
    "+trainer.num_nodes=2",
    "+trainer.accumulate_grad_batches=2",
    "callbacks=gather",
    "+callbacks.mine._target_=theirs.Callback",
)


@pytest.fixture(scope="module")
def composed() -> DictConfig:
    return tiny_config(Path("here"), "dataset.source=synthetic")


@pytest.fixture
def directory(composed) -> Callable[..., Path]:
    """The run directory of the tiny config with one change."""

    def of(*changes: str) -> Path:
        config = composed.copy()
        for change in changes:
            key, _, value = change.lstrip("+").partition("=")
            if "." in key:
                OmegaConf.update(config, key, yaml.safe_load(value), force_add=True)
            else:
                config = tiny_config(Path("here"), "dataset.source=synthetic", change)
        resolved: Any = OmegaConf.to_container(config, resolve=True)
        return RunInfo(resolved, Path("there")).directory

    return of


@pytest.mark.parametrize("change", SAME)
def test_what_changes_no_weight_is_the_same_run(directory, change):
    """Each of these made another run, and trained again, while the whole config was hashed."""
    assert directory(change) == directory()


@pytest.mark.parametrize("change", OTHER)
def test_what_changes_the_weights_is_another_run(directory, change):
    assert directory(change) != directory()


def test_the_number_of_processes_counts_and_not_where_they_are(directory):
    assert directory("trainer.devices=2") == directory("+trainer.num_nodes=2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder in which the tiny run is done."""
    folder = tmp_path_factory.mktemp("trained")
    train(tiny_config(folder, "metrics=mig"))
    return folder


@pytest.fixture
def no_training(monkeypatch):
    """A run that trains fails."""

    def fit(*arguments: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(training_run, "fit", fit)


@pytest.mark.parametrize(
    "change",
    [
        "evaluation.batch_size=7",
        "evaluation.every=2",
        "callbacks.terms.every=3",
        "callbacks.checkpoint.every_n_train_steps=5",
        "trainer.accelerator=auto",
        "logger=none",
    ],
)
def test_nothing_is_measured_of_a_done_run_that_has_it_all(trained, no_training, capsys, change):
    run = train(tiny_config(trained, "metrics=mig", change))
    assert f"already trained and measured: {run}" in capsys.readouterr().out


def test_more_metrics_of_a_done_run_are_measured_and_nothing_is_trained(
    trained, no_training, capsys
):
    run = train(tiny_config(trained, "metrics=mig"))
    before = results(run)
    assert train(tiny_config(trained, "metrics=full")) == run
    said = capsys.readouterr().out
    assert "; computed what was missing: " in said
    after = results(run)
    assert {"mig", "sap", "dci_disentanglement", "infom"} <= set(after["scores"])
    assert {name: after["scores"][name] for name in before["scores"]} == before["scores"]
    assert {key: after[key] for key in ("run", "config", "data", "terms", "versions")} == {
        key: before[key] for key in ("run", "config", "data", "terms", "versions")
    }
    assert set(after["protocol"]["metrics"]) > set(before["protocol"]["metrics"])
    train(tiny_config(trained, "metrics=full"))
    assert "already trained and measured: " in capsys.readouterr().out


def test_figures_of_a_done_run_are_drawn_and_nothing_is_trained(trained, no_training, capsys):
    pictured = (trained, "metrics=mig", "evaluation.figures=true")
    run = train(tiny_config(*pictured))
    assert "; computed what was missing: figures" in capsys.readouterr().out
    assert (run / "figures" / "traversals.png").is_file()
    assert not (run / "figures" / "mi_histogram.png").exists()
    train(tiny_config(*pictured, "evaluation.metric_figures=true"))
    assert (run / "figures" / "mi_histogram.png").is_file()
    capsys.readouterr()
    train(tiny_config(*pictured, "evaluation.metric_figures=true"))
    assert "already trained and measured: " in capsys.readouterr().out


def test_an_interrupted_run_goes_on_with_other_observers(tmp_path, monkeypatch):
    """The newest and the best checkpoint keep their state although their intervals change."""
    every = ("trainer.max_steps=6", "metrics=mig", "evaluation.every=2")
    original = training_run.save_final
    monkeypatch.setattr(training_run, "save_final", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        train(tiny_config(tmp_path, *every, "callbacks.checkpoint.every_n_train_steps=4"))
    monkeypatch.setattr(training_run, "save_final", original)
    changed = ("callbacks.checkpoint.every_n_train_steps=3", "callbacks.terms.every=1")
    run = train(tiny_config(tmp_path, *every[:2], "evaluation.every=5", *changed))
    undisturbed = train(tiny_config(tmp_path / "other", *every[:2]))
    assert results(run)["terms"] == results(undisturbed)["terms"]


def test_a_run_named_by_an_earlier_rule_is_read_but_never_continued(trained, tmp_path):
    """Earlier versions hashed the whole config: the same config trains a run of its own."""
    done = train(tiny_config(trained, "metrics=mig"))
    old = done.rename(done.with_name("stcvae_blocks_b4_g2_s0_0ldha5h0"))
    new = train(tiny_config(trained, "metrics=mig"))
    assert new == done
    assert results(old)["terms"] == results(new)["terms"]
    assert load_run(old).results["terms"] == load_run(new).results["terms"]
    assert len(read_runs(trained / "runs")) == 2
