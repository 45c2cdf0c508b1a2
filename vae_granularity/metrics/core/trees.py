"""Gradient-boosted trees for DCI: one classifier a factor, factors in parallel processes."""

import importlib.util
from importlib.metadata import version as package_version
from typing import Any, cast

import numpy as np

from vae_granularity.errors import ArgumentError
from vae_granularity.metrics.core.inputs import Array, Codes, LabelledSample

STAGES = 100

Fit = tuple[Array, float, float]  # importances (D,), training accuracy, test accuracy


def fit_all(regressor: str, sample: LabelledSample, *, seed: int, n_jobs: int | None) -> list[Fit]:
    """One fit a factor, in the order of the factors; the result does not depend on `n_jobs`."""
    import joblib

    num_factors = sample.factors.shape[1]
    jobs = min(joblib.cpu_count() if n_jobs is None else n_jobs, num_factors)
    values = [len(np.unique(column)) for column in sample.factors.T]
    # Trees cost as many as the factor has values: the longest first, so that no process is left
    # alone with one.
    order = sorted(range(num_factors), key=lambda f: -values[f])
    fit, x, test_x = joblib.delayed(FITS[regressor]), sample.latents, sample.test_latents
    y, test_y = sample.factors, sample.test_factors
    tasks = (fit(x, y[:, f], test_x, test_y[:, f], seed) for f in order)
    # Batches of one: joblib would bundle tasks that finish fast and undo the order.
    bundles: dict[str, Any] = {"batch_size": 1}
    done = cast(list[Fit], joblib.Parallel(n_jobs=jobs, **bundles)(tasks))
    return [done[order.index(f)] for f in range(num_factors)]


def fit_sklearn(x: Array, y: Codes, test_x: Array, test_y: Codes, seed: int) -> Fit:
    """Scikit-learn's default GradientBoostingClassifier: 100 stages, rate 0.1, depth 3."""
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(random_state=seed).fit(x, y)
    return (
        np.asarray(model.feature_importances_),
        float(model.score(x, y)),
        float(model.score(test_x, test_y)),
    )


def fit_lightgbm(x: Array, y: Codes, test_x: Array, test_y: Codes, seed: int) -> Fit:
    """LightGBM with the same stages, leaves and rate; importances are total gains."""
    import lightgbm

    values, codes = np.unique(y, return_inverse=True)
    # A value that training lacks is never predicted: its rows count as errors.
    seen, two = np.isin(test_y, values), len(values) == 2
    task = {"objective": "binary"} if two else {"objective": "multiclass", "num_class": len(values)}
    options = {
        **task,
        "metric": "binary_error" if two else "multi_error",
        "learning_rate": 0.1,
        "num_leaves": 8,
        "max_depth": 3,
        "min_data_in_leaf": 1,
        "min_sum_hessian_in_leaf": 1e-3,
        "num_threads": 1,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    train = lightgbm.Dataset(x, codes, params=options)
    parts = {"train": train}
    if seen.any():
        parts["test"] = train.create_valid(
            test_x[seen], np.searchsorted(values, test_y[seen]), params=options
        )
    errors: dict[str, dict[str, list[float]]] = {}
    # Predicting afterwards would take longer than the training, which knows the scores of both
    # parts anyway.
    model = lightgbm.train(
        options,
        train,
        num_boost_round=STAGES,
        valid_sets=list(parts.values()),
        valid_names=list(parts),
        callbacks=[lightgbm.record_evaluation(errors)],
    )
    gain = model.feature_importance("gain").astype(np.float64)
    accuracy = {part: 1 - error[options["metric"]][-1] for part, error in errors.items()}
    return (
        gain / gain.sum() if gain.sum() > 0 else gain,
        accuracy["train"],
        accuracy.get("test", 0.0) * float(seen.mean()),
    )


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
            "regressor must be 'sklearn' without lightgbm, got 'lightgbm'; install it with pip"
            " install 'vae-granularity[fast]'"
        )
