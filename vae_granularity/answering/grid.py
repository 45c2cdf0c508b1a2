"""Choose the runs that an answer rests on: as many as fit into a budget of time."""

import re
from dataclasses import dataclass

from vae_granularity.errors import ArgumentError

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}
# Granularities in the order in which they are added: small groups first, then ever coarser ones.
GRANULARITIES = (1, 2, 3, 5, 4, 6, 8, 10)
MIN_GRANULARITIES = 3
# With three granularities, six models: fewer cannot say with 95 % what most models say.
MIN_SEEDS = 2
# Beyond, a further granularity tells more than a further seed.
ENOUGH_SEEDS = 5
MAX_SEEDS = 10


@dataclass(frozen=True)
class Grid:
    """The runs of an answer: every granularity with every seed."""

    granularities: tuple[int, ...]
    seeds: int

    @property
    def num_runs(self) -> int:
        """Return the number of runs."""
        return len(self.granularities) * self.seeds


@dataclass(frozen=True)
class Cost:
    """What runs take on this machine.

    Args:
        seconds_per_run: of one process.
        seconds_before: until the first run trains.
        processes: that train at a time.
    """

    seconds_per_run: float
    seconds_before: float
    processes: int

    def seconds(self, num_runs: int) -> float:
        """Return the time that so many runs take."""
        rounds = -(-num_runs // self.processes)
        return self.seconds_before + rounds * self.seconds_per_run


def parse_budget(text: str) -> float:
    """Return the seconds of a budget such as 90s, 10min or 2.5h.

    >>> parse_budget("10min"), parse_budget("1.5h")
    (600.0, 5400.0)

    Raises:
        ArgumentError: it is no positive number with one of these units.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", text)
    if match is None or float(match[1]) == 0:
        raise ArgumentError(f"budget must be a time such as 90s, 10min or 2h, got {text!r}")
    return float(match[1]) * UNITS[match[2]]


def smallest_grid(latent_dim: int) -> Grid:
    """Return the grid with the fewest runs that an answer may rest on."""
    return Grid(_candidates(latent_dim)[:MIN_GRANULARITIES], MIN_SEEDS)


def choose_grid(budget_seconds: float, cost: Cost, latent_dim: int) -> Grid | None:
    """Return the largest grid that fits into a budget; None where not even the smallest does.

    Seeds are added first, up to five, then granularities, then seeds again, up to ten.

    >>> choose_grid(600, Cost(10, 60, 2), latent_dim=10)
    Grid(granularities=(1, 2, 3, 5, 4, 6, 8, 10), seeds=10)
    >>> choose_grid(100, Cost(10, 60, 2), latent_dim=10)
    Grid(granularities=(1, 2, 3), seeds=2)
    """
    candidates = _candidates(latent_dim)
    least = min(MIN_GRANULARITIES, len(candidates))
    sizes = [(least, seeds) for seeds in range(MIN_SEEDS, ENOUGH_SEEDS + 1)]
    sizes += [(count, ENOUGH_SEEDS) for count in range(least + 1, len(candidates) + 1)]
    sizes += [(len(candidates), seeds) for seeds in range(ENOUGH_SEEDS + 1, MAX_SEEDS + 1)]
    chosen = None
    for count, seeds in sizes:
        grid = Grid(candidates[:count], seeds)
        if cost.seconds(grid.num_runs) <= budget_seconds:
            chosen = grid
    return chosen


def _candidates(latent_dim: int) -> tuple[int, ...]:
    return tuple(granularity for granularity in GRANULARITIES if granularity <= latent_dim)
