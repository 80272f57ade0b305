"""What the surjections share: a conditional draw with its log density, and the contribution of an event outside the support."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.transform import Density, Transform


def conditional(name: str, q: Transform) -> Transform:
    """`q` where it can be drawn from with its density in one pass; ValueError naming `name` otherwise."""
    if q.density is not Density.EXACT or q.forward_and_log_det is None:
        raise ValueError(f"{name}: q is a transform of density {q.density!s}; accepted: an exact one with forward_and_log_det.")
    return q


def seen(x: jax.Array, cond: Any) -> jax.Array:
    """What a conditional transform is told: the event and the condition as one vector."""
    return x.ravel() if cond is None else jnp.concatenate([x.ravel(), cond.astype(x.dtype).ravel()])


def draw(q: Transform, params: Any, key: jax.Array, like: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
    """`y = q(eps | cond)` for standard Gaussian eps shaped as `like`, and `log q(y | cond)`."""
    assert q.forward_and_log_det is not None
    eps = jax.random.normal(key, like.shape, like.dtype)
    y, log_det = q.forward_and_log_det(params, eps, cond)
    return y, jnp.sum(-0.5 * eps**2 - 0.5 * jnp.log(2 * jnp.pi).astype(eps.dtype)) - log_det


def within(inside: jax.Array, log_det: jax.Array) -> jax.Array:
    """`log_det` where all of `inside` holds, -inf elsewhere: no noise is mapped there."""
    return jnp.where(jnp.all(inside), log_det, -jnp.inf)


def require_key(name: str, key: Any) -> jax.Array:
    """`key`, or a ValueError saying that this inverse is random."""
    if key is None:
        raise ValueError(f"{name}.inverse: key=None; what {name} forgets is drawn, give a key such as jax.random.key(0).")
    return key
