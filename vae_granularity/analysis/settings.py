"""What an analysis is asked to do, checked before anything is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vae_granularity.analysis.comparable import KINDS
from vae_granularity.errors import ArgumentError, choice, integer


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
    mix: tuple[str, ...] = ()
    min_seeds: int = 3
    draws: int = 400
    seed: int = 0
    udr: bool = False
    profile: bool = False
    num_codes: int = 2000
    rows: int = 500
    figures: int = 2

    def __post_init__(self) -> None:
        if bool(self.runs) == (self.wandb is not None):
            raise ArgumentError(
                f"give either runs=FOLDER or wandb=ENTITY/PROJECT, got runs={[*map(str, self.runs)]}, wandb={self.wandb}"
            )
        if self.wandb is not None and self.wandb.count("/") != 1:
            raise ArgumentError(f"wandb must be ENTITY/PROJECT, got {self.wandb!r}")
        if self.wandb is not None and self.out is None:
            raise ArgumentError(
                "out must name a folder for the results where runs come from W&B, got null"
            )
        for kind in self.mix:
            choice("mix", kind, KINDS)
        choice("optimum", self.optimum, ("max", "min"))
        if (self.x is None) != (self.y is None) or (self.x is not None and self.x == self.y):
            raise ArgumentError(
                f"x and y must be two different columns or both null, got x={self.x}, y={self.y}"
            )
        for name, low in (
            ("min_seeds", 2),
            ("draws", 20),
            ("seed", 0),
            ("num_codes", 10),
            ("rows", 1),
            ("figures", 0),
        ):
            integer(name, getattr(self, name), low)

    @property
    def folder(self) -> Path:
        """Where the results go."""
        return self.out if self.out is not None else self.runs[0] / "analysis"

    @property
    def maximise(self) -> bool:
        """Whether larger is better."""
        return self.optimum == "max"
