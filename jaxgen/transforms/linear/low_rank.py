"""The identity plus a matrix of low rank: inverse by Woodbury's identity, determinant by Sylvester's."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, amortised, check_count


def low_rank(rank: int = 2, *, net: Callable[[int], Net] | None = None) -> Transform:
    """`x = z + U V^T z + shift` on events `(d,)` with `U`, `V` `(d, rank)`, at a cost of O(d rank + rank^3).

    `log|det| = log|det(I + V^T U)|`, and the inverse solves with the same small matrix. It is singular on a surface in the space of
    params: there the log-det is -inf, as it must be, and likelihood training keeps away from it. With `net` a condition moves `shift` and
    `U`. params: `{"theta": {"u", "v": (d, rank), "shift": (d,)}}` and `"net"`. ValueError unless `rank` >= 1.
    """
    check_count("low_rank", "rank", rank)

    def start(key: jax.Array, z: jax.Array) -> Theta:
        u, v = 0.1 / z.shape[0] ** 0.5 * jax.random.normal(key, (2, z.shape[0], rank), z.dtype)
        return {"u": u, "v": v, "shift": jnp.zeros_like(z)}

    def core(theta: Theta) -> jax.Array:
        return jnp.eye(rank, dtype=theta["u"].dtype) + theta["v"].T @ theta["u"]

    def log_det(theta: Theta) -> jax.Array:
        return jnp.linalg.slogdet(core(theta))[1]

    def inverse(theta: Theta, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y = x - theta["shift"]
        return y - theta["u"] @ jnp.linalg.solve(core(theta), theta["v"].T @ y), -log_det(theta)

    return amortised(
        start,
        lambda theta, z: (z + theta["u"] @ (theta["v"].T @ z) + theta["shift"], log_det(theta)),
        inverse,
        net,
        ("shift", "u"),
    )
