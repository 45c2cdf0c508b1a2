"""A deciding sweep from round to round: its state is the runs' and the record of its rounds."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vae_granularity.analysis.deciding.measured import Measured
from vae_granularity.analysis.deciding.questions import Question
from vae_granularity.analysis.deciding.step import Look, Step, step
from vae_granularity.analysis.points import Array, Surface
from vae_granularity.errors import ArgumentError
from vae_granularity.runs.table import read_results
from vae_granularity.sweeps.complete import Point
from vae_granularity.sweeps.rounds import Record
from vae_granularity.terminal import say

Place = tuple[int, int, int]  # of x, of y, of the seed
MORE = "seeds or points are used up"


@dataclass(frozen=True)
class Axis:
    """Values that may be tried, in order, and the overrides that set each."""

    name: str
    values: tuple[Any, ...]
    overrides: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Plan:
    """What a deciding sweep is asked."""

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
    point: Callable[[Place], Point],
    run: Callable[[Sequence[Point]], None],
) -> Step:
    """Add rounds of runs until the question is answered or the budget ends; returns the last step.

    A round is written to the record before it runs, so that the same command goes on with it.

    Args:
        point: the run at a place.
        run: completes some runs; those that fail for good leave their cause, any other raises.
    """
    run([point(place) for place in _places(record, plan)])
    while True:
        surface, seconds = _surface(plan, record, point)
        asked = _asked(record, plan)
        used, costs = spent_budget(plan.budget, asked, seconds)
        looks = [Look(**r["look"]) for r in record.rounds if r["look"]]
        known = (Measured(surface, asked), looks, costs)
        now = step(plan.question, *known, used=used, budget=1.0, alpha=plan.alpha)
        for line in _told(now, len(record.rounds) + 1, int(asked.sum())):
            say(line)
        parts = {"look": now.look, "answer": now.answer}
        found = {name: asdict(part) if part else None for name, part in parts.items()}
        if now.ended:
            decided = now.answer is not None and now.answer.decided
            out = bool(used + costs[np.isfinite(costs)].min() > 1.0 + 1e-9)
            why = "decided" if decided else "budget spent" if out else MORE
            record.end = {"why": why, "runs": int(asked.sum())} | found
            record.write(folder)
            return now
        additions, counts = [], asked.copy()
        for one in now.additions:
            first = int(counts[one.row, one.column])
            counts[one.row, one.column] += one.seeds
            seeds = list(plan.seeds[first : first + one.seeds])
            x, y = plan.x.values[one.row], plan.y.values[one.column]
            at = {"row": one.row, "column": one.column, "x": x, "y": y}
            additions.append(at | {"seeds": seeds, "why": one.why})
        record.rounds.append(found | {"additions": additions})
        record.write(folder)
        before = set(_places(record, plan, len(record.rounds) - 1))
        run([point(place) for place in _places(record, plan) if place not in before])


def ending(record: Record) -> str:
    """How a sweep ended, in one line.

    >>> ending(Record({}, {}, [], {"why": "budget spent", "runs": 9, "answer": None}))
    'budget spent after 9 runs'
    """
    assert record.end is not None
    answer = record.end["answer"]
    sentence = f": {answer['sentence']}" if answer else ""
    return f"{record.end['why']} after {record.end['runs']} runs{sentence}"


def _told(now: Step, number: int, runs: int) -> list[str]:
    lines = []
    if now.look and now.answer:
        lines.append(
            f"look after {runs} runs, at level {now.look.level:.3g} "
            f"({now.look.spent:.3g} of the error probability spent): {now.answer.sentence}"
        )
    if now.additions:
        reasons = Counter[str]()
        for one in now.additions:
            reasons[one.why] += one.seeds
        words = ", ".join(f"{count} {why}" for why, count in reasons.items())
        lines.append(f"round {number}: {sum(reasons.values())} runs ({words})")
    return lines


def _asked(record: Record, plan: Plan, rounds: int | None = None) -> NDArray[np.int64]:
    asked = np.zeros((len(plan.x.values), len(plan.y.values)), dtype=np.int64)
    for one in record.rounds[:rounds]:
        for addition in one["additions"]:
            asked[addition["row"], addition["column"]] += len(addition["seeds"])
    return asked


def _places(record: Record, plan: Plan, rounds: int | None = None) -> list[Place]:
    asked = _asked(record, plan, rounds)
    return [(i, j, s) for (i, j), count in np.ndenumerate(asked) for s in range(count)]


def _surface(
    plan: Plan, record: Record, point: Callable[[Place], Point]
) -> tuple[Surface, NDArray[np.float64]]:
    """The values of all finished runs, larger is better, and the seconds of each; nan elsewhere."""
    shape = (len(plan.x.values), len(plan.y.values), len(plan.seeds))
    values, seconds = np.full(shape, np.nan), np.full(shape, np.nan)
    for place in _places(record, plan):
        at = point(place)
        if at.is_done:
            results = read_results(at.directory)
            number = number_of(results, plan.value)
            values[place] = np.nan if number is None else number
            seconds[place] = float(results["run"].get("seconds", np.nan))
    sign = 1.0 if plan.maximise else -1.0
    axes = (plan.x.name, plan.y.name, plan.value, plan.x.values, plan.y.values, plan.seeds)
    return Surface(*axes, sign * values), seconds


def number_of(results: Mapping[str, Any], name: str) -> float | None:
    """A term (`val/elbo`) or score (`scores/mig`) of results; None where it is undefined.

    Raises:
        ArgumentError: the results hold no such number.

    >>> number_of({"terms": {"val/elbo": -2.0}, "scores": {"mig": None}}, "scores/mig") is None
    True
    """
    found = {**results["terms"], **{f"scores/{k}": v for k, v in results["scores"].items()}}
    if name not in found:
        there = ", ".join(sorted(found))
        raise ArgumentError(
            f"hydra.sweeper.value must be a number of the runs, got {name!r}; there are {there}"
        )
    return found[name]


def spent_budget(
    budget: Mapping[str, float | None], asked: NDArray[np.int64], seconds: Array
) -> tuple[float, Array]:
    """The share of the budget that is used, and that of a further run at each point."""
    used, costs = 0.0, np.zeros(asked.shape)
    runs, hours = budget["runs"], budget["hours"]
    if runs is not None:
        used, costs = float(asked.sum()) / runs, costs + 1 / runs
    known = np.isfinite(seconds)
    if hours is not None and known.any():
        count = known.sum(-1)
        own = np.nansum(seconds, -1) / np.maximum(count, 1)
        each = np.where(count > 0, own, np.nanmean(seconds)) / 3600 / hours
        used, costs = max(used, float(np.nansum(seconds)) / 3600 / hours), np.maximum(costs, each)
    return used, costs
