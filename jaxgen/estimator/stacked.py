"""A mixture of Gaussians and kernels, weighted by how well each predicts rows that it has not seen: what a table of few rows supports."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from jaxgen.evaluation.baselines import choose_mixture

FOLDS = 5
MOST_ROWS = 5_000
"""Rows to fit the components to."""
MOST_KERNELS = 2_500
"""Beyond so many rows there are no kernels: they would take time and memory, and seldom predict as well as the other components."""
FEWEST_ROWS = 20
"""Below so many rows there is one Gaussian: folds of them would say nothing."""
WIDTHS = np.geomspace(0.02, 2.0, 24)
LOG_2_PI = float(np.log(2 * np.pi))


class Stacked(NamedTuple):
    """Hold a mixture of a Gaussian, of a mixture of Gaussians and of kernels.

    Attributes:
        params: What `transforms.mixture_affine(num_components, num_kernels)` takes, as numpy arrays.
        weights: The weights of the Gaussian, of the mixture and of the kernels.
        num_components: The number of components with a covariance of their own.
        num_kernels: The number of kernels, 0 if they have no weight.
    """

    params: dict[str, np.ndarray]
    weights: np.ndarray
    num_components: int
    num_kernels: int


def stack(x: np.ndarray, seed: int = 0) -> Stacked:
    """Fit a Gaussian, a mixture of Gaussians chosen by BIC and a kernel density, and weight them by cross-validation.

    The Gaussian's covariance is shrunk, so that few rows of many columns have one. The kernels have the covariance of the unit matrix or of
    that Gaussian, times a squared width, whichever predicts a row from all the others better. The three weights maximise the likelihood of
    the rows in five folds, so that the mixture of all is hardly ever worse than the best of them.

    Args:
        x: Standardised rows `(n, d)`.
        seed: The seed of the folds, the choice of rows and the mixture's start.

    Returns:
        The mixture.

    Source: Smyth and Wolpert 1999, Machine Learning 36; Ledoit and Wolf 2004, Journal of Multivariate Analysis 88(2).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((300, 2))
    >>> stack(x).num_components
    2
    """
    rows = np.random.default_rng([6, seed]).permutation(len(x))[:MOST_ROWS]
    x = np.asarray(x, np.float64)[rows]
    gaussian = _gaussian(x)
    if len(x) < FEWEST_ROWS:
        return _joined(gaussian, None, None, np.asarray([1.0, 0.0, 0.0]))
    chosen = choose_mixture(x, seed)
    kernels = _kernels(x) if len(x) <= MOST_KERNELS else None

    def parts(rows: np.ndarray) -> tuple["_Components", "_Components | None", "_Kernels | None"]:
        again = _Kernels(rows, kernels.whitener) if kernels is not None else None
        return _gaussian(rows), _refitted(rows, chosen, seed), again

    weights = stacking_weights(_held_out(x, parts, seed))
    # What hardly counts is left out, so that it costs nothing.
    weights = np.where(weights < 1e-3, 0, weights)
    return _joined(gaussian, _components(chosen), kernels, weights / weights.sum())


class _Components(NamedTuple):
    """Gaussians: log weights `(k,)`, means `(k, d)` and whiteners `(k, d, d)`."""

    log_weights: np.ndarray
    loc: np.ndarray
    whitener: np.ndarray

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        z = np.einsum("kij,nkj->nki", self.whitener, x[:, None] - self.loc)
        log_det = np.log(np.diagonal(self.whitener, axis1=1, axis2=2)).sum(1)
        return np.asarray(logsumexp(self.log_weights + log_det - 0.5 * (z**2).sum(-1) - 0.5 * x.shape[1] * LOG_2_PI, axis=1))


class _Kernels(NamedTuple):
    """Kernels of equal weight: centres `(m, d)` and one whitener `(d, d)`."""

    centres: np.ndarray
    whitener: np.ndarray

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        logs = -0.5 * _squares(x @ self.whitener.T, self.centres @ self.whitener.T)
        constant = np.log(np.diagonal(self.whitener)).sum() - np.log(len(self.centres)) - 0.5 * x.shape[1] * LOG_2_PI
        return np.asarray(logsumexp(logs, axis=1)) + constant


def _gaussian(x: np.ndarray) -> _Components:
    from sklearn.covariance import LedoitWolf

    fitted = LedoitWolf().fit(x)
    # A column that is constant in these rows keeps a variance, as the components of a mixture do.
    return _Components(np.zeros(1), fitted.location_[None], _whitener(fitted.covariance_ + 1e-6 * np.eye(x.shape[1]))[None])


def _components(fitted: Any) -> _Components:
    covariances = fitted.covariances_ if fitted.covariance_type == "full" else [np.diag(v) for v in fitted.covariances_]
    return _Components(np.log(fitted.weights_), fitted.means_, np.stack([_whitener(c) for c in covariances]))


def _refitted(x: np.ndarray, like: Any, seed: int) -> _Components | None:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _components(GaussianMixture(like.n_components, covariance_type=like.covariance_type, random_state=seed).fit(x))


def _kernels(x: np.ndarray) -> _Kernels:
    """Return the kernels whose shape and width give each row the largest density under all the others."""
    best, most, num = None, -np.inf, len(x)
    for whitener in (np.eye(x.shape[1]), _gaussian(x).whitener[0]):
        z = x @ whitener.T
        squares = _squares(z, z)
        np.fill_diagonal(squares, np.inf)
        log_det = np.log(np.diagonal(whitener)).sum()
        for width in WIDTHS:
            logs = logsumexp(-0.5 * squares / width**2, axis=1) - np.log(num - 1) + log_det - x.shape[1] * np.log(width)
            if best is None or logs.mean() > most:
                best, most = whitener / width, logs.mean()
    assert best is not None
    return _Kernels(x, best)


def _held_out(x: np.ndarray, parts: Callable[[np.ndarray], tuple[Any, ...]], seed: int) -> np.ndarray:
    """Return the log densities `(n, 3)` of rows under parts that were fitted without them; -inf for a part that is missing."""
    logs, fold = np.full((len(x), 3), -np.inf), np.random.default_rng([7, seed]).permutation(len(x)) % FOLDS
    for i in range(FOLDS):
        for j, part in enumerate(parts(x[fold != i])):
            if part is not None:
                logs[fold == i, j] = part.log_prob(x[fold == i])
    return logs


def stacking_weights(logs: np.ndarray, prior: float = 0.0, num_iterations: int = 200) -> np.ndarray:
    """Return the weights that maximise the likelihood of a mixture of densities on rows that they have not seen.

    Args:
        logs: Log densities `(n, k)` of rows under each of k densities.
        prior: As how many rows each density counts before the first one is seen.
        num_iterations: The number of steps of expectation maximisation.

    Returns:
        Weights `(k,)` that sum to one.

    >>> import numpy as np
    >>> stacking_weights(np.log(np.asarray([[0.9, 0.1], [0.9, 0.1]]))).round(3).tolist()
    [1.0, 0.0]
    """
    weights = np.full(logs.shape[1], 1 / logs.shape[1])
    for _ in range(num_iterations):
        with np.errstate(divide="ignore"):
            joint = np.log(weights) + logs
        shares = np.exp(joint - logsumexp(joint, axis=1, keepdims=True)).sum(0) + prior
        weights = shares / shares.sum()
    return weights


def _joined(gaussian: _Components, mixture: _Components | None, kernels: _Kernels | None, weights: np.ndarray) -> Stacked:
    chosen = [(part, w) for part, w in zip((gaussian, mixture), weights, strict=False) if part is not None and w > 0]
    chosen = chosen or [(gaussian, 1e-3)]
    params = {
        "logits": np.concatenate([np.log(w) + part.log_weights for part, w in chosen]),
        "loc": np.concatenate([part.loc for part, _ in chosen]),
        "whitener": np.concatenate([part.whitener for part, _ in chosen]),
    }
    if kernels is None or weights[2] == 0:
        return Stacked(params, weights, len(params["logits"]), 0)
    of_kernels = {"kernel_logit": np.log(weights[2]), "centres": kernels.centres, "kernel_whitener": kernels.whitener}
    return Stacked({**params, **of_kernels}, weights, len(params["logits"]), len(kernels.centres))


def _whitener(covariance: np.ndarray) -> np.ndarray:
    """Return the lower triangular W with `inverse(W^T W)` the covariance."""
    return np.linalg.inv(np.linalg.cholesky(covariance))


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)
