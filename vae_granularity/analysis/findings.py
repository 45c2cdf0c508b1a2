"""What the models themselves told, apart from the code that asks them, which loads torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from vae_granularity.analysis.correlation import Correlation


@dataclass(frozen=True)
class ModelFindings:
    """Found by passing the same images through every model."""

    udr: pd.DataFrame | None = None  # columns to add to the table of runs
    profile: pd.DataFrame = field(default_factory=pd.DataFrame)  # a row a run, partition and factor
    complexity: dict[str, float] = field(default_factory=dict)
    correlations: list[Correlation] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
