"""Ray: parts of GPUs, and a cluster of two nodes, one of which dies in the middle of a sweep. The
nodes are of this machine, and the GPUs are there only in Ray's books.
"""

from __future__ import annotations

import importlib.util
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import commands
import pytest
import ray_cluster
from same_numbers import assert_same_numbers
from tiny import tiny_config

from vae_granularity.runs.identity import checkpoints
from vae_granularity.runs.status import is_done
from vae_granularity.training.run import train

pytestmark = [
    pytest.mark.launcher,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs the extra 'ray'"),
    pytest.mark.filterwarnings("default"),  # Ray warns of its own code
]

POINTS, STEPS, EVERY = 24, 120, 20
AT_ONCE = 10.0  # seconds of a job: until the last has a worker, on a machine that others use
RUN = (
    f"trainer.max_steps={STEPS}",
    f"callbacks.checkpoint.every_n_train_steps={EVERY}",
    "callbacks.terms.every=30",
    "evaluation.every=1000",
    "metrics=mig",
)
WAYS = {
    "runs": ("hydra/launcher=ray",),
    "packs": (
        "hydra/launcher=population",
        "hydra.launcher.how=eager",
        "hydra.launcher.max_members=2",
        "hydra/launcher@hydra.launcher.jobs=ray",
    ),
}


@pytest.fixture
def cluster(monkeypatch) -> Iterator[ray_cluster.TwoNodes]:
    for name, value in ray_cluster.settings().items():
        monkeypatch.setenv(name, value)
    with ray_cluster.two_nodes() as found:
        yield found


def alone(call: Callable[..., Any], *arguments: Any) -> Any:
    """What a call returns, made in a process of its own, so that this one does not import Ray."""
    with ProcessPoolExecutor(1, mp_context=get_context("fork")) as process:
        return process.submit(call, *arguments).result()


def being_trained(workers: list[int]) -> set[Path]:
    """Run directories that these processes have locked and have a checkpoint of."""
    found = set()
    for pid in workers:
        try:
            opened = [os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:  # it has ended
            continue
        found |= {Path(name).parent for name in opened if name.endswith("/.lock")}
    return {run for run in found if checkpoints(run) and not is_done(run)}


def when_in_the_middle(
    cluster: ray_cluster.TwoNodes, folder: Path, process: BaseProcess
) -> dict[str, int]:
    """Wait until both nodes work and something is done; the runs of the second node, with the
    step that each can go on from.
    """
    while process.is_alive():
        here, there = (being_trained(cluster.workers(node)) for node in (0, 1))
        if here and there and any(map(is_done, commands.run_directories(folder))):
            return {run.name: int(checkpoints(run)[0].stem.partition("=")[2]) for run in there}
        time.sleep(0.01)
    pytest.fail(commands.output(folder))


@pytest.mark.parametrize("way", WAYS)
def test_points_of_a_node_that_dies_are_continued_on_the_other(tmp_path, cluster, way):
    """24 points, by an address; each is trained to its end once, as if nothing had happened."""
    prefix = "hydra.launcher.jobs" if way == "packs" else "hydra.launcher"
    where = {"address": cluster.address, "cpus": 0.5, "gpus": 0.5}
    options = [*WAYS[way], *(f"{prefix}.{key}={value}" for key, value in where.items())]
    process = commands.start(tmp_path, "-m", f"seed=range(0,{POINTS})", *RUN, *options)
    lost = when_in_the_middle(cluster, tmp_path, process)
    cluster.kill_second()
    process.join()
    said = commands.output(tmp_path)
    assert process.exitcode == 0, said
    assert f"{POINTS} done, 0 skipped, 0 failed" in said
    runs = {run.name: run for run in commands.run_directories(tmp_path)}
    assert len(runs) == POINTS
    found = {name: commands.numbers(run) for name, run in runs.items()}
    assert all(run["rows"][-1]["step"] == str(STEPS) for run in found.values())
    printed = [path.read_text() for path in (tmp_path / "runs" / ".output").iterdir()]
    for name in runs:
        (own,) = (text for text in printed if f"run {name}\n" in text)
        assert own.count(f"\ndone: {runs[name]}\n") == 1, "trained to its end once"
        continued = [int(step) for step in re.findall(r"continues from step (\d+) of", own)]
        assert len(continued) == (name in lost), own
        assert not continued or continued[0] >= lost[name] > 0
    seed = min(lost).split("_s")[-1].split("_")[0]
    whole = train(tiny_config(tmp_path / "whole", *RUN, f"seed={seed}"))
    if way == "runs":
        assert commands.numbers(whole) == found[min(lost)]
    else:
        assert_same_numbers(found[min(lost)]["terms"], commands.numbers(whole)["terms"])


def seen(jobs: int, gpus: float, **where: Any) -> Counter[tuple[str, str]]:
    """How many of some jobs at once are on which node with which devices."""
    from vae_granularity.sweeps.ray_pool import RayPool
    from vae_granularity.sweeps.workers import run_all

    def place(seconds: float) -> tuple[str, str]:
        import ray

        time.sleep(seconds)
        return ray.get_runtime_context().get_node_id(), os.environ["CUDA_VISIBLE_DEVICES"]

    with RayPool(place, cpus=0.1, gpus=gpus, **where) as pool:
        return Counter(run_all(pool, [AT_ONCE] * jobs, attempts=1))


def test_each_job_gets_its_part_of_the_gpus_of_this_machine():
    """Two logical GPUs, no real one, by CUDA_VISIBLE_DEVICES."""
    here = {"num_cpus": 1, "num_gpus": 2}
    whole, halves = alone(partial(seen, **here), 2, 1.0), alone(partial(seen, **here), 4, 0.5)
    assert {device: count for (_, device), count in whole.items()} == {"0": 1, "1": 1}
    assert {device: count for (_, device), count in halves.items()} == {"0": 2, "1": 2}


def test_each_job_gets_its_part_of_the_gpus_of_a_cluster(cluster):
    """Two nodes with a GPU each."""
    there = partial(seen, address=cluster.address)
    for jobs, gpus, each in ((2, 1.0, 1), (4, 0.5, 2)):
        found = alone(there, jobs, gpus)
        assert len(found) == 2, "both nodes are used"
        assert {device for _, device in found} == {"0"}, "the only one of its node"
        assert set(found.values()) == {each}


def test_who_does_not_know_the_token_of_a_cluster_is_told_so(cluster, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_AUTH_TOKEN", "0" * 64)
    where = ("hydra/launcher=ray", f"hydra.launcher.address={cluster.address}")
    code, said = commands.finish(tmp_path, "-m", "seed=0,1", *where)
    assert code == 1
    assert "or it asks for another token (RAY_AUTH_TOKEN)" in said
    assert "0 done, 0 skipped, 2 failed" in said
