"""List the runs of a folder with their state, from its files alone, and show them as one table.

Whichever launcher trains them, and on whichever machine: only run directories and the records of
sweeps are read.
"""

import heapq
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vae_granularity.errors import DataError
from vae_granularity.files import read_json, write_json
from vae_granularity.runs.identity import RESULTS, short_digest
from vae_granularity.runs.status import Progress, is_busy, read_progress, recorded_failure
from vae_granularity.runs.table import Places, read_results, run_directories
from vae_granularity.terminal import printable

DONE = "done"
TRAINING = "training"
FAILED = "failed"
STOPPED = "stopped"
WAITING = "waiting"
# In the order of the table: what may need a hand comes first.
STYLES = {TRAINING: "cyan", FAILED: "red", STOPPED: "yellow", WAITING: "dim", DONE: "green"}

SWEEPS = ".sweeps"  # holds the names of the runs that each sweep of a folder trains
STALE_SECONDS = 300.0  # after which a progress.json no longer counts as an update
SAMPLE = 100  # finished runs that the time of a typical run is taken from, the newest
LONGEST_SECONDS = 1e9  # that a run can have taken
PIPED_COLUMNS = 160  # where the output is no terminal


@dataclass(frozen=True)
class RunStatus:
    """State of one run."""

    directory: str
    state: str  # done | training | failed | stopped | waiting
    ended: float = 0.0  # Unix time of the results of one that is done
    progress: Progress | None = None  # of one that trains or was stopped
    cause: str = ""  # of one that failed

    @property
    def name(self) -> str:
        """The name of the run."""
        return os.path.basename(self.directory)

    @property
    def updated(self) -> float:
        """Unix time of the results or of the last progress; 0 without either."""
        return max(self.ended, self.progress.written if self.progress else 0.0)


def run_status(directory: str, now: float) -> RunStatus:
    """Return the state of a run directory.

    Its lock says whether a process trains it; where locks do not reach other machines, progress
    that one of them has written within `STALE_SECONDS` does.
    """
    try:
        return RunStatus(directory, DONE, os.stat(os.path.join(directory, RESULTS)).st_mtime)
    except FileNotFoundError:
        pass
    cause = recorded_failure(directory)
    if cause is not None:
        return RunStatus(directory, FAILED, cause=cause)
    progress = read_progress(directory)
    is_alive = is_busy(directory)
    if progress is not None and progress.host != socket.gethostname():
        is_alive = is_alive or now - progress.written < STALE_SECONDS
    return RunStatus(directory, TRAINING if is_alive else STOPPED, progress=progress)


def list_runs(runs: Places) -> list[RunStatus]:
    """Return all runs of some folders, with those of their sweeps that have not begun.

    Raises:
        DataError: there is neither a run nor a sweep.
    """
    folders = [runs] if isinstance(runs, (str, Path)) else list(runs)
    statuses = [run_status(directory, time.time()) for directory in run_directories(folders)]
    begun = {os.path.realpath(status.directory) for status in statuses}
    for folder in folders:
        for directory in swept_runs(folder):
            if os.path.realpath(directory) not in begun:
                begun.add(os.path.realpath(directory))
                statuses.append(RunStatus(directory, WAITING))
    if not statuses:
        raise DataError(f"runs={runs} holds no run directory and no sweep")
    return statuses


def record_sweep(directories: Iterable[Path]) -> None:
    """Write the names of a sweep's runs into their folders, for `swept_runs`."""
    folders: dict[Path, list[str]] = {}
    for directory in directories:
        folders.setdefault(directory.parent, []).append(directory.name)
    for folder, names in folders.items():
        (folder / SWEEPS).mkdir(parents=True, exist_ok=True)
        path = folder / SWEEPS / f"{short_digest(sorted(names))}.json"
        write_json(path, names)


def swept_runs(folder: str | Path) -> list[str]:
    """Return the run directories of a folder's sweeps, begun or not; a damaged record has none."""
    names: dict[str, None] = {}
    for path in sorted(Path(folder, SWEEPS).glob("*.json")):
        with suppress(OSError, ValueError, TypeError):
            names |= {str(name): None for name in read_json(path)}
    # A name that is a path would lead out of the folder.
    return [os.path.join(folder, name) for name in names if os.path.basename(name) == name]


def typical_seconds(statuses: Sequence[RunStatus]) -> float | None:
    """Return the mean wall time of the newest finished runs, else of those that train, if any."""
    done = [status for status in statuses if status.state == DONE]
    newest = heapq.nlargest(SAMPLE, done, key=lambda status: status.ended)
    seconds = [wall_time for status in newest if (wall_time := _wall_seconds(status.directory))]
    if not seconds:
        seconds = list(_expected_seconds(statuses))
    return sum(seconds) / len(seconds) if seconds else None


def _expected_seconds(statuses: Sequence[RunStatus]) -> Iterator[float]:
    """Yield the time of each run that trains, as its own speed has it."""
    for status in statuses:
        progress = status.progress
        if status.state == TRAINING and progress and progress.seconds_per_step:
            yield progress.seconds_per_step * progress.steps


def _wall_seconds(directory: str) -> float | None:
    try:
        run = read_results(directory, parts=("run",))["run"]
    except (DataError, FileNotFoundError):
        return None
    # Members of a population train side by side; each records its share of the time.
    share = run.get("seconds")
    members = run.get("population", 1)
    is_time = isinstance(share, (int, float)) and isinstance(members, int)
    return share * members if is_time else None


def seconds_left(statuses: Sequence[RunStatus], typical: float | None, now: float) -> float | None:
    """Return the time until all are done, if as many train at a time as now; None if unknown.

    A run that is not done takes as long as its own speed says or, before it has one, as a typical
    run.
    """
    training: list[float] = []
    queued = 0.0
    for status in statuses:
        if status.state not in (TRAINING, STOPPED, WAITING):
            continue
        progress = status.progress
        if status.state == TRAINING:
            seconds = progress.seconds_left(now) if progress else None
            if seconds is None:
                seconds = typical
            if seconds is None:
                return None
            training.append(seconds)
        elif typical is None:
            return None
        else:
            completed = (progress.step or 0) / progress.steps if progress else 0.0
            queued += typical * (1.0 - completed)
    if not training:
        return None if queued else 0.0
    return max(*training, (sum(training) + queued) / len(training), 0.0)


def duration(seconds: float) -> str:
    """Return a time in its two largest units.

    >>> duration(7.2), duration(431), duration(9000), duration(200_000)
    ('7 s', '7 min', '2 h 30 min', '2 d 8 h')
    """
    minutes = round(seconds / 60)
    hours = round(seconds / 3600)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def nats(value: object) -> str:
    """Return a number as the table has it; empty where there is none.

    >>> nats(-12.3456), nats(0.31234), nats(None)
    ('-12.35', '0.312', '')
    """
    if not isinstance(value, (int, float)):
        return ""
    if not math.isfinite(value):
        return "nan"
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}"


def count_states(statuses: Sequence[RunStatus]) -> str:
    """Count runs by state, in words.

    >>> count_states([RunStatus("a", DONE), RunStatus("b", WAITING)])
    '1 of 2 done, 1 waiting'
    """
    counts = Counter(status.state for status in statuses)
    words = [f"{counts[DONE]} of {len(statuses)} done"]
    for state in (TRAINING, WAITING, STOPPED, FAILED):
        if counts[state]:
            words.append(f"{counts[state]} {state}")
    return ", ".join(words)


def time_left(statuses: Sequence[RunStatus], now: float) -> str:
    """Return the time until all are done, in words; empty where nothing is left to do."""
    unfinished = {status.state for status in statuses} - {DONE, FAILED}
    if not unfinished:
        return ""
    if TRAINING not in unfinished:
        return "no run is training; run the sweep command again to continue"
    seconds = seconds_left(statuses, typical_seconds(statuses), now)
    return "time left not known yet" if seconds is None else f"about {duration(seconds)} left"


def table(statuses: Sequence[RunStatus], max_rows: int, now: float) -> Table:
    """Return the table of the runs: `max_rows` of each state, the latest first."""
    rows = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    # A name that is too long for the screen goes on in the next line: it is to be copied.
    rows.add_column("run", overflow="fold")
    rows.add_column("state", no_wrap=True)
    rows.add_column("step", justify="right", no_wrap=True)
    rows.add_column("ELBO", justify="right", no_wrap=True)
    rows.add_column("", overflow="fold")
    for state, style in STYLES.items():
        same_state = [status for status in statuses if status.state == state]
        same_state.sort(key=lambda status: status.updated, reverse=True)
        for status in same_state[:max_rows]:
            step, elbo, details = _cells(status, now)
            # Names and causes are no markup, and do not steer the terminal.
            rows.add_row(
                Text(printable(status.name)),
                Text(state, style=style),
                step,
                elbo,
                Text(printable(details)),
            )
        if len(same_state) > max_rows:
            rows.add_row(Text(f"and {len(same_state) - max_rows} more {state}", style="dim"))
    return rows


def _cells(status: RunStatus, now: float) -> tuple[str, str, str]:
    """Return step, ELBO and details of a run, as its row has them."""
    if status.state == FAILED:
        return "", "", "".join(status.cause.splitlines()[:1])
    if status.state == DONE:
        return _cells_of_results(status, now)
    progress = status.progress
    if progress is None:
        return "", "", "starting" if status.state == TRAINING else ""
    step = f"{progress.step or 0}/{progress.steps}"
    silence = duration(max(0.0, now - progress.written))
    if status.state == STOPPED:
        return step, nats(progress.elbo), f"{silence} ago on {progress.host}"
    seconds = progress.seconds_left(now)
    if now - progress.written > STALE_SECONDS:
        details = f"no update for {silence}"
    elif progress.step is None:
        details = "starting"
    elif progress.step >= progress.steps:
        details = "measuring"
    else:
        details = "training" if seconds is None else f"{duration(seconds)} left"
    return step, nats(progress.elbo), f"{details} on {progress.host}"


def _cells_of_results(status: RunStatus, now: float) -> tuple[str, str, str]:
    try:
        results = read_results(status.directory, parts=("run", "terms"))
    except (DataError, FileNotFoundError) as error:
        return "", "", str(error)
    terms = results["terms"]
    details: list[str] = []
    if kl := nats(terms.get("val/kl")):
        details.append(f"KL {kl}")
    seconds = results["run"].get("seconds")
    if isinstance(seconds, (int, float)) and 0 <= seconds < LONGEST_SECONDS:
        details.append(f"took {duration(seconds)}")
    details.append(f"{duration(max(0.0, now - status.ended))} ago")
    return "", nats(terms.get("val/elbo")), ", ".join(details)


def screen(statuses: Sequence[RunStatus], title: str, max_rows: int, now: float) -> RenderableType:
    """Return one screen of all runs: counts, time left, and the table."""
    done = sum(status.state == DONE for status in statuses)
    summary = [count_states(statuses), time_left(statuses, now)]
    return Group(
        Text(printable(title), style="bold"),
        Text("; ".join(filter(None, summary))),
        ProgressBar(total=len(statuses), completed=done, width=60),
        table(statuses, max_rows, now),
    )


class _Console(Console):
    """A console that leaves a closed pipe to the command, which ends as all commands do."""

    def on_broken_pipe(self) -> None:
        """Raise the error that rich would turn into exit code 1."""
        raise


def console() -> Console:
    """Return a console as wide as the terminal, or wide enough for tables where it is none."""
    usual = _Console()
    # 80 is rich's guess where nothing says how wide the output is.
    return usual if usual.is_terminal or usual.width != 80 else _Console(width=PIPED_COLUMNS)


def show(runs: Places, title: str, max_rows: int, watch: bool, every: float) -> None:
    """Print the state of the runs, or keep it on the screen until interrupted (`watch`).

    Raises:
        DataError: there is neither a run nor a sweep.
    """

    def current_screen() -> RenderableType:
        return screen(list_runs(runs), title, max_rows, time.time())

    output = console()
    first = current_screen()
    if not watch:
        output.print(first)
        return
    with Live(first, console=output, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                time.sleep(every)
                live.update(current_screen(), refresh=True)
        except KeyboardInterrupt:
            pass
