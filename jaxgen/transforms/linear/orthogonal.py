"""Orthogonal maps as products of Householder reflections."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, amortised
from jaxgen.types import Key


def orthogonal(num_reflections: int | None = None, *, net: Callable[[int], Net] | None = None) -> Transform:
    """Build the rotation `x = Q z` on events `(d,)`, with `Q` a product of Householder reflections.

    The log-determinant is zero and the inverse is the transpose. A vector of zeros reflects nothing.

    Args:
        num_reflections: How many reflections `Q` has. None takes d, which reaches every `Q` of one sign.
        net: `net(num_outputs)` returns a network of the condition that moves the vectors. None ignores a condition.

    Returns:
        An EXACT transform. Its params are `{"theta": {"vectors": (num_reflections, d)}}`, with a network and a condition also `"net"`.

    Raises:
        ValueError: `num_reflections` is below 1.

    Source: arXiv 1611.09630.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> params = {"theta": {"vectors": jnp.asarray([[1.0, 0.0]])}}
    >>> transforms.orthogonal(1).forward(params, jnp.asarray([2.0, 3.0])).tolist()
    [-2.0, 3.0]
    """
    if num_reflections is not None:
        checks.count("orthogonal: num_reflections", num_reflections)

    def start(key: Key, z: jax.Array) -> Theta:
        return {"vectors": jax.random.normal(key, (num_reflections or z.shape[0], z.shape[0]), z.dtype)}

    def forward(theta: Theta, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        return reflections(theta["vectors"]) @ z, jnp.zeros((), z.dtype)

    def inverse(theta: Theta, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        return reflections(theta["vectors"]).T @ x, jnp.zeros((), x.dtype)

    return amortised(start, forward, inverse, net, ("vectors",))


def reflections(vectors: jax.Array, num_columns: int | None = None) -> jax.Array:
    """Return the first columns of the product `H_1 ... H_k` of reflections `H_i = I - 2 v_i v_i^T / v_i^T v_i`.

    Args:
        vectors: The vectors `v_i` `(k, d)`; one of zeros reflects nothing.
        num_columns: How many columns are returned; None returns all d.

    Returns:
        A matrix `(d, num_columns)` with orthonormal columns.
    """
    d = vectors.shape[1]
    # A reflection does not depend on the length of its vector, so scaling by the largest entry keeps squares in range and changes no
    # gradient.
    size = jax.lax.stop_gradient(jnp.max(jnp.abs(vectors), 1, keepdims=True))
    unit = vectors / jnp.where(size > 0, size, 1)
    square = jnp.sum(unit * unit, 1)
    weights = 2 / jnp.where(square > 0, square, 1)

    def reflect(q: jax.Array, reflection: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        v, weight = reflection
        return q - weight * jnp.outer(v, v @ q), None

    start = jnp.eye(d, num_columns, dtype=vectors.dtype)
    return jax.lax.scan(reflect, start, (unit, weights), reverse=True)[0]
