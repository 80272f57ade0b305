"""A monotone neural network of one number: dense sigmoidal layers, every step of value and slope in logarithms (arXiv 1804.00779)."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.numerics import monotone_root
from jaxgen.numerics.log_space import log_matvec
from jaxgen.transforms.scalars.scalar import Scalar


class _Layer(NamedTuple):
    log_u: jax.Array
    a: jax.Array
    b: jax.Array
    log_w: jax.Array


def deep_sigmoidal(num_units: int = 4, num_layers: int = 2, half_width: float = 1.0, min_slope: float = 1e-2) -> Scalar:
    """Build a monotone network of layers `h' = logit(w sigmoid(a u h + b))`, rows of `w` and `u` on the simplex, `a > min_slope`.

    The network maps data to noise, so `inverse` is one evaluation and `forward` solves for the root. Its image is all of R, since the
    logits of a mixture grow with the smallest of its slopes. At `theta = 0` it is near the identity.

    Args:
        num_units: Sigmoids in a layer, at least 1.
        num_layers: Number of layers, at least 1.
        half_width: The biases at `theta = 0` lie at equal distances in [-half_width, half_width].
        min_slope: The least slope `a`, in (0, 1).

    Returns:
        A Scalar that maps R onto R.

    Raises:
        ValueError: A count is below 1 or a number outside its range.

    Source: arXiv 1804.00779, eqs. 8 and 9.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> scalar = transforms.deep_sigmoidal(2, 1)
    >>> theta = jnp.ones(scalar.num_params)
    >>> x, log_slope = scalar.forward(theta, jnp.asarray(0.5))
    >>> bool(jnp.allclose(scalar.inverse(theta, x)[0], 0.5, atol=1e-4))
    True
    """
    checks.count("deep_sigmoidal: num_units", num_units)
    checks.count("deep_sigmoidal: num_layers", num_layers)
    checks.number("deep_sigmoidal: half_width", half_width)
    checks.number("deep_sigmoidal: min_slope", min_slope, above=0, below=1)
    network = _Network(num_units, num_layers, half_width, min_slope)
    evaluate = functools.partial(_evaluate, network)

    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        x = monotone_root(lambda th, x: evaluate(th, x)[0], theta, z, *_bracket(network, theta, z))
        return x, -evaluate(theta, x)[1]

    return Scalar(sum(network.counts), traced_once(forward), traced_once(evaluate))


class _Network(NamedTuple):
    """The sizes of a network: see `deep_sigmoidal`."""

    num_units: int
    num_layers: int
    half_width: float
    min_slope: float

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """How many numbers enter and leave each layer."""
        last, k = self.num_layers - 1, self.num_units
        return [(1 if i == 0 else k, 1 if i == last else k) for i in range(self.num_layers)]

    @property
    def counts(self) -> list[int]:
        """How many parameters each layer has; a simplex of one corner has none."""
        k = self.num_units
        return [(n_in * k if n_in > 1 else 0) + 2 * k + n_out * k for n_in, n_out in self.sizes]


def _unpack(network: _Network, theta: jax.Array) -> list[_Layer]:
    k, half_width, layers = network.num_units, network.half_width, []
    biases = np.linspace(-half_width, half_width, k) if k > 1 else np.zeros(1)
    unit = float(np.log(np.expm1(1 - network.min_slope)))
    for (n_in, n_out), part in zip(network.sizes, jnp.split(theta, np.cumsum(network.counts)[:-1]), strict=True):
        mix, rest = (part[: n_in * k], part[n_in * k :]) if n_in > 1 else (jnp.zeros(k, theta.dtype), part)
        a = network.min_slope + jax.nn.softplus(rest[:k] + unit)
        b = rest[k : 2 * k] + jnp.asarray(biases, theta.dtype)
        layers.append(_Layer(_log_simplex(mix, k, n_in), a, b, _log_simplex(rest[2 * k :], n_out, k)))
    return layers


def _evaluate(network: _Network, theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The noise at `x`, and the log slope."""
    h, log_slope = x[None], jnp.zeros((1,), x.dtype)
    for log_u, a, b, log_w in _unpack(network, theta):
        v = a * (jnp.exp(log_u) @ h) + b
        below = jax.nn.log_sigmoid(v)
        above = below - v
        log_rise = jnp.log(a) + log_matvec(log_u, log_slope) + below + above
        low, high = log_matvec(log_w, below), log_matvec(log_w, above)
        h, log_slope = low - high, log_matvec(log_w, log_rise) - low - high
    return h[0], log_slope[0]


def _bracket(network: _Network, theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
    """An interval that holds the root: a layer's logits lie between its smallest and largest `a h + b`."""
    low = high = z
    for layer in reversed(_unpack(network, theta)):
        low, high = jnp.min((low - layer.b) / layer.a), jnp.max((high - layer.b) / layer.a)
    return low, high


def _log_simplex(raw: Any, rows: int, columns: int) -> jax.Array:
    return jax.nn.log_softmax(raw.reshape(rows, columns), axis=1)
