"""Signals that stop a run: the step ends and is saved, the same command continues; exit codes."""

import os
import signal
import time

import commands
import pytest

LONG = ("trainer.max_steps=4000", "callbacks.terms.every=20", "evaluation.every=100000")


@pytest.fixture(autouse=True)
def default_signals():
    """Start runs with no signal ignored, as `nohup` does with one, a shell's `&` with the other."""
    before = {
        signal.SIGHUP: signal.signal(signal.SIGHUP, signal.SIG_DFL),
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
    }
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "compiled"),
    [
        pytest.param(signal.SIGINT, False, id="SIGINT-lightning"),
        pytest.param(signal.SIGTERM, True, id="SIGTERM-population"),
        pytest.param(signal.SIGUSR1, False, id="SIGUSR1-lightning"),
        pytest.param(signal.SIGHUP, True, id="SIGHUP-population"),
        pytest.param(signal.SIGTERM, False, id="SIGTERM-lightning", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, True, id="SIGINT-population", marks=pytest.mark.slow),
    ],
)
def test_a_stopped_run_is_saved_says_its_step_and_continues(
    tmp_path, number, compiled, monkeypatch
):
    if compiled:
        from vae_granularity.population import jobs, training

        def as_population(config):  # as `compile=auto` chooses for long runs, without the compiler
            return training.train_population([config], "eager")

        monkeypatch.setattr(jobs, "train_one", as_population)
    process = commands.start(tmp_path, *LONG, "compile=none")
    deadline = time.monotonic() + 60
    while "step 400/" not in commands.output(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, number)
    process.join(60)
    said = commands.output(tmp_path)
    assert process.exitcode == 128 + number, said
    assert ": the same command continues" in said
    assert "Traceback" not in said
    step = int(said.split("stopped at step ")[1].split(",")[0])
    (run,) = commands.run_directories(tmp_path)
    assert (run / "checkpoints" / f"step={step}.ckpt").is_file()
    assert not (run / "failed.json").exists()
    process = commands.start(tmp_path, *LONG, "compile=none")
    while "continues from step" not in commands.output(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert f"continues from step {step} of 4000" in commands.output(tmp_path)
