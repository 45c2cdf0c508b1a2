"""Connect a deciding sweep to Hydra: axes from swept keys, rounds through the usual launcher."""

import itertools
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from hydra_plugins.vae_granularity_sweeper import ResumableSweeper
from vae_granularity.errors import ArgumentError, choice, integer, number
from vae_granularity.runs.status import recorded_failure
from vae_granularity.sweeps import complete
from vae_granularity.sweeps.complete import Point
from vae_granularity.sweeps.rounds import Axis, opened
from vae_granularity.terminal import say

KEY = "hydra.sweeper."
QUESTIONS = ("trajectory", "best", "difference")


SINGLE_ROW = Axis("", (None,), ((),))


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
        self.value = value
        self.x = x
        self.y = y
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
        """Run the question of the override strings until it is answered or the budget ends.

        Raises:
            SystemExit: 2 if an argument or a point is invalid, before anything is trained; 1 if a
                round was interrupted, which the same command continues.
        """
        try:
            self._decide(arguments)
        except ArgumentError as error:
            say(f"error: {error}", to_stderr=True)
            sys.exit(2)

    def _decide(self, arguments: list[str]) -> None:
        options = [f"{key}={value}" for key, value in self.params.items()] + arguments
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        # Of two overrides of a key the last one holds: the command line comes last.
        overrides = {
            override.get_key_element(): override for override in parser.parse_overrides(options)
        }
        swept = {key: item for key, item in overrides.items() if item.is_sweep_override()}
        fixed = [
            str(item.input_line) for item in overrides.values() if not item.is_sweep_override()
        ]
        seeds = self._seeds(swept.pop("seed", None))
        values = {key: axis_values(item, self.values) for key, item in swept.items()}
        x, y = self._axes(values)

        from vae_granularity.analysis.next_runs import loop  # scipy: after the checks

        plan = loop.Plan(
            self._question(len(seeds)),
            x=x,
            y=y,
            seeds=seeds,
            value=self.value,
            maximise=self.maximise,
            alpha=round(1 - self.confidence, 9),
            budget=self.budget,
        )
        points: dict[tuple[int, int, int], Point] = {}

        def overrides_of(place: tuple[int, int, int]) -> tuple[list[str], list[str]]:
            """Return all overrides of a run, and those that move it from the others."""
            row, column, seed = place
            moved = [*x.overrides[row], *y.overrides[column], f"seed={seeds[seed]}"]
            return [*fixed, *moved], moved

        def point(place: tuple[int, int, int]) -> Point:
            if place not in points:
                (points[place],) = complete.checked_points([overrides_of(place)], self._compose)
            return points[place]

        # A point is valid with all seeds or with none, so one of each is checked.
        lattice = itertools.product(range(len(x.values)), range(len(y.values)), [0])
        checked = complete.checked_points([overrides_of(place) for place in lattice], self._compose)
        folder = Path(checked[0].config.paths.output_dir)
        record = opened(
            folder, self._record_of_question(x, y, seeds, checked[0]), dict(self.budget)
        )
        if record.end is None:
            loop.decide(plan, record, folder, point, self._run)
        say(loop.ending(record))
        print(f"what was added and why: python -m vae_granularity.analyze runs={folder}")

    def _run(self, points: Sequence[Point]) -> None:
        """Complete some points; leave out one that fails by its own doing.

        Raises:
            SystemExit: a run was interrupted.
        """
        if all(point.is_complete for point in points):
            return
        try:
            complete.complete(points, self._launch, retry_failed=self.retry_failed)
        except SystemExit:
            open_points = [point for point in points if not point.is_complete]
            if any(recorded_failure(point.directory) is None for point in open_points):
                raise

    def _seeds(self, swept: Override | None) -> tuple[int, ...]:
        if swept is None:
            return tuple(range(self.max_seeds))
        seeds = tuple(int(text) for text in swept.sweep_string_iterator())
        if len(seeds) < 3:
            raise ArgumentError(f"seed must be swept over 3 values or more, got {list(seeds)}")
        return seeds

    def _axes(self, axes: dict[str, Axis]) -> tuple[Axis, Axis]:
        """Return x and y of the question's lattice; x is a single row where one key is swept."""
        if self.question == "difference":
            return SINGLE_ROW, _two_points(axes)
        keys = list(axes)
        if self.question == "trajectory" and len(keys) != 2:
            raise ArgumentError(
                f"question=trajectory needs two swept keys besides the seed, got {keys or 'none'}"
            )
        if self.question == "best" and len(keys) not in (1, 2):
            raise ArgumentError(
                f"question=best needs one or two swept keys besides the seed, got {keys or 'none'}"
            )
        for name, key in (("x", self.x), ("y", self.y)):
            if key is not None and key not in keys:
                raise ArgumentError(
                    f"{KEY}{name} must be a swept key ({', '.join(keys)}), got {key!r}"
                )
        # Without a choice the key that is swept last is y.
        y = self.y or next(key for key in reversed(keys) if key != self.x)
        if self.x == y:
            raise ArgumentError(f"{KEY}x and {KEY}y must differ, got {y!r} for both")
        x = next((key for key in keys if key != y), None)
        if x is not None:
            self._check_length(axes[x], 5 if self.question == "trajectory" else 3)
        self._check_length(axes[y], 3)
        return SINGLE_ROW if x is None else axes[x], axes[y]

    def _check_length(self, axis: Axis, least: int) -> None:
        if len(axis.values) < least:
            raise ArgumentError(
                f"{axis.name} must have {least} values or more for question={self.question}, "
                f"got {len(axis.values)}"
            )

    def _question(self, seeds: int) -> Any:
        from vae_granularity.analysis.next_runs.questions import BestQuestion, DifferenceQuestion
        from vae_granularity.analysis.next_runs.trajectory_question import TrajectoryQuestion

        first = min(self.first_seeds, seeds)
        if self.question == "trajectory":
            return TrajectoryQuestion(first_seeds=first, max_seeds=seeds)
        if self.question == "best":
            return BestQuestion(first_seeds=first, max_seeds=seeds)
        return DifferenceQuestion(self.larger_than, max(first, 3), seeds)

    def _record_of_question(
        self, x: Axis, y: Axis, seeds: tuple[int, ...], first: Point
    ) -> dict[str, Any]:
        """Return what must not change while the sweep goes on."""
        return {
            "question": self.question,
            "larger_than": self.larger_than,
            "value": self.value,
            "optimum": "max" if self.maximise else "min",
            "confidence": self.confidence,
            "first_seeds": self.first_seeds,
            "x": {"name": x.name, "values": list(x.values)},
            "y": {"name": y.name, "values": list(y.values)},
            "seeds": list(seeds),
            "first run": first.directory.name,
        }


def _two_points(axes: Mapping[str, Axis]) -> Axis:
    """Return the axis of question=difference: two points, the first and second values of all keys.

    Raises:
        ArgumentError: a key has another number of values, or none is swept.
    """
    lengths = {key: len(axis.values) for key, axis in axes.items()}
    if not axes or set(lengths.values()) != {2}:
        raise ArgumentError(
            "question=difference needs swept keys of two values each, the first point's "
            f"and the second's, got {lengths or 'no swept key'}"
        )
    points = tuple(tuple(axis.overrides[place][0] for axis in axes.values()) for place in (0, 1))
    labels = tuple(", ".join(_value_of(word) for word in words) for words in points)
    return Axis(", ".join(axes), labels, points)


def _value_of(override: str) -> str:
    return override.partition("=")[2]


def axis_values(swept: Override, count: int) -> Axis:
    """Return the values of a swept key in order, numbers ascending, and an override for each.

    An interval is divided into `count` values, evenly or, tagged `log`, by equal factors.

    Raises:
        ArgumentError: an interval is empty, or not positive where it is logarithmic.
    """
    value = swept.value()
    key = swept.get_key_element()
    if isinstance(value, IntervalSweep):
        numbers = _interval_values(key, value, count)
        return Axis(key, numbers, tuple((f"{key}={number}",) for number in numbers))
    words = list(swept.sweep_string_iterator())
    values: list[Any] = list(swept.sweep_iterator())
    if all(type(item) in (int, float) for item in values):
        order = sorted(range(len(values)), key=lambda index: values[index])
        values = [values[index] for index in order]
        words = [words[index] for index in order]
    else:
        values = words
    if len(set(words)) < len(words):
        raise ArgumentError(f"{key} must have different values, got {', '.join(words)}")
    return Axis(key, tuple(values), tuple((f"{key}={word}",) for word in words))


def _interval_values(key: str, interval: IntervalSweep, count: int) -> tuple[Any, ...]:
    """Return `count` values of an interval; fewer where integers repeat."""
    low, high = interval.start, interval.end
    log = "log" in interval.tags
    if low is None or high is None or not low < high or (log and low <= 0):
        accepted = "0 < low < high" if log else "low < high"
        raise ArgumentError(f"{key} must be an interval with {accepted}, got ({low}, {high})")
    fractions = [step / (count - 1) for step in range(count)]
    if log:
        numbers = [low * (high / low) ** fraction for fraction in fractions]
    else:
        numbers = [low + (high - low) * fraction for fraction in fractions]
    if isinstance(low, int) and isinstance(high, int):
        return tuple(sorted({round(number) for number in numbers}))
    return tuple(float(f"{number:.4g}") for number in numbers)


def _checked_budget(budget: Mapping[str, Any]) -> dict[str, float | None]:
    runs = budget.get("runs")
    hours = budget.get("hours")
    if runs is None and hours is None:
        raise ArgumentError(
            f"{KEY}budget.runs or {KEY}budget.hours must be given: an integer >= 1, a number > 0"
        )
    return {
        "runs": None if runs is None else integer(f"{KEY}budget.runs", runs, 1),
        "hours": None if hours is None else number(f"{KEY}budget.hours", hours, 0, above=True),
    }
