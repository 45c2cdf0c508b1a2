"""A run from config to results.json: complete, repeatable, continued bit for bit, honest about its
data, clear when it fails.
"""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from lightning import Callback
from omegaconf import OmegaConf
from tiny import results, tiny_config
from variants import VARIANTS

from vae_granularity import load_run
from vae_granularity.errors import ArgumentError, DataError, TrainingError, UserError
from vae_granularity.evaluation.measure_again import evaluate_run
from vae_granularity.runs.identity import RunInfo, checkpoints
from vae_granularity.training.callbacks import TermLogger
from vae_granularity.training.config import compose
from vae_granularity.training.run import train

TERMS = (
    "elbo",
    "reconstruction",
    "kl",
    "mutual_information",
    "between_group_tc",
    "within_group_tc",
    "dimension_kl",
)
LONGER = (
    "trainer.max_steps=60",
    "callbacks.checkpoint.every_n_train_steps=10",
    "callbacks.terms.every=7",
    "evaluation.every=25",
)


def rows(run) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


class Stop(Exception):
    """The power goes off."""


@pytest.fixture
def power_cut(monkeypatch):
    """`power_cut(step)`: the next run dies at the end of that step, without a word to anybody."""

    def at(step: int | None) -> None:
        original = Callback.on_train_batch_start

        def die(self, trainer, pl_module, batch, batch_idx):
            if step is not None and batch_idx == step:
                raise Stop
            return original(self, trainer, pl_module, batch, batch_idx)

        monkeypatch.setattr(TermLogger, "on_train_batch_start", die)

    return at


def test_results_hold_what_readers_rely_on(tmp_path):
    overrides = ("model.granularity=4", "evaluation.figures=true", "metrics=fast")
    run = train(tiny_config(tmp_path, *overrides))
    found = results(run)
    assert set(found) == {"run", "config", "data", "terms", "scores", "protocol", "versions"}
    assert all(f"val/{name}" in found["terms"] for name in TERMS)
    assert "val/within_group_tc/z0-z3" in found["terms"]
    assert all(
        value is None or np.isfinite(value) for value in (found["terms"] | found["scores"]).values()
    )
    assert found["scores"]["mig"] is not None
    assert found["data"]["source"] == "synthetic"
    assert found["config"]["model"]["granularity"] == 4
    assert found["protocol"]["partition"] == [[0, 1, 2, 3], [4, 5]]
    assert found["protocol"]["terms"]["likelihood"] == "Gaussian"
    assert found["run"]["num_parameters"] > 0
    assert found["versions"]["torch"] == torch.__version__
    assert {path.name for path in (run / "figures").iterdir()} >= {
        "reconstructions.png",
        "traversals.png",
        "group_traversals.png",
    }
    assert rows(run)[-1]["step"] == "6"


def test_the_exact_terms_sum_to_the_kl_of_their_own_sample(tmp_path):
    """Everything as component and held-out image: I + TC + dimension KL of 4 000 samples is the
    analytic KL within 0.15 nats.
    """
    sizes = (
        "evaluation.num_components=1000",
        "evaluation.num_samples=4000",
        "evaluation.num_images=1000",
    )
    run = train(tiny_config(tmp_path, "dataset.val_fraction=0", *sizes))
    terms = results(run)["terms"]
    total = sum(terms[f"val/{name}"] for name in TERMS[3:])
    assert total == pytest.approx(terms["val/kl"], abs=0.15)


def test_the_same_seed_gives_the_same_numbers_and_another_does_not(tmp_path):
    first, again, other = (
        train(tiny_config(tmp_path / name, f"seed={seed}", "metrics=fast"))
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    )
    assert results(first)["terms"] == results(again)["terms"]
    assert results(first)["scores"] == results(again)["scores"]
    assert rows(first) == rows(again)
    assert results(first)["terms"] != results(other)["terms"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "step", [33, *(pytest.param(step, marks=pytest.mark.slow) for step in (11, 20, 40, 59))]
)
def test_a_run_that_died_continues_to_the_same_numbers(tmp_path, power_cut, variant, step):
    overrides = (*VARIANTS[variant], *LONGER)
    undisturbed = train(tiny_config(tmp_path / "a", *overrides))
    power_cut(step)
    with pytest.raises(Stop):
        train(tiny_config(tmp_path / "b", *overrides))
    power_cut(None)
    run = train(tiny_config(tmp_path / "b", *overrides))
    assert rows(run) == rows(undisturbed)
    assert results(run)["terms"] == results(undisturbed)["terms"]
    assert results(run)["scores"] == results(undisturbed)["scores"]
    saved = [
        torch.load(r / "checkpoints" / "final.ckpt", weights_only=True) for r in (run, undisturbed)
    ]
    assert all(
        torch.equal(a, b) for a, b in zip(*(s["state_dict"].values() for s in saved), strict=True)
    )
    assert saved[0]["partitions"] == saved[1]["partitions"]
    assert (len(saved[0]["partitions"]) > 1) == (variant in ("schedules", "adaptive"))


def test_a_finished_run_is_not_done_again(tmp_path, capsys):
    run = train(tiny_config(tmp_path))
    before = (run / "results.json").stat().st_mtime_ns
    assert train(tiny_config(tmp_path)) == run
    assert "already trained and measured" in capsys.readouterr().out
    assert (run / "results.json").stat().st_mtime_ns == before


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path, power_cut, caplog):
    undisturbed = train(tiny_config(tmp_path / "a", *LONGER))
    power_cut(33)
    with pytest.raises(Stop):
        train(tiny_config(tmp_path / "b", *LONGER))
    run = next((tmp_path / "b" / "runs").iterdir())
    newest, before = checkpoints(run)
    assert (newest.name, before.name) == ("step=30.ckpt", "step=20.ckpt")
    newest.write_bytes(newest.read_bytes()[:1000])
    power_cut(None)
    train(tiny_config(tmp_path / "b", *LONGER))
    assert "step=30.ckpt is not a whole checkpoint" in caplog.text
    assert results(run)["terms"] == results(undisturbed)["terms"]
    assert rows(run) == rows(undisturbed)


def test_training_that_ended_without_results_only_measures(tmp_path):
    run = train(tiny_config(tmp_path))
    before = results(run)
    (run / "results.json").unlink()
    train(tiny_config(tmp_path))
    assert results(run)["terms"] == before["terms"]


def test_nan_stops_with_step_and_term_and_keeps_the_last_good_checkpoint(tmp_path, monkeypatch):
    from vae_granularity.models.stcvae import BetaSTCVAE

    original = BetaSTCVAE.objective
    calls = []

    def poisoned(self, *arguments):
        calls.append(None)
        loss, terms = original(self, *arguments)
        return (loss * float("nan") if len(calls) == 24 else loss), terms

    monkeypatch.setattr(BetaSTCVAE, "objective", poisoned)
    with pytest.raises(TrainingError, match=r"not finite at step 24: loss=nan"):
        train(tiny_config(tmp_path, *LONGER))
    run = next((tmp_path / "runs").iterdir())
    kept = checkpoints(run)
    assert kept[0].name == "step=20.ckpt"
    state = torch.load(kept[0], weights_only=True)["state_dict"]
    assert all(bool(value.isfinite().all()) for value in state.values())
    assert not (run / "results.json").exists()


def test_two_processes_do_not_write_one_run(tmp_path):
    from filelock import FileLock

    run = train(tiny_config(tmp_path))
    (run / "results.json").unlink()
    with FileLock(run / ".lock"), pytest.raises(UserError, match="another process is training"):
        train(tiny_config(tmp_path))


def test_terms_are_logged_under_the_name_of_their_estimator(tmp_path):
    run = train(
        tiny_config(tmp_path, "model=vae", "model.estimator=stratified", "callbacks.terms.every=2")
    )
    logged = rows(run)
    assert [row["step"] for row in logged] == ["2", "4", "6"]
    for name in TERMS[3:]:
        assert all(np.isfinite(float(row[f"train/stratified/{name}"])) for row in logged)
    assert f"val/{TERMS[0]}" in logged[-1]


def test_best_checkpoint_is_the_one_of_the_best_validation_elbo(tmp_path):
    run = train(tiny_config(tmp_path, *LONGER))
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    evaluations = {
        int(row["step"]): float(row["val/elbo"])
        for row in rows(run)
        if row["val/elbo"] and int(row["step"]) < 60
    }
    assert best["global_step"] == max(evaluations, key=evaluations.__getitem__)


def test_load_run_gives_model_data_and_results(tmp_path):
    run = load_run(train(tiny_config(tmp_path)))
    assert run.config.model.latent_dim == 6
    assert run.results["terms"]["val/elbo"] == pytest.approx(
        run.results["terms"]["val/reconstruction"] - run.results["terms"]["val/kl"]
    )
    run.datamodule.setup()
    x = run.datamodule.images(run.datamodule.val_indices[:5])
    mu, logvar = run.model.encode(x)
    assert mu.shape == logvar.shape == (5, 6)
    assert run.model.decode(mu).shape == x.shape
    assert not run.model.training
    with pytest.raises(DataError, match=r"no run directory: it has no config.yaml"):
        load_run(tmp_path)


def test_a_run_of_an_earlier_version_is_read_and_measured(tmp_path):
    """Its config holds keys of standard errors, which are no longer computed."""
    directory = train(tiny_config(tmp_path, "metrics=[infomec,mig]"))
    config = OmegaConf.load(directory / "config.yaml")
    config.evaluation.subsamples = config.evaluation.draws = 5
    config.metrics.infomec.with_errors = True
    OmegaConf.save(config, directory / "config.yaml")
    evaluate_run(directory, compose("evaluate", [f"run={directory}", "+evaluation.num_codes=200"]))
    assert results(directory)["protocol"]["metrics"]["mig"]["asked"]["num_codes"] == 200


def test_a_run_encodes_decodes_samples_and_traverses(tmp_path):
    run = load_run(train(tiny_config(tmp_path)))
    images, labels = next(iter(run.datamodule.val_dataloader()))
    assert labels.shape == (len(images), len(run.datamodule.label_names))
    index = torch.from_numpy(run.datamodule.val_indices[: len(images)])
    assert torch.equal(images, run.datamodule.images(index))
    assert np.array_equal(labels, run.datamodule.labels(index))
    mu, logvar = run.encode(images.numpy())
    assert not mu.requires_grad
    assert torch.equal(run.decode(mu), run.model.decode(mu).detach())
    assert logvar.shape == mu.shape
    assert torch.equal(run.sample(3, seed=1), run.sample(3, seed=1))
    assert not torch.equal(run.sample(3, seed=1), run.sample(3, seed=2))
    path = run.traverse(images[0], dimension=2, values=[-1.0, float(mu[0, 2]), 1.0])
    assert torch.allclose(path[1], run.decode(mu[:1])[0], atol=1e-6)
    lines = repr(run).splitlines()
    assert len(lines) == 5
    assert "stcvae on blocks" in lines[1]
    assert "6 steps" in lines[3]
    for call, message in (
        (lambda: run.encode(images[0]), r"images must have shape \(n, 6\), got \(6\)"),
        (lambda: run.decode(mu[:, :4]), r"z must have shape \(n, 6\), got \(8, 4\)"),
        (lambda: run.decode(mu.long()), r"z must be floats"),
        (lambda: run.traverse(images[0], 6, [0.0]), r"dimension must be an integer in \[0, 5\]"),
        (lambda: run.traverse(images[0], 0, [[0.0]]), r"values must have shape \(T\)"),
        (lambda: run.sample(0), r"n must be an integer >= 1, got 0"),
        (run.datamodule.test_dataloader, r"dataset=blocks has no test part"),
    ):
        with pytest.raises(ArgumentError, match=message):
            call()


def test_a_run_is_named_by_its_config_but_not_by_its_paths_or_logger(tmp_path):
    base = {
        "model": {"_target_": "a.stcvae.B", "latent_dim": 6, "beta": 4.0, "granularity": 2},
        "seed": 1,
        "logger": {},
    }
    base |= {
        "dataset": {"_target_": "a.shapes3d.S", "source": "rendered", "data_dir": "x"},
        "seed": 1,
        "paths": {"output_dir": "a"},
        "logger": {},
    }
    info = RunInfo(base, tmp_path)
    assert info.name.startswith("stcvae_shapes3d-rendered_b4_g2_s1_")
    assert "rendered" in info.tags
    moved = base | {
        "paths": {"output_dir": "b"},
        "logger": {"project": "p"},
        "dataset": base["dataset"] | {"data_dir": "y"},
    }
    assert RunInfo(moved, tmp_path).name == info.name
    assert RunInfo(
        base | {"dataset": base["dataset"] | {"source": "official"}}, tmp_path
    ).name.startswith("stcvae_shapes3d_b4")
    assert RunInfo(base | {"model": base["model"] | {"beta": 4.5}}, tmp_path).hash != info.hash


@pytest.mark.parametrize(
    "override, message",
    [
        ("evaluation.every=0", "evaluation.every must be an integer >= 1, got 0"),
        ("evaluation.num_components=1", "evaluation.num_components must be an integer >= 2"),
        ("callbacks.terms.every=0", "callbacks.terms.every must be an integer >= 1"),
        ("trainer.accelerator=abacus", r"accelerator='abacus'.*trainer.accelerator=abacus"),
        ("dataset.batch_size=100000", "batch_size"),
    ],
)
def test_a_bad_setting_is_named_and_leaves_no_results(tmp_path, override, message):
    with pytest.raises(ArgumentError, match=message):
        train(tiny_config(tmp_path, override))
    assert not list(tmp_path.rglob("results.json"))
