"""Weights of the denoising loss over noise levels, as functions `(path, t) -> scalar` of the squared error in eps.

With `lambda = log(alpha^2 / sigma^2)` every weight is a function of lambda, times d lambda / dt if the loss is an integral over lambda and
t is uniform (arXiv 2303.00848). `of_part` turns a weight on eps into the same loss on another prediction.
"""

from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Path
from jaxgen.paths.target import conversion, resolve

Weight: TypeAlias = Callable[[Path, jax.Array], jax.Array]
"""A function `(path, t) -> scalar` that weighs the loss at time t."""


def log_snr_and_rate(path: Path, t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return `lambda = log(alpha^2 / sigma^2)` and `d lambda / dt`, which is positive from noise to data.

    Args:
        path: The schedules alpha and sigma.
        t: The time, a scalar.

    >>> import jax.numpy as jnp, jaxgen
    >>> [round(float(a), 4) for a in log_snr_and_rate(jaxgen.paths.linear(), jnp.asarray(0.5))]
    [0.0, 8.0]
    """
    value, rate = jax.jvp(path.log_snr, (t,), (jnp.ones_like(t),))
    return 2 * value, 2 * rate


def elbo() -> Weight:
    """Build the weight `(d lambda / dt) / 2` of the variational bound, in nats per coordinate for a loss that averages over coordinates.

    Source: arXiv 2107.00630, equation 17.

    >>> import jax.numpy as jnp, jaxgen
    >>> round(float(elbo()(jaxgen.paths.linear(), jnp.asarray(0.5))), 4)
    4.0
    """
    return lambda path, t: 0.5 * log_snr_and_rate(path, t)[1]


def sigmoid(bias: float = 0.0) -> Weight:
    """Build the weight `sigmoid(bias - lambda)` times that of the variational bound, which attends to the noisy levels.

    Args:
        bias: The lambda at which the factor is a half.

    Raises:
        ValueError: `bias` is not finite.

    Source: arXiv 2303.00848, section 5.1; arXiv 2410.19324.

    >>> import jax.numpy as jnp, jaxgen
    >>> round(float(sigmoid()(jaxgen.paths.linear(), jnp.asarray(0.5))), 4)
    2.0
    """
    checks.number("sigmoid: bias", bias)

    def weight(path: Path, t: jax.Array) -> jax.Array:
        log_snr, rate = log_snr_and_rate(path, t)
        return 0.5 * rate * jax.nn.sigmoid(bias - log_snr)

    return weight


def min_snr(gamma: float = 5.0) -> Weight:
    """Build the weight `min(SNR, gamma) / SNR` with SNR = alpha^2 / sigma^2, which limits the weight of clean levels.

    Args:
        gamma: The SNR above which the weight falls below 1.

    Raises:
        ValueError: `gamma` is not positive.

    Source: arXiv 2303.09556, equation 10, for noise prediction.

    >>> import jax.numpy as jnp, jaxgen
    >>> round(float(min_snr(0.5)(jaxgen.paths.linear(), jnp.asarray(0.5))), 4)
    0.5
    """
    checks.number("min_snr: gamma", gamma, above=0)
    return lambda path, t: jnp.minimum(1, gamma * jnp.exp(-2 * path.log_snr(t)))


def p2(gamma: float = 1.0, k: float = 1.0) -> Weight:
    """Build the weight `1 / (k + SNR)^gamma` with SNR = alpha^2 / sigma^2.

    Args:
        gamma: How strongly clean levels are weighed down; 0 is the plain loss.
        k: What keeps the weight finite at pure noise.

    Raises:
        ValueError: `gamma` is not finite or `k` is negative.

    Source: arXiv 2204.00227, equation 8, relative to the simple loss.

    >>> import jax.numpy as jnp, jaxgen
    >>> round(float(p2()(jaxgen.paths.linear(), jnp.asarray(0.5))), 4)
    0.5
    """
    checks.number("p2: gamma", gamma)
    checks.number("p2: k", k, least=0)
    return lambda path, t: (k + jnp.exp(2 * path.log_snr(t))) ** -gamma


def edm(sigma_data: float = 1.0) -> Weight:
    """Build EDM's weight `(sigma^2 + sigma_data^2) / sigma_data^2` at the noise level `sigma / alpha`.

    Args:
        sigma_data: The standard deviation of the data.

    Raises:
        ValueError: `sigma_data` is not positive.

    Source: arXiv 2206.00364, table 1: the weight `1 / c_out^2` of the denoiser.

    >>> import jax.numpy as jnp, jaxgen
    >>> round(float(edm()(jaxgen.paths.linear(), jnp.asarray(0.5))), 4)
    2.0
    """
    checks.number("edm: sigma_data", sigma_data, above=0)
    return lambda path, t: 1 + jnp.exp(-2 * path.log_snr(t)) / sigma_data**2


def of_part(weight: Weight, part: str) -> Weight:
    """Build the weight of the squared error in another prediction that gives the same loss as `weight` of the error in eps.

    Two predictions at one x_t differ by a factor p, so their errors do: `eps error = p part error`.

    Args:
        weight: The weight of the squared error in eps.
        part: "denoiser", "score", "velocity" or "v".

    Returns:
        A weight, infinite at a time at which `part` says nothing of eps.

    Raises:
        ValueError: `part` is unknown.

    >>> import jax.numpy as jnp, jaxgen
    >>> round(float(of_part(edm(), "denoiser")(jaxgen.paths.linear(), jnp.asarray(0.8))), 4)  # SNR 16 times 1 + 1 / 16
    17.0
    """
    known = resolve(part)
    return lambda path, t: weight(path, t) * conversion(path, known, resolve("eps"))(t)[0] ** 2
