"""What a launcher costs beside bare Hydra: 500 points whose job does nothing.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/launcher_overhead.py [FOLDER_OF_JOBLIB]
The folder: pip install --no-deps --target FOLDER_OF_JOBLIB hydra-joblib-launcher
Writes results/launcher_overhead.json and results/launcher_overhead.md beside this file. Linux, with
the right to make a control group (root).
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import hydra
from omegaconf import DictConfig

HERE = Path(__file__).parent
POINTS, ROUNDS = 500, 1
WORKERS = 2
WAYS = {
    "bare Hydra, one process": (),
    "cores": ("hydra/launcher=cores", f"hydra.launcher.n_jobs={WORKERS}"),
    "ray": ("hydra/launcher=ray", f"hydra.launcher.num_cpus={WORKERS}"),
}
JOBLIB = ("hydra/launcher=joblib", f"hydra.launcher.n_jobs={WORKERS}")
QUIET = ("hydra/job_logging=none", "hydra/hydra_logging=none", "hydra.output_subdir=null")


class Cost(NamedTuple):
    """Seconds of a command with all processes that it has started."""

    wall: float
    cpu: float


@hydra.main(config_path=None, version_base="1.3")
def job(cfg: DictConfig) -> int:
    """A point."""
    return cfg.x


@contextmanager
def control_group() -> Iterator[Path]:
    """A new one: the kernel adds up the processor time of whoever is born in it."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    root = next((place for _, place, kind, *_ in mounts if kind == "cgroup2"), None)
    if root is None:
        raise SystemExit("needs control groups of version 2, which this machine does not have")
    group = Path(root) / f"launcher_overhead_{os.getpid()}"
    group.mkdir()
    try:
        yield group
    finally:
        deadline = time.monotonic() + 60
        while (group / "cgroup.procs").read_text() and time.monotonic() < deadline:
            time.sleep(0.1)  # Ray's last processes
        group.rmdir()


def seconds_of(group: Path) -> float:
    """Processor time of all processes of a control group, ended ones too."""
    while (group / "cgroup.procs").read_text():
        time.sleep(0.05)
    counted = dict(line.split() for line in (group / "cpu.stat").read_text().splitlines())
    return int(counted["usage_usec"]) / 1e6


def cost(options: Sequence[str], points: int, joblib: str | None) -> Cost:
    """Run a multirun of so many points to its end."""
    with tempfile.TemporaryDirectory() as folder, control_group() as group:
        arguments = [sys.executable, str(HERE / "launcher_overhead.py"), "job", "-m"]
        if "joblib" not in "".join(options):
            arguments.append(f"--config-dir={HERE.parents[1] / 'conf'}")
        arguments += [f"+x=range(0,{points})", *QUIET, *options, f"hydra.sweep.dir={folder}"]
        paths = [os.environ.get("PYTHONPATH"), joblib]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        started = time.perf_counter()
        subprocess.run(
            ["sh", "-c", 'echo $$ > "$0" && exec "$@"', str(group / "cgroup.procs"), *arguments],
            env=environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return Cost(time.perf_counter() - started, seconds_of(group))


def main() -> None:
    from machine import about, write

    joblib = sys.argv[1] if len(sys.argv) > 1 else None
    ways = WAYS | ({"hydra-joblib-launcher": JOBLIB} if joblib else {})
    command = "OMP_NUM_THREADS=1 python experiments/benchmarks/launcher_overhead.py"
    facts = about(command + (" FOLDER_OF_JOBLIB" if joblib else ""), "hydra-core", "ray", "joblib")
    costs: dict[tuple[str, int], list[Cost]] = {}
    for _ in range(ROUNDS):
        for (name, options), points in ((way, n) for way in ways.items() for n in (1, POINTS)):
            costs.setdefault((name, points), []).append(cost(options, points, joblib))
            print(name, points, costs[name, points][-1], flush=True)
    rows: list[dict[str, Any]] = []
    for name in ways:
        one, all_ = (
            Cost(*(statistics.median(values) for values in zip(*costs[name, n], strict=True)))
            for n in (1, POINTS)
        )
        rows.append(
            {
                "launcher": name,
                "CPU, s": round(all_.cpu, 1),
                "CPU of one point alone, s": round(one.cpu, 1),
                "CPU of one more point, ms": round(1e3 * (all_.cpu - one.cpu) / (POINTS - 1), 1),
                "wall, s": round(all_.wall, 1),
                "wall of one point alone, s": round(one.wall, 1),
            }
        )
    protocol = (
        f"A Hydra program without a config of its own and a job that does nothing, {POINTS} points "
        f"by Hydra's own sweeper, {WORKERS} workers for all but bare Hydra, logs off; whole "
        "commands, start and end of Python, of workers and of Ray included. CPU is that of all "
        "processes of the command, added up by a control group; medians over "
        f"{ROUNDS} round(s) of all in turn. Wall times hold what else the machine does."
    )
    write("launcher_overhead", "What a launcher costs", facts, {"Launchers": rows}, protocol)


if __name__ == "__main__":
    if sys.argv[1:2] == ["job"]:
        del sys.argv[1]
        job()
    else:
        main()
