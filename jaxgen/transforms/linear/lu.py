"""The linear layer whose matrix is a product of a permutation and two triangular factors: Glow's, on vectors."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from jaxgen.nets import Net
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, amortised


def lu(*, seed: int = 0, net: Callable[[int], Net] | None = None) -> Transform:
    """`x = P L U z + shift` on events `(d,)` (arXiv 1807.03039, eq. 10), with `log|det| = sum log_diagonal` in O(d).

    `P` is a fixed random permutation drawn from `seed`, `L` has ones on its diagonal, `U` has `exp(log_diagonal)`, always positive; the
    start is `P` itself, with a little noise in both factors. With `net`, a condition moves `shift` and `log_diagonal`: a Gaussian whose
    mean and scales depend on it. params: `{"theta": {"lower", "upper": (d, d), "log_diagonal", "shift": (d,)}}`, only the strict
    triangles being read; and `"net"`.
    """
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"lu: seed={seed!r}; accepted: an integer of at least 0.")

    def start(key: jax.Array, z: jax.Array) -> Theta:
        d = z.shape[0]
        lower, upper = 0.1 / d**0.5 * jax.random.normal(key, (2, d, d), z.dtype)
        return {"lower": lower, "upper": upper, "log_diagonal": jnp.zeros_like(z), "shift": jnp.zeros_like(z)}

    def permutation(d: int) -> np.ndarray:
        return np.random.default_rng(seed).permutation(d)

    def factors(theta: Theta) -> tuple[jax.Array, jax.Array]:
        unit = jnp.eye(theta["shift"].shape[0], dtype=theta["lower"].dtype)
        return jnp.tril(theta["lower"], -1) + unit, jnp.triu(theta["upper"], 1) + jnp.diag(jnp.exp(theta["log_diagonal"]))

    def forward(theta: Theta, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        lower, upper = factors(theta)
        return (lower @ (upper @ z))[permutation(z.shape[0])] + theta["shift"], jnp.sum(theta["log_diagonal"])

    def inverse(theta: Theta, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        lower, upper = factors(theta)
        y = (x - theta["shift"])[np.argsort(permutation(x.shape[0]))]
        z = solve_triangular(upper, solve_triangular(lower, y, lower=True, unit_diagonal=True))
        return z, -jnp.sum(theta["log_diagonal"])

    return amortised(start, forward, inverse, net, ("shift", "log_diagonal"))
