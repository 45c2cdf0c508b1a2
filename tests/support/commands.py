"""The training command in a process of its own that can be killed, without loading torch anew: a
fork of the test's process.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from tiny import PLACES, SMALL, results

MAX_FILE_BYTES: int | None = (
    None  # set by tests: a file that grows beyond it fails as on a full disk
)


def start(folder: Path, *arguments: str) -> BaseProcess:
    """Start the command with the tiny run's options; its output is added to `folder/output.txt`."""
    paths = [f"paths.{key}={folder / name}" for key, name in PLACES.items()]
    flags = [a for a in arguments if a.startswith("-")]
    overrides = [a for a in arguments if not a.startswith("-")]
    return start_module("vae_granularity.train", folder, *flags, *SMALL, *paths, *overrides)


def start_module(
    module: str, folder: Path, *arguments: str, cwd: Path | None = None
) -> BaseProcess:
    """Start a command of the package as it is; its output is added to `folder/output.txt`."""
    folder.mkdir(parents=True, exist_ok=True)
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_main, args=(module, folder, arguments, cwd))
    process.start()
    return process


def _main(module: str, folder: Path, arguments: Sequence[str], cwd: Path | None) -> None:
    from hydra.core.global_hydra import GlobalHydra

    output = os.open(folder / "output.txt", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
    if MAX_FILE_BYTES is not None:  # Python ignores SIGXFSZ: writing raises OSError
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    os.environ.pop("WANDB_SERVICE", None)  # a process of its own has a W&B service of its own
    os.chdir(cwd or ".")
    sys.argv = [module, *arguments]
    GlobalHydra.instance().clear()
    found = import_module(module)
    (found if hasattr(found, "main") else import_module(f"{module}.__main__")).main()


def finish(folder: Path, *arguments: str) -> tuple[int | None, str]:
    """Run the command to its end; its exit code and what it wrote."""
    before = len(output(folder))
    process = start(folder, *arguments)
    process.join()
    return process.exitcode, output(folder)[before:]


def output(folder: Path) -> str:
    """All that commands in this folder have written."""
    path = folder / "output.txt"
    return path.read_text() if path.exists() else ""


def refusal(monkeypatch: Any, capsys: Any, module: str, *arguments: str) -> str:
    """What a command says to a mistake, in this process, in one line and with exit code 2."""
    monkeypatch.setattr(sys, "argv", [module, *arguments])
    with pytest.raises(SystemExit) as stopped:
        import_module(f"vae_granularity.{module}").main()
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    (line,) = captured.err.strip().splitlines()
    assert line.startswith("error: ")
    assert captured.out == ""
    return line


def run_directories(folder: Path) -> list[Path]:
    """The run directories, sorted by name."""
    return sorted(
        path
        for path in (folder / "runs").glob("*")
        if path.is_dir() and not path.name.startswith(".")
    )


def numbers(run: Path) -> dict[str, Any]:
    """What two runs that were trained alike have in common, however often one of them was
    stopped.
    """
    found = results(run)
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == sorted({int(row["step"]) for row in rows}), (
        "a row is there twice, or out of order"
    )
    return {"name": run.name, "terms": found["terms"], "scores": found["scores"], "rows": rows}


def children(pid: int | None) -> list[int]:
    """Process ids of what a process has started and not yet waited for."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended
            found += [int(child) for child in listed.read_text().split()]
    return found


def descendants(pid: int | None) -> list[int]:
    """Children, their children and so on."""
    return [one for child in children(pid) for one in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
