"""Which way of training a sweep ends first: pure arithmetic on what short trials have measured."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from vae_granularity.errors import ArgumentError

AUTO, ALONE, EAGER, COMPILED = "auto", "alone", "eager", "compiled"
MOST_TOGETHER = 8  # more gain nothing on a CPU, experiments/population/README.md


class Speed(NamedTuple):
    """What a trial has measured, in seconds."""

    step: float  # of all members that are computed together
    ready: float = 0.0  # before the first step: compiling, or reading what is compiled


@dataclass(frozen=True)
class Plan:
    """Points trained in `processes` at a time, `together` computed as one, or one by one."""

    how: str
    together: int
    processes: int

    def __str__(self) -> str:
        way = "one run at a time"
        if self.how != ALONE:
            way = f"{self.together} members together ({self.how})"
        return f"{way} in {self.processes} process{'es' if self.processes > 1 else ''}"


@dataclass(frozen=True)
class Work:
    """What a group of compatible points has to do."""

    points: int
    steps: int
    seconds_besides: float  # of one run outside training: evaluation, files
    startup: float  # seconds that a further process takes before it trains

    def seconds(self, plan: Plan, speed: Speed) -> float:
        """How long the points take by a plan of that speed.

        >>> Work(points=16, steps=100, seconds_besides=0, startup=3).seconds(
        ...     Plan("compiled", 8, 2), Speed(step=0.01, ready=2.0))
        6.0
        """
        wait = speed.ready + (self.startup if plan.processes > 1 else 0.0)
        in_a_row = self.in_a_row(plan)
        turns = -(-in_a_row // plan.together)
        return wait + turns * self.steps * speed.step + in_a_row * self.seconds_besides

    def in_a_row(self, plan: Plan) -> int:
        """Runs of the busiest process."""
        return -(-self.points // plan.processes)


def fitting(parameters: int, cache: int) -> int:
    """How many members of so many float32 parameters train within `cache` bytes, at least 2.

    Each has weights, gradient and two moments.

    >>> fitting(10_000, 2**25), fitting(500_000, 2**25)
    (8, 4)
    """
    return max(2, min(MOST_TOGETHER, cache // (16 * parameters)))


def candidates(points: int, ways: Iterable[str], processes: int, together: int) -> list[Plan]:
    """Plans worth a trial: with one process and with all, alone and together."""
    plans = []
    for count in sorted({1, min(processes, points)}):
        plans.append(Plan(ALONE, 1, count))
        size = min(together, -(-points // count))
        plans += [Plan(how, size, count) for how in ways if size > 1]
    return plans


Found = dict[Plan, Speed | str]  # speed of each plan, or why it cannot be used here


def try_plans(plans: Sequence[Plan], trial: Callable[[Plan], Speed]) -> Found:
    """The speed of each plan, or why it cannot be used here."""
    found: Found = {}
    for plan in plans:
        try:
            found[plan] = trial(plan)
        except (ArgumentError, torch.OutOfMemoryError) as error:
            found[plan] = str(error).splitlines()[0]
    return found


def table(work: Work, found: Found) -> str:
    """One line a plan, the fastest first: seconds for all points, milliseconds a step and run."""
    timed = [(work.seconds(*pair), *pair) for pair in _timed(found).items()]
    rows = sorted(timed, key=lambda row: row[0])
    lines = [
        f"  {total:8.1f} s  {1e3 * speed.step / plan.together:7.2f} ms a step and run   {plan}"
        + (f", ready after {speed.ready:.1f} s" if speed.ready else "")
        for total, plan, speed in rows
    ]
    not_used = [(plan, why) for plan, why in found.items() if isinstance(why, str)]
    return "\n".join([*lines, *(f"{'-':>10}{'':28}{plan}: {why}" for plan, why in not_used)])


def fastest(work: Work, found: Found) -> Plan:
    """The plan that is projected to end first."""
    return min(_timed(found).items(), key=lambda pair: work.seconds(*pair))[0]


def projected(work: Work, found: Found) -> float:
    """Seconds of the plan that is projected to end first."""
    return min(work.seconds(*pair) for pair in _timed(found).items())


def settled(work: Work, found: Found) -> Plan | None:
    """The plan that ends first however long evaluation takes (`seconds_besides` is not read)."""
    plan = fastest(replace(work, seconds_besides=0.0), found)
    least = min(work.in_a_row(other) for other in _timed(found))
    return plan if work.in_a_row(plan) == least else None


def _timed(found: Found) -> dict[Plan, Speed]:
    return {plan: speed for plan, speed in found.items() if isinstance(speed, Speed)}
