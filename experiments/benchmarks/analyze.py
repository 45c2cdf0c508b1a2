"""How long `analyze` takes for 1 000, 10 000 and 100 000 run directories, first and second pass,
its memory and the size of its page.

Command: OMP_NUM_THREADS=1 python experiments/benchmarks/analyze.py
Writes results/analyze.json and results/analyze.md beside this file; with count=1000 only that size,
printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice, product
from pathlib import Path
from typing import Any

from machine import about, write

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))
from fake_runs import fake_results, v_elbo

COUNTS = (1_000, 10_000, 100_000)
CHANGED = 10  # runs between the passes


def write_runs(folder: Path, count: int) -> None:
    """A sweep of width x granularity x beta x seed, in directories as a sweep leaves them."""
    template = json.dumps(
        fake_results(width=0.123, granularity=2, beta=4.321, seed=987654321, elbo=-0.24681357),
        indent=1,
    )
    for width, granularity, beta, seed in islice(_points(), count):
        name = f"stcvae_blocks_b{beta:g}_g{granularity}_s{seed}_w{width:g}"
        text = template.replace("987654321", str(seed)).replace(
            '"width": 0.123', f'"width": {width}'
        )
        text = text.replace('"beta": 4.321', f'"beta": {beta}').replace(
            '"granularity": 2,', f'"granularity": {granularity},'
        )
        elbo = v_elbo(width, granularity, beta, seed)
        text = text.replace("-0.24681357", f"{elbo:.10f}").replace("stcvae_blocks_b4.321_g2", name)
        directory = folder / name
        directory.mkdir()
        (directory / "config.yaml").write_text("seed: 0\n")
        (directory / "results.json").write_text(text)


def _points() -> Iterator[tuple[float, int, float, int]]:
    """8 widths x 10 granularities x 10 betas x seeds, the seeds outermost."""
    widths, betas = [2.0**k for k in range(-3, 5)], [2.0**k for k in range(-3, 7)]
    for seed in range(1_000_000):
        for width, granularity, beta in product(widths, range(1, 11), betas):
            yield width, granularity, beta, seed


def measure(folder: Path) -> dict[str, float]:
    """Wall time (s), peak memory (GB) of one `analyze` of its own process, and size of its page
    (MB).
    """
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "vae_granularity.analyze", f"runs={folder}"],
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"analyze failed with status {status}")
    seconds = time.monotonic() - started
    page = (folder / "analysis" / "report.html").stat().st_size
    return {
        "seconds": round(seconds, 1),
        "cpu": round(usage.ru_utime + usage.ru_stime, 1),
        "memory": round(usage.ru_maxrss / 2**20, 2),
        "page": round(page / 1e6, 1),
    }


def row(count: int, folder: Path) -> dict[str, Any]:
    """First pass, then a second one after some runs have changed."""
    runs = folder / "runs"
    runs.mkdir()
    write_runs(runs, count)
    first = measure(runs)
    for directory in sorted(runs.glob("stcvae*"))[:CHANGED]:
        os.utime(directory / "results.json")
    second = measure(runs)
    return {
        "runs": count,
        "first pass, s": first["seconds"],
        "CPU, s": first["cpu"],
        "memory, GB": max(first["memory"], second["memory"]),
        "page, MB": first["page"],
        "second pass, s": second["seconds"],
        "its CPU, s": second["cpu"],
    }


def main() -> None:
    chosen = [int(argument.removeprefix("count=")) for argument in sys.argv[1:]]
    facts = about(
        "OMP_NUM_THREADS=1 python experiments/benchmarks/analyze.py",
        "pandas",
        "pyarrow",
        "orjson",
        "plotly",
    )
    rows = []
    for count in chosen or COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(count, Path(folder)))
        print(json.dumps(rows[-1]), flush=True)
    if not chosen:
        protocol = (
            "Synthetic results.json of 8 widths × 10 granularities × 10 β × as many seeds as it "
            "takes, a directory each, just written "
            "(so read from the page cache). Wall time and CPU time of the whole command `python "
            "-m vae_granularity.analyze runs=FOLDER`, "
            f"figures included, once each; the second pass after {CHANGED} of the runs have "
            "changed. Memory: the peak of resident memory. "
            "Limits at 100 000 runs: 120 s, 2 GB, second pass 10 s, page 10 MB."
        )
        write("analyze", "Analysing many runs", facts, {"Whole commands": rows}, protocol)


if __name__ == "__main__":
    main()
