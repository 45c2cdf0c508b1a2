"""Run a deciding sweep round by round; its state is the runs and the record of its rounds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.analysis.next_runs.looks import Look, Step, next_step
from vae_granularity.analysis.next_runs.measured import Measured
from vae_granularity.analysis.next_runs.questions import Question
from vae_granularity.analysis.points import Array, Surface
from vae_granularity.errors import ArgumentError
from vae_granularity.runs.table import read_results
from vae_granularity.sweeps.complete import Point
from vae_granularity.sweeps.rounds import Axis, Record
from vae_granularity.terminal import say

LatticePlace = tuple[int, int, int]  # of x, of y, of the seed
USED_UP = "seeds or points are used up"


@dataclass(frozen=True)
class Plan:
    """Question of a deciding sweep, the lattice of its runs and its limits."""

    question: Question
    x: Axis
    y: Axis
    seeds: tuple[int, ...]
    value: str
    maximise: bool
    alpha: float
    budget: Mapping[str, float | None]  # runs, hours


def decide(
    plan: Plan,
    record: Record,
    folder: Path,
    point: Callable[[LatticePlace], Point],
    run: Callable[[Sequence[Point]], None],
) -> Step:
    """Add rounds of runs until the question is answered or the budget ends; return the last step.

    A round is written to the record before it runs, so that the same command continues it.

    Args:
        point: the run at a place.
        run: completes some runs; those that fail for good leave their cause, any other raises.
    """
    # Runs of an interrupted round come first; finished ones cost nothing.
    run([point(place) for place in _requested_places(record, plan)])
    while True:
        surface, seconds = _measured_surface(plan, record, point)
        requested = _requested_seeds(record, plan)
        used, costs = spent_budget(plan.budget, requested, seconds)
        step = next_step(
            plan.question,
            Measured(surface, requested),
            looks=[Look(**entry["look"]) for entry in record.rounds if entry["look"]],
            costs=costs,
            used=used,
            budget=1.0,
            alpha=plan.alpha,
        )
        for line in _step_lines(step, len(record.rounds) + 1, int(requested.sum())):
            say(line)
        entry: dict[str, Any] = {
            "look": asdict(step.look) if step.look else None,
            "answer": asdict(step.answer) if step.answer else None,
        }
        if step.ended:
            runs = int(requested.sum())
            record.end = {"why": _reason_to_end(step, used, costs), "runs": runs} | entry
            record.write(folder)
            return step
        # Written before the round runs: the same command continues an interrupted round.
        places_before = set(_requested_places(record, plan))
        record.rounds.append(entry | {"additions": _recorded_additions(step, plan, requested)})
        record.write(folder)
        places = _requested_places(record, plan)
        run([point(place) for place in places if place not in places_before])


def ending(record: Record) -> str:
    """Return in one line why a sweep ended, with its answer.

    >>> ending(Record({}, {}, [], {"why": "budget spent", "runs": 9, "answer": None}))
    'budget spent after 9 runs'
    """
    assert record.end is not None
    answer = record.end["answer"]
    sentence = f": {answer['sentence']}" if answer else ""
    return f"{record.end['why']} after {record.end['runs']} runs{sentence}"


def _reason_to_end(step: Step, used: float, costs: Array) -> str:
    if step.answer is not None and step.answer.decided:
        return "decided"
    cheapest = costs[np.isfinite(costs)].min()
    return "budget spent" if used + cheapest > 1.0 + 1e-9 else USED_UP


def _recorded_additions(
    step: Step, plan: Plan, requested: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """Return the additions of a step as the record holds them: with values and seeds."""
    additions = []
    counts = requested.copy()
    for addition in step.additions:
        row, column = addition.row, addition.column
        first = int(counts[row, column])
        counts[row, column] += addition.seeds
        additions.append(
            {
                "row": row,
                "column": column,
                "x": plan.x.values[row],
                "y": plan.y.values[column],
                "seeds": list(plan.seeds[first : first + addition.seeds]),
                "why": addition.reason,
            }
        )
    return additions


def _step_lines(step: Step, number: int, runs: int) -> list[str]:
    """Return the lines that are printed for a step."""
    lines = []
    if step.look and step.answer:
        lines.append(
            f"look after {runs} runs, at level {step.look.level:.3g} "
            f"({step.look.spent:.3g} of the error probability spent): {step.answer.sentence}"
        )
    if step.additions:
        seeds = Counter[str]()
        for addition in step.additions:
            seeds[addition.reason] += addition.seeds
        reasons = ", ".join(f"{count} {reason}" for reason, count in seeds.items())
        lines.append(f"round {number}: {sum(seeds.values())} runs ({reasons})")
    return lines


def _requested_seeds(record: Record, plan: Plan) -> NDArray[np.int64]:
    """Return (n, m) the seeds that the rounds have requested at each point."""
    requested = np.zeros((len(plan.x.values), len(plan.y.values)), dtype=np.int64)
    for entry in record.rounds:
        for addition in entry["additions"]:
            requested[addition["row"], addition["column"]] += len(addition["seeds"])
    return requested


def _requested_places(record: Record, plan: Plan) -> list[LatticePlace]:
    places = []
    for (row, column), count in np.ndenumerate(_requested_seeds(record, plan)):
        places += [(row, column, seed) for seed in range(count)]
    return places


def _measured_surface(
    plan: Plan, record: Record, point: Callable[[LatticePlace], Point]
) -> tuple[Surface, Array]:
    """Return the values of all finished runs, larger is better, and the seconds of each.

    Both are nan where there is no finished run.
    """
    shape = (len(plan.x.values), len(plan.y.values), len(plan.seeds))
    values = np.full(shape, np.nan)
    seconds = np.full(shape, np.nan)
    for place in _requested_places(record, plan):
        run = point(place)
        if run.is_done:
            results = read_results(run.directory)
            number = number_of(results, plan.value)
            values[place] = np.nan if number is None else number
            seconds[place] = float(results["run"].get("seconds", np.nan))
    sign = 1.0 if plan.maximise else -1.0
    surface = Surface(
        plan.x.name,
        plan.y.name,
        plan.value,
        x=plan.x.values,
        y=plan.y.values,
        seeds=plan.seeds,
        values=sign * values,
    )
    return surface, seconds


def number_of(results: Mapping[str, Any], name: str) -> float | None:
    """Return a term (`val/elbo`) or score (`scores/mig`) of results; None where it is undefined.

    Raises:
        ArgumentError: the results hold no such number.

    >>> number_of({"terms": {"val/elbo": -2.0}, "scores": {"mig": None}}, "scores/mig") is None
    True
    """
    scores = {f"scores/{key}": value for key, value in results["scores"].items()}
    numbers = {**results["terms"], **scores}
    if name not in numbers:
        raise ArgumentError(
            f"hydra.sweeper.value must be a number of the runs, got {name!r}; "
            f"there are {', '.join(sorted(numbers))}"
        )
    return numbers[name]


def spent_budget(
    budget: Mapping[str, float | None], requested: NDArray[np.int64], seconds: Array
) -> tuple[float, Array]:
    """Return the share of the budget that is used, and that of a further run at each point."""
    used = 0.0
    costs = np.zeros(requested.shape)
    if budget["runs"] is not None:
        used = float(requested.sum()) / budget["runs"]
        costs += 1 / budget["runs"]
    finite = np.isfinite(seconds)
    if budget["hours"] is not None and finite.any():
        count = finite.sum(-1)
        point_means = np.nansum(seconds, -1) / np.maximum(count, 1)
        # A point without a run is expected to take as long as the others.
        run_seconds = np.where(count > 0, point_means, np.nanmean(seconds))
        used = max(used, float(np.nansum(seconds)) / 3600 / budget["hours"])
        costs = np.maximum(costs, run_seconds / 3600 / budget["hours"])
    return used, costs
