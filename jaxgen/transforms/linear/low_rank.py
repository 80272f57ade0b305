"""The identity plus a matrix of low rank: inverse by Woodbury's identity, determinant by Sylvester's."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.numerics.small_matrices import log_abs_det, solve
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, amortised
from jaxgen.types import Key


def low_rank(rank: int = 2, *, net: Callable[[int], Net] | None = None) -> Transform:
    """Build the linear map `x = z + U V^T z + shift` on events `(d,)`, with `U` and `V` `(d, rank)`.

    Both directions and the determinant `log|det(I + V^T U)|` cost O(d rank + rank^3). The matrix is singular on a surface in the space of
    params, where the log-determinant is -inf; training by maximum likelihood stays away from it.

    Args:
        rank: The rank of `U V^T`.
        net: `net(num_outputs)` returns a network of the condition that moves `shift` and `U`. None ignores a condition.

    Returns:
        An EXACT transform. Its params are `{"theta": {"u", "v": (d, rank), "shift": (d,)}}`, with a network and a condition also `"net"`.

    Raises:
        ValueError: `rank` is below 1.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> params = {"theta": {"u": jnp.ones((2, 1)), "v": jnp.ones((2, 1)), "shift": jnp.zeros(2)}}
    >>> x, log_det = transforms.low_rank(1).forward_and_log_det(params, jnp.ones(2))
    >>> x.tolist(), round(float(jnp.exp(log_det)), 4)
    ([3.0, 3.0], 3.0)
    """
    checks.count("low_rank: rank", rank)

    def start(key: Key, z: jax.Array) -> Theta:
        u, v = 0.1 / z.shape[0] ** 0.5 * jax.random.normal(key, (2, z.shape[0], rank), z.dtype)
        return {"u": u, "v": v, "shift": jnp.zeros_like(z)}

    def core(theta: Theta) -> jax.Array:
        return jnp.eye(rank, dtype=theta["u"].dtype) + theta["v"].T @ theta["u"]

    def log_det(theta: Theta) -> jax.Array:
        return log_abs_det(core(theta))

    def forward(theta: Theta, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        return z + theta["u"] @ (theta["v"].T @ z) + theta["shift"], log_det(theta)

    def inverse(theta: Theta, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = x - theta["shift"]
        return y - theta["u"] @ solve(core(theta), theta["v"].T @ y), -log_det(theta)

    return amortised(start, forward, inverse, net, ("shift", "u"))
