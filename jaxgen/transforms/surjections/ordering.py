"""Order: forgetting it by sorting, drawing it by shuffling, and a bijection onto ascending vectors."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.surjections.contribution import require_key, within


def sorting(*, exchangeable: bool = False) -> Transform:
    """`x = sort(z)` on `(d,)`, ascending (arXiv 2007.02731, table 2, sorting in the generative direction): -inf for an event out of order.

    `inverse` draws one of the d! orders uniformly, contribution `-log q(order | x) = log d!`: LOWER_BOUND, and not learned, because a choice
    among finitely many has no pathwise gradient; `sum_over_preimages` adds all d! up instead.

    exchangeable: the caller's word that the density of z does not change when its coordinates are permuted (any base of independent equal
        coordinates). Then `p(x) = d! p(z = x)`: EXACT, without a key.
    """

    def log_count(x: jax.Array) -> jax.Array:
        return jnp.asarray(math.lgamma(x.shape[0] + 1), x.dtype)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        ascending = x[1:] >= x[:-1]
        if exchangeable:
            return Preimage(x, within(ascending, log_count(x)))
        z = jax.random.permutation(require_key("sorting", key), x)
        return Preimage(z, within(ascending, jnp.zeros((), x.dtype)), -log_count(x))

    return Transform(
        lambda key, z, cond=None: (),
        lambda params, z, cond=None: jnp.sort(z),
        inverse,
        None,
        Density.EXACT if exchangeable else Density.LOWER_BOUND,
        {
            "preimages": lambda params, x, cond=None: x[np.array(list(itertools.permutations(range(x.shape[0]))))],
            "num_preimages": lambda params, x, cond=None: math.factorial(x.shape[0]),
            "inside": lambda params, x, cond=None: jnp.all(x[1:] >= x[:-1]),
        },
    )


def shuffling() -> Transform:
    """The ascending `event` `(d,)` of the noise `{"event", "order": (d,) uniform}` in random order: x_i is the event's entry at the rank of order_i.

    Sorting in the inference direction (arXiv 2007.02731, table 2): `inverse` is `event = sort(x)`, contribution `log p(order | event) = -log d!`, the
    log-volume of the uniforms with that order: EXACT. The density is invariant under permutations. The event must be ascending, as
    `on("event", ascending())` makes it; one out of order would be drawn but have no density. No params.
    """

    def ranks(a: jax.Array) -> jax.Array:
        return jnp.argsort(jnp.argsort(a))

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        d = x.shape[0]
        order = (ranks(x).astype(x.dtype) + 0.5) / d
        return Preimage({"event": jnp.sort(x), "order": order}, jnp.asarray(-math.lgamma(d + 1), x.dtype))

    return Transform(lambda key, z, cond=None: (), lambda params, z, cond=None: z["event"][ranks(z["order"])], inverse, None, Density.EXACT)


def ascending() -> Transform:
    """The bijection from `(d,)` onto ascending vectors: `x_0 = z_0`, `x_i = x_{i-1} + softplus(z_i)`; -inf for an event out of order. No params."""

    def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        gaps = jax.nn.softplus(z[1:])
        return jnp.cumsum(jnp.concatenate([z[:1], gaps])), jnp.sum(jax.nn.log_sigmoid(z[1:]))

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        gaps = x[1:] - x[:-1]
        # A tie is a gap below the resolution of x; the square root keeps the slope there far from overflow.
        positive = jnp.maximum(gaps, jnp.finfo(x.dtype).tiny ** 0.5)
        log_slope = jnp.log(-jnp.expm1(-positive))
        return Preimage(jnp.concatenate([x[:1], positive + log_slope]), within(gaps >= 0, -jnp.sum(log_slope)))

    return Transform(
        lambda key, z, cond=None: (),
        lambda params, z, cond=None: forward_and_log_det(params, z)[0],
        inverse,
        forward_and_log_det,
        Density.EXACT,
    )
