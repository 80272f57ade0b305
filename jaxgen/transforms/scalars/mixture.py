"""The inverse CDF of a mixture of logistics, in logits: from logistic noise to a coordinate, exact in both tails."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.numerics import monotone_root
from jaxgen.transforms.scalars.scalar import Scalar


def mixture_logit(num_components: int = 8, spread: float = 2.0, min_scale: float = 1e-3) -> Scalar:
    """`z = logit F(x)` for the CDF `F` of a mixture of `num_components` logistics; `forward` solves for x (arXiv 1902.00275).

    For logistic noise `z` this is sampling by inverse CDF; `logit F = log F - log (1 - F)` with both logs kept keeps the tails exact where
    F itself rounds to 0 or 1. At `theta = 0` the means are spread over [-spread, spread].
    Raises ValueError for fewer than one component, or a spread or least scale that is not positive.
    """
    checks.count("num_components", num_components)
    checks.number("mixture_logit: spread", spread, above=0)
    checks.number("mixture_logit: min_scale", min_scale, above=0)
    k = num_components
    start = np.linspace(-spread, spread, k) if k > 1 else np.zeros(1)
    unit = float(np.log(np.expm1(spread / k)))

    def unpack(theta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        means = theta[k : 2 * k] + jnp.asarray(start, theta.dtype)
        return jax.nn.log_softmax(theta[:k]), means, min_scale + jax.nn.softplus(theta[2 * k :] + unit)

    def logit_cdf(theta: jax.Array, x: jax.Array) -> jax.Array:
        below, above, _ = logs(theta, x)
        return below - above

    def logs(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        weight, mean, scale = unpack(theta)
        u = (x - mean) / scale
        below, above = jax.nn.log_sigmoid(u), jax.nn.log_sigmoid(-u)
        pdf = jax.nn.logsumexp(weight + below + above - jnp.log(scale))
        return jax.nn.logsumexp(weight + below), jax.nn.logsumexp(weight + above), pdf

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        below, above, pdf = logs(theta, x)
        return below - above, pdf - below - above

    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, mean, scale = unpack(theta)
        # A quantile of a mixture lies between the components' own quantiles.
        quantiles = mean + scale * z
        x = monotone_root(logit_cdf, theta, z, jnp.min(quantiles), jnp.max(quantiles))
        return x, -inverse(theta, x)[1]

    return Scalar(3 * k, forward, inverse)
