"""Max-pooling: of each window of the noise only the largest entry is kept."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.surjections.contribution import require_key


def max_pooling(size: int = 2) -> Transform:
    """`x_i = max(z[i size : (i + 1) size])`, from `(d size,)` to `(d,)` (arXiv 2007.02731, table 2, maximum in the generative direction).

    `inverse` draws which entry k of a window is the largest, uniformly, and the others below it, `x_i - scale e` with e ~ Exp(1): contribution
    `-log q(k | x) - log q(z_others | x, k) = d log size + sum (e + log scale)`. The exponential covers the whole half-line below x:
    LOWER_BOUND. params: `{"log_scale": ()}`, learned by the path of the draws; k is not, a choice among finitely many has no such gradient.
    """
    if not isinstance(size, int) or size < 2:
        raise ValueError(f"max_pooling: size={size!r}; accepted: an integer of at least 2.")

    def init(key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
        if z.shape[0] % size:
            raise ValueError(f"max_pooling(size={size}): noise of shape {z.shape}; accepted: a multiple of {size} numbers.")
        return {"log_scale": jnp.zeros((), z.dtype)}

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        key_which, key_below = jax.random.split(require_key("max_pooling", key))
        which = jax.random.randint(key_which, x.shape, 0, size)
        largest = which[:, None] == jnp.arange(size)[None]
        e = jnp.where(largest, 0, jax.random.exponential(key_below, largest.shape, x.dtype))
        z = x[:, None] - jnp.exp(params["log_scale"]) * e
        log_q = -x.size * float(np.log(size)) - jnp.sum(e) - x.size * (size - 1) * params["log_scale"]
        return Preimage(z.ravel(), jnp.zeros((), x.dtype), log_q)

    return Transform(init, lambda params, z, cond=None: jnp.max(z.reshape(-1, size), 1), inverse, None, Density.LOWER_BOUND)
