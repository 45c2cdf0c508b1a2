"""Check all points of a sweep, then train and measure those that are not complete."""

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from vae_granularity.runs.status import is_busy, is_done, recorded_failure
from vae_granularity.runs.table import read_results
from vae_granularity.sweeps.status import duration, record_sweep
from vae_granularity.terminal import say
from vae_granularity.training.config import check_training_config

Compose = Callable[[Sequence[str]], DictConfig]
POLL_SECONDS = 1.0


@dataclass(frozen=True)
class Point:
    """One run of a sweep with what is to be measured of it."""

    overrides: tuple[str, ...]  # of its config, all of them, with the settled source
    label: str  # the overrides that are swept
    config: DictConfig = field(compare=False)
    directory: Path

    @cached_property
    def measures(self) -> dict[str, Any]:
        """The nodes of the config that say what is measured."""
        nodes = {key: self.config.get(key) for key in ("evaluation", "metrics")}
        return {
            key: OmegaConf.to_container(node, resolve=True) for key, node in nodes.items() if node
        }

    @property
    def is_done(self) -> bool:
        """True if the run is trained."""
        return is_done(self.directory)

    @property
    def is_complete(self) -> bool:
        """True if the run is trained and everything measured. Loads no torch."""
        try:
            return not unmeasured(self.measures, read_results(self.directory))
        except Exception:  # of any kind: whoever trains or measures it says what is wrong
            return False


# Runs the points; returns the exception that each of them raised, or None. It raises itself when it
# loses a worker.
Launch = Callable[[Sequence[Point]], Sequence[BaseException | None]]


def checked_points(
    combinations: Sequence[tuple[Sequence[str], Sequence[str]]], compose: Compose
) -> list[Point]:
    """Return the points of a sweep, each once.

    What needs no torch is checked of all points, the rest of those that are not complete.

    Args:
        combinations: all overrides of a point, and those that are swept.

    Raises:
        SystemExit: 2, after a list of all invalid points with what is wrong with each.
    """
    invalid: dict[str, list[str]] = {}  # labels by message
    points: dict[tuple[Path, str], Point] = {}
    for overrides, swept in combinations:
        label = " ".join(swept)
        try:
            point = _point(overrides, label, compose(overrides))
            points.setdefault((point.directory, short_digest(point.measures)), point)
        except UserError as error:
            invalid.setdefault(str(error), []).append(label)
    incomplete = [point for point in points.values() if not point.is_complete]
    if incomplete:
        # Torch and Lightning, which take seconds to load, are not needed where all is done.
        from vae_granularity.training.job import prepare_ahead

        for point in incomplete:
            try:
                prepare_ahead(point.config)
            except UserError as error:
                invalid.setdefault(str(error), []).append(point.label)
    if invalid:
        for message, labels in invalid.items():
            say("\n  ".join([f"error: {message}", *labels]), to_stderr=True)
        count = sum(map(len, invalid.values()))
        say(
            f"{count} of {len(combinations)} points are invalid; nothing was trained",
            to_stderr=True,
        )
        sys.exit(2)
    return list(points.values())


def _point(overrides: Sequence[str], label: str, config: DictConfig) -> Point:
    """Check a composed config as far as that needs no torch, and name its run directory."""
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

        # A value cannot be a part of a name: the whole check says which.
        prepare_ahead(config)
        raise
    return Point(tuple(overrides), label, config, directory)


def complete(points: Sequence[Point], launch: Launch, *, retry_failed: bool = False) -> None:
    """Train the points that are not done, measure those that lack a measure; print a table.

    A point that fails does not stop the others. The points of a worker that died are launched again
    as long as each launch completes some. A point that another process trains is waited for.

    Raises:
        SystemExit: 1 if a point is not complete in the end.
    """
    trained = {point for point in points if point.is_done}
    outcomes = {point: "skipped" for point in points if point.is_complete}
    causes: dict[Point, str] = {}
    if not retry_failed:
        causes = _recorded_failures(point for point in points if point not in outcomes)
    remaining = [point for point in points if point not in outcomes and point not in causes]
    _say_counts(len(points), len(outcomes), remaining, trained, len(causes))
    record_sweep(point.directory for point in points)
    while remaining:
        untrained = [point for point in remaining if point not in trained]
        cause = "the worker process died (killed or out of memory?)"
        errors: dict[Point, BaseException | None] = {}
        try:
            with _progress_lines(untrained, len(points)):
                errors = dict(zip(remaining, launch(remaining), strict=True))
        except Exception as error:  # of any kind: launchers pass on what killed a worker of theirs
            cause = f"the launcher stopped: {_first_line(error)}"
        for point in remaining:
            error = errors.get(point)
            if error is not None and not isinstance(error, BusyError):
                causes[point] = _first_line(error)
            # A launched point that ended without an error has all that can be measured of it.
            has_ended = point in errors and error is None
            if point.is_done if has_ended else point.is_complete:
                outcomes[point] = "measured" if point in trained else "done"
        causes |= _recorded_failures(point for point in remaining if point not in outcomes)
        unfinished = [point for point in remaining if point not in outcomes and point not in causes]
        busy = [point for point in unfinished if is_busy(point.directory)]
        was_busy = any(isinstance(error, BusyError) for error in errors.values())
        if len(unfinished) == len(remaining) and not busy and not was_busy:
            causes |= dict.fromkeys(unfinished, cause)
            break
        if busy and len(busy) == len(unfinished):
            say(f"waiting for {len(busy)} points that another process trains")
            while all(is_busy(point.directory) for point in busy):
                time.sleep(POLL_SECONDS)
        elif was_busy and unfinished:
            # The process that had it has ended meanwhile, or is on a machine whose locks cannot be
            # seen here: then each launch asks again.
            time.sleep(POLL_SECONDS)
        remaining = unfinished
    _say_table(points, outcomes, causes)
    if any(point not in outcomes for point in points):
        sys.exit(1)


def _recorded_failures(points: Iterable[Point]) -> dict[Point, str]:
    """Return the causes of the points whose run has failed."""
    causes = {point: recorded_failure(point.directory) for point in points}
    return {point: cause for point, cause in causes.items() if cause}


def _say_counts(
    total: int, complete: int, remaining: Sequence[Point], trained: set[Point], failed: int
) -> None:
    measured = sum(point in trained for point in remaining)
    counts = [f"{len(remaining) - measured} to train"]
    if measured:
        counts.append(f"{measured} to measure")
    counts += [f"{complete} done before", f"{failed} failed before"]
    say(f"{total} points: {', '.join(counts)}")


@contextmanager
def _progress_lines(points: Sequence[Point], total: int) -> Iterator[None]:
    """Print a line for each point that is done meanwhile: its ELBO, and the time left."""
    # The one point of a sweep needs no count; its table follows at once.
    if len(points) < 2:
        yield
        return
    stop = Event()
    started = time.monotonic()

    def watch() -> None:
        waiting = list(points)
        has_stopped = False
        while waiting and not has_stopped:
            has_stopped = stop.wait(POLL_SECONDS)
            for point in [point for point in waiting if point.is_done]:
                waiting.remove(point)
                count = len(points) - len(waiting)
                seconds = (time.monotonic() - started) / count * len(waiting)
                estimate = f", about {duration(seconds)} left" if waiting else ""
                number = total - len(waiting)
                say(f"{number}/{total} points{estimate}: {point.label}  {_scores(point)}")

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        stop.set()
        watcher.join()


def _scores(point: Point) -> str:
    """Return ELBO in nats and MIG of a finished run, as far as they were measured."""
    try:
        results = read_results(point.directory)
    except (DataError, OSError):
        return ""
    elbo = results["terms"].get("val/elbo")
    mig = results["scores"].get("mig")
    words: list[str] = []
    if elbo is not None:
        words.append(f"ELBO {elbo:.2f}")
    if mig is not None:
        words.append(f"MIG {mig:.3f}")
    return "  ".join(words)


def _say_table(
    points: Sequence[Point], outcomes: dict[Point, str], causes: dict[Point, str]
) -> None:
    """Print the outcome of each point, those that failed last, and what to do about them."""
    width = max((len(point.label) for point in points), default=0)
    completed = [point for point in points if point in outcomes]
    failed = [point for point in points if point not in outcomes]
    for point in completed + failed:
        outcome = outcomes.get(point, "failed")
        line = f"{outcome:8} {point.label:{width}}  {point.directory.name}  {_scores(point)}"
        say(line.rstrip())
        if point in failed:
            say(f"         {causes.get(point, 'not done')}")
    counts = Counter(outcomes.values())
    summary = f"{counts['done']} done, {counts['skipped']} skipped, {len(failed)} failed"
    if counts["measured"]:
        summary += f", {counts['measured']} measured"
    # A run that failed by its own doing has a record of it; the others were interrupted.
    recorded = _recorded_failures(failed)
    if len(recorded) < len(failed):
        summary += "; run the same command again to continue interrupted points"
    if recorded:
        summary += "; add hydra.sweeper.retry_failed=true to try failed points again"
    say(summary)


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's message, with its kind where that is no user error."""
    lines = str(error).strip().splitlines()
    name = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
    return name + (lines[0] if lines else "")
