"""A sweep is a set of runs to be completed: all points are checked before the first one trains."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import Any

from omegaconf import DictConfig, OmegaConf

from vae_granularity.errors import BusyError, DataError, UserError
from vae_granularity.evaluation.request import unmeasured
from vae_granularity.runs.identity import RunInfo, short_digest
from vae_granularity.runs.overview import record_sweep
from vae_granularity.runs.status import is_busy, is_done, recorded_failure
from vae_granularity.runs.table import read_results
from vae_granularity.sweeps.screen import duration
from vae_granularity.terminal import say
from vae_granularity.training.config import check_training_config

Compose = Callable[[Sequence[str]], DictConfig]
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Point:
    """One run of a sweep with what is to be measured of it."""

    overrides: tuple[str, ...]  # of its config, all of them, with the settled source
    label: str  # those that are swept
    config: DictConfig = field(compare=False)
    directory: Path

    @cached_property
    def measures(self) -> dict[str, Any]:
        """The part of the config that says what is measured."""
        asked = {key: self.config[key] for key in ("evaluation", "metrics") if self.config.get(key)}
        return {key: OmegaConf.to_container(node, resolve=True) for key, node in asked.items()}

    @property
    def is_done(self) -> bool:
        """Whether the run is trained."""
        return is_done(self.directory)

    @property
    def is_complete(self) -> bool:
        """Whether the run is trained and all that is asked of it measured. Loads no torch."""
        try:
            return not unmeasured(self.measures, read_results(self.directory))
        except Exception:  # of any kind: whoever trains or measures it says what is wrong
            return False


# What a launcher makes of points: the exception that each of them raised, or None. It raises itself
# when a worker of its own dies.
Launch = Callable[[Sequence[Point]], Sequence[BaseException | None]]


def checked_points(
    combinations: Sequence[tuple[Sequence[str], Sequence[str]]], compose: Compose
) -> list[Point]:
    """The points of a sweep, each once; `combinations` are (all overrides, those that are swept).

    What needs no torch is checked of all points, the rest of those that are not complete.

    Raises:
        SystemExit: 2, after a list of all invalid points with what is wrong with each.
    """
    invalid: dict[str, list[str]] = {}  # message: labels
    points: dict[tuple[Path, str], Point] = {}
    for overrides, swept in combinations:
        label = " ".join(swept)
        try:
            point = _point(overrides, label, compose(overrides))
            points.setdefault((point.directory, short_digest(point.measures)), point)
        except UserError as error:
            invalid.setdefault(str(error), []).append(label)
    left = [point for point in points.values() if not point.is_complete]
    if left:
        from vae_granularity.training.job import prepare_ahead  # torch and Lightning take seconds

        for point in left:
            try:
                prepare_ahead(point.config)
            except UserError as error:
                invalid.setdefault(str(error), []).append(point.label)
    if invalid:
        for message, labels in invalid.items():
            say("\n  ".join([f"error: {message}", *labels]), to_stderr=True)
        count = f"{sum(map(len, invalid.values()))} of {len(combinations)} points"
        print(f"{count} are invalid; nothing was trained", file=sys.stderr)
        sys.exit(2)
    return list(points.values())


def _point(overrides: Sequence[str], label: str, config: DictConfig) -> Point:
    check_training_config(config)
    if config.dataset.source == "auto":
        from vae_granularity.sweeps.source import settled_source

        config.dataset.source = settled_source(config)
        overrides = [*overrides, f"dataset.source={config.dataset.source}"]
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    try:
        directory = RunInfo(resolved, Path(config.paths.output_dir)).directory
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        from vae_granularity.training.job import prepare_ahead

        prepare_ahead(config)  # names the value that no name can be made of
        raise
    return Point(tuple(overrides), label, config, directory)


def complete(points: Sequence[Point], launch: Launch, *, retry_failed: bool = False) -> None:
    """Train the points that are not done, measure those that lack a measure; prints a table.

    A point that fails does not stop the others. What a dying worker left is launched again as long
    as each launch gets further. A point that another process trains is waited for.

    Raises:
        SystemExit: 1 if a point is not complete in the end.
    """
    states = {point: "skipped" for point in points if point.is_complete}
    skipped, trained = len(states), {point for point in points if point.is_done}
    left = [point for point in points if point not in states]
    causes = {} if retry_failed else _recorded(left)
    left = [point for point in left if point not in causes]
    counts = [f"{sum(point not in trained for point in left)} to train"]
    counts += [f"{n} to measure"] if (n := sum(point in trained for point in left)) else []
    counts += [f"{skipped} done before", f"{len(causes)} failed before"]
    print(f"{len(points)} points: {', '.join(counts)}", flush=True)
    record_sweep(point.directory for point in points)
    lost = "worker died without an error (killed?)"
    while left:
        try:
            with _announced([point for point in left if point not in trained], len(points)):
                raised = list(launch(left))
        except Exception as error:  # of any kind: launchers pass on what killed a worker of theirs
            lost = f"the launcher stopped: {_message(error)}"
            raised = None
        for point, error in zip(left, raised or [], strict=raised is not None):
            if error is not None and not isinstance(error, BusyError):
                causes[point] = _message(error)
        ended = {p for p, error in zip(left, raised or [], strict=False) if error is None}
        for point in left:
            # What a launched point returned without an error is all that can be measured.
            if point.is_done if point in ended else point.is_complete:
                states[point] = "measured" if point in trained else "done"
        causes |= _recorded([point for point in left if point not in states])
        remaining = [point for point in left if point not in states and point not in causes]
        busy = [point for point in remaining if is_busy(point.directory)]
        blocked = any(isinstance(error, BusyError) for error in raised or [])
        if len(remaining) == len(left) and not busy and not blocked:
            causes |= dict.fromkeys(remaining, lost)
            break
        if busy and len(busy) == len(remaining):
            print(f"waiting for {len(busy)} points that another process trains", flush=True)
            while all(is_busy(point.directory) for point in busy):
                time.sleep(POLL_SECONDS)
        left = remaining
    _report(points, states, causes)
    if any(point not in states for point in points):
        sys.exit(1)


@contextmanager
def _announced(points: Sequence[Point], total: int) -> Iterator[None]:
    """Print a line for each of the points that is done meanwhile: its ELBO, and what is left."""
    if len(points) < 2:
        yield
        return
    stop, started, before = Event(), time.monotonic(), total - len(points)

    def watch() -> None:
        waiting, ended = list(points), False
        while waiting and not ended:
            ended = stop.wait(POLL_SECONDS)
            for point in [point for point in waiting if point.is_done]:
                waiting.remove(point)
                count = len(points) - len(waiting)
                left = (time.monotonic() - started) / count * len(waiting)
                share = f"{before + count}/{total} points"
                rest = f", about {duration(left)} left" if waiting else ""
                say(f"{share}{rest}: {point.label}  {_numbers(point)}")

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _numbers(point: Point) -> str:
    """ELBO in nats and MIG of a finished run, as far as they were measured."""
    try:
        found = read_results(point.directory)
    except (DataError, OSError):
        return ""
    elbo, mig = found["terms"].get("val/elbo"), found["scores"].get("mig")
    shown = ("" if elbo is None else f"ELBO {elbo:.2f}", "" if mig is None else f"MIG {mig:.3f}")
    return "  ".join(filter(None, shown))


def _recorded(points: Sequence[Point]) -> dict[Point, str]:
    found = {point: recorded_failure(point.directory) for point in points}
    return {point: cause for point, cause in found.items() if cause}


def _report(points: Sequence[Point], states: dict[Point, str], causes: dict[Point, str]) -> None:
    width = max((len(point.label) for point in points), default=0)
    failed = [point for point in points if point not in states]
    for point in [*(point for point in points if point in states), *failed]:
        line = f"{states.get(point, 'failed'):8} {point.label:{width}}  {point.directory.name}"
        say(f"{line}  {_numbers(point)}".rstrip())
        if point in failed:
            say(f"         {causes.get(point, 'not done')}")
    counts = Counter(states.values()) | Counter(failed=len(failed))
    shown = [f"{counts[state]} {state}" for state in ("done", "skipped", "failed")]
    shown += [f"{counts['measured']} measured"] if counts["measured"] else []
    known, hints = [recorded_failure(point.directory) for point in failed], []
    if None in known:
        hints.append("the same command goes on with what was interrupted")
    if any(known):
        hints.append("hydra.sweeper.retry_failed=true tries failed points again")
    print("; ".join([", ".join(shown), *hints]), flush=True)


def _message(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    name = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return name + (text[0] if text else "")
