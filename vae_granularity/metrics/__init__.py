"""Disentanglement metrics: one file a metric, a pure function on arrays and its thin torchmetrics
class.

A function and its file share a name (`metrics.mig` is the function), so this file imports them at
once: a lazily loaded submodule would overwrite the function. Scikit-learn, scipy and lightgbm are
loaded by the functions that need them.
"""

from vae_granularity.metrics.active_units import ActiveUnits, active_units
from vae_granularity.metrics.beta_vae_score import BetaVAEScore, beta_vae_score
from vae_granularity.metrics.core.suite import run_suite
from vae_granularity.metrics.dci import DCI, dci
from vae_granularity.metrics.downstream import Downstream, downstream
from vae_granularity.metrics.explicitness import Explicitness, explicitness
from vae_granularity.metrics.factor_complexity import factor_complexity
from vae_granularity.metrics.factor_dimensions import factor_dimensions
from vae_granularity.metrics.factor_vae_score import FactorVAEScore, factor_vae_score
from vae_granularity.metrics.fairness import fairness
from vae_granularity.metrics.granularity_profile import unit_profile
from vae_granularity.metrics.group_null import group_null
from vae_granularity.metrics.infomec import InfoMEC, infomec
from vae_granularity.metrics.irs import IRS, irs
from vae_granularity.metrics.mig import MIG, mig
from vae_granularity.metrics.mig_entropy import MIGEntropy, mig_entropy
from vae_granularity.metrics.modularity import Modularity, ModularityKNN, modularity, modularity_knn
from vae_granularity.metrics.partition_comparison import partition_comparison
from vae_granularity.metrics.sap import SAP, sap
from vae_granularity.metrics.udr import UDR, udr
from vae_granularity.metrics.unsupervised import Unsupervised, unsupervised

__all__ = [
    "DCI",
    "IRS",
    "MIG",
    "SAP",
    "UDR",
    "ActiveUnits",
    "BetaVAEScore",
    "Downstream",
    "Explicitness",
    "FactorVAEScore",
    "InfoMEC",
    "MIGEntropy",
    "Modularity",
    "ModularityKNN",
    "Unsupervised",
    "active_units",
    "beta_vae_score",
    "dci",
    "downstream",
    "explicitness",
    "factor_complexity",
    "factor_dimensions",
    "factor_vae_score",
    "fairness",
    "group_null",
    "infomec",
    "irs",
    "mig",
    "mig_entropy",
    "modularity",
    "modularity_knn",
    "partition_comparison",
    "run_suite",
    "sap",
    "udr",
    "unit_profile",
    "unsupervised",
]
