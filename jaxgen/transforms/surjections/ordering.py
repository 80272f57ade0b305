"""Order: forgetting it by sorting, drawing it by shuffling, and a bijection onto ascending vectors."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.transform import Density, Maps, Part, Preimage, Space, Transform, bijection, no_params, require_key
from jaxgen.transforms.surjections.contribution import within
from jaxgen.types import Cond, Event, Key, Noise, Params


def sorting(*, exchangeable: bool = False) -> Transform:
    """Build the surjection `x = sort(z)` on events `(d,)`, ascending, which forgets the order.

    `inverse` draws one of the d! orders uniformly, with the contribution `-log q(order | x) = log d!`: in expectation a lower bound. The
    orders' distribution is not learned, because a choice among finitely many has no pathwise gradient. `sum_over_preimages` adds up all d!
    terms instead.

    Args:
        exchangeable: Whether the caller vouches that the density of z does not change when its coordinates are permuted. A base of
            independent and identical coordinates has such a density. Then `p(x) = d! p(z = x)`.

    Returns:
        A LOWER_BOUND transform without params, or an EXACT one that needs no key if `exchangeable`. An event out of order has log density
        -inf. Its parts `preimages`, `num_preimages` and `inside` are what `sum_over_preimages` reads.

    Raises:
        ValueError: `inverse` is called without a key, unless `exchangeable`.

    Source: arXiv 2007.02731, table 2, sorting in the generative direction.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> f = transforms.sorting(exchangeable=True)
    >>> x = f.forward((), jnp.asarray([3.0, 1.0, 2.0]))
    >>> x.tolist(), float(f.inverse((), x).log_det)
    ([1.0, 2.0, 3.0], 1.792)
    """

    def log_count(x: jax.Array) -> jax.Array:
        return jnp.asarray(math.lgamma(x.shape[0] + 1), x.dtype)

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return jnp.sort(z)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        ascending = x[1:] >= x[:-1]
        if exchangeable:
            return Preimage(x, within(ascending, log_count(x)))
        z = jax.random.permutation(require_key("sorting", key, "the order is drawn"), x)
        return Preimage(z, within(ascending, jnp.zeros((), x.dtype)), -log_count(x))

    def preimages(params: Params, x: Event, /, cond: Cond = None) -> jax.Array:
        return x[np.array(list(itertools.permutations(range(x.shape[0]))))]

    def num_preimages(params: Params, x: Event, /, cond: Cond = None) -> int:
        return math.factorial(x.shape[0])

    def inside(params: Params, x: Event, /, cond: Cond = None) -> jax.Array:
        return jnp.all(x[1:] >= x[:-1])

    parts = {
        "preimages": Part(preimages, Space.DATA),
        "num_preimages": Part(num_preimages, Space.DATA),
        "inside": Part(inside, Space.DATA),
    }
    return Transform(no_params, Maps(forward, inverse), Density.EXACT if exchangeable else Density.LOWER_BOUND, parts=parts)


def shuffling() -> Transform:
    """Build the map that puts an ascending event `(d,)` into random order, so that the density is invariant under permutations.

    The noise is `{"event": (d,) ascending, "order": (d,) uniform}`, and `x_i` is the event's entry at the rank of `order_i`. `inverse`
    returns `event = sort(x)` with the contribution `log p(order | event) = -log d!`, the log-volume of the uniform noise with that order.
    The event must be ascending, as `on("event", ascending())` makes it: an event out of order would be drawn but have no density.

    Returns:
        An EXACT transform without params.

    Source: arXiv 2007.02731, table 2, sorting in the inference direction.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> z = {"event": jnp.asarray([1.0, 2.0, 3.0]), "order": jnp.asarray([0.9, 0.1, 0.5])}
    >>> transforms.shuffling().forward((), z).tolist()
    [3.0, 1.0, 2.0]
    """

    def ranks(a: jax.Array) -> jax.Array:
        return jnp.argsort(jnp.argsort(a))

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return z["event"][ranks(z["order"])]

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        d = x.shape[0]
        order = (ranks(x).astype(x.dtype) + 0.5) / d
        return Preimage({"event": jnp.sort(x), "order": order}, jnp.asarray(-math.lgamma(d + 1), x.dtype))

    return Transform(no_params, Maps(forward, inverse), Density.EXACT)


def ascending() -> Transform:
    """Build the bijection from `(d,)` onto ascending vectors: `x_0 = z_0` and `x_i = x_{i-1} + softplus(z_i)`.

    Returns:
        An EXACT transform without params. An event out of order has log density -inf.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> transforms.ascending().forward((), jnp.asarray([5.0, -100.0, 100.0])).tolist()
    [5.0, 5.0, 105.0]
    """

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        gaps = jax.nn.softplus(z[1:])
        return jnp.cumsum(jnp.concatenate([z[:1], gaps])), jnp.sum(jax.nn.log_sigmoid(z[1:]))

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        gaps = x[1:] - x[:-1]
        # A tie is a gap below the resolution of x; the square root holds the slope there far from overflow.
        positive = jnp.maximum(gaps, jnp.finfo(x.dtype).tiny ** 0.5)
        log_slope = jnp.log(-jnp.expm1(-positive))
        return Preimage(jnp.concatenate([x[:1], positive + log_slope]), within(gaps >= 0, -jnp.sum(log_slope)))

    return bijection(no_params, forward_and_log_det, inverse)
