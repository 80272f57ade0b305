"""The absolute value: forgetting signs on the way to the data, or drawing them."""

import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets import Net
from jaxgen.transform import Density, Maps, Part, Preimage, Space, Transform, no_params, require_key
from jaxgen.transforms.surjections.contribution import within
from jaxgen.types import Cond, Event, Key, Noise, Params


def absolute(*, even: bool = False) -> Transform:
    """Build the surjection `x = |z|`, elementwise, which forgets the signs.

    `inverse` draws fair signs s and returns `z = s x`, with the contribution `-log q(s | x) = d log 2`: in expectation a lower bound,
    because `log p(x) = log sum_s p(s x) >= E_q[log p(s x) - log q(s)]`. The signs' distribution is not learned, because a choice among
    finitely many has no pathwise gradient. `sum_over_preimages` adds up all 2^d terms instead.

    Args:
        even: Whether the caller vouches that the density of z is even in each coordinate. Any product of even bases is; a flow of them
            usually is not. Then all terms of the sum are equal and `p(x) = 2^d p(z = x)`.

    Returns:
        A LOWER_BOUND transform of events of any shape without params, or an EXACT one that needs no key if `even`. An event with a negative
        number has log density -inf. Its parts `preimages`, `num_preimages` and `inside` are what `sum_over_preimages` reads.

    Raises:
        ValueError: `inverse` is called without a key, unless `even`.

    Source: arXiv 2007.02731, table 2, absolute value in the generative direction.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> f = transforms.absolute(even=True)
    >>> f.forward((), jnp.asarray([-1.0, 2.0])).tolist(), float(f.inverse((), jnp.ones(2)).log_det)
    ([1.0, 2.0], 1.386)
    """

    def log_count(x: jax.Array) -> jax.Array:
        return jnp.asarray(x.size * np.log(2), x.dtype)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return jnp.abs(z)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        if even:
            return Preimage(x, within(x >= 0, log_count(x)))
        sign = jax.random.rademacher(require_key("absolute", key, "the signs are drawn"), x.shape, x.dtype)
        return Preimage(sign * x, within(x >= 0, jnp.zeros((), x.dtype)), -log_count(x))

    def preimages(params: Params, x: Event, /, cond: Cond = None) -> jax.Array:
        signs = np.array(list(itertools.product((1, -1), repeat=x.size))).reshape(-1, *x.shape)
        return jnp.asarray(signs, x.dtype) * x[None]

    def num_preimages(params: Params, x: Event, /, cond: Cond = None) -> int:
        return 2**x.size

    def inside(params: Params, x: Event, /, cond: Cond = None) -> jax.Array:
        return jnp.all(x >= 0)

    parts = {
        "preimages": Part(preimages, Space.DATA),
        "num_preimages": Part(num_preimages, Space.DATA),
        "inside": Part(inside, Space.DATA),
    }
    return Transform(no_params, Maps(forward, inverse), Density.EXACT if even else Density.LOWER_BOUND, parts=parts)


def signs(net: Callable[[int], Net]) -> Transform:
    """Build the map `x = s event` that draws a sign for each coordinate of a positive event.

    The noise is `{"event": (d,) positive, "side": (d,) uniform}`, and s is +1 where `side < sigmoid(net(event, cond))`, otherwise -1.
    `inverse` returns `event = |x|` with the contribution `log p(s | event)`, the log-volume of the cell of uniform noise that gives those
    signs. The event must be positive, as a positive base or an `exp` in front makes it: a negative event would be drawn but have no
    density.

    Args:
        net: `net(d)` returns the network from the event `(d,)`, and a condition, to logits `(d,)`.

    Returns:
        An EXACT transform whose params are the network's.

    Source: arXiv 2007.02731, table 2, absolute value in the inference direction.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import nets, transforms
    >>> f = transforms.signs(lambda d: nets.mlp(d, width=4, depth=1))
    >>> z = {"event": jnp.ones(2), "side": jnp.asarray([0.1, 0.9])}
    >>> f.forward(jax.tree.map(jnp.zeros_like, f.init(jax.random.key(0), z)), z).tolist()
    [1.0, -1.0]
    """

    def logits(params: Params, event: jax.Array, cond: Cond) -> jax.Array:
        return net(event.shape[0]).apply(params, event, cond)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return net(z["event"].shape[0]).init(key, z["event"], cond)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return jnp.where(z["side"] < jax.nn.sigmoid(logits(params, z["event"], cond)), z["event"], -z["event"])

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        event = jnp.abs(x)
        logit = logits(params, event, cond)
        p = jax.nn.sigmoid(logit)
        # The middle of the cell, inside [0, 1) however small the cell is.
        side = jnp.minimum(jnp.where(x >= 0, p / 2, (1 + p) / 2), 1 - jnp.finfo(x.dtype).epsneg)
        return Preimage({"event": event, "side": side}, jnp.sum(jax.nn.log_sigmoid(jnp.where(x >= 0, logit, -logit))))

    return Transform(init, Maps(forward, inverse), Density.EXACT)
