"""A sweep is a set of runs to be completed: its points are checked before the first trains, and
those that are done stay as they are.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import BusyError, UserError
from vae_granularity.runs.identity import RunInfo
from vae_granularity.runs.status import is_busy, is_done, recorded_failure
from vae_granularity.training.config import check_training_config

Compose = Callable[[Sequence[str]], DictConfig]
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Point:
    """One run of a sweep."""

    overrides: tuple[str, ...]  # of its config, all of them, with the settled source
    label: str  # those that are swept
    config: DictConfig
    directory: Path


# What a launcher makes of points: the exception that each of them raised, or None. It raises itself
# when a worker of its own dies.
Launch = Callable[[Sequence[Point]], Sequence[BaseException | None]]


def checked_points(
    combinations: Sequence[tuple[Sequence[str], Sequence[str]]], compose: Compose
) -> list[Point]:
    """The points of a sweep, each run once; `combinations` are (all overrides, those that are
    swept).

    What can be checked without loading torch is checked of all of them, the rest of those that are
    not done.

    Raises:
        SystemExit: 2, after a list of all invalid points with what is wrong with each.
    """
    invalid: dict[str, list[str]] = {}  # message: labels
    points: dict[Path, Point] = {}

    def tell(label: str, error: UserError) -> None:
        invalid.setdefault(str(error), []).append(label)

    for overrides, swept in combinations:
        label = " ".join(swept)
        try:
            config = compose(overrides)
            check_training_config(config)
            point = _point(overrides, label, config)
            points.setdefault(point.directory, point)
        except UserError as error:
            tell(label, error)
    left = [point for point in points.values() if not is_done(point.directory)]
    if left:
        from vae_granularity.training.prepare import prepare  # torch and Lightning take seconds

        for point in left:
            try:
                prepare(_on_any_machine(point.config))
            except UserError as error:
                tell(point.label, error)
    if invalid:
        for message, labels in invalid.items():
            print(
                f"error: {message}\n" + "\n".join(f"  {label}" for label in labels), file=sys.stderr
            )
        count = sum(map(len, invalid.values()))
        print(
            f"{count} of {len(combinations)} points are invalid; nothing was trained",
            file=sys.stderr,
        )
        sys.exit(2)
    return list(points.values())


def _point(overrides: Sequence[str], label: str, config: DictConfig) -> Point:
    source = config.dataset.source
    if source == "auto":
        from vae_granularity.sweeps.source import settled_source

        source = config.dataset.source = settled_source(config)
        overrides = [*overrides, f"dataset.source={source}"]
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    return Point(
        tuple(overrides), label, config, RunInfo(resolved, Path(config.paths.output_dir)).directory
    )


def _on_any_machine(config: DictConfig) -> DictConfig:
    """The config for a check on a machine that need not have the GPU of the one that trains."""
    return (
        OmegaConf.merge(config, {"dataset": {"device": "cpu"}})
        if config.dataset.device == "cuda"
        else config
    )


def complete(points: Sequence[Point], launch: Launch, *, retry_failed: bool = False) -> None:
    """Train the points that are not done; print a table at the end.

    A point that fails does not stop the others. What a dying worker left is launched again as long
    as each launch gets further. A point that another process trains is waited for.

    Raises:
        SystemExit: 1 if a point is not done in the end.
    """
    skipped = {point.directory for point in points if is_done(point.directory)}
    causes: dict[Path, str] = {}  # of failures in this sweep
    if not retry_failed:
        causes = {
            p.directory: cause
            for p in points
            if p.directory not in skipped and (cause := recorded_failure(p.directory))
        }
    left = [
        point
        for point in points
        if point.directory not in skipped and point.directory not in causes
    ]
    print(
        f"{len(points)} points: {len(left)} to train, {len(skipped)} done before, {len(causes)} failed before",
        flush=True,
    )
    lost = "its worker ended without a word"
    while left:
        try:
            raised = launch(left)
        except Exception as error:  # of any kind: launchers pass on what killed a worker of theirs
            lost = f"the launcher stopped: {_message(error)}"
            raised = [None] * len(left)
        causes |= {
            point.directory: _message(error)
            for point, error in zip(left, raised, strict=True)
            if error is not None and not isinstance(error, BusyError)
        }
        causes |= {
            point.directory: cause for point in left if (cause := recorded_failure(point.directory))
        }
        remaining = [
            point
            for point in left
            if not is_done(point.directory) and point.directory not in causes
        ]
        busy = [point for point in remaining if is_busy(point.directory)]
        if len(remaining) == len(left) and not busy:
            causes |= {point.directory: lost for point in remaining}
            break
        _wait_for_one(busy, remaining)
        left = remaining
    _report(points, skipped, causes)
    if any(not is_done(point.directory) for point in points):
        sys.exit(1)


def _wait_for_one(busy: list[Point], remaining: list[Point]) -> None:
    if busy and len(busy) == len(remaining):
        print(f"waiting for {len(busy)} points that another process trains", flush=True)
        while all(is_busy(point.directory) for point in busy):
            time.sleep(POLL_SECONDS)


def _report(points: Sequence[Point], skipped: set[Path], causes: dict[Path, str]) -> None:
    rows = []
    for point in points:
        done = is_done(point.directory)
        state = "skipped" if point.directory in skipped else "done" if done else "failed"
        rows.append(
            (
                state,
                point.label,
                point.directory.name,
                "" if done else causes.get(point.directory, "not done"),
            )
        )
    width = max((len(row[1]) for row in rows), default=0)
    for state, label, name, cause in sorted(rows, key=lambda row: row[0] == "failed"):
        print(f"{state:8}{label:{width}}  {name}" + (f"\n        {cause}" if cause else ""))
    count = {state: sum(row[0] == state for row in rows) for state in ("done", "skipped", "failed")}
    open_points = [point for point in points if not is_done(point.directory)]
    hints = []
    if any(recorded_failure(point.directory) is None for point in open_points):
        hints.append("the same command goes on with what was interrupted")
    if any(recorded_failure(point.directory) for point in open_points):
        hints.append("hydra.sweeper.retry_failed=true tries failed points again")
    print(
        "; ".join([", ".join(f"{number} {state}" for state, number in count.items()), *hints]),
        flush=True,
    )


def _message(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    name = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return name + (text[0] if text else "")
