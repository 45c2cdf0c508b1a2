"""What an analysis is asked to do, checked before anything is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from vae_granularity.analysis.comparable import KINDS
from vae_granularity.errors import ArgumentError, choice, integer
from vae_granularity.runs.identity import flat
from vae_granularity.runs.types import check_values

Names = list[str]
# Of the keys as they are written.
TYPES: dict[str, Any] = dict.fromkeys(("value", "optimum"), str)
TYPES |= dict.fromkeys(("wandb", "out", "x", "y"), str | None)
TYPES |= dict.fromkeys(("udr", "profile"), bool) | {"runs": str | Names | None}
TYPES |= dict.fromkeys(("allow_mixed", "trust"), Names) | {"paths": dict[str, str | None]}
TYPES |= {"where": dict[str, Any]}

if TYPE_CHECKING:
    from vae_granularity.runs.reading import Run

LEAST = {"min_seeds": 2, "num_bootstrap": 20, "seed": 0}
LEAST |= {"num_codes": 10, "max_rows": 1, "figures": 0}
TYPES |= dict.fromkeys(LEAST, int)


@dataclass(frozen=True)
class Settings:
    """The keys of conf/analyze.yaml, which explains them.

    Raises:
        ArgumentError: a key is out of range.
    """

    runs: tuple[Path, ...] = ()
    wandb: str | None = None
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
        """The settings of a config as plain values.

        >>> Settings.from_config({"runs": "a", "where": {"model": {"beta": 4}}}).where
        {'model.beta': 4}
        """
        given = check_values(values, TYPES)
        runs = given.get("runs") or []
        given["runs"] = tuple(map(Path, runs if isinstance(runs, list) else [runs]))
        given["out"] = None if given.get("out") is None else Path(given["out"])
        given["where"] = dict(flat(given.get("where", {})))
        for key in ("allow_mixed", "trust"):
            given[key] = tuple(given.get(key, ()))
        return cls(**given)

    def __post_init__(self) -> None:
        if bool(self.runs) == (self.wandb is not None):
            raise ArgumentError(
                "give either runs=FOLDER or wandb=ENTITY/PROJECT, got "
                f"runs={[*map(str, self.runs)]}, wandb={self.wandb}"
            )
        if self.wandb is not None and self.wandb.count("/") != 1:
            raise ArgumentError(f"wandb must be ENTITY/PROJECT, got {self.wandb!r}")
        if self.wandb is not None and self.out is None:
            raise ArgumentError("out must name a folder where runs come from W&B, got null")
        for kind in self.allow_mixed:
            choice("allow_mixed", kind, KINDS)
        choice("optimum", self.optimum, ("max", "min"))
        if (self.x is None) != (self.y is None) or (self.x is not None and self.x == self.y):
            raise ArgumentError(
                f"x and y must be two different columns or both null, got x={self.x}, y={self.y}"
            )
        for name, low in LEAST.items():
            integer(name, getattr(self, name), low)

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return self.out if self.out is not None else self.runs[0] / "analysis"

    def load_run(self, directory: str | Path) -> "Run":
        """A run read back, with what the settings trust."""
        from vae_granularity.runs.reading import load_run  # torch: only where a model is needed

        return load_run(directory, self.trust, **self.paths)

    @property
    def maximise(self) -> bool:
        """Whether larger is better."""
        return self.optimum == "max"
