"""Gradient-boosted trees for DCI: one classifier a factor, factors in parallel processes."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version as package_version

import numpy as np

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.inputs import Array, Codes, LabelledSample

Fit = tuple[Array, float, float]  # importances (D,), training accuracy, test accuracy


def fit_all(regressor: str, sample: LabelledSample, *, seed: int, n_jobs: int | None) -> list[Fit]:
    """One fit a factor, in the order of the factors; the result does not depend on `n_jobs`."""
    import joblib

    num_factors = sample.factors.shape[1]
    jobs = min(joblib.cpu_count() if n_jobs is None else n_jobs, num_factors)
    values = [len(np.unique(column)) for column in sample.factors.T]
    # Trees cost as many as the factor has values: the longest first, so that no process is left alone with one.
    order = sorted(range(num_factors), key=lambda f: -values[f])
    fit = FITS[regressor]
    tasks = (joblib.delayed(fit)(sample.latents, sample.factors[:, f], sample.test_latents, sample.test_factors[:, f], seed) for f in order)
    # Batches of one: joblib would bundle tasks that finish fast and undo the order.
    done = joblib.Parallel(n_jobs=jobs, batch_size=1)(tasks)
    return [done[order.index(f)] for f in range(num_factors)]


def fit_sklearn(x: Array, y: Codes, test_x: Array, test_y: Codes, seed: int) -> Fit:
    """GradientBoostingClassifier with scikit-learn's defaults: 100 stages, learning rate 0.1, depth 3, log-loss."""
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(random_state=seed).fit(x, y)
    return model.feature_importances_, float(model.score(x, y)), float(model.score(test_x, test_y))


def fit_lightgbm(x: Array, y: Codes, test_x: Array, test_y: Codes, seed: int) -> Fit:
    """LightGBM with the same numbers of stages and leaves and the same rate; importances are total gains."""
    import lightgbm

    values, codes = np.unique(y, return_inverse=True)
    binary = len(values) == 2
    options = {
        "objective": "binary" if binary else "multiclass",
        **({} if binary else {"num_class": len(values)}),
        "learning_rate": 0.1,
        "num_leaves": 8,
        "max_depth": 3,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 1e-3,
        "num_threads": 1,
        "seed": seed,
        "deterministic": True,
        "force_col_wise": True,
        "verbosity": -1,
    }
    model = lightgbm.train(options, lightgbm.Dataset(x, codes, params={"verbosity": -1}), num_boost_round=100)
    gain = model.feature_importance("gain").astype(np.float64)

    def accuracy(features: Array, labels: Codes) -> float:
        p = model.predict(features)
        return float(np.mean(values[(p > 0.5).astype(int) if binary else p.argmax(1)] == labels))

    return gain / gain.sum() if gain.sum() > 0 else gain, accuracy(x, y), accuracy(test_x, test_y)


FITS = {"sklearn": fit_sklearn, "lightgbm": fit_lightgbm}


def version(regressor: str) -> str:
    """Library, version and classifier, for a protocol."""
    if regressor == "sklearn":
        return f"scikit-learn {package_version('scikit-learn')} GradientBoostingClassifier"
    return f"lightgbm {package_version('lightgbm')}"


def require_lightgbm() -> None:
    """Raises ArgumentError that names the extra where lightgbm is missing."""
    if importlib.util.find_spec("lightgbm") is None:
        raise ArgumentError(
            "regressor must be 'sklearn' without lightgbm, got 'lightgbm'; install it with pip install 'vae-granularity[fast]'"
        )
