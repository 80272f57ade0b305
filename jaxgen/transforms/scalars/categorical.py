"""A category from one number of noise: each category is a cell of the noise, whose volume is its probability."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.transforms.scalars.scalar import Scalar, lookup

LEAST_MASS = 1e-6


def categorical(num_categories: int, noise: str = "uniform", min_mass: float | None = None) -> Scalar:
    """Build a map from noise to a category: `theta` are logits of categories coded 0.0, 1.0, ... in the event.

    The code of `z` is the cell it falls into. `forward` is many-to-one and exact nevertheless: `inverse` returns the middle of the cell (in
    probability) with a log_det such that `log base(z) + log_det = log p_k`, the log-volume of the cell; -inf for a number that is not a
    code.

    Args:
        num_categories: Number of categories, at least 2.
        noise: "uniform" on [0, 1), or "logistic", the logit of a uniform, to stand beside `mixture_logit` on one logistic base.
        min_mass: Probability shared equally by all categories, in (0, 1), which keeps every code's density finite. None gives each
            category at least 1e-6, sixteen rounding errors of a float32 near 1, so that every code survives `inverse` and then `forward`.

    Returns:
        A Scalar with `num_categories` parameters.

    Raises:
        ValueError: A count, a mass or a noise other than these.

    Source: the change of variables of a surjection, arXiv 2007.02731, eq. 5.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> scalar = transforms.categorical(3)
    >>> z, log_det = jax.vmap(lambda x: scalar.inverse(jnp.zeros(3), x))(jnp.arange(3.0))
    >>> jax.vmap(lambda z: scalar.forward(jnp.zeros(3), z)[0])(z), bool(jnp.allclose(log_det, -jnp.log(3)))
    (Array([0., 1., 2.], dtype=float32), True)
    """
    checks.count("categorical: num_categories", num_categories, 2)
    min_mass = max(1e-5, LEAST_MASS * num_categories) if min_mass is None else min_mass
    if noise not in ("uniform", "logistic"):
        raise ValueError(f'categorical: noise={noise!r}; accepted: "uniform", "logistic".')
    checks.number("categorical: min_mass", min_mass, above=0, below=1)
    k_all = num_categories

    def cells(theta: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Probabilities, and the mass up to and from each category on: summed from both ends, so that neither tail cancels."""
        p = (1 - min_mass) * jax.nn.softmax(theta) + min_mass / k_all
        up_to, from_on = jnp.cumsum(p), jnp.cumsum(p[::-1])[::-1]
        # Rounding would carry the last of many cells beyond the end of the uniform.
        return p, up_to / up_to[-1:] if noise == "uniform" else up_to, from_on

    def log_det(p: jax.Array, below: jax.Array, above: jax.Array) -> jax.Array:
        # The logistic density at z is u (1 - u).
        return jnp.log(p) if noise == "uniform" else jnp.log(p) - jnp.log(below) - jnp.log(above)

    def forward(theta: jax.Array, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        p, up_to, from_on = cells(theta)
        edges = up_to[:-1] if noise == "uniform" else jnp.log(up_to[:-1]) - jnp.log(from_on[1:])
        k = jnp.sum(z >= edges)
        # Whichever noise of the cell was drawn, base.log_prob(z) - log_det has to be log p_k.
        own = -jax.nn.log_sigmoid(z) - jax.nn.log_sigmoid(-z) if noise == "logistic" else jnp.zeros((), z.dtype)
        return k.astype(z.dtype), -(jnp.log(lookup(p, k)) + own)

    def inverse(theta: jax.Array, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, up_to, from_on = cells(theta)
        is_code = (x >= 0) & (x < k_all) & (x == jnp.floor(x))
        k = jnp.where(is_code, x, 0).astype(int)
        # From logits: the gradient then goes through one sum, and through no probabilities of other codes.
        mass = (1 - min_mass) * jnp.exp(lookup(theta, k) - jax.nn.logsumexp(theta)) + min_mass / k_all
        below, above = lookup(up_to, k) - mass / 2, lookup(from_on, k) - mass / 2
        z = below if noise == "uniform" else jnp.log(below) - jnp.log(above)
        return z, jnp.where(is_code, log_det(mass, below, above), -jnp.inf)

    return Scalar(num_categories, traced_once(forward), traced_once(inverse))
