"""`repeat`: n layers of one shape under `lax.scan`, so that compile time does not grow with depth."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.transform import Batched, Preimage, Transform, data_init, nfe, refined_through


def repeat(f: Transform, num: int, *, remat: bool = False, unroll: int = 1) -> Transform:
    """`f` applied `num` times with separate params, stacked along a leading axis. `f` must keep the shape and dtype of its event.

    remat: in reverse mode keep the state after every sqrt(num) layers only and recompute the rest, twice over: the memory of a training step
    then grows with sqrt(num) instead of num, at about one further evaluation or two (arXiv 1604.06174).
    unroll: how many layers are written out in one step of the loop; more compile longer and may run faster (`num` writes all out).
    Raises ValueError for a `num` or `unroll` below 1.
    """
    checks.count("repeat: num", num)
    checks.count("repeat: unroll", unroll)

    loop = _Loop(num, remat, unroll)
    return Transform(
        lambda key, z, cond=None: jax.vmap(lambda k: f.init(k, z, cond))(jax.random.split(key, num)),
        *_repeated(loop, f, False),
        f.density,
        _parts(f, num),
        None if f.batched is None else _repeated(loop, f.batched, True),
        note=f.note,
        refine=refined_through(lambda g: repeat(g, num, remat=remat, unroll=unroll), f),
    )


class _Loop(NamedTuple):
    """How the layers are run through: see `repeat`."""

    num: int
    remat: bool
    unroll: int

    def through(self, step: Callable[..., Any], carry: Any, layers: Any, reverse: bool = False) -> Any:
        if self.remat:
            return _in_groups(step, carry, layers, self.num, reverse, self.unroll)
        return _scan(step, carry, layers, reverse, self.unroll)


def _repeated(loop: _Loop, f: Transform | Batched, batched: bool) -> Batched:
    """The forms of all layers from those of one, over one event or, `batched`, many."""
    layer_inverse: Any = f.inverse
    layer_log_det: Any = f.forward_and_log_det

    def forward(params: Any, z: Any, cond: Any = None) -> Any:
        return loop.through(lambda z, p: f.forward(p, z, cond), z, params)

    def inverse(params: Any, x: Any, cond: Any = None, key: Any = None) -> Preimage:
        def step(carry: Any, layer: Any) -> Any:
            p, k = layer
            pre = layer_inverse(p, carry.z, cond, k)
            return Preimage(pre.z, carry.log_det + pre.log_det, carry.log_q + pre.log_q)

        zero = _zero(x, batched)
        return loop.through(step, Preimage(x, zero, zero), (params, _split(key, loop.num)), reverse=True)

    def forward_and_log_det(params: Any, z: Any, cond: Any = None) -> tuple[Any, jax.Array]:
        def step(carry: Any, p: Any) -> Any:
            x, log_det = layer_log_det(p, carry[0], cond)
            return x, carry[1] + log_det

        return loop.through(step, (z, _zero(z, batched)), params)

    return Batched(forward, inverse if layer_inverse else None, forward_and_log_det if layer_log_det else None)


def _parts(f: Transform, num: int) -> dict[str, Callable[..., Any]]:
    """What the library reads of a transform, over all layers; a plain scan, as none of it is trained."""

    def stages(params: Any, z: Any, cond: Any = None) -> Any:
        def step(z: Any, p: Any) -> Any:
            x = f.forward(p, z, cond)
            return x, x

        return jax.lax.scan(step, z, params)[1]

    def count(params: Any, z: Any, cond: Any = None) -> jax.Array:
        def step(z: Any, p: Any) -> Any:
            return f.forward(p, z, cond), jnp.asarray(nfe(f)(p, z, cond), jnp.float32)

        return jnp.sum(jax.lax.scan(step, z, params)[1])

    def layers_data_init(params: Any, x: Any, cond: Any = None, keys: Any = None) -> tuple[Any, Any]:
        def step(x: Any, layer: Any) -> Any:
            p, k = layer
            p, z = data_init(f)(p, x, cond, k)
            return z, p

        z, params = jax.lax.scan(step, x, (params, _split(keys, num)), reverse=True)
        return params, z

    return {"stages": stages, "nfe": count} | ({"data_init": layers_data_init} if "data_init" in f.parts else {})


def _zero(x: Any, batched: bool) -> jax.Array:
    """A log-det to begin with, `()`, or `(n,)` for a batch."""
    leaves = jax.tree.leaves(x)
    return jnp.zeros(leaves[0].shape[:1] if batched else (), jnp.result_type(*leaves))


def _split(key: jax.Array | None, num: int) -> jax.Array | None:
    """Keys per layer, `(num,)`, or `(num, n)` from a batch of keys; an absent key stays absent."""
    if key is None:
        return None
    return jax.random.split(key, num) if key.ndim == 0 else jax.vmap(lambda k: jax.random.split(k, num), out_axes=1)(key)


def _scan(step: Callable[..., Any], carry: Any, layers: Any, reverse: bool, unroll: int) -> Any:
    return jax.lax.scan(lambda c, layer: (step(c, layer), None), carry, layers, reverse=reverse, unroll=unroll)[0]


def _in_groups(step: Callable[..., Any], carry: Any, layers: Any, num: int, reverse: bool, unroll: int) -> Any:
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
