"""Group scores that capacity cannot game: a completeness-like score next to its modularity-like
partner.

A group may be wide enough to hold every factor. A gap or a completeness over groups then is high
although nothing was separated; modularity is low. The headline is the harmonic mean of the two,
which is high only if both are.
"""

from __future__ import annotations

from collections.abc import Mapping

from vae_granularity.metrics.core.result import Scores

PARTNERS = {
    "mig_entropy_group": "modularity_knn_group",
    "sap_group": "modularity_knn_group",
    "infoc_group": "infom_group",
    "dci_completeness_group": "dci_disentanglement_group",
    "dci_fast_completeness_group": "dci_fast_disentanglement_group",
}


def harmonic_mean(a: float | None, b: float | None) -> float | None:
    """2ab / (a + b) of two scores clipped at 0; 0 if either is, missing if either is."""
    if a is None or b is None:
        return None
    a, b = max(a, 0.0), max(b, 0.0)
    return 0.0 if a == 0 or b == 0 else 2 * a * b / (a + b)


def group_headlines(scores: Mapping[str, float | None]) -> Scores:
    """`<name>_harmonic_group` for every completeness-like `<name>_group` among the scores; missing
    without its partner.
    """
    return {
        f"{name.removesuffix('_group')}_harmonic_group": harmonic_mean(
            scores[name], scores.get(partner)
        )
        for name, partner in PARTNERS.items()
        if name in scores
    }
