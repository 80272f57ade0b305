"""A mixture of Gaussians and kernels, weighted by how well each predicts rows that it has not seen: what a table of few rows supports."""

import warnings
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from jaxgen.evaluation.baselines import FLOOR, MANY_ROWS, choose_mixture

FOLDS = 5
MOST_ROWS = 5_000
"""Rows to fit the components to."""
MOST_KERNELS = 2_500
"""Beyond so many rows there are no kernels: they would take time and memory, and seldom predict as well as the other components."""
FEWEST_ROWS = 20
"""Below so many rows there is one Gaussian: folds of them would say nothing."""
WARM_ROWS = 1_000
"""From so many rows on a fold's mixture starts from that of all rows: a worse local optimum would be blamed on the mixture, while of few rows
such a start could remember those that were held out."""
WIDTHS = np.geomspace(0.02, 2.0, 24)
FORMS = ("full", "tied", "diag")
"""The covariances of the mixtures of Gaussians, for each of which the information criterion chooses a number of components."""
WIDER = (3.0, 10.0)
"""How many times as wide as the Gaussian the further Gaussians are that stand for rows far out: nothing else gives these a density."""
GUARD, OUTLIERS = "3 times as wide", 0.5
"""The part that counts as if it had been seen to give half a row more than it was, because the next row may be the first one far out."""
LOG_2_PI = float(np.log(2 * np.pi))


class Stacked(NamedTuple):
    """Hold a mixture of Gaussians, of mixtures of Gaussians and of kernels.

    Attributes:
        params: What `transforms.mixture_affine(num_components, num_kernels)` takes, as numpy arrays.
        weights: The weight of each part by its name, such as "gaussian", "full" and "kernels"; parts of no weight are left out.
        logs: The log density `(n,)` of each row, in nats, under a mixture that was fitted without it; without folds under the Gaussian.
        num_components: The number of components with a covariance of their own.
        num_kernels: The number of kernels, 0 if they have no weight.
    """

    params: dict[str, np.ndarray]
    weights: dict[str, float]
    logs: np.ndarray
    num_components: int
    num_kernels: int

    @property
    def score(self) -> float:
        """Return the mean of `logs`."""
        return float(self.logs.mean())


def stack(x: np.ndarray, seed: int = 0) -> Stacked:
    """Fit Gaussians, mixtures of Gaussians chosen by BIC and a kernel density, and weight them by cross-validation.

    The Gaussian's covariance is shrunk, so that few rows of many columns have one, and wider copies of it stand for rows far out. The mixtures
    have full, shared and diagonal covariances, each with a number of components of its own. The kernels have the covariance of the unit
    matrix, of the rows or of the Gaussian, times a squared width, whichever predicts a row from all the others best. The weights maximise the
    likelihood of the rows in five folds, so that the mixture of all is hardly ever worse than the best of them.

    Args:
        x: About standardised rows `(n, d)`, at most some thousands.
        seed: The seed of the folds and of the mixtures' starts.

    Returns:
        The mixture.

    Source: Smyth and Wolpert 1999, Machine Learning 36; Ledoit and Wolf 2004, Journal of Multivariate Analysis 88(2).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((300, 2))
    >>> stacked = stack(x)
    >>> abs(stacked.score + 2.84) < 0.2, round(sum(stacked.weights.values()), 4)
    (True, 1.0)
    """
    x = np.asarray(x, np.float64)
    if len(x) < FEWEST_ROWS:
        gaussian = _gaussian(x)
        return _joined({"gaussian": (gaussian, 1.0)}, gaussian.log_prob(x))
    chosen = {form: choose_mixture(x, seed, (form,)) for form in FORMS}
    # A single Gaussian of full covariance stays: shrinking hides strong correlations where rows are many. A shared one would be the same.
    chosen = {form: fitted for form, fitted in chosen.items() if fitted.n_components > 1 or form != "tied"}
    kernels = _kernels(x) if len(x) <= MOST_KERNELS else None

    def parts(rows: np.ndarray) -> dict[str, Part]:
        gaussian = _gaussian(rows)
        wider = {f"{factor:g} times as wide": gaussian.wider(factor) for factor in WIDER}
        mixtures = {form: _refitted(rows, fitted, seed) for form, fitted in chosen.items()}
        return {"gaussian": gaussian, **wider, **mixtures, **({} if kernels is None else {"kernels": _Kernels(rows, kernels.whitener)})}

    whole = parts(x) | {form: _components(fitted) for form, fitted in chosen.items()}
    logs = _held_out(x, parts, seed)
    # Rows far out are rare, and may all be yet to come.
    prior = np.array([OUTLIERS if name == GUARD else 0.0 for name in whole])
    weights = stacking_weights(logs, prior)
    # What hardly counts is left out, so that it costs nothing.
    weights = np.where((weights < 1e-3) & (prior == 0), 0, weights)
    weights = weights / weights.sum()
    with np.errstate(divide="ignore"):
        logs = np.asarray(logsumexp(np.log(weights) + logs, axis=1))
    return _joined({name: (part, w) for (name, part), w in zip(whole.items(), weights.tolist(), strict=True) if w > 0}, logs)


def log_prob_of(stacked: Stacked, x: np.ndarray) -> np.ndarray:
    """Return the log densities `(n,)`, in nats, of rows under a mixture.

    Args:
        stacked: The mixture.
        x: Rows `(n, d)`.
    """
    p = stacked.params
    logs = _Components(p["logits"], p["loc"], p["whitener"]).log_prob(x)
    if not stacked.num_kernels:
        return logs
    return np.logaddexp(logs, p["kernel_logit"] + _Kernels(p["centres"], p["kernel_whitener"]).log_prob(x))


class _Components(NamedTuple):
    """Gaussians: log weights `(k,)`, means `(k, d)` and whiteners `(k, d, d)`."""

    log_weights: np.ndarray
    loc: np.ndarray
    whitener: np.ndarray

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        z = np.einsum("kij,nkj->nki", self.whitener, x[:, None] - self.loc)
        log_det = np.log(np.diagonal(self.whitener, axis1=1, axis2=2)).sum(1)
        return np.asarray(logsumexp(self.log_weights + log_det - 0.5 * (z**2).sum(-1) - 0.5 * x.shape[1] * LOG_2_PI, axis=1))

    def wider(self, factor: float) -> "_Components":
        return self._replace(whitener=self.whitener / factor)


class _Kernels(NamedTuple):
    """Kernels of equal weight: centres `(m, d)` and one whitener `(d, d)`."""

    centres: np.ndarray
    whitener: np.ndarray

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        logs = -0.5 * _squares(x @ self.whitener.T, self.centres @ self.whitener.T)
        constant = np.log(np.diagonal(self.whitener)).sum() - np.log(len(self.centres)) - 0.5 * x.shape[1] * LOG_2_PI
        return np.asarray(logsumexp(logs, axis=1)) + constant


Part = _Components | _Kernels
"""A density of rows."""


def _gaussian(x: np.ndarray) -> _Components:
    from sklearn.covariance import LedoitWolf

    fitted = LedoitWolf().fit(x)
    # A column that is constant in these rows keeps a variance, as the components of a mixture do.
    return _Components(np.zeros(1), fitted.location_[None], _whitener(fitted.covariance_ + FLOOR * np.eye(x.shape[1]))[None])


def _components(fitted: Any) -> _Components:
    k, d = fitted.means_.shape
    covariances = {
        "full": lambda: fitted.covariances_,
        "tied": lambda: np.broadcast_to(fitted.covariances_, (k, d, d)),
        "diag": lambda: fitted.covariances_[:, :, None] * np.eye(d),
    }[fitted.covariance_type]()
    return _Components(np.log(fitted.weights_), fitted.means_, np.stack([_whitener(c) for c in covariances]))


def _refitted(x: np.ndarray, like: Any, seed: int) -> _Components:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        again = GaussianMixture(like.n_components, covariance_type=like.covariance_type, random_state=seed)
        if len(x) >= WARM_ROWS:
            again.set_params(weights_init=like.weights_, means_init=like.means_, precisions_init=like.precisions_)
        return _components(again.fit(x))


def _kernels(x: np.ndarray) -> _Kernels:
    """Return the kernels whose shape and width give each row the largest density under all the others."""
    best, most, num = None, -np.inf, len(x)
    shapes = [np.eye(x.shape[1]), _gaussian(x).whitener[0]]
    if num > MANY_ROWS * x.shape[1]:
        shapes.append(_whitener(np.cov(x.T).reshape(x.shape[1], -1) + FLOOR * np.eye(x.shape[1])))
    for whitener in shapes:
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


def _held_out(x: np.ndarray, parts: Callable[[np.ndarray], Mapping[str, Part]], seed: int) -> np.ndarray:
    """Return the log densities `(n, k)` of rows under parts that were fitted without them."""
    fold = np.random.default_rng([7, seed]).permutation(len(x)) % FOLDS
    logs = [np.stack([part.log_prob(x[fold == i]) for part in parts(x[fold != i]).values()], 1) for i in range(FOLDS)]
    # Back from the order of the folds to that of the rows.
    return np.concatenate(logs)[np.argsort(np.argsort(fold, kind="stable"))]


def stacking_weights(logs: np.ndarray, prior: float | np.ndarray = 0.0, num_iterations: int = 200) -> np.ndarray:
    """Return the weights that maximise the likelihood of a mixture of densities on rows that they have not seen.

    Args:
        logs: Log densities `(n, k)` of rows under each of k densities.
        prior: As how many rows each density counts before the first one is seen: one number, or one for each `(k,)`.
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


def _joined(parts: Mapping[str, tuple[Part, float]], logs: np.ndarray) -> Stacked:
    """Return parts with their weights as the params of one transform, which has at least one component beside its kernels."""
    weights = {name: weight for name, (_, weight) in parts.items()}
    components = [(part, w) for part, w in parts.values() if isinstance(part, _Components)]
    kernels = [(part, w) for part, w in parts.values() if isinstance(part, _Kernels)]
    if not components:
        components = [(_gaussian(kernels[0][0].centres), 1e-3)]
    params = {
        "logits": np.concatenate([np.log(w) + part.log_weights for part, w in components]),
        "loc": np.concatenate([part.loc for part, _ in components]),
        "whitener": np.concatenate([part.whitener for part, _ in components]),
    }
    for part, w in kernels:
        params |= {"kernel_logit": np.log(w), "centres": part.centres, "kernel_whitener": part.whitener}
    return Stacked(params, weights, logs, len(params["logits"]), sum(len(part.centres) for part, _ in kernels))


def _whitener(covariance: np.ndarray) -> np.ndarray:
    """Return the lower triangular W with `inverse(W^T W)` the covariance."""
    return np.linalg.inv(np.linalg.cholesky(covariance))


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T, 0)
