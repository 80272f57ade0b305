"""Block neural autoregressive flow: one masked network, monotone in each coordinate, is the whole map (arXiv 1904.04676)."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.numerics import monotone_root
from jaxgen.numerics.gaussian import LOG_2
from jaxgen.numerics.log_space import log_matvec
from jaxgen.transform import Density, Preimage, Transform


class _Unit(NamedTuple):
    """What coordinate i's own small network is, given the coordinates before it.

    log_diagonal, shift: `(out, in)` and `(out,)` a layer;  skip: scalar, the log slope of the straight way past all layers.
    """

    log_diagonal: list[jax.Array]
    shift: list[jax.Array]
    skip: jax.Array


def block_autoregressive(width: int = 8, depth: int = 2) -> Transform:
    """Data to noise by a network of `depth` hidden layers with `width` units a coordinate, its weights block lower triangular.

    Blocks on the diagonal are positive (a softplus, divided by the number of inputs, where the paper has a normalised exponential) and
    hidden units are tanh, so coordinate i of the noise increases in coordinate i of the data, and its slope, a product of matrices in
    logarithms (eqs. 10 to 12), is exact. To it is added `exp(skip_i) x_i`, as in the paper's residual form: tanh alone has a bounded
    image, and the density would integrate to less than one. `inverse` is one evaluation; `forward` finds one root a coordinate, in order,
    and evaluates every unit once. params: `skip` `(d,)` and `layers`, each `{"free", "diagonal", "bias"}`, the first with `"cond"` too
    where there is a condition. Raises ValueError for a width or depth below 1.
    """
    checks.count("block_autoregressive: width", width)
    checks.count("block_autoregressive: depth", depth)
    forward_steps = functools.partial(_forward_steps, (1, *[width] * depth))
    return Transform(
        functools.partial(_init, (1, *[width] * depth, 1)),
        lambda params, z, cond=None: forward_steps(params, z, cond)[0],
        _inverse,
        lambda params, z, cond=None: forward_steps(params, z, cond)[:2],
        Density.EXACT,
        {"stages": lambda params, z, cond=None: forward_steps(params, z, cond)[2], "nfe": lambda params, z, cond=None: 1},
    )


def _init(sizes: Sequence[int], key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
    d, layers = z.shape[0], []
    for layer_key, n_in, n_out in zip(jax.random.split(key, len(sizes) - 1), sizes[:-1], sizes[1:], strict=True):
        keys = jax.random.split(layer_key, 4)
        spread = 1 / np.sqrt(d * n_in)
        layer = {
            "free": spread * jax.random.normal(keys[0], (d, n_out, d, n_in), z.dtype),
            "diagonal": jax.random.normal(keys[1], (d, n_out, n_in), z.dtype),
            "bias": jax.random.normal(keys[2], (d, n_out), z.dtype),
        }
        if cond is not None and not layers:
            layer["cond"] = jax.random.normal(keys[3], (d, n_out, cond.size), z.dtype) / np.sqrt(cond.size)
        layers.append(layer)
    return {"layers": layers, "skip": jnp.zeros_like(z)}


def _shifts(params: Any, cond: Any) -> list[jax.Array]:
    """What each layer adds before its activation, `(d, out)` a layer; the condition enters the first."""
    found = [layer["bias"] for layer in params["layers"]]
    if cond is not None:
        found[0] = found[0] + params["layers"][0]["cond"] @ cond.astype(found[0].dtype).ravel()
    return found


def _inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
    before = np.tri(x.shape[0], k=-1, dtype=bool)[:, None, :, None]
    h, log_slope = x[:, None], jnp.zeros((x.shape[0], 1), x.dtype)
    depth = len(params["layers"]) - 1
    for i, (layer, shift) in enumerate(zip(params["layers"], _shifts(params, cond), strict=True)):
        shift = shift + jnp.einsum("ikjm,jm->ik", jnp.where(before, layer["free"], 0), h)
        step = functools.partial(_layer, hidden=i < depth)
        h, log_slope = jax.vmap(step)(_log_positive(layer["diagonal"]), shift, h, log_slope)
    skip = params["skip"]
    return Preimage(h[:, 0] + jnp.exp(skip) * x, jnp.sum(jnp.logaddexp(log_slope[:, 0], skip)))


def _forward_steps(sizes: Sequence[int], params: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Data, log-determinant, and the event after each coordinate `(d, d)`; `sizes` are what enters each layer, a coordinate."""
    z = jnp.asarray(z)
    d, constant = z.shape[0], _shifts(params, cond)
    log_diagonal = [_log_positive(layer["diagonal"]) for layer in params["layers"]]

    def step(carry: Any, i: jax.Array) -> Any:
        x, log_det, hidden = carry
        # Activations of later coordinates are still zero, so that the sum over all is the sum over those before.
        free = [layer["free"][i] for layer in params["layers"]]
        shift = [c[i] + jnp.einsum("kjm,jm->k", w, h) for c, w, h in zip(constant, free, hidden, strict=True)]
        unit = _Unit([log[i] for log in log_diagonal], shift, params["skip"][i])
        x_i = monotone_root(lambda u, t: _evaluate(u, t)[0], unit, z[i], *_bracket(unit, z[i]))
        _, log_slope, states = _evaluate(unit, x_i)
        hidden = [jax.lax.dynamic_update_index_in_dim(h, s, i, 0) for h, s in zip(hidden, states, strict=True)]
        x = jax.lax.dynamic_update_index_in_dim(x, x_i, i, 0)
        return (x, log_det - log_slope, hidden), x

    hidden = [jnp.zeros((d, n), z.dtype) for n in sizes]
    (x, log_det, _), seen = jax.lax.scan(step, (z, jnp.zeros((), z.dtype), hidden), jnp.arange(d))
    return x, log_det, seen


def _log_positive(raw: jax.Array) -> jax.Array:
    # At raw = 0 the softplus is one. Its logarithm is kept exact where it underflows.
    u = raw + float(np.log(np.expm1(1.0)))
    low = u < -15
    log_softplus = jnp.where(low, u, jnp.log(jax.nn.softplus(jnp.where(low, 0, u))))
    return log_softplus - float(np.log(raw.shape[-1]))


def _layer(log_diagonal: jax.Array, shift: jax.Array, h: jax.Array, log_slope: jax.Array, hidden: bool) -> tuple[jax.Array, jax.Array]:
    """One coordinate through one layer: states `(in,)` and the logarithms of their slopes `(in,)` to those of the next, `(out,)`."""
    u = jnp.exp(log_diagonal) @ h + shift
    log_slope = log_matvec(log_diagonal, log_slope)
    if not hidden:
        return u, log_slope
    # log(1 - tanh(u)^2), exact where tanh rounds to one.
    return jnp.tanh(u), log_slope + 2 * LOG_2 + jax.nn.log_sigmoid(2 * u) + jax.nn.log_sigmoid(-2 * u)


def _evaluate(unit: _Unit, t: jax.Array) -> tuple[jax.Array, jax.Array, list[jax.Array]]:
    """Coordinate i's noise at `t`, the log slope, and what enters each layer."""
    states, h, log_slope = [], t[None], jnp.zeros((1,), t.dtype)
    for i, (log_diagonal, shift) in enumerate(zip(unit.log_diagonal, unit.shift, strict=True)):
        states.append(h)
        h, log_slope = _layer(log_diagonal, shift, h, log_slope, i < len(unit.shift) - 1)
    return h[0] + jnp.exp(unit.skip) * t, jnp.logaddexp(log_slope[0], unit.skip), states


def _bracket(unit: _Unit, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """An interval that holds the root: the slope lies between the skip's alone and that with every tanh at its steepest."""
    log_most = jnp.zeros((1,), target.dtype)
    for log_diagonal in unit.log_diagonal:
        log_most = log_matvec(log_diagonal, log_most)
    gap = target - _evaluate(unit, jnp.zeros_like(target))[0]
    near, far = gap * jnp.exp(-jnp.logaddexp(log_most[0], unit.skip)), gap * jnp.exp(-unit.skip)
    # A rounding error more on either side.
    slack = 1e-3 * jnp.abs(far) + float(jnp.finfo(target.dtype).eps)
    return jnp.minimum(near, far) - slack, jnp.maximum(near, far) + slack
