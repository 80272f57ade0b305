"""Oracles in closed form: affine maps of Gaussians and mixtures, a rational-quadratic spline, a mixture of logistics."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from jaxgen import nets
from jaxgen.evaluation.oracles.common import Case, Truth, f32, log_normal
from jaxgen.types import Key, Params, Shape

BINS, BOUND, COMPONENTS = 6, 3.0, 3


class TwoModes(NamedTuple):
    """A base `(d,)` with two modes: Gaussians of standard deviation 0.4 at -1 and 1 on the first axis, standard normal on the others."""

    dim: int

    def sample(self, *, seed: Key, sample_shape: Shape = ()) -> jax.Array:
        """Draw noise whose first coordinate has two modes.

        Args:
            seed: A random key.
            sample_shape: The sizes of leading axes.

        Returns:
            Noise `(*sample_shape, dim)`.
        """
        key, key_mode = jax.random.split(seed)
        z = jax.random.normal(key, (*sample_shape, self.dim))
        mode = jax.random.rademacher(key_mode, sample_shape, z.dtype)
        return z.at[..., 0].set(mode + 0.4 * z[..., 0])

    def log_prob(self, value: jax.Array) -> jax.Array:
        """Return the log density of events `(..., dim)` in nats."""
        first = jnp.logaddexp(*(-0.5 * ((value[..., 0] - m) / 0.4) ** 2 for m in (-1, 1))) - float(np.log(0.8))
        return first - 0.5 * jnp.sum(value[..., 1:] ** 2, -1) - float(0.5 * self.dim * np.log(2 * np.pi))


def log_two_modes(z: np.ndarray) -> np.ndarray:
    """Return the log density of `TwoModes` at the rows of `z`, by NumPy in float64."""
    first = np.logaddexp(*(-0.5 * ((z[:, 0] - m) / 0.4) ** 2 for m in (-1, 1))) - np.log(0.8)
    return first - 0.5 * np.sum(z[:, 1:] ** 2, 1) - 0.5 * z.shape[1] * np.log(2 * np.pi)


def affine(dim: int, log_base: Callable[[np.ndarray], np.ndarray]) -> Case:
    """Return the case of an affine map with a triangular matrix.

    Args:
        dim: The dimension of an event.
        log_base: The log density of the base, in NumPy and float64: `(n, d) -> (n,)`.

    Returns:
        A function that draws params and events and knows the truth.
    """

    def make(rng: np.random.Generator, num: int) -> tuple[Params, np.ndarray, Truth]:
        tril = f32(np.tril(rng.standard_normal((dim, dim)), -1) + np.diag(rng.uniform(0.2, 2.0, dim)))
        params = {"loc": f32(rng.standard_normal(dim)), "tril": tril}
        x = params["loc"] + 1.5 * rng.standard_normal((num, dim)) @ tril.T

        def truth(x: np.ndarray) -> np.ndarray:
            z = np.linalg.solve(tril.astype(np.float64), (x - params["loc"].astype(np.float64)).T).T
            return log_base(z) - np.linalg.slogdet(tril.astype(np.float64))[1]

        return params, x, truth

    return make


def theta_net(out: int) -> nets.Net:
    """Return a network whose output is its params, whatever it sees, so that a coupling is a known map."""
    return nets.Net(lambda key, x, cond=None: jnp.zeros(out), lambda params, x, cond=None: params)


def spline(rng: np.random.Generator, num: int) -> tuple[Params, np.ndarray, Truth]:
    """Draw a rational-quadratic spline of the second coordinate, whose derivative the truth takes by a complex step.

    Args:
        rng: A NumPy generator.
        num: The number of events.

    Returns:
        The params, the events `(num, d)` and the function of float64 events that gives the truth.
    """
    theta = f32(rng.standard_normal(3 * BINS - 1))

    def knots(raw: np.ndarray) -> np.ndarray:
        share = scipy.special.softmax(raw.astype(np.float64))
        return np.concatenate([[-BOUND], BOUND * (2 * np.cumsum(1e-3 + (1 - BINS * 1e-3) * share)[:-1] - 1), [BOUND]])

    def truth(x: np.ndarray) -> np.ndarray:
        xs, ys = knots(theta[:BINS]), knots(theta[BINS : 2 * BINS])
        raw = theta[2 * BINS :].astype(np.float64)
        slopes = np.concatenate([[1.0], 1e-3 + np.logaddexp(0, raw + np.log(np.expm1(1 - 1e-3))), [1.0]])
        k = np.clip(np.searchsorted(xs, x[:, 1], side="right") - 1, 0, BINS - 1)
        # By a complex step, so that the derivative does not repeat the formula of the spline.
        w, h = np.diff(xs)[k], np.diff(ys)[k]
        xi, s = (x[:, 1] + 1e-30j - xs[k]) / w, h / w
        top, mix = s * xi**2 + slopes[k] * xi * (1 - xi), xi * (1 - xi)
        y = ys[k] + h * top / (s + (slopes[k + 1] + slopes[k] - 2 * s) * mix)
        inside = np.abs(x[:, 1]) < BOUND
        z = np.where(inside, y.real, x[:, 1])
        return log_normal(np.stack([x[:, 0], z], 1)) + np.where(inside, np.log(np.where(inside, y.imag, 1e-30) / 1e-30), 0.0)

    return theta, 1.6 * rng.standard_normal((num, 2)), truth


def logistics(rng: np.random.Generator, num: int) -> tuple[Params, np.ndarray, Truth]:
    """Draw a mixture of logistics for the second coordinate; the first one is a standard logistic.

    Args:
        rng: A NumPy generator.
        num: The number of events.

    Returns:
        The params, the events `(num, d)` and the function of float64 events that gives the truth.
    """
    theta = f32(rng.standard_normal(3 * COMPONENTS))

    def truth(x: np.ndarray) -> np.ndarray:
        logit, mean, raw = theta.astype(np.float64).reshape(3, COMPONENTS)
        scale = 1e-3 + np.logaddexp(0, raw + np.log(np.expm1(2.0 / COMPONENTS)))
        u = (x[:, 1:] - mean - np.linspace(-2, 2, COMPONENTS)) / scale
        parts = scipy.special.log_softmax(logit) - u - 2 * np.logaddexp(0, -u) - np.log(scale)
        return scipy.special.logsumexp(parts, 1) - x[:, 0] - 2 * np.logaddexp(0, -x[:, 0])

    return theta, 2.0 * rng.standard_normal((num, 2)), truth
