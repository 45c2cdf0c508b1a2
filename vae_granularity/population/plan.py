"""How fast the ways of training are here, by short timed trials, and which plan is the fastest for
a sweep.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import torch

from vae_granularity.errors import ArgumentError

ALONE = "alone"
WARM_UP, TRIALS = 2, 5


@dataclass(frozen=True)
class Plan:
    """Points trained in packs of `members` by `backend`, or `ALONE` one by one, in `processes` at a
    time.
    """

    backend: str
    members: int
    processes: int

    def __str__(self) -> str:
        how = (
            "one run at a time"
            if self.backend == ALONE
            else f"packs of {self.members} ({self.backend})"
        )
        return f"{how} in {self.processes} process{'es' if self.processes > 1 else ''}"


@dataclass(frozen=True)
class Work:
    """What a pack of compatible points has to do."""

    points: int
    steps: int
    seconds_besides: float  # of one run outside training: evaluation, files
    startup: float  # seconds that a further process takes before it trains

    def seconds(self, plan: Plan, step: float) -> float:
        """How long the points take by a plan whose step, of all members of a pack, takes `step`
        seconds.
        """
        wait = self.startup if plan.processes > 1 else 0.0
        return (
            wait
            + self.rounds(plan) * self.steps * step
            + self.in_a_row(plan) * self.seconds_besides
        )

    def rounds(self, plan: Plan) -> int:
        """Packs that the busiest process trains."""
        return -(-self.points // (plan.members * plan.processes))

    def in_a_row(self, plan: Plan) -> int:
        """Runs that the busiest process evaluates."""
        return self.rounds(plan) * min(plan.members, self.points)


def candidates(points: int, backends: Iterable[str], processes: int, most: int) -> list[Plan]:
    """Plans worth a trial: with one process and with all, alone and in packs that share the points
    evenly.
    """
    plans = []
    for count in sorted({1, min(processes, points)}):
        plans.append(Plan(ALONE, 1, count))
        size = min(most, -(-points // count))
        plans += [
            Plan(backend, members, count)
            for backend in backends
            for members in sorted({size, min(8, size)})
            if members > 1
        ]
    return plans


def seconds_of(
    step: Callable[[int], object], synchronise: Callable[[], object] = lambda: None
) -> float:
    """Median seconds of a call, after a warm-up."""
    times = []
    for i in range(WARM_UP + TRIALS):
        synchronise()
        start = time.perf_counter()
        step(i)
        synchronise()
        times.append(time.perf_counter() - start)
    return statistics.median(times[WARM_UP:])


def try_plans(plans: Sequence[Plan], trial: Callable[[Plan], float]) -> dict[Plan, float | str]:
    """Seconds per step of each plan, or why it cannot be used here."""
    found: dict[Plan, float | str] = {}
    for plan in plans:
        try:
            found[plan] = trial(plan)
        except (ArgumentError, torch.OutOfMemoryError) as error:
            found[plan] = str(error).splitlines()[0]
    return found


def table(work: Work, found: dict[Plan, float | str]) -> str:
    """One line a plan, the fastest first: projected seconds for all points, and milliseconds of a
    step for one member.
    """
    timed = sorted(
        ((work.seconds(plan, step), plan, step) for plan, step in _timed(found)),
        key=lambda row: row[0],
    )
    lines = [
        f"  {total:8.1f} s  {1e3 * step / plan.members:7.2f} ms a step and run   {plan}"
        for total, plan, step in timed
    ]
    return "\n".join(
        [
            *lines,
            *(
                f"         -                            {plan}: {why}"
                for plan, why in found.items()
                if isinstance(why, str)
            ),
        ]
    )


def fastest(work: Work, found: dict[Plan, float | str]) -> Plan:
    """The plan that is projected to end first."""
    return min(_timed(found), key=lambda pair: work.seconds(*pair))[0]


def settled(work: Work, found: dict[Plan, float | str]) -> Plan | None:
    """The plan that is projected to end first however long evaluation takes, if there is one.
    `work.seconds_besides` does not count.
    """
    plan = fastest(replace(work, seconds_besides=0.0), found)
    return (
        plan
        if all(work.in_a_row(plan) <= work.in_a_row(other) for other, _ in _timed(found))
        else None
    )


def _timed(found: dict[Plan, float | str]) -> list[tuple[Plan, float]]:
    return [(plan, step) for plan, step in found.items() if not isinstance(step, str)]
