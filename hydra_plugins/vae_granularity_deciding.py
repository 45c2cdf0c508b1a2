"""Hydra's side of a deciding sweep: axes from swept keys, rounds through the usual launcher."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from hydra_plugins.vae_granularity_sweeper import ResumableSweeper
from vae_granularity.errors import ArgumentError, choice, integer, number
from vae_granularity.runs.status import recorded_failure
from vae_granularity.sweeps import complete as sweep
from vae_granularity.sweeps.complete import Point
from vae_granularity.sweeps.rounds import opened
from vae_granularity.terminal import say

KEY = "hydra.sweeper."
QUESTIONS = ("trajectory", "best", "difference")


class DecidingSweeper(ResumableSweeper):
    """Rounds of runs, each chosen by what would settle a question; see docs/deciding.md.

    Args: as conf/hydra/sweeper/deciding.yaml explains them.

    Raises:
        ArgumentError: one is out of range.
    """

    def __init__(
        self,
        params: dict[str, str] | None = None,
        retry_failed: bool = False,
        *,
        question: str = "trajectory",
        value: str = "val/elbo",
        optimum: str = "max",
        x: str | None = None,
        y: str | None = None,
        larger_than: float = 0.0,
        budget: Mapping[str, Any] | None = None,
        confidence: float = 0.95,
        first_seeds: int = 2,
        max_seeds: int = 10,
        values: int = 9,
    ) -> None:
        super().__init__(params, retry_failed)
        self.question = choice(f"{KEY}question", question, QUESTIONS)
        self.value, self.x, self.y = value, x, y
        if not value.startswith(("val/", "test/", "scores/")):
            raise ArgumentError(f"{KEY}value must begin with val/, test/ or scores/, got {value!r}")
        self.maximise = choice(f"{KEY}optimum", optimum, ("max", "min")) == "max"
        self.larger_than = number(f"{KEY}larger_than", larger_than)
        self.budget = _checked_budget(budget or {})
        self.confidence = number(f"{KEY}confidence", confidence, 0.5, 0.999)
        self.max_seeds = integer(f"{KEY}max_seeds", max_seeds, 3)
        self.first_seeds = integer(f"{KEY}first_seeds", first_seeds, 2, self.max_seeds)
        self.values = integer(f"{KEY}values", values, 3)

    def sweep(self, arguments: list[str]) -> None:
        """Ask the question of the override strings until it is answered or the budget ends.

        Raises:
            SystemExit: 2 if an argument or a point is invalid, before anything is trained; 1 if a
                round was interrupted, which the same command goes on with.
        """
        try:
            self._decide(arguments)
        except ArgumentError as error:
            say(f"error: {error}", to_stderr=True)
            sys.exit(2)

    def _decide(self, arguments: list[str]) -> None:
        given = [f"{key}={value}" for key, value in self.params.items()] + arguments
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        overrides = parser.parse_overrides(given)
        last = {one.get_key_element(): one for one in overrides}  # the command line wins
        swept = {key: one for key, one in last.items() if one.is_sweep_override()}
        fixed = [str(one.input_line) for one in last.values() if not one.is_sweep_override()]
        seeds = self._seeds(swept.pop("seed", None))
        x, y = self._axes({key: axis_values(one, self.values) for key, one in swept.items()})

        from vae_granularity.analysis.deciding import sweep as deciding  # scipy: after the checks

        axes = [deciding.Axis(*axis) for axis in (x, y)]
        plan = deciding.Plan(
            self._question(len(seeds)),
            *axes,
            seeds=seeds,
            value=self.value,
            maximise=self.maximise,
            alpha=round(1 - self.confidence, 9),
            budget=self.budget,
        )
        known: dict[tuple[int, int, int], Point] = {}

        def overrides_of(place: tuple[int, int, int]) -> tuple[list[str], list[str]]:
            i, j, s = place
            moved = [*axes[0].overrides[i], *axes[1].overrides[j], f"seed={seeds[s]}"]
            return [*fixed, *moved], moved

        def point(place: tuple[int, int, int]) -> Point:
            if place not in known:
                (known[place],) = sweep.checked_points([overrides_of(place)], self._compose)
            return known[place]

        everywhere = [
            (i, j, 0) for i in range(len(axes[0].values)) for j in range(len(axes[1].values))
        ]
        checked = sweep.checked_points([overrides_of(place) for place in everywhere], self._compose)
        folder = Path(checked[0].config.paths.output_dir)
        record = opened(folder, self._asks(axes, seeds, checked[0]), dict(self.budget))
        if record.end is None:
            deciding.decide(plan, record, folder, point, self._run)
        say(deciding.ending(record))
        print(f"what was added and why: python -m vae_granularity.analyze runs={folder}")

    def _run(self, points: Sequence[Point]) -> None:
        """Complete some points. One that fails by its own doing is left out; an interrupted one
        ends the command.
        """
        if all(point.is_complete for point in points):
            return
        try:
            sweep.complete(points, self._launch, retry_failed=self.retry_failed)
        except SystemExit:
            if any(not p.is_complete and recorded_failure(p.directory) is None for p in points):
                raise

    def _seeds(self, swept: Override | None) -> tuple[int, ...]:
        if swept is None:
            return tuple(range(self.max_seeds))
        seeds = tuple(int(text) for text in swept.sweep_string_iterator())
        if len(seeds) < 3:
            raise ArgumentError(f"seed must be swept over 3 values or more, got {list(seeds)}")
        return seeds

    def _axes(self, axes: dict[str, tuple[tuple[Any, ...], tuple[str, ...]]]) -> list[tuple]:
        """Name, values and overrides of x and y from the swept keys."""
        keys = list(axes)
        if self.question == "difference":
            lengths = {key: len(values) for key, (values, _) in axes.items()}
            if not axes or set(lengths.values()) != {2}:
                raise ArgumentError(
                    "question=difference needs swept keys of two values each, the first point's "
                    f"and the second's, got {lengths or 'no swept key'}"
                )
            both = [tuple(words[place] for _, words in axes.values()) for place in (0, 1)]
            labels = tuple(", ".join(word.partition("=")[2] for word in words) for words in both)
            return [("", (None,), ((),)), (", ".join(keys), labels, tuple(both))]
        most, least = 2, 2 if self.question == "trajectory" else 1
        if not least <= len(keys) <= most:
            wanted = "two swept keys" if least == most else "one or two swept keys"
            raise ArgumentError(
                f"question={self.question} needs {wanted} besides the seed, got {keys or 'none'}"
            )
        for name, key in (("x", self.x), ("y", self.y)):
            if key is not None and key not in keys:
                raise ArgumentError(
                    f"{KEY}{name} must be a swept key ({', '.join(keys)}), got {key!r}"
                )
        y = self.y or next(key for key in reversed(keys) if key != self.x)
        rest = [key for key in keys if key != y]
        if self.x == y:
            raise ArgumentError(f"{KEY}x and {KEY}y must differ, got {y!r} for both")
        needed = {**dict.fromkeys(rest, 5 if self.question == "trajectory" else 3), y: 3}
        for key, count in needed.items():
            if len(axes[key][0]) < count:
                raise ArgumentError(
                    f"{key} must have {count} values or more for question={self.question}, "
                    f"got {len(axes[key][0])}"
                )

        def axis(key: str) -> tuple:
            values, words = axes[key]
            return key, values, tuple((word,) for word in words)

        return [axis(rest[0]) if rest else ("", (None,), ((),)), axis(y)]

    def _question(self, seeds: int) -> Any:
        from vae_granularity.analysis.deciding.questions import Best, Difference, Trajectory

        first = min(self.first_seeds, seeds)
        if self.question == "trajectory":
            return Trajectory(first_seeds=first, max_seeds=seeds)
        if self.question == "best":
            return Best(first_seeds=first, max_seeds=seeds)
        return Difference(self.larger_than, max(first, 3), seeds)

    def _asks(self, axes: Sequence[Any], seeds: tuple[int, ...], first: Point) -> dict[str, Any]:
        return {
            "question": self.question,
            "larger_than": self.larger_than,
            "value": self.value,
            "optimum": "max" if self.maximise else "min",
            "confidence": self.confidence,
            "first_seeds": self.first_seeds,
            "x": {"name": axes[0].name, "values": list(axes[0].values)},
            "y": {"name": axes[1].name, "values": list(axes[1].values)},
            "seeds": list(seeds),
            "first run": first.directory.name,
        }


def axis_values(swept: Override, count: int) -> tuple[tuple[Any, ...], tuple[str, ...]]:
    """Values of a swept key in order, numbers ascending, and an override for each.

    An interval is divided into `count` values, evenly or, tagged `log`, by equal factors.

    Raises:
        ArgumentError: an interval is empty, or not positive where it is logarithmic.
    """
    value, key = swept.value(), swept.get_key_element()
    if not isinstance(value, IntervalSweep):
        words = list(swept.sweep_string_iterator())
        values: list[Any] = list(swept.sweep_iterator())
        if all(type(v) in (int, float) for v in values):
            pairs = sorted(zip(values, words, strict=True), key=lambda pair: float(str(pair[0])))
            values, words = map(list, zip(*pairs, strict=True))
        else:
            values = words
        if len(set(words)) < len(words):
            raise ArgumentError(f"{key} must have different values, got {', '.join(words)}")
        return tuple(values), tuple(f"{key}={word}" for word in words)
    low, high, log = value.start, value.end, "log" in value.tags
    if low is None or high is None or not low < high or (log and low <= 0):
        accepted = "0 < low < high" if log else "low < high"
        raise ArgumentError(f"{key} must be an interval with {accepted}, got ({low}, {high})")
    parts = [place / (count - 1) for place in range(count)]
    steps = [low * (high / low) ** p if log else low + (high - low) * p for p in parts]
    if isinstance(low, int) and isinstance(high, int):
        numbers: list[Any] = sorted({round(step) for step in steps})
    else:
        numbers = [float(f"{step:.4g}") for step in steps]
    return tuple(numbers), tuple(f"{key}={one}" for one in numbers)


def _checked_budget(budget: Mapping[str, Any]) -> dict[str, float | None]:
    runs, hours = budget.get("runs"), budget.get("hours")
    if runs is None and hours is None:
        raise ArgumentError(
            f"{KEY}budget.runs or {KEY}budget.hours must be given: an integer >= 1, a number > 0"
        )
    return {
        "runs": None if runs is None else integer(f"{KEY}budget.runs", runs, 1),
        "hours": None if hours is None else number(f"{KEY}budget.hours", hours, 0, above=True),
    }
