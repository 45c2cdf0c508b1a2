"""Group scores that capacity cannot game: a completeness-like one beside its modularity-like one.

A group wide enough to hold every factor has a high gap or completeness although nothing was
separated; its modularity is low. The harmonic mean of the two is high only if both are.
"""

from collections.abc import Mapping

from vae_granularity.metrics.core.result import Scores

PARTNERS = {
    "mig_entropy_group": "modularity_knn_group",
    "sap_group": "modularity_knn_group",
    "infoc_group": "infom_group",
    "dci_completeness_group": "dci_disentanglement_group",
    "dci_fast_completeness_group": "dci_fast_disentanglement_group",
}
# Name of each harmonic mean to its two parts.
HARMONIC = {f"{a.removesuffix('_group')}_harmonic_group": (a, b) for a, b in PARTNERS.items()}


def harmonic_mean(a: float | None, b: float | None) -> float | None:
    """2ab / (a + b) of two scores clipped at 0; 0 if either is, missing if either is.

    >>> harmonic_mean(0.5, 1.0), harmonic_mean(-0.1, 1.0), harmonic_mean(None, 1.0)
    (0.6666666666666666, 0.0, None)
    """
    if a is None or b is None:
        return None
    a, b = max(a, 0.0), max(b, 0.0)
    return 0.0 if a == 0 or b == 0 else 2 * a * b / (a + b)


def with_harmonic(scores: Scores) -> Scores:
    """The scores and their `harmonic_scores`."""
    return scores | harmonic_scores(scores)


def harmonic_scores(scores: Mapping[str, float | None]) -> Scores:
    """The harmonic mean of every completeness-like group score; missing without its partner.

    >>> harmonic_scores({"infoc_group": 0.5, "infom_group": 1.0, "mig": 0.1})
    {'infoc_harmonic_group': 0.6666666666666666}
    """
    return {
        name: harmonic_mean(scores[part], scores.get(partner))
        for name, (part, partner) in HARMONIC.items()
        if part in scores
    }
