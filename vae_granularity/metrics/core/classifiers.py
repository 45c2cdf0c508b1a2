"""Classifiers that read one factor off codes: a linear one and boosted trees, by name."""

from typing import Any, cast

import numpy as np

from vae_granularity.metrics.core import logistic, trees
from vae_granularity.metrics.core.inputs import Array, Codes

# Name to what it adds to a score's name: other numbers than the published ones get other names.
BOOSTED = {"sklearn": "boosted", "lightgbm": "boosted_fast"}


def predict(kind: str, x: Array, y: Codes, test_x: Array, seed: int) -> Codes:
    """Predicted values (m,) of `test_x` (m, D) by a classifier fitted on x (n, D) and y (n,).

    A factor with one value among the n is predicted to have it everywhere.

    Args:
        kind: `linear` (multinomial logistic regression, L2 with C = 1, on standardised codes),
            `sklearn` or `lightgbm` (100 boosted trees of depth 3).
    """
    if (y == y[0]).all():
        return np.full(len(test_x), y[0])
    if kind == "linear":
        mean, spread = x.mean(0), x.std(0)
        spread[spread == 0] = 1.0  # a constant code: 0 after its mean is taken off
        model, _ = logistic.fit((x - mean) / spread, y)
        return np.asarray(model.predict((test_x - mean) / spread))
    return np.asarray(boosted(kind, seed).fit(x, y).predict(test_x))


def predict_all(kind: str, x: Array, y: Codes, test_x: Array, seed: int) -> list[Codes]:
    """`predict` for each factor of y (n, F), in parallel processes where trees are grown."""
    import joblib

    few = kind == "linear" or len(x) < 2_000  # starting processes would cost more than the fits
    jobs = 1 if few else min(joblib.cpu_count(), y.shape[1])
    task = joblib.delayed(predict)
    # Trees cost as many as the factor has values: the longest first (see `trees.fit_all`).
    order = np.argsort([-len(np.unique(column)) for column in y.T], kind="stable")
    tasks = (task(kind, x, y[:, f], test_x, seed) for f in order)
    one_by_one: dict[str, Any] = {"batch_size": 1}  # bundles would undo the order
    done = cast(list[Codes], joblib.Parallel(n_jobs=jobs, **one_by_one)(tasks))
    return [done[i] for i in np.argsort(order)]


def boosted(kind: str, seed: int) -> Any:
    """Scikit-learn's default gradient boosting, or LightGBM with its stages, leaves and rate."""
    if kind == "sklearn":
        from sklearn.ensemble import GradientBoostingClassifier

        return GradientBoostingClassifier(random_state=seed)
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        n_estimators=trees.STAGES,
        num_leaves=8,
        max_depth=3,
        min_child_samples=1,
        n_jobs=1,
        random_state=seed,
        deterministic=True,
        force_row_wise=True,
        verbosity=-1,
    )


def version(kind: str) -> str:
    """Library, version and classifier, for a protocol."""
    return logistic.version() if kind == "linear" else trees.version(kind)
