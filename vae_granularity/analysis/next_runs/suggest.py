"""Suggest the runs that would settle an undecided verdict, with their commands and cost."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import Any

import numpy as np

from vae_granularity.analysis.labels import first_line, name_of, seeds_label, values_label
from vae_granularity.analysis.next_runs.looks import ALPHA
from vae_granularity.analysis.next_runs.measured import Measured
from vae_granularity.analysis.next_runs.trajectory_question import TrajectoryQuestion
from vae_granularity.analysis.points import Surface
from vae_granularity.analysis.settings import Settings
from vae_granularity.analysis.slices import Slice, SliceResult, TrajectoryVerdict
from vae_granularity.analysis.verdict import EDGE, MIN_PLACES, NOT_ENOUGH
from vae_granularity.errors import DataError
from vae_granularity.training.command import command, recorded_overrides, value_text

WHOLE_NUMBERS = ("model.granularity", "model.latent_dim", "net.depth")  # from 1 on
MAX_SEEDS = 100  # of a point: what needs more is not expected to be settled
MAX_GROUPS = 6  # written out in words


@dataclass(frozen=True)
class SuggestedRuns:
    """Runs to be added for one trajectory."""

    reading: str  # title of the trajectory: `best granularity γ for each β`
    held: str
    what: str  # in words
    runs: int
    seconds: float  # of the runs that are to be added, projected from those that are done
    commands: tuple[str, ...]
    no_command: str = ""  # reason why there is none


@dataclass(frozen=True)
class _Seeds:
    """Seeds to be added at one point."""

    x: Any
    y: Any
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class _Grid:
    """Seeds to be added at all points of a grid: what one command runs."""

    x: tuple[Any, ...]
    y: tuple[Any, ...]
    seeds: tuple[int, ...]


def suggest_runs(result: SliceResult, settings: Settings) -> list[SuggestedRuns]:
    """Return runs for the undecided trajectories of a slice, and those with an optimum on the edge.

    A trajectory that no run is expected to settle gets no suggestion.
    """
    open_verdicts = [verdict for verdict in result.verdicts if verdict.shape in (NOT_ENOUGH, EDGE)]
    suggestions = [_suggestion(result.slice, verdict, settings) for verdict in open_verdicts]
    return [suggestion for suggestion in suggestions if suggestion is not None]


def describe_suggestion(suggestion: SuggestedRuns) -> str:
    """Return the number of runs, their time and their points in one line.

    >>> describe_suggestion(SuggestedRuns("", "", "seeds", 12, 3600.0, ()))
    '12 runs, about 60 minutes of training: seeds'
    """
    minutes = suggestion.seconds / 60
    time = f"{minutes:.0f} minutes" if minutes < 600 else f"{minutes / 60:.0f} hours"
    if minutes < 2:
        time = f"{suggestion.seconds:.0f} s"
    return f"{suggestion.runs} runs, about {time} of training: {suggestion.what}"


def _suggestion(
    slice_: Slice, verdict: TrajectoryVerdict, settings: Settings
) -> SuggestedRuns | None:
    surface = verdict.trajectory.surface
    used = sorted({int(seed) for seed in slice_.runs["seed"]})[: settings.min_seeds]
    seeds = (*used, *_unused_seeds(used, settings.min_seeds - len(used)))
    if verdict.shape == EDGE or len(surface.y) < 3:
        reason = "values beyond the edge"
        additions = [_Seeds(x, y, seeds) for x, y in _points_beyond(surface, verdict)]
    elif len(surface.x) < MIN_PLACES:
        reason = f"further values of {name_of(surface.x_name)}: a shape needs {MIN_PLACES}"
        value = _new_value(surface.x_name, surface.x, inside=True)
        additions = [] if value is None else [_Seeds(value, y, seeds) for y in surface.y]
    else:
        additions, reason = additions_on_grid(surface, settings)
    if not additions:
        return None
    runs = sum(len(addition.seeds) for addition in additions)
    grids = _as_grids(additions)
    described = "; ".join(_grid_words(surface, grid) for grid in grids[:MAX_GROUPS])
    more = f" and {len(grids) - MAX_GROUPS} more groups" if len(grids) > MAX_GROUPS else ""
    try:
        commands = tuple(_commands(slice_, surface, grids))
        no_command = ""
    except (DataError, OSError) as error:
        commands = ()
        no_command = first_line(error)
    return SuggestedRuns(
        verdict.title,
        slice_.title,
        f"{reason}: {described}{more}",
        runs,
        runs * float(slice_.runs["run.seconds"].mean()),
        commands,
        no_command,
    )


def additions_on_grid(surface: Surface, settings: Settings) -> tuple[list[_Seeds], str]:
    """Return the seeds to add at points of the grid, and the reasons for them in words.

    As a deciding sweep would add them: points that compete for an optimum first.
    """
    sign = 1.0 if settings.maximise else -1.0
    question = TrajectoryQuestion(
        first_seeds=settings.min_seeds, min_seeds=settings.min_seeds, max_seeds=MAX_SEEDS
    )
    measured = Measured(replace(surface, values=sign * surface.values), surface.count)
    # What is to be settled is one look at the runs, so at the level of a single one.
    requests = question.prepare(measured) or question.sharpen(measured, ALPHA)
    additions = []
    for request in requests:
        finite = np.isfinite(surface.values[request.row, request.column])
        used = [seed for seed, is_used in zip(surface.seeds, finite, strict=True) if is_used]
        seeds = _unused_seeds(used, request.seeds)
        additions.append(_Seeds(surface.x[request.row], surface.y[request.column], seeds))
    reasons = dict.fromkeys(request.reason for request in requests)
    return additions, ", ".join(reasons)


def _unused_seeds(used: Collection[int], number: int) -> tuple[int, ...]:
    return tuple(islice((seed for seed in count() if seed not in used), number))


def _points_beyond(surface: Surface, verdict: TrajectoryVerdict) -> list[tuple[Any, Any]]:
    """Return for each row with its optimum on an edge the point with the next y outside."""
    outside = {
        0: _new_value(surface.y_name, surface.y[::-1], inside=False),
        len(surface.y) - 1: _new_value(surface.y_name, surface.y, inside=False),
    }
    trajectory = verdict.trajectory
    optima = zip(trajectory.rows.tolist(), trajectory.best.tolist(), strict=True)
    return [
        (surface.x[row], outside[best]) for row, best in optima if outside.get(best) is not None
    ]


def _new_value(name: str, values: tuple[Any, ...], inside: bool) -> Any:
    """Return a value in the widest gap between neighbours, or one step beyond the last.

    By equal factors where all are positive. None where values are words or there is none.

    >>> _new_value("model.beta", (1.0, 2.0, 4.0), False)
    8.0
    >>> _new_value("model.beta", (1.0, 2.0, 8.0), True)
    4.0
    >>> _new_value("model.granularity", (3.0, 2.0, 1.0), False) is None
    True
    """
    if len(values) < 2 or not all(isinstance(value, (int, float)) for value in values):
        return None
    numbers = np.array(values, dtype=np.float64)
    # Grids of positive values are usually geometric (β = 1, 2, 4).
    positive = numbers.min() > 0
    scaled = np.log(numbers) if positive else numbers
    if inside:
        gap = int(np.abs(np.diff(scaled)).argmax())
        new = scaled[gap : gap + 2].mean()
    else:
        new = scaled[-1] + (scaled[-1] - scaled[-2])
    value = float(f"{np.exp(new) if positive else new:.3g}")
    if name in WHOLE_NUMBERS:
        value = max(float(round(value)), 1.0)
    return None if value in values else value


def _as_grids(additions: list[_Seeds]) -> list[_Grid]:
    """Return additions as few grids: values of y that share x and seeds, then of x that share y."""
    columns: dict[tuple[Any, tuple[int, ...]], list[Any]] = {}
    for addition in additions:
        columns.setdefault((addition.x, addition.seeds), []).append(addition.y)
    rows: dict[tuple[tuple[Any, ...], tuple[int, ...]], list[Any]] = {}
    for (x, seeds), ys in columns.items():
        rows.setdefault((tuple(ys), seeds), []).append(x)
    return [_Grid(tuple(xs), ys, seeds) for (ys, seeds), xs in rows.items()]


def _grid_words(surface: Surface, grid: _Grid) -> str:
    x = values_label(surface.x_name, grid.x)
    y = values_label(surface.y_name, grid.y)
    return f"{seeds_label(len(grid.seeds))} at {x}, {y}"


def _commands(slice_: Slice, surface: Surface, grids: list[_Grid]) -> list[str]:
    """Return a command for each grid, with the overrides that a run of the slice has recorded.

    Raises:
        DataError: an axis is no key of a config, or the run has not recorded its overrides.
    """
    for axis in (surface.x_name, surface.y_name):
        if "." not in axis or axis.startswith("run."):
            raise DataError(f"{axis} is no key of a config")
    # The overrides of the first run, less the swept ones, stand for those of all.
    swept = (surface.x_name, surface.y_name, "seed")
    recorded = recorded_overrides(str(slice_.runs["path"].iloc[0]))
    fixed = [override for override in recorded if override.lstrip("+").split("=")[0] not in swept]
    commands = []
    for grid in grids:
        values = zip(swept, (grid.x, grid.y, grid.seeds), strict=True)
        overrides = [f"{key}={_comma_separated(choices)}" for key, choices in values]
        commands.append(command(["-m", *fixed, *overrides]))
    return commands


def _comma_separated(values: tuple[Any, ...]) -> str:
    whole = [
        int(value) if isinstance(value, float) and value.is_integer() else value for value in values
    ]
    return ",".join(value_text(value) for value in whole)
