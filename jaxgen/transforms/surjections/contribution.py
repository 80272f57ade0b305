"""What the surjections share: a conditional draw with its log density, and the contribution of an event outside the support."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.refusals import require_transform
from jaxgen.transform import Density, Maps, Transform
from jaxgen.types import Cond, Key, Params

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def conditional(name: str, q: Transform) -> Transform:
    """Refuse a `q` that does not give a draw and its density in one pass.

    Args:
        name: The name of the surjection, for the message.
        q: The transform that draws what the surjection forgets.

    Returns:
        `q`.

    Raises:
        ValueError: A draw of `q` and its density do not come in one pass.
    """
    require_transform(f"{name}: q", q)
    if q.kind is not Density.EXACT or q.proxy is not None or q.forward_and_log_det is None:
        raise ValueError(f"{name}: q={q!r}; accepted: an exact transform of its own density with forward_and_log_det.")
    return q


def as_vector(x: jax.Array, cond: Cond) -> jax.Array:
    """Join the event and the condition, which a conditional transform is told, to one vector.

    Args:
        x: An event of any shape.
        cond: A condition of any shape, or None.

    Returns:
        A vector.
    """
    return x.ravel() if cond is None else jnp.concatenate([x.ravel(), cond.astype(x.dtype).ravel()])


def as_vectors(batched: bool) -> Callable[[jax.Array, Cond], jax.Array]:
    """Return `as_vector` for one event, or for a batch of events and conditions."""
    return jax.vmap(as_vector) if batched else as_vector


def draw(q: Maps, params: Params, key: Key, like: jax.Array, cond: Cond, batched: bool = False) -> tuple[jax.Array, jax.Array]:
    """Draw `y = q(eps | cond)` for standard Gaussian eps shaped as `like`, and return it with `log q(y | cond)`.

    Args:
        q: The maps of an EXACT transform, over a batch if `batched`.
        params: Its params.
        key: A random key, or one for each event of a batch.
        like: An array, or a batch of arrays, of the shape and dtype of the noise.
        cond: What `q` is told.
        batched: Whether all arrays have a leading axis.

    Returns:
        The draw and its log density in nats.
    """
    assert q.forward_and_log_det is not None
    sample = lambda key, like: jax.random.normal(key, like.shape, like.dtype)
    eps = jax.vmap(sample)(key, like) if batched else sample(key, like)
    y, log_det = q.forward_and_log_det(params, eps, cond)
    log_normal = -0.5 * eps**2 - 0.5 * jnp.log(2 * jnp.pi).astype(eps.dtype)
    return y, jnp.sum(log_normal, tuple(range(int(batched), eps.ndim))) - log_det


def within(inside: jax.Array, log_det: jax.Array) -> jax.Array:
    """Return a log-determinant inside the image of a transform and -inf outside.

    Args:
        inside: Bools of any shape.
        log_det: A scalar.

    Returns:
        `log_det` if all of `inside` holds. Otherwise -inf, because no noise is mapped there.
    """
    return jnp.where(jnp.all(inside), log_det, -jnp.inf)


def signed(key: Key, positive: jax.Array, dtype: jnp.dtype) -> tuple[jax.Array, jax.Array]:
    """Draw numbers of given signs, `softplus(u)` with u ~ N(1, 1/4), which keep away from zero.

    Args:
        key: A random key.
        positive: Which sign each number has.
        dtype: Their dtype.

    Returns:
        The numbers, and the log density of each.
    """
    return of_sign(jax.random.normal(key, positive.shape, dtype), positive)


def of_sign(e: jax.Array, positive: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the numbers of `signed` and their log densities.

    Args:
        e: Standard normal numbers.
        positive: Which sign each number has.
    """
    u = 1 + 0.5 * e
    size = jax.nn.softplus(u)
    log_q = -0.5 * e**2 - HALF_LOG_2PI + jnp.log(jnp.asarray(2, e.dtype)) - jax.nn.log_sigmoid(u)
    return jnp.where(positive, size, -size), log_q
