"""Load the models of an analysis: agreement over seeds, factors under common partitions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

import pandas as pd

from vae_granularity.analysis.settings import Settings
from vae_granularity.errors import ArgumentError
from vae_granularity.files import read_regular_file, write_text
from vae_granularity.runs.protocol import PROTOCOL_VERSION

if TYPE_CHECKING:  # torch takes seconds, and most analyses need no model
    from vae_granularity.analysis.codes import Codes
    from vae_granularity.analysis.complexity_claim import ClaimTest

PROFILE = "profile.csv"
MAX_FAILURES = 20  # reasons shown


@dataclass(frozen=True)
class ModelFindings:
    """Results of passing the same images through every model."""

    udr: pd.DataFrame | None = None  # columns to add to the table of runs
    profile: pd.DataFrame = field(default_factory=pd.DataFrame)  # a row a run, partition and factor
    complexity: dict[str, float] = field(default_factory=dict)
    claim_tests: list["ClaimTest"] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)  # run to reason

    @property
    def failures(self) -> list[str]:
        """Return one line for each reason why models could not be loaded."""
        runs: dict[str, list[str]] = {}
        for run, reason in self.failed.items():
            runs.setdefault(reason, []).append(run)
        return [
            f"{len(names)} models could not be loaded, the first of them {names[0]}: {reason}"
            for reason, names in runs.items()
        ][:MAX_FAILURES]


def analyse_models(
    settings: Settings, table: pd.DataFrame, parameters: Sequence[str]
) -> ModelFindings:
    """Encode the common images by every model, and measure what the settings request.

    Raises:
        ArgumentError: a profile is requested of runs on several data sets, which have no images in
            common.
    """
    if not (settings.udr or settings.profile):
        return ModelFindings()
    names = sorted(table["run.dataset"].astype(str).unique())
    if settings.profile and len(names) > 1:
        raise ArgumentError(
            "profile must be false where runs are on several data sets, "
            f"got true for {', '.join(names)}"
        )
    from vae_granularity.analysis.agreement import udr_scores
    from vae_granularity.analysis.codes import all_codes
    from vae_granularity.analysis.complexity_claim import claim_tests, separation_thresholds
    from vae_granularity.analysis.features import complexity_of

    failed: dict[str, str] = {}
    codes = list(all_codes(table, settings, failed))
    agreement = udr_scores(table, parameters, codes) if settings.udr else None
    profile = _profile(settings, table, codes) if settings.profile else pd.DataFrame()
    if profile.empty:
        return ModelFindings(agreement, failed=failed)
    complexity = complexity_of(codes[0].data)
    # The claim is about γ, so seeds and settings are compared at equal values of all others.
    others = [name for name in parameters if name != "model.granularity"]
    thresholds = separation_thresholds(table, profile, others)
    return ModelFindings(
        agreement, profile, complexity, claim_tests(thresholds, complexity), failed
    )


def _profile(settings: Settings, table: pd.DataFrame, codes: "Sequence[Codes]") -> pd.DataFrame:
    """Return the profile rows of every run.

    Rows of the last pass are reused for equal results.json, n and protocol version.
    """
    from vae_granularity.analysis.features import profile_rows

    file = settings.folder / PROFILE
    try:
        groups = pd.read_csv(BytesIO(read_regular_file(file))).groupby("key")
        stored = {str(key): rows for key, rows in groups}
    except (OSError, ValueError, KeyError):  # none, or a damaged one: it is made again
        stored = {}
    profiles = []
    for code in codes:
        run = table.loc[code.run]
        # A run that is trained further writes results.json anew: its time stands for the model.
        key = f"{run['run.name']} {run['mtime_ns']} {settings.num_codes} {PROTOCOL_VERSION}"
        rows = stored[key] if key in stored else pd.DataFrame(profile_rows(code))
        profiles.append(rows.assign(key=key, run=code.run))
    profile = pd.concat(profiles, ignore_index=True) if profiles else pd.DataFrame()
    if "factor" not in profile:  # no model was read, or the data set has no factors
        file.unlink(missing_ok=True)
        return pd.DataFrame()
    write_text(file, profile.drop(columns="run").to_csv(index=False))
    return profile
