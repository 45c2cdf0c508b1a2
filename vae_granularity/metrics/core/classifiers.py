"""Classifiers that read factors off codes: logistic regression and gradient-boosted trees."""

import importlib.util
import warnings
from importlib.metadata import version as package_version
from typing import Any, cast

import numpy as np

from vae_granularity.errors import ArgumentError, choice, integer
from vae_granularity.metrics.core.inputs import Array, Codes, LabelledSample

# Trees to what they add to a score's name: other numbers than the published ones get other names.
TREES = {"sklearn": "", "lightgbm": "_fast"}
STAGES = 100
MODELS = {"linear": "LogisticRegression", "sklearn": "GradientBoostingClassifier"}

# Importances (D,), and on the training and the test part the accuracy, or R² of a regression.
Fit = tuple[Array, float, float]


def check_trees(regressor: str, seed: int) -> tuple[str, int]:
    """What the trees add to a score's name, and the seed.

    Raises:
        ArgumentError: no such trees, lightgbm is not installed, or a seed below 0 or too large.
    """
    choice("regressor", regressor, tuple(TREES))
    if regressor == "lightgbm" and importlib.util.find_spec("lightgbm") is None:
        raise ArgumentError(
            "regressor must be 'sklearn' without lightgbm, got 'lightgbm'; install it with pip"
            " install 'vae-granularity[fast]'"
        )
    return TREES[regressor], integer("seed", seed, 0, 2**31 - 1)


def version(kind: str) -> str:
    """Library, version and classifier, for a protocol; `kind` as in `predict`, or a class."""
    if kind == "lightgbm":
        return f"lightgbm {package_version('lightgbm')}"
    return f"scikit-learn {package_version('scikit-learn')} {MODELS.get(kind, kind)}"


def fitted(model: Any, x: Array, y: Codes) -> bool:
    """Fit a scikit-learn classifier on x (n, D), y (n,); whether it converged.

    The published scores are those of a bounded number of iterations; the caller records that they
    did not suffice.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return bool(np.max(model.n_iter_) < model.max_iter)


def logistic(
    x: Array, y: Codes, *, penalty: float = 1.0, balanced: bool = False
) -> tuple[Any, bool]:
    """A multinomial logistic regression of at most 100 iterations, and whether it converged.

    Args:
        penalty: inverse of the L2 strength `C`; infinity for none.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=penalty, class_weight="balanced" if balanced else None)
    return model, fitted(model, x, y)


def predictive_information(
    x: Array, y: Codes, test: tuple[Array, Codes] | None = None
) -> tuple[float, bool]:
    """(H0 - H1) / H0: the share of the uncertainty on a factor that a linear readout of x (n, D)
    takes away; and convergence.

    InfoE of one factor (Hsu et al., arXiv 2310.10644, "InfoMEC"): H1 is the training log-loss of an
    unpenalised, class-balanced logistic regression; H0 that of the same regression on constant
    input, which is log K for K values, as balancing makes it uniform.
    With a test part (m, D), (m,) H1 is the loss on that, of the values that y has. In sample, D
    latents that hold nothing tell about (K - 1) D / (2 n log K).
    """
    from sklearn.metrics import log_loss

    model, converged = logistic(x, y, penalty=np.inf, balanced=True)
    h0 = np.log(len(model.classes_))
    if test is not None:
        known = np.isin(test[1], model.classes_)
        x, y = test[0][known], test[1][known]
        if not len(y):
            return 0.0, converged
    loss = log_loss(y, model.predict_proba(x), labels=model.classes_)
    return float((h0 - loss) / h0), converged


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
        model, _ = logistic((x - mean) / spread, y)
        return np.asarray(model.predict((test_x - mean) / spread))
    if kind == "sklearn":
        from sklearn.ensemble import GradientBoostingClassifier as Trees

        return np.asarray(Trees(random_state=seed).fit(x, y).predict(test_x))
    from lightgbm import LGBMClassifier

    model = LGBMClassifier(n_estimators=STAGES, **_lightgbm(seed))
    return np.asarray(model.fit(x, y).predict(test_x))


def predict_all(kind: str, x: Array, y: Codes, test_x: Array, seed: int) -> list[Codes]:
    """`predict` for each factor of y (n, F), in parallel processes where trees are grown."""
    few = kind == "linear" or len(x) < 2_000  # starting processes would cost more than the fits
    tasks = [(predict, kind, x, column, test_x, seed) for column in y.T]
    return _each_factor(tasks, y, 1 if few else None)


def importances(
    regressor: str, sample: LabelledSample, seed: int, n_jobs: int | None
) -> tuple[Array, Array, Array]:
    """Return importances (D, F) of boosted trees, and how well they do on the training and on the
    test part (F,); a fit a factor.

    Classifiers, by their accuracy; of continuous factors regressions on their ranks, by R² from 0.
    """
    tasks: list[tuple[Any, ...]] = []
    for f, is_continuous in enumerate(sample.continuous):
        if is_continuous:
            fit = REGRESSIONS[regressor]
            y, test_y = sample.ranks(f)
        else:
            fit = FITS[regressor]
            y = sample.factors[:, f]
            test_y = sample.test_factors[:, f]
        tasks.append((fit, sample.latents, y, sample.test_latents, test_y, seed))
    importance, train, test = zip(*_each_factor(tasks, sample.factors, n_jobs), strict=True)
    return np.column_stack(importance), np.array(train), np.array(test)


def _each_factor(tasks: list[tuple[Any, ...]], y: Codes, n_jobs: int | None) -> list[Any]:
    """Call the function of each task, one a factor of y (n, F), on its arguments; None for as many
    processes as factors and cores, on which nothing depends but the time.
    """
    import joblib

    # Trees cost as many as the factor has values: the longest first, so that no process is left
    # alone with one, and one by one: joblib would bundle those that finish fast.
    order = np.argsort([-len(np.unique(column)) for column in y.T], kind="stable")
    jobs = min(n_jobs or joblib.cpu_count(), len(tasks))
    options: dict[str, Any] = {"n_jobs": jobs, "batch_size": 1}
    calls = (joblib.delayed(tasks[f][0])(*tasks[f][1:]) for f in order)
    done = cast(list[Any], joblib.Parallel(**options)(calls))
    return [done[i] for i in np.argsort(order)]


def _fit_sklearn(x: Array, y: Codes, test_x: Array, test_y: Codes, seed: int) -> Fit:
    """Scikit-learn's default GradientBoostingClassifier: 100 stages, rate 0.1, depth 3."""
    from sklearn.ensemble import GradientBoostingClassifier

    model = GradientBoostingClassifier(random_state=seed).fit(x, y)
    train, held_out = (float(model.score(*part)) for part in ((x, y), (test_x, test_y)))
    return np.asarray(model.feature_importances_), train, held_out


def _fit_lightgbm(x: Array, y: Codes, test_x: Array, test_y: Codes, seed: int) -> Fit:
    """LightGBM with the same stages, leaves and rate; importances are total gains."""
    import lightgbm

    values, codes = np.unique(y, return_inverse=True)
    # A value that training lacks is never predicted: its rows count as errors.
    seen, two = np.isin(test_y, values), len(values) == 2
    task = {"objective": "binary"} if two else {"objective": "multiclass", "num_class": len(values)}
    options = {**task, "metric": "binary_error" if two else "multi_error", **_lightgbm(seed)}
    train = lightgbm.Dataset(x, codes, params=options)
    parts = {"train": train}
    if seen.any():
        held_out = test_x[seen], np.searchsorted(values, test_y[seen])
        parts["test"] = train.create_valid(*held_out, params=options)
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
    shares = gain / gain.sum() if gain.sum() > 0 else gain
    return shares, accuracy["train"], accuracy.get("test", 0.0) * float(seen.mean())


def _lightgbm(seed: int) -> dict[str, Any]:
    """Depth and leaves of scikit-learn's trees, reproducible, on one thread."""
    size = {"num_leaves": 8, "max_depth": 3, "min_child_samples": 1}
    fixed = {"random_state": seed, "deterministic": True, "force_row_wise": True}
    return size | fixed | {"n_jobs": 1, "verbosity": -1}


def _regress_sklearn(x: Array, y: Array, test_x: Array, test_y: Array, seed: int) -> Fit:
    """Fit scikit-learn's default GradientBoostingRegressor, of as many stages as the classifier."""
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(random_state=seed).fit(x, y)
    train, test = _r_squared(model, x, y), _r_squared(model, test_x, test_y)
    return np.asarray(model.feature_importances_), train, test


def _regress_lightgbm(x: Array, y: Array, test_x: Array, test_y: Array, seed: int) -> Fit:
    """Fit LightGBM's regression of the same stages, leaves and rate; importances are gains."""
    from lightgbm import LGBMRegressor

    model = LGBMRegressor(n_estimators=STAGES, importance_type="gain", **_lightgbm(seed)).fit(x, y)
    gain = np.asarray(model.feature_importances_, np.float64)
    train, test = _r_squared(model, x, y), _r_squared(model, test_x, test_y)
    return gain / gain.sum() if gain.sum() > 0 else gain, train, test


def _r_squared(model: Any, x: Array, y: Array) -> float:
    """Return R² of a regression, or 0 where it does worse than the mean."""
    from sklearn.metrics import r2_score

    return max(0.0, float(r2_score(y, np.asarray(model.predict(x)))))


FITS = {"sklearn": _fit_sklearn, "lightgbm": _fit_lightgbm}
REGRESSIONS = {"sklearn": _regress_sklearn, "lightgbm": _regress_lightgbm}
