"""Weights of the denoising loss over noise levels, as functions `(path, t) -> scalar` of the squared error in eps.

With `lambda = log(alpha^2 / sigma^2)` every one is a function of lambda, times d lambda / dt where the loss is an integral over lambda and
t is uniform (arXiv 2303.00848). `of_part` turns a weight on eps into the same loss on another reading.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.paths import Path
from jaxgen.paths.target import conversion, resolve

Weight = Callable[[Path, jax.Array], jax.Array]


def log_snr_and_rate(path: Path, t: jax.Array) -> tuple[jax.Array, jax.Array]:
    """`lambda = log(alpha^2 / sigma^2)` and `d lambda / dt`, which is positive from noise to data."""
    value, rate = jax.jvp(path.log_snr, (t,), (jnp.ones_like(t),))
    return 2 * value, 2 * rate


def elbo() -> Weight:
    """`(d lambda / dt) / 2`: the variational bound, in nats per coordinate for a loss that averages over coordinates (arXiv 2107.00630, eq. 17)."""
    return lambda path, t: 0.5 * log_snr_and_rate(path, t)[1]


def sigmoid(bias: float = 0.0) -> Weight:
    """`sigmoid(bias - lambda)` beside the bound's own weight (arXiv 2303.00848, section 5.1; 2410.19324)."""
    checks.number("sigmoid: bias", bias)

    def weight(path: Path, t: jax.Array) -> jax.Array:
        log_snr, rate = log_snr_and_rate(path, t)
        return 0.5 * rate * jax.nn.sigmoid(bias - log_snr)

    return weight


def min_snr(gamma: float = 5.0) -> Weight:
    """`min(SNR, gamma) / SNR` with SNR = alpha^2 / sigma^2 (arXiv 2303.09556, eq. 10 for noise prediction)."""
    checks.number("min_snr: gamma", gamma, above=0)
    return lambda path, t: jnp.minimum(1, gamma * jnp.exp(-2 * path.log_snr(t)))


def p2(gamma: float = 1.0, k: float = 1.0) -> Weight:
    """`1 / (k + SNR)^gamma` (arXiv 2204.00227, eq. 8 relative to the simple loss)."""
    checks.number("p2: gamma", gamma)
    checks.number("p2: k", k, least=0)
    return lambda path, t: (k + jnp.exp(2 * path.log_snr(t))) ** -gamma


def edm(sigma_data: float = 1.0) -> Weight:
    """`(sigma^2 + sigma_data^2) / sigma_data^2` at `sigma / alpha`: EDM's weight `1 / c_out^2` of the denoiser (arXiv 2206.00364, table 1)."""
    checks.number("edm: sigma_data", sigma_data, above=0)
    return lambda path, t: 1 + jnp.exp(-2 * path.log_snr(t)) / sigma_data**2


def of_part(weight: Weight, part: str) -> Weight:
    """The weight of the squared error in `part` ("denoiser", "score", "velocity" or "v") that makes the loss `weight` makes of eps's.

    Two readings at one x_t differ by a factor p, so their errors do: `eps error = p part error`. Infinite where `part` says nothing of eps.
    """
    own = resolve(part)
    return lambda path, t: weight(path, t) * conversion(path, own, resolve("eps"))(t)[0] ** 2
