"""Disentanglement metrics: one file a metric, a pure function on arrays and its thin torchmetrics class.

A function and its file share a name (`metrics.mig` is the function), so this file imports them at once: a lazily loaded submodule
would overwrite the function. Scikit-learn, scipy and lightgbm are loaded by the functions that need them.
"""

from __future__ import annotations

from vae_granularity.metrics.active_units import ActiveUnits, active_units
from vae_granularity.metrics.mig import MIG, mig

__all__ = ["MIG", "ActiveUnits", "active_units", "mig"]
