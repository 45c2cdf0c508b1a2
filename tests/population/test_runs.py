"""Runs trained together are the runs that they would have been alone: same files, same numbers,
same way to continue.
"""

import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from same_numbers import assert_same_numbers
from tiny import results, tiny_config

from vae_granularity.population.engine import Population
from vae_granularity.population.training import train_population
from vae_granularity.runs.identity import checkpoints
from vae_granularity.training.run import train

ROOT = Path(__file__).parents[2]
LONGER = (
    "trainer.max_steps=60",
    "callbacks.checkpoint.every_n_train_steps=10",
    "callbacks.terms.every=7",
    "evaluation.every=25",
    "metrics=mig",
)
LINEAR = "{schedule:linear,start:0,end:6,steps:30}"
MEMBERS = (
    ("seed=0", "model.beta=1", "model.granularity=1"),
    ("seed=0", "model.beta=8", "model.granularity=2"),
    (
        "seed=1",
        f"model.beta={LINEAR}",
        "model.granularity={schedule:piecewise,levels:[6,3],at:[20]}",
    ),
    ("seed=2", "model.partition={schedule:adaptive,every:20}", "optimizer.lr=3e-3"),
)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def assert_same_run(found: Path, expected: Path) -> None:
    assert found.name == expected.name
    assert {path.name for path in found.iterdir()} == {path.name for path in expected.iterdir()}
    assert {path.name for path in (found / "checkpoints").iterdir()} == {
        path.name for path in (expected / "checkpoints").iterdir()
    }
    for a, b in zip(rows(found), rows(expected), strict=True):
        assert list(a) == list(b)
        assert_same_numbers(
            {k: float(v) for k, v in a.items() if v}, {k: float(v) for k, v in b.items() if v}
        )
    a, b = results(found), results(expected)
    assert_same_numbers(a["terms"], b["terms"])
    assert_same_numbers(a["scores"], b["scores"], 0.05)
    for key in ("config", "data", "protocol", "versions"):
        if key == "config":
            a[key].pop("paths"), b[key].pop("paths")
            a[key]["dataset"], b[key]["dataset"] = (
                {k: v for k, v in c[key]["dataset"].items() if "dir" not in k} for c in (a, b)
            )
        assert_close(a[key], b[key])
    assert set(a["run"]) - set(b["run"]) == {"population"}


def assert_close(found: object, expected: object) -> None:
    """Equal at every depth, numbers that were measured within 1 %."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key in expected:
            assert_close(found[key], expected[key])
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=0.01, abs=1e-3)
    else:
        assert found == expected


def shape(node: object) -> object:
    """A checkpoint without its numbers."""
    if isinstance(node, dict):
        return {key: shape(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        return [shape(item) for item in node]
    return (node.dtype, node.shape) if isinstance(node, torch.Tensor) else type(node)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return [train(tiny_config(folder, *LONGER, *overrides)) for overrides in MEMBERS]


def configs(folder: Path) -> list:
    return [tiny_config(folder, *LONGER, *overrides) for overrides in MEMBERS]


def runs(folder: Path, like: list[Path]) -> list[Path]:
    return [folder / "runs" / run.name for run in like]


def test_runs_trained_together_are_the_runs_trained_alone(tmp_path, alone):
    assert train_population(configs(tmp_path)) == [None] * 4
    for found, expected in zip(runs(tmp_path, alone), alone, strict=True):
        assert_same_run(found, expected)
        assert results(found)["run"]["population"] == 4
        for path in (expected / "checkpoints").iterdir():
            a, b = (
                torch.load(folder / "checkpoints" / path.name, weights_only=True)
                for folder in (found, expected)
            )
            a["callbacks"], b["callbacks"] = (
                {k.split("{")[0]: v for k, v in c["callbacks"].items()} for c in (a, b)
            )
            for name in ("NewestCheckpoints", "BestCheckpoint"):  # these hold paths
                a["callbacks"].pop(name), b["callbacks"].pop(name)
            assert a["loops"] == b["loops"], path.name
            assert a["partitions"] == b["partitions"]
            assert shape(a) == shape(b)


@pytest.mark.parametrize("step", [33])
def test_a_population_that_died_continues_to_the_same_numbers(tmp_path, alone, monkeypatch, step):
    """Bitwise what it is undisturbed: the checkpoints are the members' own."""
    train_population(configs(tmp_path / "a"))
    original = Population.step

    def die(self, inputs):
        if self.step_count == step:
            raise KeyError("the power goes off")
        return original(self, inputs)

    monkeypatch.setattr(Population, "step", die)
    with pytest.raises(KeyError):
        train_population(configs(tmp_path / "b"))
    monkeypatch.setattr(Population, "step", original)
    newest = runs(tmp_path / "b", alone)[2] / "checkpoints" / "step=30.ckpt"
    newest.write_bytes(
        newest.read_bytes()[:1000]
    )  # one member was being saved: all go on from the checkpoint before
    assert train_population(configs(tmp_path / "b")) == [None] * 4
    for found, expected in zip(
        runs(tmp_path / "b", alone), runs(tmp_path / "a", alone), strict=True
    ):
        assert rows(found) == rows(expected)
        assert results(found)["terms"] == results(expected)["terms"]
        assert results(found)["scores"] == results(expected)["scores"]


def test_a_member_goes_on_alone(tmp_path, alone, monkeypatch):
    original = Population.step

    def die(self, inputs):
        if self.step_count == 33:
            raise KeyError("the power goes off")
        return original(self, inputs)

    monkeypatch.setattr(Population, "step", die)
    with pytest.raises(KeyError):
        train_population(configs(tmp_path))
    for overrides, expected in zip(MEMBERS, alone, strict=True):
        run = train(tiny_config(tmp_path, *LONGER, *overrides))
        assert checkpoints(run)[1].name == "step=60.ckpt"
        assert_same_numbers(results(run)["terms"], results(expected)["terms"])
        assert [row["step"] for row in rows(run)] == [row["step"] for row in rows(expected)]


def test_a_diverged_member_fails_as_a_solo_run_does_and_the_others_finish(
    tmp_path, alone, monkeypatch
):
    original = Population.step
    member = 1

    def poison(self, inputs):
        if self.step_count == 23:
            inputs = inputs._replace(x=inputs.x.clone())
            inputs.x[member] = float("nan")
        return original(self, inputs)

    monkeypatch.setattr(Population, "step", poison)
    outcomes = train_population(configs(tmp_path))
    assert [outcome is None for outcome in outcomes] == [True, False, True, True]
    assert "not finite at step 24: loss=nan" in str(outcomes[member])
    failed, *_ = found = [
        runs(tmp_path, alone)[member],
        *(run for k, run in enumerate(runs(tmp_path, alone)) if k != member),
    ]
    assert "not finite at step 24" in json.loads((failed / "failed.json").read_text())["cause"]
    assert not (failed / "results.json").exists()
    assert [path.name for path in checkpoints(failed)] == ["step=20.ckpt", "step=10.ckpt"]
    assert all((run / "results.json").exists() for run in found[1:])


def test_a_gradient_that_is_not_finite_names_its_step(tmp_path, alone, monkeypatch):
    original = Population.step

    gradient = torch.autograd.grad

    def infinite(loss, weights):
        (found,) = gradient(loss, weights)
        return (found.index_fill(0, torch.tensor([2]), float("inf")),)

    def poison(self, inputs):
        with monkeypatch.context() as patch:
            if self.step_count == 23:
                patch.setattr(torch.autograd, "grad", infinite)
            return original(self, inputs)

    monkeypatch.setattr(Population, "step", poison)
    outcomes = train_population(configs(tmp_path))
    assert [outcome is None for outcome in outcomes] == [True, True, False, True]
    assert "gradient not finite at step 24" in str(outcomes[2])


def test_runs_that_are_done_stay_and_those_that_only_lack_results_are_measured(tmp_path, alone):
    train_population(configs(tmp_path))
    done, unmeasured, *_ = found = runs(tmp_path, alone)
    before = (done / "results.json").stat().st_mtime_ns
    terms = results(unmeasured)["terms"]
    (unmeasured / "results.json").unlink()
    assert train_population(configs(tmp_path)) == [None] * 4
    assert (done / "results.json").stat().st_mtime_ns == before
    assert results(unmeasured)["terms"] == terms
    assert all((run / "results.json").exists() for run in found)


def test_a_run_that_another_process_trains_is_left_to_it(tmp_path, alone):
    from filelock import FileLock

    busy = runs(tmp_path, alone)[0]
    busy.mkdir(parents=True)
    with FileLock(busy / ".lock"):
        outcomes = train_population(configs(tmp_path))
    assert "another process is training" in str(outcomes[0])
    assert outcomes[1:] == [None] * 3


def test_a_full_disk_in_one_members_directory_ends_that_member_alone(tmp_path, alone, monkeypatch):
    """Its metrics do not reach the disk; the others are what they are alone."""
    from vae_granularity import files

    full, *others = runs(tmp_path, alone)
    full.mkdir(parents=True)
    fsync = files.os.fsync

    def out_of_space(descriptor):
        if os.readlink(f"/proc/self/fd/{descriptor}").startswith(f"{full}/metrics.csv"):
            raise OSError(28, "No space left on device")
        fsync(descriptor)

    monkeypatch.setattr(files.os, "fsync", out_of_space)
    outcomes = train_population(configs(tmp_path))
    assert "No space left" in str(outcomes[0])
    assert outcomes[1:] == [None] * 3
    assert not (full / "results.json").exists()
    assert not (full / "failed.json").exists()  # not the run's doing: it is tried again
    for found, expected in zip(others, alone[1:], strict=True):
        assert_same_run(found, expected)


def test_members_that_take_turns_are_the_runs_trained_alone(tmp_path, alone):
    """Two batches of two rows and three members: the second is filled up with a frozen copy."""
    assert train_population(configs(tmp_path)[:3], together=2) == [None] * 3
    for found, expected in zip(runs(tmp_path, alone)[:3], alone, strict=False):
        assert_same_run(found, expected)


COMMAND = """
import sys
sys.path.insert(0, "tests/support")
from pathlib import Path
from tiny import tiny_config
from vae_granularity.population.training import train_population
folder, members, together, *overrides = sys.argv[1:]
short = ("dataset.batch_size=16", "metrics=active_units", *overrides)
configs = [
    tiny_config(Path(folder), *short, f"seed={k % 8}", f"model.beta={1 + k}")
    for k in range(int(members))
]
outcomes = train_population(configs, together=int(together))
sys.exit(sum(outcome is not None for outcome in outcomes))
"""


def started(folder: Path, *arguments: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", COMMAND, str(folder), *arguments]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, cwd=ROOT, env=environment, **quiet)


@pytest.mark.slow
def test_twenty_kills_at_any_moment_change_nothing(tmp_path):
    """Nine SIGKILL and eleven SIGTERM; the runs end with the numbers of undisturbed ones."""
    arguments = ("3", "2", "trainer.max_steps=4000", "callbacks.checkpoint.every_n_train_steps=100")
    assert started(tmp_path / "whole", *arguments).wait() == 0
    moments = random.Random(0)
    killed = 0
    while killed < 20:
        process = started(tmp_path / "killed", *arguments)
        try:
            process.wait(timeout=6.0 + 3.0 * moments.random())
            break
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL if killed % 2 else signal.SIGTERM)
            process.wait()
            killed += 1
    assert started(tmp_path / "killed", *arguments).wait() == 0
    whole, found = (sorted((tmp_path / name / "runs").glob("st*")) for name in ("whole", "killed"))
    assert len(whole) == 3
    for a, b in zip(found, whole, strict=True):
        assert rows(a) == rows(b)
        assert results(a)["terms"] == results(b)["terms"]


@pytest.mark.slow
def test_512_members_train_and_resume_after_a_kill(tmp_path):
    """One pack, in turns of eight; before, 100 members ended in a RecursionError."""
    arguments = ("512", "8", "trainer.max_steps=60", "callbacks.checkpoint.every_n_train_steps=20")
    process = started(tmp_path, *arguments)
    last = None
    while last is None and process.poll() is None:
        time.sleep(0.2)
        saved = list((tmp_path / "runs").glob("*/checkpoints/step=20.ckpt"))
        last = saved[-1] if len(saved) == 512 else None
    process.kill()
    process.wait()
    assert last is not None
    assert started(tmp_path, *arguments).wait() == 0
    assert len(list((tmp_path / "runs").glob("*/results.json"))) == 512
