"""How long `analyze` takes for 1 000, 10 000 and 100 000 run directories, first and second pass, its memory and the size of its page.

python experiments/benchmarks/analyze.py            # writes results/analyze.json and results/analyze.md; a few minutes
python experiments/benchmarks/analyze.py count=1000 # one size, printed only
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

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "support"))

COUNTS = (1_000, 10_000, 100_000)
LIMITS = {"first pass": 120.0, "second pass": 10.0, "memory": 2.0, "page": 10.0}  # s, s, GB, MB, at 100 000 runs


def write_runs(folder: Path, count: int) -> None:
    """A sweep of width x granularity x beta x seed, in directories as a sweep leaves them."""
    from fake_runs import v_elbo

    template = None
    for width, granularity, beta, seed in islice(_points(), count):
        if template is None:
            from fake_runs import fake_results

            template = json.dumps(fake_results(width=0.123, granularity=2, beta=4.321, seed=987654321, elbo=-0.24681357), indent=1)
        name = f"stcvae_blocks_b{beta:g}_g{granularity}_s{seed}_w{width:g}"
        text = template.replace("987654321", str(seed)).replace('"width": 0.123', f'"width": {width}')
        text = text.replace('"beta": 4.321', f'"beta": {beta}').replace('"granularity": 2,', f'"granularity": {granularity},')
        elbo = v_elbo(width, granularity, beta, seed)
        text = text.replace("-0.24681357", f"{elbo:.10f}").replace("stcvae_blocks_b4.321_g2", name)
        directory = folder / name
        directory.mkdir()
        (directory / "results.json").write_text(text)


def _points() -> Iterator[tuple[float, int, float, int]]:
    """8 widths x 10 granularities x 10 betas x seeds, the seeds outermost."""
    widths, betas = [2.0**k for k in range(-3, 5)], [2.0**k for k in range(-3, 7)]
    for seed in range(1_000_000):
        for width, granularity, beta in product(widths, range(1, 11), betas):
            yield width, granularity, beta, seed


def measure(folder: Path) -> dict[str, float]:
    """Wall time (s), peak memory (GB) of one `analyze` of its own process, and size of its page (MB)."""
    started = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "vae_granularity.analyze", f"runs={folder}"], stdout=subprocess.DEVNULL)
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
    """First pass, then a second one with ten new runs."""
    runs = folder / "runs"
    runs.mkdir()
    write_runs(runs, count)
    first = measure(runs)
    for directory in sorted(runs.glob("stcvae*"))[:10]:
        os.utime(directory / "results.json")
    return {"runs": count, "first": first, "second": measure(runs)}


def main() -> None:
    chosen = [int(argument.removeprefix("count=")) for argument in sys.argv[1:]]
    rows = []
    for count in chosen or COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(row(count, Path(folder)))
        print(json.dumps(rows[-1]), flush=True)
    if not chosen:
        table = [
            "| runs | first pass (s) | CPU (s) | memory (GB) | page (MB) | second pass, 10 runs changed (s) | CPU (s) |",
            "| ---: " * 7 + "|",
        ]
        for r in rows:
            first, second = r["first"], r["second"]
            cells = (r["runs"], first["seconds"], first["cpu"], first["memory"], first["page"], second["seconds"], second["cpu"])
            table.append("| " + " | ".join(map(str, cells)) + " |")
        note = f"Load at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores. Limits at 100 000 runs: {LIMITS}."
        results = HERE / "results"
        (results / "analyze.json").write_text(json.dumps({"rows": rows, "limits": LIMITS, "load": os.getloadavg()[0]}, indent=1) + "\n")
        (results / "analyze.md").write_text(
            "# Analysing many runs\n\n`python experiments/benchmarks/analyze.py`\n\n" + "\n".join(table) + f"\n\n{note}\n"
        )


if __name__ == "__main__":
    main()
