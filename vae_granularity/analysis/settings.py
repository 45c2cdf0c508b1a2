"""Settings of an analysis, checked before anything is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vae_granularity.analysis.comparable import KINDS
from vae_granularity.errors import ArgumentError, choice, integer
from vae_granularity.runs.identity import flat
from vae_granularity.runs.types import check_values

if TYPE_CHECKING:
    from vae_granularity.runs.reading import Run

MINIMA = {
    "min_seeds": 2,
    "num_bootstrap": 20,
    "seed": 0,
    "num_codes": 10,
    "max_rows": 1,
    "figures": 0,
}
# Of the keys as they are written in a config.
TYPES: dict[str, Any] = {
    **dict.fromkeys(("value", "optimum"), str),
    **dict.fromkeys(("wandb", "out", "x", "y"), str | None),
    **dict.fromkeys(("udr", "profile"), bool),
    **dict.fromkeys(("allow_mixed", "trust"), list[str]),
    **dict.fromkeys(MINIMA, int),
    "runs": str | list[str] | None,
    "paths": dict[str, str | None],
    "where": dict[str, Any],
}


@dataclass(frozen=True)
class Settings:
    """Keys of conf/analyze.yaml, which explains them.

    Raises:
        ArgumentError: a key is out of range.
    """

    runs: tuple[Path, ...] = ()
    out: Path | None = None
    value: str = "val/elbo"
    optimum: str = "max"
    x: str | None = None
    y: str | None = None
    where: dict[str, Any] = field(default_factory=dict)  # column to value
    allow_mixed: tuple[str, ...] = ()
    min_seeds: int = 3
    num_bootstrap: int = 400
    seed: int = 0
    udr: bool = False
    profile: bool = False
    trust: tuple[str, ...] = ()
    paths: dict[str, str | None] = field(default_factory=dict)
    num_codes: int = 2000
    max_rows: int = 500
    figures: int = 2

    @classmethod
    def from_config(cls, values: Mapping[str, Any]) -> Self:
        """Return the settings of a config, given as plain values.

        Raises:
            ArgumentError: a value has another type or is out of range, or names a W&B project.

        >>> Settings.from_config({"runs": "a", "where": {"model": {"beta": 4}}}).where
        {'model.beta': 4}
        """
        checked = check_values(values, TYPES)
        project = checked.pop("wandb", None)
        if project is not None:
            raise ArgumentError(
                "wandb must be null: W&B does not hold how a run was measured, so its numbers "
                f"cannot be compared; pass the run directories by runs=FOLDER, got {project!r}"
            )
        runs = checked.get("runs") or []
        checked["runs"] = tuple(map(Path, runs if isinstance(runs, list) else [runs]))
        checked["out"] = None if checked.get("out") is None else Path(checked["out"])
        checked["where"] = dict(flat(checked.get("where", {})))
        for key in ("allow_mixed", "trust"):
            checked[key] = tuple(checked.get(key, ()))
        return cls(**checked)

    def __post_init__(self) -> None:
        if not self.runs:
            raise ArgumentError("runs must name a folder of run directories, got none")
        for kind in self.allow_mixed:
            choice("allow_mixed", kind, KINDS)
        choice("optimum", self.optimum, ("max", "min"))
        if (self.x is None) != (self.y is None) or (self.x is not None and self.x == self.y):
            raise ArgumentError(
                f"x and y must be two different columns or both null, got x={self.x}, y={self.y}"
            )
        for name, low in MINIMA.items():
            integer(name, getattr(self, name), low)

    @property
    def folder(self) -> Path:
        """Return the folder of the results."""
        return self.out if self.out is not None else self.runs[0] / "analysis"

    @property
    def maximise(self) -> bool:
        """Return whether larger is better."""
        return self.optimum == "max"

    def load_run(self, directory: str | Path) -> "Run":
        """Load a run with the packages and paths of these settings."""
        from vae_granularity.runs.reading import load_run  # torch: only where a model is needed

        return load_run(directory, self.trust, **self.paths)
