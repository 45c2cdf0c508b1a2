"""Multinomial logistic regression as several metrics use it, with what a protocol needs to know of
the fit.
"""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from vae_granularity.metrics.core.inputs import Array, Codes

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

MAX_ITER = 100


def fit(
    x: Array, y: Codes, *, penalty: float = 1.0, balanced: bool = False
) -> "tuple[LogisticRegression, bool]":
    """Scikit-learn's lbfgs fit, at most 100 iterations, and whether it converged: x (n, D), y (n,).

    Args:
        penalty: inverse of the L2 strength `C`; infinity for none.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        C=penalty, class_weight="balanced" if balanced else None, max_iter=MAX_ITER
    )
    with warnings.catch_warnings():
        # The published scores are those of at most 100 iterations; the caller records that they did
        # not suffice.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x, y)
    return model, bool(np.max(model.n_iter_) < MAX_ITER)


def version() -> str:
    """The classifier's library and version, for a protocol."""
    import sklearn

    return f"scikit-learn {sklearn.__version__} LogisticRegression"


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

    model, converged = fit(x, y, penalty=np.inf, balanced=True)
    h0 = np.log(len(model.classes_))
    if test is not None:
        known = np.isin(test[1], model.classes_)
        x, y = test[0][known], test[1][known]
        if not len(y):
            return 0.0, converged
    loss = log_loss(y, model.predict_proba(x), labels=model.classes_)
    return float((h0 - loss) / h0), converged
