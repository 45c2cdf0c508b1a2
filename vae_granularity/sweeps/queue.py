"""A queue of jobs over workers that may be lost: what a lost one left is run by another."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from vae_granularity.terminal import say

LOCK_SECONDS, LOCK_TRIES = 2.0, 30  # a lost worker's lock may live on for a while


@dataclass(frozen=True)
class Lost:
    """What stands in place of a result where a worker ended without giving one."""

    why: str


class WorkerLost(RuntimeError):
    """Each worker that had a job was lost."""


class Pool(Protocol):
    """Workers that take a job each."""

    def has_room(self) -> bool:
        """Whether one more job may be started."""
        ...

    def start(self, number: int, item: Any) -> None:
        """Give a job to a worker."""
        ...

    def wait(self, seconds: float) -> list[tuple[int, Any]]:
        """Numbers and results of jobs that have ended, after at most so many seconds.

        A result is what the job returned, the exception that it raised, or `Lost`.
        """
        ...


def run_all(
    pool: Pool,
    items: Sequence[Any],
    attempts: int,
    is_locked: Callable[[Any], bool] = lambda result: False,
    name: Callable[[Any], str] = str,
) -> list[Any]:
    """What became of each item: what its job returned or raised; `WorkerLost` where none ended it.

    Args:
        pool: takes the items.
        items: one a job.
        attempts: workers that an item may lose.
        is_locked: whether a result says that another process has the item. After the loss of its
            worker that is the lost one, which is given a minute to end.
        name: of an item, for the user.
    """
    results: dict[int, Any] = {}
    due = dict.fromkeys(range(len(items)), 0.0)  # number: not before
    lost, locked = Counter[int](), Counter[int]()
    while len(results) < len(items):
        now = time.monotonic()
        for number in [number for number, moment in due.items() if moment <= now]:
            if not pool.has_room():
                break
            del due[number]
            pool.start(number, items[number])
        for number, result in pool.wait(1.0):
            if isinstance(result, Lost):
                lost[number] += 1
                said = f"lost a worker ({result.why})"
                if lost[number] < attempts:
                    say(f"{name(items[number])}: {said}; launched again")
                    due[number] = 0.0
                    continue
                result = WorkerLost(f"{said}, {lost[number]} times in this job: the last attempt")
            elif lost[number] and is_locked(result) and locked[number] < LOCK_TRIES:
                locked[number] += 1
                due[number] = time.monotonic() + LOCK_SECONDS
                continue
            results[number] = result
    return [results[number] for number in range(len(items))]
