"""`repeat`: n layers of one shape under `lax.scan`, so that compile time does not grow with depth."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import data_init, lifted, nfe
from jaxgen.refusals import require_transform
from jaxgen.transform import DataInit, Hooks, Maps, Preimage, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params, PyTree

Step = Callable[[PyTree, PyTree], PyTree]


def repeat(f: Transform, num: int, *, remat: bool = False, unroll: int = 1) -> Transform:
    """Apply `f` `num` times with separate params under one `lax.scan`, so that compile time does not grow with depth.

    Args:
        f: A transform that keeps the shape and the dtype of its event.
        num: How many layers.
        remat: Keep the state after every sqrt(num) layers only and recompute the rest in reverse mode. The memory of a training step then
            grows with sqrt(num) instead of num, at about one or two further evaluations (arXiv 1604.06174).
        unroll: How many layers are written out in one step of the loop. More compile longer and may run faster.

    Returns:
        The composition, with the params of `f` stacked along a leading axis.

    Raises:
        ValueError: `num` or `unroll` is below 1.

    >>> import jax.numpy as jnp, jaxgen
    >>> doubled = repeat(jaxgen.transforms.diagonal_affine(), 3)
    >>> params = {"loc": jnp.zeros((3, 1)), "log_scale": jnp.full((3, 1), jnp.log(2.0))}
    >>> doubled.forward(params, jnp.ones(1)).item()
    8.0
    """
    checks.counts("repeat", num=num, unroll=unroll)
    require_transform("repeat: f", f)
    loop = _Loop(num, remat, unroll)
    return lifted(
        lambda change: repeat(change(f), num, remat=remat, unroll=unroll),
        lambda batched, layer: _repeated(loop, layer, batched),
        lambda key, z, cond=None: jax.vmap(lambda k: f.init(k, z, cond))(jax.random.split(key, num)),
        f,
        hooks=_hooks(f, num),
    )


class _Loop(NamedTuple):
    """How the layers are run through: see `repeat`."""

    num: int
    remat: bool
    unroll: int

    def through(self, step: Step, carry: PyTree, layers: PyTree, reverse: bool = False) -> Any:
        if self.remat:
            return _in_groups(step, carry, layers, self.num, reverse, self.unroll)
        return _scan(step, carry, layers, reverse, self.unroll)


def _repeated(loop: _Loop, layer: Maps, batched: bool) -> Maps:
    """Return the maps of all layers from the maps of one layer."""
    layer_inverse, layer_log_det = layer.inverse, layer.forward_and_log_det

    def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        return loop.through(lambda z, p: layer.forward(p, z, cond), z, params)

    def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        def step(carry: Preimage, inputs: tuple[Params, Key | None]) -> Preimage:
            assert layer_inverse is not None
            p, k = inputs
            pre = layer_inverse(p, carry.z, cond, k)
            return Preimage(pre.z, carry.log_det + pre.log_det, carry.log_q + pre.log_q)

        zero = _zero(x, batched)
        return loop.through(step, Preimage(x, zero, zero), (params, _split(key, loop.num)), reverse=True)

    def forward_and_log_det(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        def step(carry: tuple[Event, jax.Array], p: Params) -> tuple[Event, jax.Array]:
            assert layer_log_det is not None
            x, log_det = layer_log_det(p, carry[0], cond)
            return x, carry[1] + log_det

        return loop.through(step, (z, _zero(z, batched)), params)

    return Maps(forward, inverse if layer_inverse else None, forward_and_log_det if layer_log_det else None)


def _hooks(f: Transform, num: int) -> Hooks:
    """What the library reads of all layers, by a plain scan, because none of it is trained."""

    def stages(params: Params, z: Noise, /, cond: Cond = None) -> Event:
        def step(z: Noise, p: Params) -> tuple[Noise, Noise]:
            x = f.forward(p, z, cond)
            return x, x

        return jax.lax.scan(step, z, params)[1]

    def count(params: Params, z: Noise, /, cond: Cond = None) -> jax.Array:
        def step(z: Noise, p: Params) -> tuple[Noise, jax.Array]:
            return f.forward(p, z, cond), jnp.asarray(nfe(f)(p, z, cond), jnp.float32)

        return jnp.sum(jax.lax.scan(step, z, params)[1])

    return Hooks(stages, count, None if f.hooks.data_init is None else _layers_data_init(data_init(f), num))


def _layers_data_init(layer: DataInit, num: int) -> DataInit:
    def from_data(params: Params, x: Event, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Noise]:
        def step(x: Event, inputs: tuple[Params, Key | None]) -> tuple[Noise, Params]:
            p, k = inputs
            p, z = layer(p, x, cond, k)
            return z, p

        z, params = jax.lax.scan(step, x, (params, _split(keys, num)), reverse=True)
        return params, z

    return from_data


def _zero(x: Event, batched: bool) -> jax.Array:
    """A log-det to begin with, `()`, or `(n,)` for a batch."""
    leaves = jax.tree.leaves(x)
    return jnp.zeros(leaves[0].shape[:1] if batched else (), jnp.result_type(*leaves))


def _split(key: Key | None, num: int) -> Key | None:
    """Keys per layer, `(num,)`, or `(num, n)` from a batch of keys; an absent key stays absent."""
    if key is None:
        return None
    return jax.random.split(key, num) if key.ndim == 0 else jax.vmap(lambda k: jax.random.split(k, num), out_axes=1)(key)


def _scan(step: Step, carry: PyTree, layers: PyTree, reverse: bool, unroll: int) -> Any:
    return jax.lax.scan(lambda c, layer: (step(c, layer), None), carry, layers, reverse=reverse, unroll=unroll)[0]


def _in_groups(step: Step, carry: PyTree, layers: PyTree, num: int, reverse: bool, unroll: int) -> Any:
    """The scan in groups of about sqrt(num) layers, each recomputed on the way back; what is left over is a shorter group at the end."""
    size = math.isqrt(num)
    whole = num - num % size

    @jax.checkpoint
    def group(carry: Any, layers: Any) -> Any:
        # A layer's own inner values are recomputed too, or a group's backward pass would hold those of all its layers.
        return _scan(jax.checkpoint(step), carry, layers, reverse, unroll)

    groups = jax.tree.map(lambda a: a[:whole].reshape(whole // size, size, *a.shape[1:]), layers)
    rest = jax.tree.map(lambda a: a[whole:], layers)
    if reverse and whole < num:
        carry = group(carry, rest)
    carry = _scan(group, carry, groups, reverse, 1)
    return carry if reverse or whole == num else group(carry, rest)
