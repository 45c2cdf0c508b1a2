"""results.json says what was done: steps that were taken, numbers that are finite, one process."""

from __future__ import annotations

import json
import math

import commands
import pytest
import torch
from tiny import results, tiny_config

from vae_granularity import load_run, read_runs
from vae_granularity.errors import ArgumentError, ResourceError
from vae_granularity.evaluation.evaluate import Evaluation, evaluate
from vae_granularity.evaluation.protocol import EvaluationProtocol
from vae_granularity.metrics.core.result import MetricResult
from vae_granularity.population.training import train_population
from vae_granularity.training.config import check_training_config
from vae_granularity.training.run import train


def steps_of_weights(run):
    return torch.load(run / "checkpoints" / "final.ckpt", weights_only=True)["global_step"]


def test_a_run_whose_time_is_over_is_stopped_and_the_same_command_goes_on(tmp_path):
    limited = tiny_config(tmp_path, "trainer.max_steps=30", "+trainer.max_time=00:00:00:00")
    reached = []
    for _ in range(2):
        with pytest.raises(ResourceError, match=r"max_time=00:00:00:00 is over: stopped at step"):
            train(limited)
        (run,) = commands.run_directories(tmp_path)
        assert not (run / "results.json").exists()
        assert not (run / "failed.json").exists()
        reached.append(
            max(int(p.stem.removeprefix("step=")) for p in (run / "checkpoints").glob("*"))
        )
    assert 0 < reached[0] < reached[1]  # each attempt gets further, however short its time
    assert train(tiny_config(tmp_path, "trainer.max_steps=30")) == run  # the same run
    assert results(run)["run"]["steps"] == steps_of_weights(run) == 30


def test_a_run_that_a_callback_ends_records_the_steps_that_it_took(tmp_path):
    stop = "+callbacks.stop={_target_: callbacks_for_tests.StopAt, step: 7}"
    run = train(tiny_config(tmp_path, "trainer.max_steps=30", stop))
    assert results(run)["run"]["steps"] == steps_of_weights(run) == 7


@pytest.mark.parametrize(
    "override",
    [
        "+trainer.accumulate_grad_batches=2",
        "+trainer.limit_train_batches=0.5",
        "+trainer.limit_train_batches=3",
        "+trainer.overfit_batches=1",
        "+trainer.max_epochs=3",
        "+trainer.min_steps=9",
        "+trainer.fast_dev_run=true",
        "+trainer.log_every_n_steps=5",
        "+trainer.callbacks=[]",
        "trainer.precision=bf16-true",
        "trainer.precision=16-true",
        "trainer.precision=8",
    ],
)
def test_trainer_keys_that_cannot_be_honoured_are_refused_before_anything_trains(
    tmp_path, override
):
    key, value = override.lstrip("+").split("=")
    with pytest.raises(ArgumentError, match=rf"{key} must ") as refused:
        check_training_config(tiny_config(tmp_path, override))
    assert f"got {value}".lower() in str(refused.value).lower()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("neutral", ["accumulate_grad_batches=1", "limit_train_batches=1.0"])
def test_values_of_such_keys_that_change_nothing_are_accepted(tmp_path, neutral):
    check_training_config(tiny_config(tmp_path, f"+trainer.{neutral}"))


@pytest.mark.parametrize("way", ["alone", "population"])
def test_a_float64_run_is_trained_measured_and_read_back_in_float64(tmp_path, way):
    config = tiny_config(
        tmp_path,
        "trainer.precision=64-true",
        "evaluation.figures=true",
        without=("evaluation.figures=false",),
    )
    if way == "alone":
        train(config)
    else:
        assert train_population([config]) == [None]
    (run,) = commands.run_directories(tmp_path)
    assert math.isfinite(results(run)["terms"]["val/elbo"])
    model = load_run(run).model
    assert {p.dtype for p in model.parameters()} == {torch.float64}
    saved = torch.load(run / "checkpoints" / "final.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in saved.items())


@pytest.mark.parametrize(
    "variables",
    [
        {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"},
        {"SLURM_PROCID": "1", "SLURM_NTASKS": "2", "SLURM_JOB_ID": "7", "SLURM_LOCALID": "1"},
        {"JSM_NAMESPACE_RANK": "1", "OMPI_COMM_WORLD_RANK": "1", "PMI_RANK": "1"},
    ],
    ids=lambda variables: next(iter(variables)),
)
def test_a_run_on_one_device_is_one_process_whatever_a_launcher_has_set(
    tmp_path, monkeypatch, variables
):
    from lightning.pytorch.utilities import rank_zero_only

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(rank_zero_only, "rank", 1)  # as it is set where Lightning is imported
    run = train(tiny_config(tmp_path))
    assert (run / "results.json").is_file()
    assert (run / "metrics.csv").is_file()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_null_with_its_reason(tmp_path, value):
    config = tiny_config(tmp_path)
    run = train(config)
    back = load_run(run, cache_dir=tmp_path / "cache")
    back.datamodule.setup()

    def odd(latents) -> MetricResult:
        return MetricResult(scores={"odd": value, "fine": 0.5}, protocol={"spread": value})

    found: Evaluation = evaluate(
        back.model,
        back.datamodule,
        EvaluationProtocol(num_images=50, num_components=50, num_samples=20, num_codes=100),
        {"odd": odd},
    )
    assert found.scores["odd"] is None
    assert found.scores["fine"] == 0.5
    assert str(value) in found.protocol["not_applicable"]["odd"]
    json.dumps(found.protocol, allow_nan=False)


def test_results_with_a_null_score_are_read(tmp_path):
    run = train(tiny_config(tmp_path))
    found = results(run)
    found["scores"]["mig"] = None
    (run / "results.json").write_text(json.dumps(found), encoding="utf-8")
    assert len(read_runs(tmp_path / "runs")) == 1
