"""Mistakes that people make on the command line, each answered in one line that holds the argument,
its value and a remedy.
"""

from __future__ import annotations

import sys
from importlib import import_module

import pytest

from vae_granularity.data.base import ImageDataModule
from vae_granularity.errors import DataError
from vae_granularity.population import jobs
from vae_granularity.training import wandb_dashboards as dashboards
from vae_granularity.training.job import prepare
from vae_granularity.training.suggestions import same_option, suggestion
from vae_granularity.training.trainer import check_trainer

SMALL = ("logger=csv", "trainer=debug", "trainer.accelerator=cpu", "dataset.source=rendered")
# The command and its arguments, separated by two spaces: words that the answer has.
MISTAKES = {
    # A model or a data set as papers, or other programs, write it.
    "train  model=beta-stcvae": "'beta-stcvae', did you mean 'stcvae'?",
    "train  model=bstcvae": "did you mean 'stcvae'?",
    "train  model=β-STCVAE": "'β-STCVAE', did you mean 'stcvae'?",
    "train  model=btcvae": "'btcvae', did you mean 'betatcvae'?",
    "train  model=beta-tcvae": "did you mean 'betatcvae'?",
    "train  model=tcvae": "did you mean 'betatcvae'?",
    "train  model=beta-vae": "did you mean 'betavae'?",
    "train  model=BetaVAE": "did you mean 'betavae'?",
    "train  model=β-VAE": "did you mean 'betavae'?",
    "train  model=dip-vae-ii": "did you mean 'dipvae_ii'?",
    "train  model=": "model has no option ''; there are",
    "train  dataset=3dshapes": "did you mean 'shapes3d'?",
    "train  dataset=small-norb": "did you mean 'smallnorb'?",
    "train  net=conv-64": "did you mean 'conv64'?",
    "train  optimizer=sgd": "optimizer has no option 'sgd'; there are adam",
    "train  model=null": "model=null: must be a string or a list",
    "train  --config-name=foo": "--config-name=foo: there is no such file; leave it out",
    # Keys.
    "train  beta=4": "no such key 'beta', did you mean 'model.beta'?",
    "train  lr=1e-3": "did you mean 'optimizer.lr'?",
    "train  epochs=10": "did you mean 'trainer.max_steps'?",
    "train  granularity=2.5": "did you mean 'model.granularity'?",
    "train  trainer.strategy=ddp": "trainer has max_steps, accelerator, devices",
    "train  logger.mode=offline": "no such key 'logger.mode': logger has no keys here",
    "train  model.=4": "'model.' is no key",
    # Flags, spaces and separators.
    "train  --model.beta=4": "keys are written without dashes, model.beta=4",
    "train  --model.beta  4": "--model.beta is no flag: keys are written as KEY=VALUE",
    "train  -model.beta=4": "keys are written without dashes, model.beta=4",
    "train  --resume": "--resume is no flag",
    "train  --cfg=jobs": "invalid choice: 'jobs' (choose from 'job'",
    "train  --config-dir": "expected one argument (--hydra-help lists the flags)",
    "train  --multirun=3": "--multirun/-m: ignored explicit argument '3'",
    "train  model.beta = 4": "model.beta = 4: no spaces around =, model.beta=4",
    "train  model.beta  =  4": "model.beta = 4: no spaces around =, model.beta=4",
    "train  model.beta": "model.beta has no value: model.beta=VALUE",
    "train  model.beta:4": "did you mean model.beta=4?",
    "train  stcvae": "did you mean model=stcvae?",
    "train  model==stcvae": "one = is enough, model=stcvae",
    "train  nonsense": "nonsense is no KEY=VALUE (--help lists the keys)",
    # Values.
    "train  optimizer.lr=1e-4x": "optimizer.lr must be a number or a mapping, got '1e-4x'",
    "train  optimizer.lr=": "optimizer.lr must be a number or a mapping, got ''",
    "train  model.granularity=2.5": "granularity must be an integer in [1, latent_dim=10], got 2.5",
    "train  dataset=blocks  dataset.source=auto  dataset.noise=": "dataset.noise must be a number",
    "train  model.beta=${foo}": "Interpolation key 'foo' not found",
    "train  model.beta=???": "config keys without a value: model.beta",
    "train  model.partition=[3,3": "model.partition=[3,3: the brackets do not close in pairs",
    "train  model.partition=(3,3,4)": "in brackets, 'model.partition=[3,3,4]'",
    "train  model.partition=3,3,4": "a list is model.partition=[…]",
    "train  paths.output_dir=a=b": "need quotes, 'paths.output_dir=\"a=b\"'",
    "train  paths.output_dir=a#b": "need quotes, 'paths.output_dir=\"a#b\"'",
    "train  paths.output_dir=~/runs": "~ is not expanded here, write paths.output_dir=/",
    "train  trainer.devices=-1": "trainer.devices=-1",
    "train  trainer.devices=abc": "trainer.devices=abc",
    "train  trainer.accelerator=tpu": "trainer.accelerator must be one of auto, cpu, cuda, gpu",
    "train  trainer.max_steps=1e400": "trainer.max_steps must be an integer >= 1, got inf",
    "train  hydra.verbose=1e-400": "hydra.verbose=1e-400",
    "train  logger=wandb  logger.project=a/b": "logger.project must be 1 to 128 letters",
    # Sweeps.
    "train  seed=range(0,5)": "seed=range(0,5): several values are a sweep, train -m",
    "train  -m  seed=1,": "leave out the last comma, seed=1",
    "train  -m  seed=range(0,0)": "seed=range(0,0) is a range without a value",
    "train  -m  seed=glob(*)": "seed=glob(*) names no value: nothing would be trained",
    "train  -m  model.beta=choice(1,4": "model.beta=choice(1,4: the brackets do not close in pairs",
    # The other commands.
    "status  runs/mine": "runs/mine is no KEY=VALUE, did you mean runs=runs/mine?",
    "status  runs=x  watch": "watch has no value: watch=VALUE",
    "status  runs=x  --watch": "--watch is no flag",
    "status  -m  runs=x,y": "status takes no -m, which is train's; several are a list, runs=[A,B]",
    "status  runs=a=b": "need quotes, 'runs=\"a=b\"'",
    "evaluate": "run has no value: run=VALUE",
    "evaluate  runs/mine": "did you mean run=runs/mine?",
    "evaluate  run=": "run must be a run directory, a folder of them, a pattern or a list",
    "evaluate  run=x  model=stcvae": "evaluate takes no model; it takes run, trust, paths",
    "evaluate  run=x  evaluation=quick": "its keys are set by +evaluation.KEY=VALUE",
    "evaluate  run=x  metrics=[mig,3]": "metrics=[mig,3]",
    "analyze  runs/mine": "did you mean runs=runs/mine?",
    "analyze  run=x": "no such key 'run', did you mean 'runs'?",
    "analyze  runs=nowhere  figures=x": "figures must be an integer, got 'x'",
    "dashboards  mine": "did you mean project=mine?",
    "dashboards  project=a/b": "project must be 1 to 128 letters without any of",
    "dashboards  entity=": "entity must be 1 to 128 letters without any of",
    "data": "the first word must be one of prepare, info, got ''",
    "data  fetch  dataset=dsprites": "the first word must be one of prepare, info, got 'fetch'",
    "data  info  dsprites": "dsprites is no KEY=VALUE, did you mean dataset=dsprites?",
    "data  info  dataset=dsprite": "did you mean 'dsprites'?",
    "data  prepare  -m  dataset=mnist": "-m is no flag",
}


@pytest.fixture
def answer(monkeypatch, capsys, tmp_path):
    """Runs a command as far as its checks; exit code and lines of stderr."""
    monkeypatch.chdir(tmp_path)

    def built(config):
        prepare(config)
        check_trainer(config)

    def stop(*_, **__):
        raise DataError("stub: all checks passed")

    monkeypatch.setattr(jobs, "train_one", built)
    monkeypatch.setattr(dashboards, "publish", lambda *_: None)
    monkeypatch.setattr(ImageDataModule, "prepare_data", stop)

    def answer(command: str, *arguments: str) -> tuple[object, list[str]]:
        module = "data.__main__" if command == "data" else command
        monkeypatch.setattr(sys, "argv", [command, *arguments])
        with pytest.raises(SystemExit) as stopped:
            import_module(f"vae_granularity.{module}").main()
        return stopped.value.code, capsys.readouterr().err.strip().splitlines()

    return answer


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_is_one_line_with_a_remedy(line, answer):
    command, *arguments = line.split("  ")
    own = SMALL if command == "train" and "-m" not in arguments else ()
    code, said = answer(command, *own, *arguments)
    assert (code, len(said)) == (2, 1), said
    assert said[0].startswith("error: ")
    assert MISTAKES[line] in said[0]


@pytest.mark.parametrize(
    "swept, message",
    [
        ("model.beta=1,x", "model.beta must be a number or a mapping, got 'x'"),
        ("dataset.source=3", "dataset.source must be text, got 3"),
        ("model.beta=null", "model.beta must be a number or a mapping, got None"),
        ("model=stcvae,btcvae", "did you mean 'betatcvae'?"),
        ("+trainer.num_nodes=x", "trainer.num_nodes must be an integer, got 'x'"),
    ],
)
def test_a_sweep_names_its_invalid_points_before_it_trains(swept, message, answer):
    code, said = answer("train", "-m", swept)
    assert code == 2
    assert message in said[0]
    assert said[-1].endswith("points are invalid; nothing was trained")


def test_quotes_that_are_advised_give_the_value_that_was_meant(answer):
    """Advice is tried: the words between the shell's quotes are an override of that value."""
    import shlex

    from hydra.core.override_parser.overrides_parser import OverridesParser

    for value in ("a=b", "a#b", "it's", 'say "x"', "a{b", "läufe", "a&b"):
        _, said = answer("status", f"runs={value}")
        (advised,) = shlex.split(said[0].partition("need quotes, ")[2])
        assert OverridesParser.create().parse_override(advised).value() == value


MODELS = ("annealedvae", "betatcvae", "betavae", "dipvae_i", "dipvae_ii", "stcvae", "vae")


def test_a_rival_is_never_suggested():
    for name in ("beta-stcvae", "β-STCVAE", "bstcvae", "st_cvae", "STCVAE", "beta_st_cvae"):
        assert same_option(name, MODELS) == "stcvae"
    for name in ("btcvae", "beta-tcvae", "tcvae", "β-TCVAE", "Beta_TC_VAE"):
        assert same_option(name, MODELS) == "betatcvae"
    assert suggestion("stcva", MODELS) == ", did you mean 'stcvae'?"
    assert suggestion("unheard-of", MODELS) == ""
