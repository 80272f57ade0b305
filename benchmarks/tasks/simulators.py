"""Simulators whose posteriors nobody tunes to, in the manner of the simulation-based-inference benchmark (arXiv 2101.04653)."""

from collections.abc import Callable

import numpy as np

from tasks.sbibm import TASKS

Simulate = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]
"""`(rng, n) -> theta (n, d), x (n, c)`, float64."""


def slcp(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Four draws of a Gaussian, whose spreads are squares of parameters: a posterior of four modes; prior uniform on [-3, 3]^5."""
    theta = rng.uniform(-3, 3, (n, 5))
    first, second, rho = theta[:, 2] ** 2, theta[:, 3] ** 2, np.tanh(theta[:, 4])
    z = rng.standard_normal((n, 4, 2))
    x = theta[:, None, 0] + first[:, None] * z[..., 0]
    y = theta[:, None, 1] + second[:, None] * (rho[:, None] * z[..., 0] + np.sqrt(1 - rho**2)[:, None] * z[..., 1])
    return theta, np.stack([x, y], axis=-1).reshape(n, 8)


def wide_and_narrow(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A mixture of two Gaussians about theta, one ten times as narrow; prior uniform on [-10, 10]^2."""
    theta = rng.uniform(-10, 10, (n, 2))
    return theta, theta + np.where(rng.random((n, 1)) < 0.5, 1.0, 0.1) * rng.standard_normal((n, 2))


def bernoulli_glm(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Ten coefficients, smooth a priori, of a hundred Bernoulli draws whose sufficient statistics are observed."""
    inputs = np.random.default_rng(11).standard_normal((100, 9))
    second = np.diff(np.eye(9), n=2, axis=0)
    smooth = np.linalg.cholesky(np.linalg.inv(second.T @ second + 0.5 * np.eye(9))) @ rng.standard_normal((9, n))
    theta = np.column_stack([np.sqrt(2) * rng.standard_normal(n), smooth.T])
    design = np.column_stack([np.ones(100), inputs])
    drawn = rng.random((n, 100)) < 1 / (1 + np.exp(-theta @ design.T))
    return theta, drawn @ design


def epidemic(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Contact and recovery rates with log-normal priors, and ten noisy counts of the infected in a thousand over 80 days."""
    theta = np.exp(np.log([0.4, 0.125]) + np.array([0.5, 0.2]) * rng.standard_normal((n, 2)))
    infected, susceptible, seen = np.full(n, 1e-3), np.full(n, 1 - 1e-3), []
    for step in range(1, 161):
        new, gone = 0.5 * theta[:, 0] * susceptible * infected, 0.5 * theta[:, 1] * infected
        susceptible, infected = susceptible - new, infected + new - gone
        if step % 16 == 0:
            seen.append(infected)
    return theta, rng.binomial(1_000, np.clip(np.stack(seen, axis=1), 0, 1)).astype(float)


def rings(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A point in three Gaussian coordinates of which its noisy length and one noisy product are seen: curved posteriors of two branches."""
    theta = rng.standard_normal((n, 3))
    seen = np.stack([np.linalg.norm(theta, axis=1), theta[:, 0] * theta[:, 1]], axis=1)
    return theta, seen + 0.1 * rng.standard_normal((n, 2))


def heteroscedastic(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Six features, of which two responses depend on few: a wave, a jump and a noise whose size varies and whose tails are heavy."""
    x = rng.standard_normal((n, 6))
    noise = rng.standard_t(4, (n, 2)) * np.exp(0.5 * x[:, [1, 2]])
    first = np.sin(2 * x[:, 0]) + 0.3 * noise[:, 0]
    return np.stack([first, np.sign(x[:, 3]) + 0.5 * first + 0.3 * noise[:, 1]], axis=1), x


SIMULATORS: dict[str, Simulate] = {
    **{name: task.simulate for name, task in TASKS.items()},
    "slcp": slcp,
    "wide_and_narrow": wide_and_narrow,
    "bernoulli_glm": bernoulli_glm,
    "epidemic": epidemic,
    "rings": rings,
    "heteroscedastic": heteroscedastic,
}
