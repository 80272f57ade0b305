"""The inverse CDF of a mixture of logistics, in logits: from logistic noise to a coordinate, exact in both tails."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.numerics import monotone_root, straight_clip
from jaxgen.transforms.scalars.scalar import Scalar


def mixture_logit(num_components: int = 8, half_width: float = 2.0, min_scale: float = 1e-3) -> Scalar:
    """Build `z = logit F(x)` for the CDF `F` of a mixture of logistics; `forward` solves for x.

    For logistic noise `z` this is sampling by inverse CDF. Both logarithms of `logit F = log F - log (1 - F)` are computed by themselves,
    so the tails are exact where F rounds to 0 or 1.

    Args:
        num_components: Number of logistics, at least 1.
        half_width: The means at `theta = 0` lie at equal distances in [-half_width, half_width], in units of the event.
        min_scale: The least scale of a logistic, in units of the event.

    Returns:
        A Scalar with `3 num_components` parameters: logits of the weights, shifts of the means, raw scales.

    Raises:
        ValueError: There is no component, or a number is not positive.

    Source: arXiv 1902.00275.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> scalar = transforms.mixture_logit(2)
    >>> bool(jnp.abs(scalar.forward(jnp.zeros(6), jnp.asarray(0.0))[0]) < 1e-5)
    True
    """
    checks.count("mixture_logit: num_components", num_components)
    checks.number("mixture_logit: half_width", half_width, above=0)
    checks.number("mixture_logit: min_scale", min_scale, above=0)
    k = num_components
    start = np.linspace(-half_width, half_width, k) if k > 1 else np.zeros(1)
    unit = float(np.log(np.expm1(half_width / k)))

    def unpack(theta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        means = theta[k : 2 * k] + jnp.asarray(start, theta.dtype)
        return jax.nn.log_softmax(theta[:k]), means, min_scale + jax.nn.softplus(theta[2 * k :] + unit)

    def logit_cdf(theta: jax.Array, x: jax.Array) -> jax.Array:
        below, above, _ = logs(theta, x)
        return below - above

    def logs(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        weight, mean, scale = unpack(theta)
        x = _held(x, min(1.0, min_scale) ** 2 / 8)
        u = (x - mean) / scale
        below, above = jax.nn.log_sigmoid(u), jax.nn.log_sigmoid(-u)
        pdf = jax.nn.logsumexp(weight + below + above - jnp.log(scale))
        return jax.nn.logsumexp(weight + below), jax.nn.logsumexp(weight + above), pdf

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        below, above, pdf = logs(theta, x)
        return below - above, pdf - below - above

    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, mean, scale = unpack(theta)
        z = _held(z, min(1.0, min_scale) ** 2 / 8e6)
        # A quantile of a mixture lies between the components' own quantiles.
        quantiles = mean + scale * z
        x = monotone_root(logit_cdf, theta, z, jnp.min(quantiles), jnp.max(quantiles))
        return x, -inverse(theta, x)[1]

    return Scalar(3 * k, traced_once(forward), traced_once(inverse))


def _held(value: jax.Array, share: float) -> jax.Array:
    """`value` held within this share of the largest number, so that its quotient by a squared scale is finite."""
    largest = share * float(jnp.finfo(value.dtype).max)
    return straight_clip(value, -largest, largest)
