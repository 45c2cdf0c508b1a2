"""What the commands say to a mistake: one message, quickly, without a traceback, and an exit code
that tells.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from commands import refusal
from fake_runs import grid, v_elbo, write_run

from vae_granularity import analyze, evaluate, train

MISTAKES = {
    tuple(arguments): message
    for arguments, message in [
        (["model.bta=3"], "did you mean 'model.beta'?"),
        (["dataset.sorce=rendered"], "did you mean 'dataset.source'?"),
        (["modle=stcvae"], "did you mean 'model'?"),
        (["callbacks.last.save_top_k=3"], "did you mean 'callbacks.checkpoint'?"),
        (["model=stcva"], "model has no option 'stcva', did you mean 'stcvae'?"),
        (["model=vae", "model.beta=2"], "no such key 'model.beta'"),
        (["model.granularity=99"], "granularity must be an integer in [1, latent_dim=10], got 99"),
        (["model.partition=[3,3]"], "partition sizes must sum to latent_dim=10"),
        (["trainer.max_steps=0"], "trainer.max_steps must be an integer >= 1, got 0"),
        (["seed=-1"], "seed must be an integer in [0, 4294967295], got -1"),
        (["model.beta=[1"], "error:"),
    ]
}
# Every mistake in turn, in a process that has not loaded torch for anything else.
EACH = """
import contextlib, io, json, runpy, sys, time
answers = []
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["train", *arguments]
    out, err, code, started = io.StringIO(), io.StringIO(), None, time.process_time()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module("vae_granularity.train", run_name="__main__")
        except SystemExit as ended:
            code = ended.code
    loaded = [name for name in ("torch", "lightning") if name in sys.modules]
    seconds = time.process_time() - started
    answers.append([code, out.getvalue(), err.getvalue(), loaded, seconds])
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def answers():
    """Exit code, stdout, stderr, what was loaded and processor seconds of each mistake."""
    call = [sys.executable, "-c", EACH, json.dumps(list(MISTAKES))]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return dict(zip(MISTAKES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_a_mistake_is_answered_before_torch_is_loaded(arguments, answers):
    code, out, err, loaded, seconds = answers[arguments]
    assert code == 2
    assert MISTAKES[arguments] in err
    assert "Traceback" not in err + out
    assert len(err.strip().splitlines()) == 1
    assert loaded == []
    assert seconds < 6, "about two seconds on a machine of its own"


def test_a_mistake_ends_the_process_with_its_code_and_one_line():
    call = [sys.executable, "-m", "vae_granularity.train", "model.bta=3"]
    done = subprocess.run(call, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1


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


def test_a_likelihood_that_does_not_fit_the_data_is_answered_before_training(
    tmp_path, monkeypatch, capsys
):
    """It trained before, to an ELBO of +10 293 726 and exit code 0."""
    given = ("dataset=blocks", "likelihood=bernoulli", "trainer=debug", "logger=csv")
    line = refusal(monkeypatch, capsys, "train", *given, f"paths.output_dir={tmp_path}/runs")
    for word in ("Bernoulli", "dataset=blocks", "gaussian, gaussian_optimal"):
        assert word in line
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_showing_the_config_does_not_load_torch():
    probe = "import sys, runpy; sys.argv = ['train', '--cfg', 'job']\n"
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


def test_official_data_that_are_not_there_end_in_one_message(tmp_path, monkeypatch, capsys):
    paths = [
        f"paths.data_dir={tmp_path}",
        f"paths.cache_dir={tmp_path}",
        f"paths.output_dir={tmp_path}/runs",
    ]
    given = ("dataset=shapes3d", "dataset.source=official", "trainer=debug", *paths)
    monkeypatch.setattr(sys, "argv", ["train", *given])
    with pytest.raises(SystemExit) as stopped:
        train.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 1
    assert "Traceback" not in said
    for word in ("3dshapes.h5", "https://", str(tmp_path), "source=rendered", "source=hub"):
        assert word in said
    assert not list(tmp_path.rglob("results.json"))


@pytest.mark.parametrize(
    "given, message",
    [
        (["run={}/nothing"], "{}/nothing: does not exist"),
        (["run={}"], "holds no finished run"),
        ([], "run has no value: run=VALUE"),
    ],
)
def test_measuring_what_is_no_run_is_answered(given, message, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["evaluate", *(word.format(tmp_path) for word in given)])
    with pytest.raises(SystemExit) as stopped:
        evaluate.main()
    assert stopped.value.code
    assert message.format(tmp_path) in capsys.readouterr().err
