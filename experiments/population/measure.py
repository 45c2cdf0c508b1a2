"""Seconds of whole sweeps, from the command's start to its exit, by way of training.

    OMP_NUM_THREADS=1 python experiments/population/measure.py [seconds]   # goes on where it was
    python experiments/population/measure.py table

Nothing new is started after `seconds`.

Each measurement is one line of results.jsonl beside this file; `table` writes results.md. Needs the
extra `cores`.
"""

import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from machine import about

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results.jsonl"
REPETITIONS = 3
# Cores that others may keep busy on average during a measurement; above, it is taken again.
QUIET = 0.2
COMMON = ("model=stcvae", "trainer=quick", "trainer.accelerator=cpu", "logger=csv", "seed=0,1,2,3")
SWEEPS = {
    "blocks": (
        64,
        (
            *("dataset=blocks", "net=mlp", "net.hidden=64", "model.latent_dim=6"),
            *("trainer.max_steps=10000", "evaluation.every=10000"),
            *("model.beta=1,2,4,8", "model.granularity=1,2,3,6"),
        ),
    )
}
AUTOMATIC = "automatic"
ALONE = "one after the other"
WAYS = {
    ALONE: (),
    "2 processes": ("hydra/launcher=cores", "hydra.launcher.n_jobs=2"),
    AUTOMATIC: ("hydra/launcher=population",),
}


def pieces() -> list[tuple[int, str, str]]:
    """(repetition, sweep, way) in the order of measurement: all ways in turn, each repetition
    beginning with another one.
    """
    ways = list(WAYS)
    return [
        (r, sweep, ways[(i + 2 * r) % len(ways)])
        for r in range(REPETITIONS)
        for sweep in SWEEPS
        for i in range(len(ways))
    ]


def records() -> list[dict[str, Any]]:
    return (
        [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    )


def measure(repetition: int, sweep: str, way: str) -> dict[str, Any]:
    """One command in a process of its own with an output folder of its own."""
    points, overrides = SWEEPS[sweep]
    facts = about("", "lightning", "joblib", "vae-granularity")
    with tempfile.TemporaryDirectory() as folder:
        paths = (
            f"paths.output_dir={folder}/runs",
            # What is compiled is compiled anew: a sweep of a new shape pays for it.
            f"paths.cache_dir={folder}/cache",
            f"paths.data_dir={folder}/data",
        )
        command = [
            sys.executable,
            "-m",
            "vae_granularity.train",
            "-m",
            *COMMON,
            *overrides,
            *WAYS[way],
            *paths,
        ]
        wait_for_quiet()
        before, started = cpu_seconds(), time.monotonic()
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        seconds, after = time.monotonic() - started, cpu_seconds()
    if done.returncode or f"{points} done, 0 skipped, 0 failed" not in done.stdout:
        sys.exit(f"{sweep}, {way}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    chosen = re.search(r"plan for \d+ compatible runs: (.*)", done.stdout)
    return {
        "sweep": sweep,
        "way": way,
        "repetition": repetition,
        "seconds": round(seconds, 2),
        "chosen": chosen and chosen[1],
        "cpu_seconds": round(after[1] - before[1], 2),
        "others_cores": round((after[0] - before[0] - after[1] + before[1]) / seconds, 2),
        "omp_num_threads": os.environ.get("OMP_NUM_THREADS"),
        **{name: facts[name] for name in ("load_before", "device", "versions")},
    }


def cpu_seconds() -> tuple[float, float]:
    """CPU time of the whole machine and of the commands that have ended here."""
    user, nice, system = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:4])
    own = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (user + nice + system) / os.sysconf("SC_CLK_TCK"), own.ru_utime + own.ru_stime


def wait_for_quiet() -> None:
    """Wait until others have left the machine alone for two seconds, a minute at most."""
    for _ in range(30):
        before = cpu_seconds()[0]
        time.sleep(2.0)
        if cpu_seconds()[0] - before < 2.0 * QUIET:
            return


def least_seconds(record: dict[str, Any]) -> float:
    """Seconds that the command took, or, where others kept the machine busy, must take at least:
    its CPU time spread over the cores that it may use.
    """
    cores = 1 if record["way"] == ALONE else os.cpu_count() or 1
    quiet = record["others_cores"] <= QUIET
    return record["seconds"] if quiet else record["cpu_seconds"] / cores


def table() -> None:
    """Write results.md."""
    found = records()
    first = found[0]
    versions = ", ".join(f"{name} {number}" for name, number in first["versions"].items())
    lines = [
        "# Whole sweeps, from the command's start to its exit",
        "",
        f"{first['device']}, OMP_NUM_THREADS={first['omp_num_threads']}; {versions}.",
        f"Where others kept more than {QUIET} cores busy, the seconds do not count; the CPU time,",
        "spread over all cores, is then what the command takes at least.",
    ]
    for sweep, (points, overrides) in SWEEPS.items():
        rows = [r for r in found if r["sweep"] == sweep]
        lines += ["", f"## {sweep}, {points} runs", "", f"`{' '.join((*COMMON, *overrides))}`", ""]
        lines += [
            "| way | seconds | CPU seconds | cores busy with other work | at least, s "
            "| runs an hour, at most |",
            "| --- | --- | --- | --- | --- | --- |",
        ]
        for r in rows:
            facts = (r["seconds"], r["cpu_seconds"], max(0.0, r["others_cores"]), least_seconds(r))
            numbers = " | ".join(f"{value:.4g}" for value in facts)
            lines.append(f"| {r['way']} | {numbers} | {3600 * points / least_seconds(r):.0f} |")
        median = {
            way: statistics.median(least_seconds(r) for r in rows if r["way"] == way)
            for way in {r["way"] for r in rows}
        }
        best = min((way for way in median if way != AUTOMATIC), key=lambda way: median[way])
        gain = median[best] / median[AUTOMATIC]
        lines += ["", f"Automatic is at least **{gain:.2f} times** as fast as {best}.", ""]
        lines += [f"- {r['chosen']}: {r['seconds']:.1f} s" for r in rows if r["way"] == AUTOMATIC]
    (HERE / "results.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def main(seconds: float) -> None:
    """Measure what is not in results.jsonl."""
    started = time.monotonic()
    done = {
        (r["repetition"], r["sweep"], r["way"]) for r in records() if r["others_cores"] <= QUIET
    }
    for piece in pieces():
        if piece in done:
            continue
        if time.monotonic() - started > seconds:
            return
        record = measure(*piece)
        with RESULTS.open("a") as file:
            file.write(json.dumps(record) + "\n")
        found = (record[key] for key in ("sweep", "way", "seconds", "chosen", "others_cores"))
        print(*found, flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        table()
    else:
        main(float(sys.argv[1]) if sys.argv[1:] else float("inf"))
