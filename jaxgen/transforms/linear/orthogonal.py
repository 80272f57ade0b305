"""Orthogonal maps as products of Householder reflections."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, amortised, check_count


def orthogonal(num_reflections: int | None = None, *, net: Callable[[int], Net] | None = None) -> Transform:
    """`x = Q z` with `Q` the product of `num_reflections` reflections (default d, which reaches every `Q` of one sign; arXiv 1611.09630).

    Its log-det is zero, its inverse the transpose. With `net` a condition moves the vectors, so the rotation depends on it. A vector of zeros
    reflects nothing. params: `{"theta": {"vectors": (num_reflections, d)}}` and `"net"`. ValueError unless `num_reflections` >= 1.
    """
    if num_reflections is not None:
        check_count("orthogonal", "num_reflections", num_reflections)

    def start(key: jax.Array, z: jax.Array) -> Theta:
        return {"vectors": jax.random.normal(key, (num_reflections or z.shape[0], z.shape[0]), z.dtype)}

    def zero(z: jax.Array) -> jax.Array:
        return jnp.zeros((), z.dtype)

    return amortised(
        start,
        lambda theta, z: (reflections(theta["vectors"]) @ z, zero(z)),
        lambda theta, x: (reflections(theta["vectors"]).T @ x, zero(x)),
        net,
        ("vectors",),
    )


def reflections(vectors: jax.Array, num_columns: int | None = None) -> jax.Array:
    """The first `num_columns` columns (default all) of `H_1 ... H_k`, `H_i = I - 2 v v^T / v^T v` for the rows `v` of `vectors` `(k, d)`."""
    d = vectors.shape[1]
    # A reflection does not depend on the length of its vector, so scaling by the largest entry keeps squares in range and changes no gradient.
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(vectors), 1, keepdims=True))
    unit = vectors / jnp.where(size > 0, size, 1)
    square = jnp.sum(unit * unit, 1)
    weights = 2 / jnp.where(square > 0, square, 1)

    def reflect(q: jax.Array, reflection: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        v, weight = reflection
        return q - weight * jnp.outer(v, v @ q), None

    start = jnp.eye(d, num_columns, dtype=vectors.dtype)
    return jax.lax.scan(reflect, start, (unit, weights), reverse=True)[0]
