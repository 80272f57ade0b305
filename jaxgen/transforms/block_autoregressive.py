"""Block neural autoregressive flow: one masked network, increasing in each coordinate, is the whole map from data to noise."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.numerics import monotone_root
from jaxgen.numerics.gaussian import LOG_2
from jaxgen.numerics.log_space import log_matvec
from jaxgen.transform import Hooks, Preimage, Transform, bijection
from jaxgen.types import Cond, Event, Key, Noise, Params

Carry = tuple[jax.Array, jax.Array, list[jax.Array]]
"""Event, log-determinant and hidden states of the coordinates mapped so far."""


def block_autoregressive(width: int = 8, depth: int = 2) -> Transform:
    """Build a block neural autoregressive flow on events `(d,)`: a network with block lower triangular weights maps data to noise.

    The blocks on the diagonal are positive: a softplus divided by the number of inputs, where the paper has a normalised exponential. The
    hidden units are tanh. So coordinate i of the noise increases in coordinate i of the data, and its slope, a product of matrices taken
    in logarithms, is exact. As in the paper's residual form `exp(skip_i) x_i` is added, because tanh alone has a bounded image and the
    density would integrate to less than one.

    `inverse` is one evaluation. `forward` solves for one root per coordinate, in order, and evaluates every unit once.

    Args:
        width: How many hidden units each coordinate has in each layer.
        depth: How many hidden layers there are.

    Returns:
        An EXACT transform. Its params are `skip` `(d,)` and the list `layers` of `{"free", "diagonal", "bias"}`; with a condition the first
        layer has `"cond"` too. Its stages show the event after each coordinate.

    Raises:
        ValueError: `width` or `depth` is below 1.

    Source: arXiv 1904.04676, equations 10 to 12.

    >>> import jax, jax.numpy as jnp
    >>> from jaxgen import transforms
    >>> f = transforms.block_autoregressive(width=2, depth=1)
    >>> params = f.init(jax.random.key(0), jnp.zeros(2))
    >>> z = f.inverse(params, jnp.asarray([0.0, 1.0])).z
    >>> bool(z[1] < f.inverse(params, jnp.asarray([0.0, 2.0])).z[1])
    True
    """
    checks.counts("block_autoregressive", width=width, depth=depth)
    sizes = (1, *[width] * depth)

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        return _init((*sizes, 1), key, z, cond)

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        return _forward_steps(sizes, params, z, cond)[:2]

    def stages(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        return _forward_steps(sizes, params, z, cond)[2]

    return bijection(init, forward_and_log_det, _inverse, hooks=Hooks(stages, nfe=lambda params, z, cond=None: 1))


class _Unit(NamedTuple):
    """The small network of coordinate i, given the coordinates before it.

    Attributes:
        log_diagonal: Log weights `(out, in)`, layer by layer.
        shift: What each layer adds before its activation, `(out,)`.
        skip: The log slope of the path that skips all layers, a scalar.
    """

    log_diagonal: list[jax.Array]
    shift: list[jax.Array]
    skip: jax.Array

    def evaluate(self, t: jax.Array) -> tuple[jax.Array, jax.Array, list[jax.Array]]:
        """Return the coordinate's noise at `t`, its log slope, and what enters each layer."""
        states, h, log_slope = [], t[None], jnp.zeros((1,), t.dtype)
        for i, (log_diagonal, shift) in enumerate(zip(self.log_diagonal, self.shift, strict=True)):
            states.append(h)
            h, log_slope = _layer(log_diagonal, shift, h, log_slope, i < len(self.shift) - 1)
        return h[0] + jnp.exp(self.skip) * t, jnp.logaddexp(log_slope[0], self.skip), states

    def bracket(self, target: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return an interval that holds the root: the slope lies between the skip's alone and that with every tanh at its steepest."""
        log_most = jnp.zeros((1,), target.dtype)
        for log_diagonal in self.log_diagonal:
            log_most = log_matvec(log_diagonal, log_most)
        gap = target - self.evaluate(jnp.zeros_like(target))[0]
        near, far = gap * jnp.exp(-jnp.logaddexp(log_most[0], self.skip)), gap * jnp.exp(-self.skip)
        # Rounding may carry the root just beyond either end.
        slack = 1e-3 * jnp.abs(far) + float(jnp.finfo(target.dtype).eps)
        return jnp.minimum(near, far) - slack, jnp.maximum(near, far) + slack


def _init(sizes: Sequence[int], key: Key, z: Noise, cond: Cond) -> Params:
    d, layers = z.shape[0], []
    for layer_key, n_in, n_out in zip(jax.random.split(key, len(sizes) - 1), sizes[:-1], sizes[1:], strict=True):
        keys = jax.random.split(layer_key, 4)
        layer = {
            "free": 1 / np.sqrt(d * n_in) * jax.random.normal(keys[0], (d, n_out, d, n_in), z.dtype),
            "diagonal": jax.random.normal(keys[1], (d, n_out, n_in), z.dtype),
            "bias": jax.random.normal(keys[2], (d, n_out), z.dtype),
        }
        if cond is not None and not layers:
            layer["cond"] = jax.random.normal(keys[3], (d, n_out, cond.size), z.dtype) / np.sqrt(cond.size)
        layers.append(layer)
    return {"layers": layers, "skip": jnp.zeros_like(z)}


def _shifts(params: Params, cond: Cond) -> list[jax.Array]:
    """Return what each layer adds before its activation, `(d, out)`; the condition enters the first layer."""
    shifts = [layer["bias"] for layer in params["layers"]]
    if cond is not None:
        shifts[0] = shifts[0] + params["layers"][0]["cond"] @ cond.astype(shifts[0].dtype).ravel()
    return shifts


def _inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
    before = np.tri(x.shape[0], k=-1, dtype=bool)[:, None, :, None]
    h, log_slope = x[:, None], jnp.zeros((x.shape[0], 1), x.dtype)
    depth = len(params["layers"]) - 1
    for i, (layer, shift) in enumerate(zip(params["layers"], _shifts(params, cond), strict=True)):
        shift = shift + jnp.einsum("ikjm,jm->ik", jnp.where(before, layer["free"], 0), h)
        step = functools.partial(_layer, hidden=i < depth)
        h, log_slope = jax.vmap(step)(_log_positive(layer["diagonal"]), shift, h, log_slope)
    skip = params["skip"]
    return Preimage(h[:, 0] + jnp.exp(skip) * x, jnp.sum(jnp.logaddexp(log_slope[:, 0], skip)))


def _forward_steps(sizes: Sequence[int], params: Params, z: Noise, cond: Cond) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Return data, log-determinant, and the event after each coordinate `(d, d)`; `sizes` are each coordinate's inputs of the layers."""
    z = jnp.asarray(z)
    d, constant = z.shape[0], _shifts(params, cond)
    log_diagonal = [_log_positive(layer["diagonal"]) for layer in params["layers"]]

    def step(carry: Carry, i: jax.Array) -> tuple[Carry, jax.Array]:
        x, log_det, hidden = carry
        # Activations of later coordinates are still zero, so the sum over all is the sum over those before.
        free = [layer["free"][i] for layer in params["layers"]]
        shift = [c[i] + jnp.einsum("kjm,jm->k", w, h) for c, w, h in zip(constant, free, hidden, strict=True)]
        unit = _Unit([log[i] for log in log_diagonal], shift, params["skip"][i])
        x_i = monotone_root(lambda u, t: u.evaluate(t)[0], unit, z[i], *unit.bracket(z[i]))
        _, log_slope, states = unit.evaluate(x_i)
        hidden = [jax.lax.dynamic_update_index_in_dim(h, s, i, 0) for h, s in zip(hidden, states, strict=True)]
        x = jax.lax.dynamic_update_index_in_dim(x, x_i, i, 0)
        return (x, log_det - log_slope, hidden), x

    hidden = [jnp.zeros((d, n), z.dtype) for n in sizes]
    (x, log_det, _), stages = jax.lax.scan(step, (z, jnp.zeros((), z.dtype), hidden), jnp.arange(d))
    return x, log_det, stages


def _log_positive(raw: jax.Array) -> jax.Array:
    # At raw = 0 the softplus is one. Its logarithm stays exact where it underflows.
    u = raw + float(np.log(np.expm1(1.0)))
    low = u < -15
    log_softplus = jnp.where(low, u, jnp.log(jax.nn.softplus(jnp.where(low, 0, u))))
    return log_softplus - float(np.log(raw.shape[-1]))


def _layer(log_diagonal: jax.Array, shift: jax.Array, h: jax.Array, log_slope: jax.Array, hidden: bool) -> tuple[jax.Array, jax.Array]:
    """Pass one coordinate through a layer: states `(in,)` and log slopes `(in,)` become states and log slopes `(out,)`."""
    u = jnp.exp(log_diagonal) @ h + shift
    log_slope = log_matvec(log_diagonal, log_slope)
    if not hidden:
        return u, log_slope
    # log(1 - tanh(u)^2), exact where tanh rounds to one.
    return jnp.tanh(u), log_slope + 2 * LOG_2 + jax.nn.log_sigmoid(2 * u) + jax.nn.log_sigmoid(-2 * u)
