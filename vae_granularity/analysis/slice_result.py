"""Everything about one pair of parameters in one slice: the surface, both trajectories, both
verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass

from vae_granularity.analysis.axes import Slice
from vae_granularity.analysis.page.labels import name_of
from vae_granularity.analysis.surface import Surface, make_surface
from vae_granularity.analysis.trajectory import Trajectory, make_trajectory
from vae_granularity.analysis.verdict import Verdict, judge


@dataclass(frozen=True, eq=False)
class Reading:
    """One trajectory and what it shows."""

    trajectory: Trajectory
    verdict: Verdict

    @property
    def title(self) -> str:
        """`best granularity γ for each network width`."""
        surface = self.trajectory.surface
        return f"best {name_of(surface.y_name)} for each {name_of(surface.x_name)}"


@dataclass(frozen=True, eq=False)
class SliceResult:
    """A slice, its surface, and the trajectory both ways."""

    part: Slice
    surface: Surface
    forward: Reading  # the best y for each x
    backward: Reading  # the best x for each y

    @property
    def readings(self) -> tuple[Reading, Reading]:
        """Both ways."""
        return self.forward, self.backward


def analyse_slice(
    part: Slice, value: str, *, maximise: bool, min_seeds: int, draws: int, seed: int
) -> SliceResult:
    """Surface, trajectories and verdicts of one slice."""
    surface = make_surface(part.runs, part.x, part.y, value)
    readings = []
    for way in (surface, surface.transposed):
        trajectory = make_trajectory(
            way, maximise=maximise, min_seeds=min_seeds, draws=draws, seed=seed
        )
        readings.append(Reading(trajectory, judge(trajectory, min_seeds=min_seeds)))
    return SliceResult(part, surface, *readings)
