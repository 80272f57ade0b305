"""Tables that nobody chose: a seed draws the number of rows and columns, how columns depend on one another, and the marginal of each.

A default is developed on the tables of some seeds and judged on those of others, so that what it was chosen by cannot be what it is praised for.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import beta, gamma, nbinom, t

Marginal = Callable[[np.ndarray], np.ndarray]


def random_table(seed: int, rows: tuple[int, int] = (120, 600), columns: tuple[int, int] = (2, 20)) -> np.ndarray:
    """Return the table of a seed.

    Args:
        seed: The seed of everything.
        rows: The smallest and the largest number of rows, drawn on a logarithmic scale.
        columns: The same for columns.

    Returns:
        Rows `(n, d)`.
    """
    rng = np.random.default_rng([23, seed])
    n, d = (round(float(np.exp(rng.uniform(np.log(low), np.log(high))))) for low, high in (rows, columns))
    names = list(DEPENDENCES)
    z = _standard(DEPENDENCES[names[rng.integers(len(names))]](rng, n, d))
    if rng.random() < 0.25:
        # A quarter of the tables keep the marginals that their dependence gives them.
        return z
    u = np.clip(ndtr(ndtri((np.argsort(np.argsort(z, 0), 0) + rng.uniform(size=z.shape)) / n)), 1e-9, 1 - 1e-9)
    return np.stack([_marginal(rng)(u[:, j]) for j in range(d)], 1)


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / x.std(0)


def _factors(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """A Gaussian of few factors."""
    rank = int(rng.integers(1, d + 1))
    noise = np.exp(rng.uniform(np.log(0.1), np.log(2.0), d))
    return rng.standard_normal((n, rank)) @ rng.standard_normal((rank, d)) / np.sqrt(rank) + noise * rng.standard_normal((n, d))


def _heavy(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    freedom = rng.uniform(2.0, 8.0)
    return _factors(rng, n, d) / np.sqrt(rng.chisquare(freedom, (n, 1)) / freedom)


def _clusters(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    k = int(rng.integers(2, 8))
    label = rng.choice(k, n, p=rng.dirichlet(np.full(k, 3.0)))
    means, factors = rng.uniform(1, 4) * rng.standard_normal((k, d)), rng.standard_normal((k, d, d)) / np.sqrt(d)
    return means[label] + np.einsum("nij,nj->ni", factors[label] + 0.3 * np.eye(d), rng.standard_normal((n, d)))


def _nonlinear(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Random smooth functions of hidden numbers, with noise."""
    hidden = int(rng.integers(1, 4))
    h = rng.standard_normal((n, hidden))
    inner = np.tanh(h @ rng.standard_normal((hidden, 16)) * 1.5 + rng.standard_normal(16))
    return inner @ rng.standard_normal((16, d)) / 2 + np.exp(rng.uniform(np.log(0.05), np.log(1.0))) * rng.standard_normal((n, d))


def _chain(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Each column is a function of the one before it, whose noise depends on it as well."""
    x = np.empty((n, d))
    x[:, 0] = rng.standard_normal(n)
    for j in range(1, d):
        a, b, c, s = rng.standard_normal(4)
        before = x[:, j - 1]
        x[:, j] = a * before + b * np.sin(2 * before) + c * (before**2 - 1) / 2 + np.exp(0.4 * s * before - 1) * rng.standard_normal(n)
        x[:, j] = np.clip((x[:, j] - x[:, j].mean()) / x[:, j].std(), -6, 6)
    return x


def _independent(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    return rng.standard_normal((n, d))


DEPENDENCES: dict[str, Callable[[np.random.Generator, int, int], np.ndarray]] = {
    "factors": _factors,
    "heavy": _heavy,
    "clusters": _clusters,
    "nonlinear": _nonlinear,
    "chain": _chain,
    "independent": _independent,
}


def _marginal(rng: np.random.Generator) -> Marginal:
    """Draw a quantile function: light, skewed, heavy, bounded, bimodal, counted or rounded."""
    scale, shift = float(np.exp(rng.normal(0, 2))), float(rng.normal(0, 10))
    a, b, c = rng.uniform(size=3)
    kind = int(rng.integers(9))
    grid = 10.0 ** np.floor(np.log10(scale))
    forms: tuple[Marginal, ...] = (
        lambda u: shift + scale * ndtri(u),
        lambda u: scale * np.exp((0.3 + 1.2 * a) * ndtri(u)),
        lambda u: scale * gamma.ppf(u, 0.5 + 4.5 * a),
        lambda u: beta.ppf(u, 0.5 + 4 * a, 0.5 + 4 * b) * (100.0 if c < 0.5 else 1.0),
        lambda u: shift + scale * t.ppf(u, 1.5 + 4 * a),
        lambda u: shift + scale * (ndtri(u) + 3 * a * np.tanh(4 * ndtri(u) + 2 * b - 1)),
        lambda u: nbinom.ppf(u, 1 + 5 * a, 0.02 + 0.3 * b),
        lambda u: np.round((shift + scale * ndtri(u)) / grid * 2) * grid / 2,
        lambda u: shift - scale * np.log1p(-u),
    )
    return forms[kind]
