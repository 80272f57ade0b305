"""The linear layer of Glow on vectors: its matrix is a product of a permutation and two triangular factors."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.numerics.small_matrices import solve_lower
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, amortised
from jaxgen.types import Key


def lu(*, seed: int = 0, net: Callable[[int], Net] | None = None) -> Transform:
    """Build the linear map `x = P L U z + shift` on events `(d,)`, whose log-determinant costs O(d).

    `P` is a fixed random permutation, `L` is unit lower triangular, and `U` is upper triangular with the positive diagonal
    `exp(log_diagonal)`. The map starts as `P` with a little noise in both factors.

    Args:
        seed: The seed of the permutation.
        net: `net(num_outputs)` returns a network of the condition that moves `shift` and `log_diagonal`, so that the mean and the standard
            deviations of a Gaussian depend on the condition. None ignores a condition.

    Returns:
        An EXACT transform. Its params are `{"theta": {"lower", "upper": (d, d), "log_diagonal", "shift": (d,)}}`, with a network and a
        condition also `"net"`. Only the strict triangles of `lower` and `upper` are read.

    Raises:
        ValueError: `seed` is negative or not an integer.

    Source: arXiv 1807.03039, equation 10.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> f = transforms.lu()
    >>> params = f.init(jax.random.key(0), jnp.zeros(3))
    >>> float(f.forward_and_log_det(params, jnp.ones(3))[1])
    0.0
    """
    checks.count("lu: seed", seed, least=0)

    def start(key: Key, z: jax.Array) -> Theta:
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
        y = solve_triangular(lower, y, lower=True, unit_diagonal=True)
        # With a network the diagonal is that of an event.
        z = solve_triangular(upper, y) if net is None else solve_lower(upper[::-1, ::-1], y[::-1])[::-1]
        return z, -jnp.sum(theta["log_diagonal"])

    return amortised(start, forward, inverse, net, ("shift", "log_diagonal"))
