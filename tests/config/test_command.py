"""The command that the page gives trains the very run that it names, and nothing that a stranger
has written into its record.
"""

import json
import shlex
import shutil

import pytest
from omegaconf import OmegaConf
from tiny import results, tiny_config

from vae_granularity.errors import DataError
from vae_granularity.runs.identity import run_hash
from vae_granularity.training.command import command, overrides_of_run, recorded_overrides
from vae_granularity.training.config import compose
from vae_granularity.training.run import train


def resolved(*overrides):
    return OmegaConf.to_container(compose("train", list(overrides)), resolve=True)


def write(directory, overrides, config=None):
    """A run directory with the results of what the overrides compose."""
    config = config or resolved(*overrides)
    config.pop("overrides", None)
    parts = {"data": {}, "terms": {}, "scores": {}, "protocol": {}, "versions": {}}
    run = {"name": directory.name, "overrides": list(overrides)}
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps({"run": run, "config": config, **parts}))
    return str(directory)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("model=stcvae", "dataset=blocks", "model.latent_dim=6", "seed=3", "net.width=0.5"),
        ("model=betatcvae", "dataset=blocks", "model.partition=[1,2,3]", "model.latent_dim=6"),
        ("model.beta={schedule: linear, start: 0, end: 4, steps: 10}", "trainer=quick"),
        ("dataset=mpi3d", "dataset.variant=real", "net=burgess", "optimizer=adam_fast"),
        ("model=qlae", "likelihood=gaussian", "likelihood.sigma=0.2", "evaluation=quick"),
        ("metrics=[mig,sap]", "evaluation.num_codes=500", "trainer.max_steps=77", "logger=csv"),
        ("~callbacks.progress", "paths.data_dir='a b'", "dataset.source=rendered"),
    ],
)
def test_the_command_of_a_run_composes_what_it_trained_and_measured(overrides, tmp_path):
    again = shlex.split(command(recorded_overrides(write(tmp_path / "my runs" / "a", overrides))))
    config, expected = resolved(*again[3:]), resolved(*overrides)
    assert run_hash(config) == run_hash(expected)
    for part in ("evaluation", "metrics", "callbacks", "logger"):
        assert config.get(part) == expected.get(part)
    assert config["paths"] == {**expected["paths"], "output_dir": str(tmp_path / "my runs")}


def test_a_run_records_its_command_when_it_starts(tmp_path):
    run = train(tiny_config(tmp_path, "seed=3", "metrics=mig"))
    recorded = results(run)["run"]["overrides"]
    assert "seed=3" in recorded
    assert "dataset=blocks" in recorded
    assert OmegaConf.load(run / "config.yaml").overrides == recorded
    assert "overrides" not in results(run)["config"]
    again = resolved(*shlex.split(command(overrides_of_run(str(run))))[3:])
    assert run_hash(again) == run_hash(results(run)["config"])


HOSTILE = (
    "+callbacks.mine={_target_: os.system, command: ls}",
    "+callbacks.mine._target_=shutil.copyfile",
    "model._target_=lightning.pytorch.strategies.launchers.subprocess_script.subprocess.Popen",
    "+trainer.plugins=[{_target_: os.system}]",
    "+pack=/tmp/evil.json",
    "hydra.searchpath=[pkg://evil]",
    "hydra/launcher=processes",
    "+hydra.run.dir=/tmp",
    "--config-dir=/tmp/evil",
    "-m",
    "model=../../tmp/evil",
    "+experiment=/tmp/evil",
    "dataset.data_dir=${oc.env:HOME}",
    "+model.x='${oc.env:HOME}'",
    "seed=1,2",
    "logger.project=\x1b]0;owned\x07",
    "trust=[evil]",
    "model=[",
    7,
)


@pytest.mark.parametrize("override", HOSTILE)
def test_a_record_of_a_stranger_gives_no_command(override, tmp_path):
    config = resolved("dataset=blocks")
    directory = write(tmp_path / "a", ["dataset=blocks", override], config)
    with pytest.raises(DataError) as error:
        recorded_overrides(directory)
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).isprintable()
    assert overrides_of_run(directory) is None


@pytest.mark.parametrize("record", [None, "seed=1", {"seed": 1}])
def test_no_record_or_an_odd_one_gives_no_command(record, tmp_path):
    directory = write(tmp_path / "a", [])
    found = json.loads((tmp_path / "a" / "results.json").read_text())
    found["run"]["overrides"] = record
    (tmp_path / "a" / "results.json").write_text(json.dumps(found))
    with pytest.raises(DataError, match=r"not record its overrides|no list of texts"):
        recorded_overrides(directory)


@pytest.mark.parametrize(
    ("key", "value"),
    [("model.beta", 3.0), ("evaluation.num_codes", 7), ("dataset.source", "'; rm -rf ~'")],
)
def test_a_record_that_is_not_of_the_config_gives_no_command(key, value, tmp_path):
    config = OmegaConf.create(resolved("dataset=shapes3d"))
    OmegaConf.update(config, key, value)
    directory = write(tmp_path / "a", ["dataset=shapes3d"], OmegaConf.to_container(config))
    with pytest.raises(DataError, match=f"another {key}|which no command repeats|cannot be read"):
        recorded_overrides(directory)


def test_the_config_of_a_stranger_does_not_reach_the_command(tmp_path):
    config = resolved("dataset=blocks")
    config["callbacks"]["mine"] = {"_target_": "shutil.copyfile", "src": "a", "dst": "b"}
    assert overrides_of_run(write(tmp_path / "a", ["dataset=blocks"], config)) is None


def test_options_of_another_package_have_no_command_here(tmp_path):
    directory = write(tmp_path / "a", ["model=somebody_elses"], resolved())
    with pytest.raises(DataError, match="do not compose"):
        recorded_overrides(directory)
    shutil.rmtree(directory)
