"""What a density has to beat: a Gaussian, and a mixture of Gaussians chosen by an information criterion, on the same rows."""

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import logsumexp

from jaxgen import checks

MOST_ROWS = 5_000
"""Rows to fit a mixture to: more change it little and take long."""
MOST_COLUMNS = 64
"""A mixture of more columns has too many numbers to be worth its time."""
MANY_ROWS = 5
"""Rows for each column from which on the Gaussian's covariance is not shrunk."""
FLOOR = 1e-6
"""What is added to variances, as scikit-learn's mixtures do."""
SIZES = (1, 2, 3, 4, 5, 6, 8, 10)
PATIENCE = 2
"""Sizes in a row that are no better, after which no larger mixture is tried."""


class Baselines(NamedTuple):
    """Hold negative log-likelihoods of held-out rows, in nats a row.

    Attributes:
        gaussian: The value of a Gaussian, whose covariance is shrunk if the rows are few.
        mixture: The value of a mixture of Gaussians, or None if there are more than 64 columns.
        num_components: The number of components of the mixture.
    """

    gaussian: float
    mixture: float | None
    num_components: int

    def __str__(self) -> str:
        said = f"a Gaussian has {self.gaussian:.4f}"
        return said if self.mixture is None else f"{said}, a mixture of {self.num_components} {self.mixture:.4f}"


def baselines(
    train: np.ndarray, test: np.ndarray, train_cond: np.ndarray | None = None, test_cond: np.ndarray | None = None, *, seed: int = 0
) -> Baselines:
    """Fit a Gaussian and a mixture of Gaussians by scikit-learn and return their NLL on held-out rows.

    With conditions both are fitted to events and conditions together, and their conditional densities are taken.

    Args:
        train: Rows to fit to, `(n, d)`.
        test: Rows to judge by, `(m, d)`, in the same units.
        train_cond: Conditions `(n, c)`, or None.
        test_cond: Conditions `(m, c)`, or None.
        seed: The seed of the choice of rows and of the mixtures' starts.

    Returns:
        The NLL of both in nats a row.

    Raises:
        ValueError: The rows to judge by have another width than those to fit to.

    Source: Ledoit and Wolf 2004, Journal of Multivariate Analysis 88(2); Schwarz 1978, Annals of Statistics 6(2).

    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((2_000, 1))
    >>> result = baselines(x[:1_000], x[1_000:])
    >>> abs(result.gaussian - 1.42) < 0.06, result.num_components
    (True, 1)
    """
    from sklearn.covariance import EmpiricalCovariance, LedoitWolf

    both, held_out = _joined("train", train, train_cond), _joined("test", test, test_cond)
    if both.shape[1:] != held_out.shape[1:]:
        # NumPy would stretch a single column over all the others.
        raise ValueError(f"baselines: test of width {held_out.shape[1:]} with its conditions; accepted: {both.shape[1:]}, as train has.")
    rows = np.random.default_rng(seed).permutation(len(both))[:MOST_ROWS]
    # Shrinking helps where rows are few, and hides strong correlations where they are many.
    normal = (EmpiricalCovariance if len(rows) >= MANY_ROWS * both.shape[1] else LedoitWolf)().fit(both[rows])
    single = _Mixture(np.zeros(1), normal.location_[None], (normal.covariance_ + FLOOR * np.eye(both.shape[1]))[None])
    d = np.shape(train)[1]
    gaussian = -float(single.log_prob(held_out, d).mean())
    if both.shape[1] > MOST_COLUMNS:
        return Baselines(gaussian, None, 0)
    mixture = _mixture(choose_mixture(both[rows], seed))
    return Baselines(gaussian, -float(mixture.log_prob(held_out, d).mean()), len(mixture.means))


def choose_mixture(x: np.ndarray, seed: int = 0, forms: Sequence[str] = ("full", "diag")) -> Any:
    """Return the mixture of Gaussians with the smallest Bayesian information criterion.

    Args:
        x: Rows `(n, d)`.
        seed: The seed of the starts.
        forms: The kinds of covariances that are tried, by scikit-learn's names.

    Returns:
        A fitted `sklearn.mixture.GaussianMixture`.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((400, 2)) + 8.0 * rng.integers(2, size=(400, 1))
    >>> choose_mixture(x).n_components
    2
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    best, least = None, np.inf
    for form in forms:
        worse = 0
        for size in SIZES:
            if 4 * size > len(x) or worse > PATIENCE:
                break
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                tried = GaussianMixture(size, covariance_type=form, random_state=seed).fit(x)
            criterion = tried.bic(x)
            worse = 0 if criterion < least else worse + 1
            if criterion < least:
                best, least = tried, criterion
    if best is None:
        raise ValueError(f"choose_mixture: x of {len(x)} rows; accepted: at least 4.")
    return best


class _Mixture(NamedTuple):
    """A mixture of Gaussians: log weights `(k,)`, means `(k, d)` and covariances `(k, d, d)`."""

    log_weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray

    def log_prob(self, rows: np.ndarray, num_events: int) -> np.ndarray:
        """Return the log density of the first `num_events` columns given the others."""
        whole = self._joint(rows, slice(None))
        return whole if num_events == rows.shape[1] else whole - self._joint(rows, slice(num_events, None))

    def _joint(self, rows: np.ndarray, columns: slice) -> np.ndarray:
        x, means, covariances = rows[:, columns], self.means[:, columns], self.covariances[:, columns, columns]
        factors = np.linalg.cholesky(covariances)
        scaled = np.linalg.solve(factors[:, None], (x - means[:, None])[..., None])[..., 0]
        log_det = np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(1)[:, None]
        logs = -0.5 * (scaled**2).sum(-1) - log_det - 0.5 * x.shape[1] * np.log(2 * np.pi)
        return np.asarray(logsumexp(self.log_weights[:, None] + logs, axis=0))


def _mixture(fitted: Any) -> _Mixture:
    full = fitted.covariance_type == "full"
    return _Mixture(
        np.log(fitted.weights_), fitted.means_, fitted.covariances_ if full else np.stack([np.diag(v) for v in fitted.covariances_])
    )


def _joined(name: str, x: np.ndarray, cond: np.ndarray | None) -> np.ndarray:
    accepted = "finite numbers (n, d)"
    rows = checks.numbers(f"baselines: {name}", x, accepted)
    rows = rows if cond is None else np.concatenate([rows, checks.numbers(f"baselines: {name}_cond", cond, accepted)], 1)
    if rows.ndim != 2 or rows.size == 0 or not np.isfinite(rows).all():
        raise ValueError(f"baselines: {name}={checks.short(rows)}; accepted: {accepted}, at least one row.")
    return rows
