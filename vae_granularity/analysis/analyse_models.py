"""What only the models themselves can tell: agreement over seeds, and the profile of factors under
common partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from vae_granularity.analysis.agreement import udr_scores
from vae_granularity.analysis.codes import Codes, all_codes
from vae_granularity.analysis.correlation import correlations, separating
from vae_granularity.analysis.features import complexity_of, profile_rows
from vae_granularity.analysis.findings import ModelFindings
from vae_granularity.analysis.settings import Settings
from vae_granularity.errors import ArgumentError
from vae_granularity.runs.protocol import PROTOCOL_VERSION

PROFILE = "profile.csv"


def ask_models(settings: Settings, table: pd.DataFrame, parameters: list[str]) -> ModelFindings:
    """Encode the common images by every model, and measure what the settings ask for.

    Raises:
        ArgumentError: the runs come from W&B, where there are no models, or are on several data
            sets, which have no images in common.
    """
    if settings.wandb is not None:
        raise ArgumentError(
            "udr and profile must be false with wandb, where there are no models to load, got true"
        )
    names = sorted(table["run.dataset"].astype(str).unique())
    if settings.profile and len(names) > 1:
        raise ArgumentError(
            f"profile must be false where runs are on several data sets, got true for {', '.join(names)}"
        )
    failed: dict[str, str] = {}
    codes = list(all_codes(table, settings.folder / "codes", settings.num_codes, failed))
    agreement = udr_scores(table, parameters, codes) if settings.udr else None
    profile = _profile(settings, table, codes) if settings.profile else pd.DataFrame()
    if profile.empty:
        return ModelFindings(agreement, failed=failed)
    complexity = complexity_of(codes[0].data)
    others = [name for name in parameters if name != "model.granularity"]
    first = separating(table, profile, others)
    return ModelFindings(agreement, profile, complexity, correlations(first, complexity), failed)


def _profile(settings: Settings, table: pd.DataFrame, codes: Sequence[Codes]) -> pd.DataFrame:
    """The profile rows of every run; those of an earlier pass are kept while results.json, the
    number of codes and the version of the protocol are the same.
    """
    file = settings.folder / PROFILE
    kept: dict[str, list[dict[str, Any]]] = {}
    if file.is_file():
        for row in pd.read_csv(file).to_dict("records"):
            kept.setdefault(str(row["key"]), []).append(
                {str(name): value for name, value in row.items()}
            )
    rows: list[dict[str, Any]] = []
    for code in codes:
        run = table.loc[code.run]
        key = f"{run['run.name']} {run['mtime_ns']} {settings.num_codes} {PROTOCOL_VERSION}"
        found = kept.get(key) or [{"key": key, **row} for row in profile_rows(code)]
        rows += [{**row, "run": code.run} for row in found]
    profile = pd.DataFrame(rows)
    if profile.empty:
        file.unlink(missing_ok=True)
    else:
        profile.drop(columns="run").to_csv(file, index=False)
    return profile
