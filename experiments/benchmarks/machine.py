"""What all benchmarks share: which machine and versions, timings taken in turn, and one JSON and
one Markdown file of results.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch

RESULTS = Path(__file__).parent / "results"
CUDA = torch.cuda.is_available()
Name = TypeVar("Name")


def about(command: str, *packages: str) -> dict[str, Any]:
    """The command, the device, versions and the load of the machine before the measurement."""
    return {
        "command": command,
        "device": torch.cuda.get_device_name()
        if CUDA
        else f"{processor()}, {os.cpu_count()} cores, {torch.get_num_threads()} thread(s)",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", *packages)},
        },
        "load_before": round(os.getloadavg()[0], 2),
    }


def processor() -> str:
    """Model and architecture of the CPU; its model alone names no generation on rented machines, so
    what matters here is added.
    """
    facts = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next(
        (
            line.split(":")[1].strip()
            for line in facts.splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    extras = [
        name
        for name, flag in (("AVX-512", "avx512f"), ("bf16", "avx512_bf16"), ("AMX", "amx_bf16"))
        if f" {flag}" in facts
    ]
    return " ".join([model, platform.machine(), *([f"({', '.join(extras)})"] if extras else [])])


def milliseconds(
    parties: Mapping[Name, Callable[[], object]], repetitions: int, warm_up: int = 2
) -> dict[Name, float]:
    """Medians of calls made in turn: process CPU time; on a GPU wall time up to the end of its
    work.
    """
    times: dict[Name, list[float]] = {name: [] for name in parties}
    for _ in range(warm_up + repetitions):
        for name, call in parties.items():
            start = _now()
            call()
            times[name].append(1e3 * (_now() - start))
    return {name: statistics.median(values[warm_up:]) for name, values in times.items()}


def _now() -> float:
    if not CUDA:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def write(
    stem: str,
    title: str,
    facts: Mapping[str, Any],
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    protocol: str,
) -> None:
    """`results/<stem>.json` and `.md`, on a GPU `<stem>_cuda`; tables are rows by heading. Also
    printed.
    """
    stem = f"{stem}_cuda" if CUDA else stem
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.json").write_text(
        json.dumps({**facts, "protocol": protocol, "tables": dict(tables)}, indent=1) + "\n"
    )
    lines = [f"# {title}", "", *heading_of(facts), "", protocol]
    for heading, rows in tables.items():
        if rows:
            names = list(dict.fromkeys(name for row in rows for name in row))
            lines += [
                "",
                f"## {heading}",
                "",
                f"| {' | '.join(names)} |",
                "|" + " --- |" * len(names),
            ]
            lines += [f"| {' | '.join(_cell(row.get(name)) for name in names)} |" for row in rows]
    (RESULTS / f"{stem}.md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def heading_of(facts: Mapping[str, Any]) -> list[str]:
    """Two Markdown lines of what `about` found."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return [
        f"`{facts['command']}`: {facts['device']}; {versions}.",
        f"Load of the machine before: {facts['load_before']:.2f}.",
    ]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return (
        f"{value:.3g}"
        if isinstance(value, float) and abs(value) < 100
        else f"{value:.0f}"
        if isinstance(value, float)
        else str(value)
    )


if __name__ == "__main__":  # before the benchmarks that mean a GPU
    if not CUDA:
        raise SystemExit(
            "no CUDA device here: the benchmarks of a GPU start where there is one, and no figure "
            "of theirs exists without it"
        )
    print(torch.cuda.get_device_name())
