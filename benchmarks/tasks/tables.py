"""Tables of few rows to judge a default on: those that scikit-learn ships, and synthetic ones of many shapes, in two halves.

A default is developed on one half and judged on the other.
"""

from collections.abc import Callable

import numpy as np

Table = Callable[[np.random.Generator], np.ndarray]


def _bundled(name: str, columns: slice = slice(None)) -> Table:
    def load(rng: np.random.Generator) -> np.ndarray:
        from sklearn import datasets

        return np.asarray(getattr(datasets, f"load_{name}")().data, np.float64)[:, columns]

    return load


def _digits(rows: int, columns: int) -> Table:
    """Principal components of the digits: curved clusters."""

    def load(rng: np.random.Generator) -> np.ndarray:
        x = _bundled("digits")(rng)
        x = x - x.mean(0)
        axes = np.linalg.svd(x, full_matrices=False)[2][:columns]
        return rng.permutation(x @ axes.T)[:rows]

    return load


def _correlation(rng: np.random.Generator, d: int, rank: int) -> np.ndarray:
    a = rng.standard_normal((d, rank))
    return a @ a.T / rank + 0.1 * np.eye(d)


def copula(n: int, d: int, rank: int = 2) -> Table:
    """A Gaussian copula whose columns are in turn normal, log-normal, uniform, exponential and bimodal."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        from scipy.special import ndtr

        covariance = _correlation(rng, d, rank)
        z = rng.standard_normal((n, d)) @ np.linalg.cholesky(covariance).T / np.sqrt(np.diag(covariance))
        marginals = (lambda z: z, np.exp, ndtr, lambda z: -np.log1p(-ndtr(z)), lambda z: z + 2 * np.tanh(3 * z))
        return np.stack([marginals[j % len(marginals)](z[:, j]) for j in range(d)], 1)

    return draw


def clusters(n: int, d: int, k: int) -> Table:
    """A mixture of k Gaussians of full covariances."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        means, factors = 3 * rng.standard_normal((k, d)), rng.standard_normal((k, d, d)) / np.sqrt(d)
        label = rng.integers(k, size=n)
        return means[label] + np.einsum("nij,nj->ni", factors[label] + 0.3 * np.eye(d), rng.standard_normal((n, d)))

    return draw


def heavy(n: int, d: int, freedom: float) -> Table:
    """A multivariate Student distribution."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal((n, d)) @ np.linalg.cholesky(_correlation(rng, d, 2)).T
        return x / np.sqrt(rng.chisquare(freedom, (n, 1)) / freedom)

    return draw


def rounded(n: int, d: int, levels: float) -> Table:
    """Correlated columns of which every other one is rounded to a grid."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        x = rng.standard_normal((n, d)) @ np.linalg.cholesky(_correlation(rng, d, 3)).T
        x[:, ::2] = np.round(x[:, ::2] * levels) / levels
        return x

    return draw


def curved(n: int, d: int, noise: float) -> Table:
    """Columns that are nonlinear functions of two hidden ones, with noise."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        hidden, weights = rng.standard_normal((n, 2)), rng.standard_normal((2, d))
        return np.sin(2 * hidden @ weights) + (hidden @ rng.standard_normal((2, d))) ** 2 / 4 + noise * rng.standard_normal((n, d))

    return draw


def ring(n: int, d: int) -> Table:
    """A noisy circle, rotated into d dimensions of small noise."""

    def draw(rng: np.random.Generator) -> np.ndarray:
        angle = rng.uniform(0, 2 * np.pi, n)
        x = np.concatenate([np.stack([np.cos(angle), np.sin(angle)], 1), np.zeros((n, d - 2))], 1)
        return (x + 0.1 * rng.standard_normal((n, d))) @ np.linalg.qr(rng.standard_normal((d, d)))[0]

    return draw


FEW: dict[str, dict[str, Table]] = {
    "develop": {
        "wine": _bundled("wine"),
        "diabetes": _bundled("diabetes"),
        "copula 300x6": copula(300, 6),
        "clusters 200x4": clusters(200, 4, 4),
        "heavy 250x5": heavy(250, 5, 3.0),
        "curved 500x5": curved(500, 5, 0.1),
        "rounded 400x6": rounded(400, 6, 2.0),
        "ring 150x3": ring(150, 3),
    },
    "judge": {
        "iris": _bundled("iris"),
        "breast cancer": _bundled("breast_cancer"),
        "digits 500x10": _digits(500, 10),
        "copula 150x8": copula(150, 8, 3),
        "clusters 600x8": clusters(600, 8, 6),
        "heavy 500x3": heavy(500, 3, 2.5),
        "curved 200x7": curved(200, 7, 0.2),
        "rounded 250x4": rounded(250, 4, 3.0),
        "ring 400x6": ring(400, 6),
    },
}
"""Tables of 100 to 600 rows."""

MANY: dict[str, dict[str, Table]] = {
    "develop": {
        "copula 3000x6": copula(3_000, 6),
        "curved 2500x5": curved(2_500, 5, 0.1),
        "heavy 2500x8": heavy(2_500, 8, 3.0),
    },
    "judge": {
        "digits 1797x12": _digits(1_797, 12),
        "copula 4000x10": copula(4_000, 10, 3),
        "curved 5000x4": curved(5_000, 4, 0.2),
        "clusters 2500x6": clusters(2_500, 6, 8),
        "ring 3000x4": ring(3_000, 4),
    },
}
"""Tables of about 2,000 rows and more."""


def split(table: Table, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows to fit, four fifths, and those to judge by, both standardised by the former."""
    rng = np.random.default_rng([17, seed])
    x = rng.permutation(table(rng))
    held_out = len(x) // 5
    fit, test = x[held_out:], x[:held_out]
    loc, scale = fit.mean(0), fit.std(0)
    return (fit - loc) / scale, (test - loc) / scale
