"""Machines that lack something: a home, locks, room for long names, a reader of the output."""

from __future__ import annotations

import errno
import fcntl
import subprocess
import sys

import pytest
from commands import refusal
from fake_runs import grid, v_elbo, write_run
from filelock import _unix

from vae_granularity import status, train
from vae_granularity.errors import ArgumentError, ResourceError
from vae_granularity.runs.identity import MAX_NAME_BYTES, MAX_TAG, RunInfo, shortened
from vae_granularity.runs.status import is_busy, only_writer
from vae_granularity.training.config import compose
from vae_granularity.training.wandb_login import check_home, logged_in


def info(tmp_path, *overrides: str) -> RunInfo:
    from omegaconf import OmegaConf

    node = OmegaConf.to_container(compose("train", ["dataset=blocks", *overrides]), resolve=True)
    return RunInfo(node, tmp_path)


@pytest.mark.parametrize("count", [20, 70, 130, 400])
def test_names_of_many_groups_fit_into_file_systems_and_tags(count, tmp_path):
    sizes = ",".join(["1"] * count)
    run = info(tmp_path, f"model.latent_dim={count}", f"model.partition=[{sizes}]")
    assert len(run.name.encode()) <= MAX_NAME_BYTES
    assert run.name.startswith("stcvae_blocks_b4_p1-1-1-")
    assert run.name.endswith(f"_s0_{run.hash}")
    assert all(1 <= len(tag) <= MAX_TAG for tag in run.tags)
    # Of W&B's folder on an encrypted home, where a name has 143 bytes.
    assert len(f"offline-run-20260101_000000-{run.id}") <= 143
    run.directory.mkdir()
    others = f"model.partition=[2,{','.join(['1'] * (count - 2))}]"
    assert info(tmp_path, f"model.latent_dim={count}", others).tags != run.tags


def test_names_of_ones_own_files_are_shortened_too(tmp_path):
    run = info(tmp_path, "+names.model=" + "m" * 240)
    config = run.config | {"names": {"model": "µ" * 200 + ":#", "dataset": "blocks"}}
    run = RunInfo(config, tmp_path)
    assert len(run.name.encode()) <= MAX_NAME_BYTES
    assert all(1 <= len(tag.encode()) <= MAX_TAG for tag in run.tags)
    assert not set(run.id) & set(":;,#?/'")


def test_a_name_that_fits_stays_as_it_is(tmp_path):
    sizes = "[1,1,2,4,2]"
    run = info(tmp_path, f"model.partition={sizes}")
    assert run.name == f"stcvae_blocks_b4_p1-1-2-4-2_s0_{run.hash}"
    assert run.tags[-1] == "partition=[1, 1, 2, 4, 2]"
    assert shortened("a" * 64, 64) == "a" * 64
    assert len(shortened("a" * 65, 64)) == 64
    assert shortened("a" * 65, 64) != shortened("a" * 66, 64)


@pytest.fixture
def no_locks(monkeypatch):
    """File systems that answer ENOLCK, or that they have no locks, to every flock."""

    def refuse(number):
        def flock(*_):
            raise OSError(number, "No locks available")

        monkeypatch.setattr(fcntl, "flock", flock)
        monkeypatch.setattr(_unix.fcntl, "flock", flock)

    return refuse


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_status_works_and_training_says_what_to_do(
    number, no_locks, tmp_path, monkeypatch, capsys
):
    directories = [
        write_run(tmp_path / "runs", results)
        for results in grid(v_elbo, widths=(1.0,), granularities=(1, 2), seeds=1)
    ]
    (directories[0] / "results.json").unlink()
    (directories[0] / ".lock").touch()
    no_locks(number)
    assert not is_busy(directories[0])
    monkeypatch.setattr(sys, "argv", ["status", f"runs={tmp_path / 'runs'}"])
    status.main()
    assert "1 of 2 done, 1 stopped" in capsys.readouterr().out
    with (
        pytest.raises(ResourceError, match=r"cannot lock .*\.lock: .* choose a folder on another"),
        only_writer(directories[0]),
    ):
        pass
    places = [f"paths.{name}={tmp_path / name}" for name in ("output_dir", "cache_dir")]
    given = ["dataset=blocks", "trainer=debug", "logger=csv", "compile=none", *places]
    monkeypatch.setattr(sys, "argv", ["train", *given])
    with pytest.raises(SystemExit) as stopped:
        train.main()
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert stopped.value.code == 1
    assert "paths.output_dir" in line


def test_without_a_home_the_default_logger_says_what_to_do(monkeypatch, capsys, tmp_path):
    import pwd

    def unknown(_):
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert not logged_in()
    with pytest.raises(ArgumentError, match="Set HOME to a folder"):
        check_home()
    given = ("dataset=blocks", "trainer=debug", f"paths.output_dir={tmp_path}/runs")
    assert "or choose logger=csv" in refusal(monkeypatch, capsys, "train", *given)
    monkeypatch.setenv("HOME", str(tmp_path))
    check_home()


READER_GONE = """
import subprocess, sys
command = [sys.executable, "-m", *sys.argv[1:]]
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
process.stdout.close()
sys.stderr.buffer.write(process.stderr.read())
sys.exit(process.wait())
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--help"],
        ["train", "--cfg", "job"],
        ["train", "{small}"],
        ["train", "-m", "seed=0,1", "{small}"],
        ["evaluate", "--help"],
        ["status", "runs={runs}"],
        ["analyze", "runs={runs}", "figures=0"],
        ["dashboards", "--cfg", "job"],
        ["data", "info", "dataset=blocks"],
    ],
    ids=" ".join,
)
def test_a_command_whose_output_nobody_reads_ends_silently(arguments, tmp_path):
    """As `| head -1` does it, only sooner: 141 is what a shell says of a closed pipe."""
    for results in grid(v_elbo, widths=(1.0, 2.0), granularities=(1, 2), seeds=2):
        write_run(tmp_path / "runs", results)
    name, *rest = arguments
    small = ["dataset=blocks", "trainer=debug", "logger=csv", "compile=none", "metrics=mig"]
    small += [f"paths.output_dir={tmp_path}/out", f"paths.cache_dir={tmp_path}/cache"]
    words = [word.format(runs=tmp_path / "runs") for word in rest if word != "{small}"]
    words += small if "{small}" in rest else []
    call = [sys.executable, "-c", READER_GONE, f"vae_granularity.{name}", *words]
    done = subprocess.run(call, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (141, "")


def test_another_pipe_that_breaks_is_no_silent_end(capfd):
    from vae_granularity.terminal import tolerant_output

    with pytest.raises(BrokenPipeError, match="a worker"), tolerant_output():
        raise BrokenPipeError("a worker")
