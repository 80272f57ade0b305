"""The planar transform: the event is moved along a direction by a bend across another."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen.nets import Net
from jaxgen.numerics import monotone_root
from jaxgen.transform import Transform
from jaxgen.transforms.linear.amortised import Theta, above_minus_one, amortised
from jaxgen.types import Key


def planar(*, net: Callable[[int], Net] | None = None) -> Transform:
    """Build the planar map `x = z + u tanh(w.z + b)` on events `(d,)`: the event moves along `u` by a bend across `w`.

    `u` is corrected so that `w.u >= -0.999`, which makes the map invertible. The log-determinant is `log(1 + w.u tanh'(w.z + b))`. The
    inverse solves for one number: `w.x = a + w.u tanh(a + b)` increases in `a = w.z` and lies within `|w.u|` of it. Its derivatives follow
    from the implicit function theorem.

    Args:
        net: `net(num_outputs)` returns a network of the condition that moves `u`, `w` and `b`. None ignores a condition.

    Returns:
        An EXACT transform. Its params are `{"theta": {"u", "w": (d,), "b": ()}}`, with a network and a condition also `"net"`.

    Source: arXiv 1505.05770, equations 10 and 12 and appendix A.1.

    >>> import jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> params = {"theta": {"u": jnp.asarray([0.0, 1.0]), "w": jnp.asarray([1.0, 0.0]), "b": jnp.zeros(())}}
    >>> transforms.planar().forward(params, jnp.asarray([9.0, 0.0])).round(4).tolist()
    [9.0, 1.0]
    """

    def start(key: Key, z: jax.Array) -> Theta:
        u, w = 0.5 / z.shape[0] ** 0.5 * jax.random.normal(key, (2, *z.shape), z.dtype)
        return {"u": u, "w": w, "b": jnp.zeros((), z.dtype)}

    def direction(theta: Theta) -> tuple[jax.Array, jax.Array]:
        u, w = theta["u"], theta["w"]
        dot = w @ u
        slope = above_minus_one(dot)
        # (slope - dot) w / |w|^2 with w in units of its largest entry, a constant to the gradient: no square underflows. At w = 0 it is 0.
        size = jax.lax.stop_gradient(jnp.max(jnp.abs(w)))
        size = jnp.where(size > 0, size, 1)
        unit = w / size
        square = unit @ unit
        return u + (slope - dot) / size / jnp.where(square > 0, square, 1) * unit, slope

    def log_slope(slope: jax.Array, bent: jax.Array) -> jax.Array:
        return jnp.log1p(slope * (1 - bent) * (1 + bent))

    def forward(theta: Theta, z: jax.Array) -> tuple[jax.Array, jax.Array]:
        u, slope = direction(theta)
        bent = jnp.tanh(theta["w"] @ z + theta["b"])
        return z + u * bent, log_slope(slope, bent)

    def inverse(theta: Theta, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        u, slope = direction(theta)
        target = theta["w"] @ x
        a = monotone_root(_across, (slope, theta["b"]), target, target - jnp.abs(slope), target + jnp.abs(slope))
        bent = jnp.tanh(a + theta["b"])
        return x - u * bent, -log_slope(slope, bent)

    return amortised(start, forward, inverse, net, ("u", "w", "b"))


def _across(theta: tuple[jax.Array, jax.Array], a: jax.Array) -> jax.Array:
    """Return `a + slope tanh(a + b)` for `theta = (slope, b)`: the map of the coordinate along `w`."""
    return a + theta[0] * jnp.tanh(a + theta[1])
