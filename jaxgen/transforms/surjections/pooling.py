"""Max-pooling: only the largest entry of each window of the noise becomes data."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.transform import Density, Maps, Preimage, Transform, require_key
from jaxgen.types import Cond, Event, Key, Noise, Params


def max_pooling(size: int = 2) -> Transform:
    """Build the surjection `x_i = max(z[i size : (i + 1) size])` from noise `(d size,)` to events `(d,)`.

    `inverse` draws uniformly which entry k of a window is the largest, and the others below it as `x_i - scale e` with e ~ Exp(1). The
    contribution is `-log q(k | x) - log q(z_others | x, k) = d log size + sum (e + log scale)`, in expectation a lower bound. The
    exponential distribution covers the whole half-line below x. The scale is learned through the draws; k's distribution is not learned,
    because a choice among finitely many has no pathwise gradient.

    Args:
        size: How many numbers a window has.

    Returns:
        A LOWER_BOUND transform. Its params are `{"log_scale": ()}`.

    Raises:
        ValueError: `size` is below 2, the noise is not a whole number of windows, or `inverse` is called without a key.

    Source: arXiv 2007.02731, table 2, maximum in the generative direction.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.max_pooling(2).forward({}, jnp.asarray([1.0, 4.0, 3.0, 2.0])).tolist()
    [4.0, 3.0]
    """
    checks.count("max_pooling: size", size, 2)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        if z.shape[0] % size:
            raise ValueError(f"max_pooling: shape={z.shape!r} of the noise; accepted: a multiple of size={size} numbers.")
        return {"log_scale": jnp.zeros((), z.dtype)}

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return jnp.max(z.reshape(-1, size), 1)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        key_which, key_below = jax.random.split(require_key("max_pooling", key, "the smaller entries are drawn"))
        which = jax.random.randint(key_which, x.shape, 0, size)
        largest = which[:, None] == jnp.arange(size)[None]
        e = jnp.where(largest, 0, jax.random.exponential(key_below, largest.shape, x.dtype))
        z = x[:, None] - jnp.exp(params["log_scale"]) * e
        log_q = -x.size * float(np.log(size)) - jnp.sum(e) - x.size * (size - 1) * params["log_scale"]
        return Preimage(z.ravel(), jnp.zeros((), x.dtype), log_q)

    return Transform(init, Maps(forward, inverse), Density.LOWER_BOUND)
