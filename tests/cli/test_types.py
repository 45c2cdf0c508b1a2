"""Config values of the wrong type or range end in one line and exit code 2, in every command;
what makes sense is accepted.
"""

from __future__ import annotations

import random
import sys
from importlib import import_module

import pytest

from vae_granularity import errors
from vae_granularity.data.base import ImageDataModule
from vae_granularity.population import jobs
from vae_granularity.training import wandb_dashboards as dashboards
from vae_granularity.training.job import prepare
from vae_granularity.training.trainer import check_trainer

COUNT, NUMBER, RATE, TEXT, PLACES, FLAG, MAPPING, NAMES, NODE = [
    "count",
    "number",
    "rate",
    "text",
    "places",
    "flag",
    "mapping",
    "names",
    "node",
]
KEYS = {
    "train": {
        "seed": COUNT,
        "trainer.max_steps": COUNT,
        "trainer.gradient_clip_val": NUMBER,
        "optimizer.lr": RATE,
        "optimizer.fused": FLAG,
        "optimizer": NODE,
        "net": NODE,
        "net.width": NUMBER,
        "net.depth": COUNT,
        "model.latent_dim": COUNT,
        "model.beta": NUMBER,
        "model.granularity": COUNT,
        "model.estimator": TEXT,
        "likelihood": NODE,
        "dataset.batch_size": COUNT,
        "dataset.val_fraction": NUMBER,
        "dataset.source": TEXT,
        "dataset.cache_dir": TEXT,
        "paths.output_dir": TEXT,
        "evaluation.num_images": COUNT,
        "evaluation.figures": FLAG,
        "evaluation.granularities": NAMES,
        "metrics.mig.num_bins": COUNT,
        "callbacks.terms": MAPPING,
        "callbacks.terms.every": COUNT,
        "callbacks.checkpoint.save_top_k": COUNT,
        "logger.project": TEXT,
    },
    "evaluate": {"run": TEXT, "trust": NAMES, "paths": MAPPING, "evaluation": MAPPING},
    "analyze": {
        "allow_mixed": NAMES,
        "where": MAPPING,
        "out": TEXT,
        "value": TEXT,
        "optimum": TEXT,
        "profile": FLAG,
        "udr": FLAG,
        "min_seeds": COUNT,
        "num_bootstrap": COUNT,
        "max_rows": COUNT,
        "trust": NAMES,
        "x": TEXT,
    },
    "dashboards": {"project": TEXT, "entity": TEXT},
    "status": {"runs": PLACES, "watch": FLAG, "every": NUMBER, "max_rows": COUNT},
    "data": {
        "dataset": NODE,
        "dataset.batch_size": COUNT,
        "dataset.device": TEXT,
        "dataset.hub_id": TEXT,
        "paths.cache_dir": TEXT,
        "paths.data_dir": TEXT,
    },
}
# What no key of a kind accepts.
ANYWHERE = ["[{a: 1}]", "nan", "-.5", "1e-45", "-inf", "[1,nan]"]
BAD = {
    COUNT: [*ANYWHERE, "-7", "1.5", "abc", "'3'", "[1,2]", "true", "{a: 1}", "inf"],
    NUMBER: ["[{a: 1}]", "nan", "-.5", "-inf", "[1,nan]", "abc", "'3'", "[1,2]", "{a: 1}", "true"],
    # A number, or a schedule of it.
    RATE: [
        *["[{a: 1}]", "nan", "-.5", "0", "[1,nan]", "abc", "'3'", "[1,2]", "{a: 1}", "true", "inf"],
        "{schedule: cosine}",
        "{schedule: 3, start: 1, end: 0, steps: 6}",
        "{schedule: linear, start: a, end: 0, steps: 6}",
        "{schedule: linear, start: 1, end: 0, steps: 0}",
        "{schedule: linear, start: 1, end: 0, steps: 1.5}",
        "{schedule: linear, start: 1, end: -1, steps: 6}",
        "{schedule: linear, start: 1, end: nan, steps: 6}",
        "{schedule: linear, start: 1, end: 0, steps: 6, more: 1}",
    ],
    TEXT: [*ANYWHERE, "3", "0", "true", "{a: 1}", "[nan]", "inf"],
    PLACES: [*ANYWHERE, "3", "0", "true", "{a: 1}", "[1,2]", "inf", "null"],
    FLAG: [*ANYWHERE, "3", "abc", "'true'", "[true]", "{a: 1}", "inf"],
    MAPPING: [*ANYWHERE, "3", "abc", "true", "[1,2]", "inf"],
    NAMES: [*ANYWHERE, "3", "abc", "true", "[[1]]", "{a: 1}", "inf"],
    NODE: [*ANYWHERE, "3", "[1,2]", "abc", "inf"],
}
SMALL = ("logger=csv", "trainer=debug", "trainer.accelerator=cpu", "dataset.source=rendered")
BASE = {
    "train": (*SMALL, "optimizer=adam"),
    "evaluate": ("run=nowhere",),
    "analyze": ("runs=nowhere",),
    "dashboards": (),
    "status": ("runs=nowhere",),
    "data": ("prepare", "dataset=shapes3d"),
}


def cases(count: int, seed: int) -> list[tuple[str, str]]:
    """Commands with a bad value each, drawn with a seed."""
    every = [
        (command, f"{key}={value}")
        for command, keys in KEYS.items()
        for key, kind in keys.items()
        for value in BAD[kind]
    ]
    return random.Random(seed).sample(every, count)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs a command as far as its checks; exit code (None: accepted) and lines of stderr."""
    monkeypatch.chdir(tmp_path)

    def built(cfg):
        prepare(cfg)
        check_trainer(cfg)

    def stop(*_, **__):
        raise errors.DataError("stub: all checks passed")

    monkeypatch.setattr(jobs, "train_one", built)
    monkeypatch.setattr(dashboards, "publish", lambda *_: None)
    monkeypatch.setattr(ImageDataModule, "prepare_data", stop)

    def run(command: str, *arguments: str) -> tuple[int | None, list[str]]:
        module = "data.__main__" if command == "data" else command
        monkeypatch.setattr(sys, "argv", [command, *BASE[command], *arguments])
        try:
            import_module(f"vae_granularity.{module}").main()
            code = None
        except SystemExit as stopped:
            code = stopped.code
        said = capsys.readouterr().err.strip().splitlines()
        return code, said

    return run


@pytest.mark.parametrize(
    ("count", "seed"),
    [
        (15, 19),
        pytest.param(200, 19, marks=pytest.mark.slow),
        pytest.param(200, 20, marks=pytest.mark.slow),
    ],
)
def test_type_confused_overrides_are_each_answered_in_one_line(count, seed, run):
    wrong = []
    for command, override in cases(count, seed):
        try:
            code, said = run(command, override)
        except Exception as error:
            wrong.append((command, override, f"{type(error).__name__}: {error}"))
            continue
        if code != 2 or len(said) != 1 or not said[0].startswith("error: "):
            wrong.append((command, override, code, said[-1:]))
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    "command, arguments, words",
    [
        (
            "train",
            ["callbacks.checkpoint.save_top_k='3'"],
            "save_top_k must be an integer, got '3'",
        ),
        ("train", ["optimizer.lr=0"], "optimizer.lr must be a finite number > 0, got 0"),
        ("train", ["optimizer.lr=-1"], "optimizer.lr must be a finite number > 0, got -1"),
        ("train", ["trainer.gradient_clip_val=-inf"], "gradient_clip_val must be finite, got -inf"),
        ("train", ["model.within_group_weight=-1000"], "must be a finite number >= -100"),
        (
            "train",
            ["model.partition=[5,5]", "model.granularity=2"],
            "leave out model.granularity=2",
        ),
        ("train", ["+model.foo=1"], "model takes no foo; it takes"),
        ("train", ["++trainer.max_step=3"], "did you mean 'trainer.max_steps'"),
        (
            "train",
            ["dataset=blocks", "dataset.source=auto", "dataset.kinds=1e-45"],
            "dataset.kinds",
        ),
        ("train", ["dataset=blocks", "dataset.source=auto", "dataset.num_samples=-inf"], "finite"),
        (
            "train",
            ["optimizer.lr={schedule: cosine, start: -1, end: 0, steps: 6}"],
            "optimizer.lr.start must be a finite number >= 0",
        ),
        ("train", ["optimizer=[1,2]"], "optimizer"),
        ("train", ["net=-0.5"], "net=-0.5: must be a string or a list"),
        (
            "train",
            ["optimizer.lr={schedule: cosin, start: 1e-3, end: 0, steps: 6}"],
            "optimizer.lr.schedule must be one of",
        ),
        ("train", ["optimizer.lr={start: 1e-3}"], "optimizer.lr"),
        ("analyze", ["allow_mixed=nan"], "allow_mixed must be finite, got nan"),
        ("analyze", ["where=nan"], "where must be finite, got nan"),
        ("analyze", ["out=[nan]"], "out must be finite, got [nan]"),
        ("analyze", ["value=[1,2]"], "value must be text, got [1, 2]"),
        ("analyze", ["profile=inf"], "profile must be finite, got inf"),
        ("data", ["paths.cache_dir=0"], "cache_dir must be text or a path, got 0"),
        ("evaluate", ["trust=3"], "trust must be a list of texts, got 3"),
        ("status", ["watch=3"], "watch must be true or false, got 3"),
        ("status", ["runs={a: 1}"], "runs must be text or a list of texts or null, got {'a': 1}"),
    ],
)
def test_a_message_has_the_key_the_value_and_what_is_expected(command, arguments, words, run):
    code, said = run(command, *arguments)
    assert (code, len(said)) == (2, 1)
    assert words in said[0]


@pytest.mark.parametrize(
    "overrides",
    [
        [
            "trainer.max_steps=1e3",
            "dataset.batch_size=64.0",
            "model.beta=1",
            "model.partition=[3,3,4]",
            "trainer.devices=auto",
            "trainer.gradient_clip_val=1",
            "+optimizer.betas=[0.9,0.99]",
            "evaluation.granularities=[1,2]",
            "dataset.hub_id=someone/shapes",
            "compile=none",
        ],
        [
            "model.beta={schedule: linear, start: 0, end: 4, steps: 6}",
            "optimizer.lr={schedule: cosine, start: 1e-3, end: 0, steps: 6}",
            "model.partition=adaptive",
            "callbacks.terms=null",
        ],
    ],
    ids=["values", "schedules"],
)
def test_what_makes_sense_is_accepted(overrides, run):
    assert run("train", *overrides) == (None, [])
