"""What the terminal shows of a folder of runs: counts, time left, and the runs worth a line."""

import math
import time
from collections.abc import Sequence

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from vae_granularity.errors import DataError
from vae_granularity.runs.overview import (
    DONE,
    FAILED,
    STOPPED,
    TRAINING,
    WAITING,
    RunState,
    overview,
    seconds_left,
    usual_seconds,
)
from vae_granularity.runs.table import Places, read_results
from vae_granularity.terminal import printable

ORDER = (DONE, TRAINING, WAITING, STOPPED, FAILED)
# Of the tables, in their order, beside the name of the run.
COLUMNS = {
    TRAINING: ("step", "left", "ELBO", "host"),
    FAILED: ("cause",),
    STOPPED: ("step", "last sign", "host"),
    WAITING: (),
    DONE: ("ELBO", "KL", "took", "ended"),
}
STYLES = {DONE: "green", TRAINING: "cyan", WAITING: "dim", STOPPED: "yellow", FAILED: "red"}
QUIET = 300.0  # seconds without a sign after which a line says so
LONGEST = 1e9  # seconds that a run can have taken
PIPED_COLUMNS = 160  # of what is no terminal


class _Console(Console):
    """A console that leaves a closed pipe to the command, which ends as all commands do."""

    def on_broken_pipe(self) -> None:
        """Raise the error that rich would turn into exit code 1."""
        raise


def console() -> Console:
    """The console to print tables to: as wide as the terminal, wide enough where it is none."""
    usual = _Console()
    return usual if usual.is_terminal or usual.width != 80 else _Console(width=PIPED_COLUMNS)


def duration(seconds: float) -> str:
    """A time to read, in its two largest units.

    >>> duration(7.2), duration(431), duration(9000), duration(200_000)
    ('7 s', '7 min', '2 h 30 min', '2 d 8 h')
    """
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 60:
        return f"{minutes} min"
    if hours < 48:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{hours // 24} d {hours % 24} h"


def nats(value: object) -> str:
    """A number of the table; empty where there is none.

    >>> nats(-12.3456), nats(0.31234), nats(None)
    ('-12.35', '0.312', '')
    """
    if not isinstance(value, (int, float)):
        return ""
    return f"{value:.3f}" if abs(value) < 1 else f"{value:.2f}" if math.isfinite(value) else "nan"


def counted(states: Sequence[RunState]) -> str:
    """How many runs are at what.

    >>> counted([RunState("a", DONE), RunState("b", WAITING)])
    '1 of 2 done, 1 waiting'
    """
    counts = {kind: sum(state.state == kind for state in states) for kind in ORDER}
    others = [f"{counts[kind]} {kind}" for kind in ORDER[1:] if counts[kind]]
    return ", ".join([f"{counts[DONE]} of {len(states)} done", *others])


def time_left(states: Sequence[RunState], usual: float | None, now: float) -> str:
    """The time until all are done, in words; empty where nothing is left to do."""
    open_ = [state for state in states if state.state not in (DONE, FAILED)]
    if not open_:
        return ""
    if all(state.state != TRAINING for state in open_):
        return "nothing trains; the same command goes on"
    left = seconds_left(states, usual, now)
    return "time left not known yet" if left is None else f"about {duration(left)} left"


def screen(states: Sequence[RunState], title: str, max_rows: int, now: float) -> RenderableType:
    """One screen of all runs; `max_rows` of each kind have a line of their own."""
    said = [counted(states), time_left(states, usual_seconds(states), now)]
    finished = sum(state.state == DONE for state in states)
    shown: list[RenderableType] = [
        Text(printable(title), style="bold"),
        Text("; ".join(filter(None, said))),
        ProgressBar(total=len(states), completed=finished, width=60),
    ]
    for kind, columns in COLUMNS.items():
        found = sorted((s for s in states if s.state == kind), key=_last_sign, reverse=True)
        if found:
            latest = ", the latest first" if kind in (DONE, STOPPED) else ""
            table = _table("run", *columns)
            for state in found[:max_rows]:
                table.add_row(*map(_plain, (state.name, *_cells(state, now))))
            shown += [Text(f"\n{kind}{latest}", style=f"bold {STYLES[kind]}"), table]
            rest = len(found) - max_rows
            shown += [Text(f"  and {rest} more", style="dim")] if rest > 0 else []
    return Group(*shown)


def _last_sign(state: RunState) -> float:
    """Unix time of the results or of the last sign; runs without one come last, by name."""
    return max(state.ended, state.progress.written if state.progress else 0.0)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        numeric = column not in ("run", "host", "cause")
        # A name that is too long for the screen goes on in the next line: it is to be copied.
        table.add_column(
            column, justify="right" if numeric else "left", overflow="fold", no_wrap=numeric
        )
    return table


def _plain(cell: str) -> Text:
    """Words of a run are no markup, and do not steer the terminal."""
    return Text(printable(cell))


def _cells(state: RunState, now: float) -> tuple[str, ...]:
    """What stands in a run's line beside its name."""
    sign = state.progress
    steps = "" if sign is None else f"{sign.step or 0}/{sign.steps}"
    if state.state == TRAINING:
        if sign is None:
            return ("", "starting", "", "")
        left, silent = sign.seconds_left(now), now - sign.written
        said = "" if left is None else duration(left)
        if silent > QUIET:
            said = f"silent for {duration(silent)}"
        elif sign.step is None:
            said = "starting"
        elif sign.step >= sign.steps:
            said = "measuring"
        return (steps, said, nats(sign.elbo), sign.host)
    if state.state == FAILED:
        return tuple(state.cause.splitlines()[:1])
    if state.state == STOPPED:
        return (steps, f"{duration(now - sign.written)} ago", sign.host) if sign else ("", "", "")
    return _results(state, now) if state.state == DONE else ()


def _results(state: RunState, now: float) -> tuple[str, ...]:
    try:
        results = read_results(state.directory, parts=("run", "terms"))
    except (DataError, FileNotFoundError) as error:
        return ("", "", "", str(error))
    terms, seconds = results["terms"], results["run"].get("seconds")
    is_time = isinstance(seconds, (int, float)) and 0 <= seconds < LONGEST
    took = duration(seconds) if is_time else ""
    ended = f"{duration(max(0.0, now - state.ended))} ago"
    return (nats(terms.get("val/elbo")), nats(terms.get("val/kl")), took, ended)


def show(runs: Places, title: str, max_rows: int, watch: bool, every: float) -> None:
    """Print the state of the runs, or keep it on the screen until interrupted (`watch`).

    Raises:
        DataError: there is neither a run nor a sweep.
    """

    def now() -> RenderableType:
        return screen(overview(runs), title, max_rows, time.time())

    first, out = now(), console()
    if not watch:
        out.print(first)
        return
    with Live(first, console=out, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                time.sleep(every)
                live.update(now(), refresh=True)
        except KeyboardInterrupt:
            pass
