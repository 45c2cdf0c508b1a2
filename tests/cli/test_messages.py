"""What the commands say to a mistake: one message, quickly, without a traceback, and an exit code
that tells.
"""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from fake_runs import grid, v_elbo, write_run

from vae_granularity import analyze


def command(module: str, *arguments: str, cwd=None) -> subprocess.CompletedProcess[str]:
    """Run a command of the package as a user would."""
    call = [sys.executable, "-m", f"vae_granularity.{module}", *arguments]
    return subprocess.run(call, capture_output=True, text=True, timeout=120, cwd=cwd, check=False)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["model.bta=3"], "did you mean 'model.beta'?"),
        (["dataset.sorce=rendered"], "did you mean 'dataset.source'?"),
        (["modle=stcvae"], "did you mean 'model'?"),
        (["callbacks.last.save_top_k=3"], "did you mean 'callbacks.checkpoint'?"),
        (["model=stcva"], "model has no option 'stcva', did you mean 'stcvae'?"),
        (["model=vae", "model.beta=2"], "no such key 'model.beta'"),
        (["model.granularity=99"], "granularity must be in [1, latent_dim=10], got 99"),
        (["model.partition=[3,3]"], "partition sizes must sum to latent_dim=10"),
        (["trainer.max_steps=0"], "trainer.max_steps must be an integer >= 1, got 0"),
        (["seed=-1"], "seed must be an integer in [0, 4294967295], got -1"),
        (["model.beta=[1"], "error:"),
    ],
)
def test_a_mistake_is_answered_before_torch_is_loaded(arguments, message):
    started = time.monotonic()
    done = command("train", *arguments)
    seconds = time.monotonic() - started
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) == 1
    assert seconds < 6, "about two seconds on a machine of its own"


@pytest.mark.parametrize(
    "old, new",
    [("mix=[source]", "allow_mixed"), ("draws=100", "num_bootstrap"), ("rows=9", "max_rows")],
)
def test_a_key_of_an_earlier_version_is_told_its_name_of_today(old, new, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["analyze", "runs=nowhere", old])
    with pytest.raises(SystemExit):
        analyze.main()
    assert (
        f"no such key {old.partition('=')[0]!r}, did you mean {new!r}?" in capsys.readouterr().err
    )


def test_a_likelihood_that_does_not_fit_the_data_is_answered_before_training(tmp_path):
    """It trained before, to an ELBO of +10 293 726 and exit code 0."""
    paths = (f"paths.output_dir={tmp_path}/runs", "logger=csv")
    done = command("train", "dataset=blocks", "likelihood=bernoulli", "trainer=debug", *paths)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    for word in ("Bernoulli", "dataset=blocks", "gaussian, gaussian_optimal"):
        assert word in line
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job"]])
def test_help_and_config_do_not_load_torch(arguments):
    probe = f"import sys, runpy; sys.argv = ['train', *{arguments!r}]\n"
    probe += "try: runpy.run_module('vae_granularity.train', run_name='__main__')\n"
    probe += "except SystemExit: pass\n"
    probe += "assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_reading_finished_runs_does_not_load_torch(tmp_path):
    for results in grid(v_elbo, widths=(1.0, 2.0), granularities=(1, 2), seeds=2):
        write_run(tmp_path / "runs", results)
    probe = f"import sys, runpy; sys.argv = ['analyze', 'runs={tmp_path / 'runs'}', 'figures=0']\n"
    probe += "runpy.run_module('vae_granularity.analyze', run_name='__main__')\n"
    probe += "assert 'torch' not in sys.modules and 'lightning' not in sys.modules"
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "analysis" / "report.html").is_file()


def test_official_data_that_are_not_there_end_in_one_message(tmp_path):
    paths = [
        f"paths.data_dir={tmp_path}",
        f"paths.cache_dir={tmp_path}",
        f"paths.output_dir={tmp_path}/runs",
    ]
    done = command("train", "dataset=shapes3d", "dataset.source=official", "trainer=debug", *paths)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for word in ("3dshapes.h5", "https://", str(tmp_path), "source=rendered", "source=hub"):
        assert word in done.stderr
    assert not list(tmp_path.rglob("results.json"))


def test_measuring_what_is_no_run_is_answered(tmp_path):
    assert (
        f"{tmp_path}/nothing: does not exist"
        in command("evaluate", f"run={tmp_path}/nothing").stderr
    )
    assert "holds no finished run" in command("evaluate", f"run={tmp_path}").stderr
    assert "Missing mandatory value: run" in command("evaluate").stderr
