"""Affine maps without a network: a constant one (units of the data), a learnable triangular one, a reversal of the coordinates."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import solve_triangular

from jaxgen.transform import Density, Preimage, Transform, refined_through


def affine(loc: Any, scale: Any) -> Transform:
    """The constant map `x = loc + scale z`, elementwise and without params; `loc`, `scale` broadcast to the event.

    Chained on last it undoes a standardisation and counts it in the density. Raises ValueError unless `scale` is finite and not zero.
    """
    loc, scale = np.asarray(loc, np.float64), np.asarray(scale, np.float64)
    if not (np.isfinite(loc).all() and np.isfinite(scale).all() and np.all(scale != 0)):
        raise ValueError(f"affine(loc={loc}, scale={scale}): both must be finite and scale without a zero.")

    def constants(x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        shift, factor = (jnp.broadcast_to(jnp.asarray(c, x.dtype), x.shape) for c in (loc, scale))
        return shift, factor, jnp.sum(jnp.log(jnp.abs(factor)))

    def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        shift, factor, log_det = constants(z)
        return shift + factor * z, log_det

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        shift, factor, log_det = constants(x)
        return Preimage((x - shift) / factor, -log_det)

    return Transform(
        lambda key, z, cond=None: (),
        lambda params, z, cond=None: forward_and_log_det(params, z)[0],
        inverse,
        forward_and_log_det,
        Density.EXACT,
    )


def diagonal_affine() -> Transform:
    """`x = loc + exp(log_scale) z`, elementwise and learnable: with `bases.normal` behind it, any diagonal Gaussian.

    params: `{"loc", "log_scale"}`, both of the event's shape; the identity at first.
    """

    def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        return params["loc"] + jnp.exp(params["log_scale"]) * z, jnp.sum(params["log_scale"])

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        return Preimage((x - params["loc"]) * jnp.exp(-params["log_scale"]), -jnp.sum(params["log_scale"]))

    return Transform(
        lambda key, z, cond=None: {"loc": jnp.zeros_like(z), "log_scale": jnp.zeros_like(z)},
        lambda params, z, cond=None: forward_and_log_det(params, z)[0],
        inverse,
        forward_and_log_det,
        Density.EXACT,
    )


def triangular_affine() -> Transform:
    """`x = loc + L z` on events `(d,)` with `L` lower triangular and a positive diagonal: any Gaussian as a transform of the standard one.

    params: `{"loc": (d,), "tril": (d, d)}`, the identity at first; the strict upper part of `tril` is not read and its diagonal is taken
    by absolute value.
    """

    def matrix(params: Any) -> jax.Array:
        strict = jnp.tril(params["tril"], -1)
        return strict + jnp.diag(jnp.abs(jnp.diag(params["tril"])))

    def log_det(params: Any) -> jax.Array:
        return jnp.sum(jnp.log(jnp.abs(jnp.diag(params["tril"]))))

    def forward(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        return params["loc"] + matrix(params) @ z

    return Transform(
        lambda key, z, cond=None: {"loc": jnp.zeros_like(z), "tril": jnp.eye(z.shape[0], dtype=z.dtype)},
        forward,
        lambda params, x, cond=None, key=None: Preimage(solve_triangular(matrix(params), x - params["loc"], lower=True), -log_det(params)),
        lambda params, z, cond=None: (forward(params, z), log_det(params)),
        Density.EXACT,
    )


def flip() -> Transform:
    """The coordinates of `(d,)` in reverse order, so that a repeated coupling or autoregressive layer takes turns."""
    return Transform(
        lambda key, z, cond=None: (),
        lambda params, z, cond=None: z[::-1],
        lambda params, x, cond=None, key=None: Preimage(x[::-1], jnp.zeros((), x.dtype)),
        lambda params, z, cond=None: (z[::-1], jnp.zeros((), z.dtype)),
        Density.EXACT,
    )


def on_condition(h: Callable[[Any], Any], f: Transform) -> Transform:
    """`f` with its condition replaced by `h(cond)`, a fixed function such as a standardisation; params are `f`'s."""

    def wrap(function: Any) -> Any:
        if function is None:
            return None
        return lambda params, x, cond=None, *key: function(params, x, None if cond is None else h(cond), *key)

    def wrap_part(name: str, part: Any) -> Any:
        if name == "data_init":
            return lambda params, x, cond=None, keys=None: part(params, x, None if cond is None else jax.vmap(h)(cond), keys)
        if name == "encode":
            # Options such as a sampler's `num_refine` follow the condition.
            return lambda params, x, cond=None, *rest, **options: part(params, x, None if cond is None else h(cond), *rest, **options)
        # In every other part the condition is the last positional argument, as in the protocol.
        return lambda params, *args: part(params, *args[:-1], None if args[-1] is None else h(args[-1]))

    inverse = f.inverse
    return f._replace(
        init=lambda key, z, cond=None: f.init(key, z, None if cond is None else h(cond)),
        forward=wrap(f.forward),
        inverse=None if inverse is None else lambda p, x, cond=None, key=None: inverse(p, x, None if cond is None else h(cond), key),
        forward_and_log_det=wrap(f.forward_and_log_det),
        parts={name: wrap_part(name, part) for name, part in f.parts.items()},
        batched=None if f.batched is None else _on_batched_condition(jax.vmap(h), f.batched),
        refine=refined_through(lambda g: on_condition(h, g), f),
    )


def _on_batched_condition(h: Callable[[Any], Any], b: Any) -> Any:
    def wrap(function: Any) -> Any:
        if function is None:
            return None
        return lambda params, x, cond=None, *key: function(params, x, None if cond is None else h(cond), *key)

    return type(b)(*(wrap(function) for function in b))
