"""The absolute value: forgetting signs on the way to the data, or drawing them."""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms.surjections.contribution import require_key, within


def absolute(*, even: bool = False) -> Transform:
    """`x = |z|`, elementwise (arXiv 2007.02731, table 2, absolute value in the generative direction): -inf for an event with a negative number.

    `inverse` draws fair signs s and returns `z = s x`, contribution `-log q(s | x) = d log 2`: LOWER_BOUND, as `log p(x) =
    log sum_s p(s x) >= E_q[log p(s x) - log q(s)]`. Fair signs are not learned: a choice among finitely many has no pathwise gradient.
    `sum_over_preimages` adds all 2^d up instead.

    even: the caller's word that the density of z is even in each coordinate (any product of even bases is, and a flow in front of this
        usually is not). Then every term of the sum is the same and `p(x) = 2^d p(z = x)`: EXACT, without a key.
    """

    def log_count(x: jax.Array) -> jax.Array:
        return jnp.asarray(x.size * np.log(2), x.dtype)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        if even:
            return Preimage(x, within(x >= 0, log_count(x)))
        sign = jax.random.rademacher(require_key("absolute", key), x.shape, x.dtype)
        return Preimage(sign * x, within(x >= 0, jnp.zeros((), x.dtype)), -log_count(x))

    def preimages(params: Any, x: jax.Array, cond: Any = None) -> jax.Array:
        signs = np.array(list(itertools.product((1, -1), repeat=x.size))).reshape(-1, *x.shape)
        return jnp.asarray(signs, x.dtype) * x[None]

    return Transform(
        lambda key, z, cond=None: (),
        lambda params, z, cond=None: jnp.abs(z),
        inverse,
        None,
        Density.EXACT if even else Density.LOWER_BOUND,
        {
            "preimages": preimages,
            "num_preimages": lambda params, x, cond=None: 2**x.size,
            "inside": lambda params, x, cond=None: jnp.all(x >= 0),
        },
    )


def signs(net: Callable[[int], Net]) -> Transform:
    """`x = s event` from the noise `{"event": (d,) positive, "side": (d,) uniform}`: s is +1 where `side < p`, `p = sigmoid(net(event, cond))`.

    The absolute value in the inference direction (arXiv 2007.02731, table 2): `inverse` is `event = |x|`, contribution `log p(s | event)`, here the
    log-volume of the cell of uniforms that gives those signs: EXACT. The event must be positive, as a positive base or an `exp` in front of it
    makes it; a negative one would be drawn but have no density. `net(d)` maps `(d,)` to `(d,)`; params are the network's.
    """

    def logits(params: Any, event: jax.Array, cond: Any) -> jax.Array:
        return net(event.shape[0]).apply(params, event, cond)

    def forward(params: Any, z: Any, cond: Any = None) -> jax.Array:
        return jnp.where(z["side"] < jax.nn.sigmoid(logits(params, z["event"], cond)), z["event"], -z["event"])

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        event = jnp.abs(x)
        logit = logits(params, event, cond)
        p = jax.nn.sigmoid(logit)
        # The middle of the cell, inside [0, 1) however small the cell is.
        side = jnp.minimum(jnp.where(x >= 0, p / 2, (1 + p) / 2), 1 - jnp.finfo(x.dtype).epsneg)
        return Preimage({"event": event, "side": side}, jnp.sum(jax.nn.log_sigmoid(jnp.where(x >= 0, logit, -logit))))

    return Transform(lambda key, z, cond=None: net(z["event"].shape[0]).init(key, z["event"], cond), forward, inverse, None, Density.EXACT)
