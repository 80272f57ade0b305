"""Interpolation between two events through the noise behind them."""

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.arguments import as_array, require_model
from jaxgen.compiled import compiled
from jaxgen.lifting import over_batch
from jaxgen.model import Model, encode
from jaxgen.types import Cond, Event, Key, Noise, Params

PATHS = ("linear", "spherical")


def interpolate(
    model: Model,
    params: Params,
    x0: Event,
    x1: Event,
    num_points: int = 9,
    cond: Cond = None,
    *,
    key: Key | None = None,
    path: str = "linear",
) -> Event:
    """Return events between two events: their noise is joined by a line, which the transform maps back.

    Args:
        model: A model whose transform has an inverse.
        params: Its params.
        x0: The first event `(*event)`.
        x1: The last event `(*event)`.
        num_points: How many events to return, both ends included.
        cond: One condition `(*cond)` for all of them, or None.
        key: A random key, shared by both ends, if the inverse is stochastic.
        path: "linear", or "spherical" for the great circle, along which a Gaussian noise keeps its typical norm.

    Returns:
        The events `(num_points, *event)`.

    Raises:
        ValueError: `path` is unknown, `num_points` is below 1, or the model has no inverse.
    """
    require_model("interpolate", model)
    if path not in PATHS:
        raise ValueError(f"interpolate: path={path!r}; accepted: {', '.join(map(repr, PATHS))}.")
    checks.count("interpolate: num_points", num_points)
    x0, x1 = (as_array("interpolate", x, name) for name, x in (("x0", x0), ("x1", x1)))
    if x0.shape != x1.shape:
        raise ValueError(f"interpolate: x0 of shape {x0.shape} and x1 of shape {x1.shape}; accepted: two events of one shape.")
    pair = jnp.stack([x0, x1])
    ends = encode(model, params, pair, _repeated(cond, 2), key=key)
    t = jnp.linspace(0.0, 1.0, num_points)
    z = jax.tree.map(lambda e: _between(e, t, path), ends)
    return _forward(model, params, z, _repeated(cond, num_points))


@compiled(0)
def _forward(model: Model, params: Params, z: Noise, cond: Cond) -> Event:
    return over_batch(model.transform).forward(params, z, cond)


def _repeated(cond: Cond, num: int) -> Cond:
    return None if cond is None else jnp.broadcast_to(cond, (num, *jnp.shape(cond)))


def _between(ends: jax.Array, t: jax.Array, path: str) -> jax.Array:
    a, b = ends[0], ends[1]
    s = t.reshape(-1, *(1,) * a.ndim).astype(a.dtype)
    if path == "linear":
        return (1 - s) * a[None] + s * b[None]
    cosine = jnp.sum(a * b) / jnp.maximum(jnp.linalg.norm(a) * jnp.linalg.norm(b), jnp.finfo(a.dtype).tiny)
    angle = jnp.arccos(jnp.clip(cosine, -1.0, 1.0))
    straight = jnp.sin(angle) < 1e-4
    safe = jnp.where(straight, 1.0, angle)
    left = jnp.where(straight, 1 - s, jnp.sin((1 - s) * safe) / jnp.sin(safe))
    right = jnp.where(straight, s, jnp.sin(s * safe) / jnp.sin(safe))
    return left * a[None] + right * b[None]
