"""Disentanglement metrics: one file a metric, a pure function on arrays; here their torchmetrics
classes.

A function and its file share a name (`metrics.mig` is the function), so this file imports them at
once: a lazily loaded submodule would overwrite the function. Scikit-learn, scipy and lightgbm are
loaded by the functions that need them.
"""

from vae_granularity.metrics.active_units import active_units
from vae_granularity.metrics.beta_vae_score import beta_vae_score
from vae_granularity.metrics.core.suite import run_suite
from vae_granularity.metrics.core.table_metric import GridMetric, collected
from vae_granularity.metrics.dci import dci
from vae_granularity.metrics.downstream import downstream
from vae_granularity.metrics.explicitness import explicitness
from vae_granularity.metrics.factor_complexity import factor_complexity
from vae_granularity.metrics.factor_dimensions import factor_dimensions
from vae_granularity.metrics.factor_subspaces import factor_subspaces
from vae_granularity.metrics.factor_vae_score import factor_vae_score
from vae_granularity.metrics.fairness import fairness
from vae_granularity.metrics.gap import gap
from vae_granularity.metrics.granularity_profile import unit_profile
from vae_granularity.metrics.group_null import group_null
from vae_granularity.metrics.infomec import infomec
from vae_granularity.metrics.irs import irs
from vae_granularity.metrics.mig import mig
from vae_granularity.metrics.mig_entropy import mig_entropy
from vae_granularity.metrics.modularity import modularity, modularity_knn
from vae_granularity.metrics.partition_comparison import partition_comparison
from vae_granularity.metrics.sap import sap
from vae_granularity.metrics.udr import UDR, udr
from vae_granularity.metrics.unsupervised import unsupervised

ActiveUnits = collected("ActiveUnits", active_units, "mu", "logvar")
BetaVAEScore = collected("BetaVAEScore", beta_vae_score, of=GridMetric)
DCI = collected("DCI", dci)
Downstream = collected("Downstream", downstream)
Explicitness = collected("Explicitness", explicitness)
FactorVAEScore = collected("FactorVAEScore", factor_vae_score, of=GridMetric)
Gap = collected("Gap", gap)
InfoMEC = collected("InfoMEC", infomec)
IRS = collected("IRS", irs)
MIG = collected("MIG", mig)
MIGEntropy = collected("MIGEntropy", mig_entropy, "z", "mu", "logvar", "factors")
Modularity = collected("Modularity", modularity)
ModularityKNN = collected("ModularityKNN", modularity_knn)
SAP = collected("SAP", sap)
Unsupervised = collected("Unsupervised", unsupervised, "latents")

__all__ = ["DCI", "IRS", "MIG", "SAP", "UDR", "ActiveUnits", "BetaVAEScore", "Downstream"]
__all__ += ["Explicitness", "FactorVAEScore", "Gap", "InfoMEC", "MIGEntropy", "Modularity"]
__all__ += ["ModularityKNN", "Unsupervised", "active_units", "beta_vae_score", "dci", "downstream"]
__all__ += ["explicitness", "factor_complexity", "factor_dimensions", "factor_subspaces"]
__all__ += ["factor_vae_score"]
__all__ += ["fairness", "gap", "group_null", "infomec", "irs", "mig", "mig_entropy", "modularity"]
__all__ += ["modularity_knn", "partition_comparison", "run_suite", "sap", "udr", "unit_profile"]
__all__ += ["unsupervised"]
