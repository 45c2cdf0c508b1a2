"""What a sweep costs beside its runs: points that are done, and the seconds of a run outside
training, evaluation and figures.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/sweep_overhead.py
Writes results/sweep_overhead.json and results/sweep_overhead.md beside this file.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning import Callback, Trainer
from machine import about, write
from omegaconf import OmegaConf

from vae_granularity import train
from vae_granularity.runs.identity import RunInfo
from vae_granularity.training import record, trainer
from vae_granularity.training.config import compose
from vae_granularity.training.run import train as train_run

HERE = Path(__file__).parent
TRAIN, BARE, TIMED = (
    ("-m", "vae_granularity.train"),
    (str(HERE / "bare_hydra.py"),),
    (str(HERE / "sweep_overhead.py"), "timed"),
)
LIMIT_DONE, LIMIT_OUTSIDE = 0.4, 1.0  # seconds a point, seconds a run
FEW, MANY, ROUNDS = 12, 48, 5
RUNS = 12
POINT = (
    "model=stcvae",
    "dataset=blocks",
    "dataset.source=synthetic",
    "net=mlp",
    "trainer=quick",
    "logger=csv",
)
SWEEPS = {
    "blocks, csv": ("dataset=blocks", "logger=csv"),
    "blocks, W&B offline": ("dataset=blocks", "logger=wandb", "logger.mode=offline"),
    "dsprites rendered, csv": ("dataset=dsprites", "dataset.source=rendered", "logger=csv"),
}
SHORT = ("model=stcvae", "net=mlp", "trainer=quick", "trainer.max_steps=200", "metrics=mig")


class Cost(NamedTuple):
    """Seconds of a process."""

    wall: float
    cpu: float  # of the process and of the children that it waited for


def cost(arguments: Sequence[str], log: Path) -> Cost:
    """Run Python with these arguments to its end; its output goes to `log`."""
    started = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=file, stderr=subprocess.STDOUT
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{log.read_text()}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def places(folder: Path) -> list[str]:
    """Where runs and data go."""
    return [f"paths.{kind}_dir={folder / kind}" for kind in ("output", "cache", "data")]


def done_points(folder: Path) -> list[dict[str, Any]]:
    """Commands in turn, medians: sweeps with nothing left to do, Hydra's own of the same points,
    and what composes without a sweep.
    """
    once = train_run(compose("train", [*POINT, *places(folder / "once"), "trainer.max_steps=20"]))
    measured = (once / "results.json").read_text()
    for seed in range(MANY):
        config: Any = OmegaConf.to_container(
            compose("train", [*POINT, *places(folder), f"seed={seed}"]), resolve=True
        )
        directory = RunInfo(config, folder / "output").directory
        directory.mkdir(parents=True)
        (directory / "results.json").write_text(measured)
    sweep = ("-m", *POINT, *places(folder))
    ways = {("done points", n): (*TRAIN, *sweep, f"seed=range(0,{n})") for n in (FEW, MANY)}
    ways |= {
        ("bare Hydra", n): (*BARE, *sweep, "hydra/sweeper=basic", f"seed=range(0,{n})")
        for n in (FEW, MANY)
    }
    ways |= {
        ("--help", 0): (*TRAIN, "--help"),
        ("--cfg job", 0): (*TRAIN, *POINT, "--cfg", "job"),
        ("python -c pass", 0): ("-c", "pass"),
    }
    costs: dict[tuple[str, int], list[Cost]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, arguments in ways.items():
            costs[way].append(cost(arguments, folder / "log"))
            if way[0] == "done points":
                assert f"0 done, {way[1]} skipped, 0 failed" in (folder / "log").read_text()
    middle = {
        way: Cost(*(statistics.median(values) for values in zip(*found, strict=True)))
        for way, found in costs.items()
    }
    rows = []
    for (way, points), (wall, cpu) in middle.items():
        row: dict[str, Any] = {
            "command": way,
            "points": points or None,
            "wall, s": round(wall, 2),
            "CPU, s": round(cpu, 2),
        }
        if points:
            first = middle[way, FEW]
            row |= {
                "wall a point, s": round(wall / points, 3),
                "CPU a point, s": round(cpu / points, 3),
            }
            if points == MANY:
                row |= {"wall of one more point, s": round((wall - first.wall) / (MANY - FEW), 3)}
        rows.append(row)
    return rows


class Clock(Callback):
    """Seconds from the begin of a run's first step to the end of its last one."""

    def __init__(self) -> None:
        self.started: float | None = None
        self.ended = 0.0

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.started is None:
            self.started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.ended = time.perf_counter()


def timed(arguments: list[str]) -> None:
    """The training command; at its end a JSON line for each run: when it ended, seconds of
    training, of evaluation with figures.
    """
    clocks: list[Clock] = []
    runs: list[dict[str, float]] = []
    callbacks, report = trainer.create_callbacks, record.report

    def with_clock(*given: Any) -> list[Callback]:
        clocks.append(Clock())
        return [*callbacks(*given), clocks[-1]]

    def with_time(*given: Any, **named: Any) -> Any:
        started = time.perf_counter()
        found = report(*given, **named)
        ended = time.perf_counter()
        trained = [clock for clock in clocks if clock.started is not None]
        training = sum(clock.ended - (clock.started or 0.0) for clock in trained)
        clocks.clear()
        runs.append({"ended": ended, "training": training, "evaluation": ended - started})
        return found

    trainer.create_callbacks, record.report = with_clock, with_time
    sys.argv = ["train", *arguments]
    try:
        train.main()
    finally:
        print(json.dumps(runs))


def outside(name: str, folder: Path) -> dict[str, Any]:
    """One sweep of RUNS seeds, its data cached by a sweep of one before."""
    options = ("-m", *SHORT, *SWEEPS[name], *places(folder))
    cost((*TIMED, *options, "seed=99"), folder / "log")
    whole = cost((*TIMED, *options, f"seed=range(0,{RUNS})"), folder / "log")
    runs = json.loads((folder / "log").read_text().splitlines()[-1])
    inside = [run["training"] + run["evaluation"] for run in runs]
    between = [later["ended"] - earlier["ended"] for earlier, later in pairwise(runs)]
    spent = [seconds - within for seconds, within in zip(between, inside[1:], strict=True)]
    return {
        "sweep": name,
        "runs": RUNS,
        "wall, s": round(whole.wall, 2),
        "CPU, s": round(whole.cpu, 2),
        "training a run, s": round(statistics.median(run["training"] for run in runs), 2),
        "evaluation and figures a run, s": round(
            statistics.median(run["evaluation"] for run in runs), 2
        ),
        "outside a run, s": round(statistics.median(spent), 3),
        "most": round(max(spent), 3),
        "outside with start and end, shared by the runs, s": round(
            (whole.wall - sum(inside)) / RUNS, 2
        ),
    }


def in_new_folder(call: Callable[[Path], Any]) -> Any:
    """What `call` returns for a folder that is there only for it."""
    with tempfile.TemporaryDirectory() as folder:
        return call(Path(folder))


def main() -> None:
    torch.set_num_threads(1)
    facts = about(
        "OMP_NUM_THREADS=1 python experiments/benchmarks/sweep_overhead.py",
        "hydra-core",
        "lightning",
        "wandb",
    )
    done = in_new_folder(done_points)
    runs = [in_new_folder(lambda folder, name=name: outside(name, folder)) for name in SWEEPS]
    protocol = (
        f"Done points: whole commands, start of Python included, {ROUNDS} rounds of all in turn, "
        "medians; CPU is that of the process. "
        f"Limit: {LIMIT_DONE} s a point. The bare multirun composes and resolves the same configs "
        "by Hydra's own sweeper and launcher; its "
        "job does nothing. Neither loads torch (tests/sweep/test_cost.py, tests/cli). "
        "Runs: the basic launcher, 200 steps, metrics=mig, quick evaluation with figures. What "
        "lies outside is the wall time from the end "
        "of one run's evaluation to the end of the next one's, less the seconds from its first "
        "step to its last and of its evaluation "
        f"and figures (with handing them to the logger); medians over {RUNS - 1} such spans. It "
        "holds results.json, closing and opening "
        "loggers, composing, building, opening data, Lightning's set-up and the final checkpoint. "
        f"Limit: {LIMIT_OUTSIDE:g} s a run. The last column shares the imports of torch among the "
        "runs."
    )
    write(
        "sweep_overhead",
        "What a sweep costs beside its runs",
        facts,
        {"Points that are done": done, "Outside training": runs},
        protocol,
    )


if __name__ == "__main__":
    timed(sys.argv[2:]) if sys.argv[1:2] == ["timed"] else main()
