"""What no command can do, it says in one line with exit code 2 or 1; nothing is half done."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import commands
import pytest
from damage import copied, noise
from fake_runs import fake_results, write_run
from tiny import SMALL, results, tiny_config

from vae_granularity import errors
from vae_granularity.training.run import train


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Path:
    return train(tiny_config(tmp_path_factory.mktemp("done"), "metrics=active_units"))


@pytest.fixture(autouse=True)
def signed_out(monkeypatch, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def said(home: Path, module: str, *arguments: str) -> tuple[int | None, str]:
    """Exit code and lines of a command."""
    process = commands.start_module(f"vae_granularity.{module}", home / "log", *arguments)
    process.join()
    return process.exitcode, commands.output(home / "log")


FILE, BELOW = "{home}/file", "{home}/file/below"
NOWHERE = "/proc/nowhere"  # where nobody can write, root neither
FOLDER = "must be a folder that can be written to, got "
TRAIN = {
    # arguments: words of the one line
    ("paths.output_dir={home}/file",): f"paths.output_dir {FOLDER}'{FILE}': it is a file",
    ("paths.output_dir={home}/file/below",): f"paths.output_dir {FOLDER}'{BELOW}': Not a directory",
    (f"paths.output_dir={NOWHERE}",): f"paths.output_dir {FOLDER}'{NOWHERE}': No such file",
    ("logger=wandb", "logger.mode=online"): "logger.mode must be auto or offline without a W&B lo",
    ("logger=wandb", "logger.mode=onlin"): "logger.mode must be one of auto, online, offline",
    ("optimizer.lr=-1",): "optimizer",
    ("+model.foo=1",): "model.foo",
    ("+net.foo=1",): "net.foo",
    ("+trainer.foo=1",): "trainer.foo",
}


ALL = [(given, []) for given in TRAIN] + [(given, ["-m"]) for given in list(TRAIN)[::3]]


@pytest.mark.parametrize(("arguments", "sweep"), ALL)
def test_training_that_cannot_be_is_one_line_before_any_data_are_read(arguments, sweep, tmp_path):
    (tmp_path / "file").write_text("mine")
    places = [f"paths.{key}_dir={tmp_path / key}" for key in ("output", "data", "cache")]
    given = [argument.format(home=tmp_path) for argument in arguments]
    code, text = said(tmp_path, "train", *sweep, *SMALL, *places, *given)
    assert code == 2, text
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, text
    assert TRAIN[arguments].format(home=tmp_path) in lines[0]
    assert "Traceback" not in text
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "cache").exists()
    assert not list(tmp_path.glob("output/*_s0_*"))


OTHERS = {
    ("evaluate", "run={run}"): "config.yaml",
    ("data", "info", "dataset=blocks", "paths.cache_dir={home}/file"): None,
    ("data", "info", "dataset=dsprites", "paths.cache_dir={home}/file"): "paths.cache_dir",
    ("analyze", "runs={home}/fake", "out={home}/file"): f"out {FOLDER}'{FILE}': it is a file",
    ("analyze", "runs={home}/fake", f"out={NOWHERE}"): f"out {FOLDER}'{NOWHERE}': No such file",
}


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_the_other_commands_say_it_in_one_line_too(arguments, done, tmp_path):
    run = copied(done.parent, tmp_path / "runs")
    write_run(tmp_path / "fake", fake_results())
    (tmp_path / "file").write_text("mine")
    noise(run / "config.yaml")
    module, *given = (argument.format(home=tmp_path, run=run) for argument in arguments)
    code, text = said(tmp_path, module, *given)
    assert "Traceback" not in text
    assert (tmp_path / "file").read_text() == "mine"
    if OTHERS[arguments] is None:  # nothing is written there
        assert code == 0
        return
    assert code in (1, 2), text
    assert OTHERS[arguments].format(home=tmp_path) in text
    errors_shown = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(errors_shown) == 1
    assert results(run)["terms"]


def test_a_folder_nobody_may_write_is_refused_by_name(tmp_path):
    """Root may write anywhere but on a file system that is read-only."""
    if os.geteuid() == 0:
        readonly = next(
            (path for path in ("/sys", "/proc/sys") if not os.access(path, os.W_OK)), "/proc"
        )
    else:
        readonly = str(tmp_path / "locked")
        Path(readonly).mkdir(mode=0o555)
    with pytest.raises(errors.ArgumentError, match=f"paths.output_dir must be .*{readonly}"):
        errors.writable_folder("paths.output_dir", f"{readonly}/runs")


def test_a_full_disk_in_a_single_run_is_one_line_and_the_command_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "MAX_FILE_BYTES", 30_000)
    code, text = commands.finish(tmp_path, "trainer.max_steps=20")
    assert code == 1
    assert "Traceback" not in text
    assert "File too large. Nothing saved is lost; run the same command again to continue" in text
    monkeypatch.undo()
    assert commands.finish(tmp_path, "trainer.max_steps=20")[0] == 0
    assert not list(tmp_path.rglob("failed.json"))
    shutil.rmtree(tmp_path)
