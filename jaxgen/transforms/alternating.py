"""Couplings that take turns: each maps one half of the coordinates, given the other (arXiv 1410.8516, 1605.08803)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.combinators import chain
from jaxgen.lifting import lifted
from jaxgen.nets import Net
from jaxgen.transform import Hooks, Maps, Preimage, Transform
from jaxgen.transforms.coupling import couple
from jaxgen.transforms.repeat import repeat
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.types import Cond, Event, Key, Noise, Params


def alternating(
    scalar: Scalar,
    net: Callable[[int], Net],
    num: int,
    *,
    remat: bool = False,
    unroll: int = 1,
) -> Transform:
    """Build couplings that take turns: odd layers map the last `d - d // 2` coordinates, even layers the first `d // 2`.

    The halves are split once and joined once, where `repeat(chain(coupling(...), flip()), num)` joins and reverses the event in each layer.
    Two layers are one step of the loop.

    Args:
        scalar: The bijection of one number.
        net: `net(num_outputs)` returns the network of the half that passes.
        num: How many couplings.
        remat: Recompute pairs of layers in reverse mode, as in `repeat`.
        unroll: How many pairs are written out in one step of the loop.

    Returns:
        An EXACT transform of events `(d,)` with d >= 2. Its params are those of the networks, stacked: `(first, second)` of the pairs of
        layers, and `((first, second), last)` for an odd `num`.

    Raises:
        ValueError: `num` is below 1, or the event has a single coordinate.

    Source: arXiv 1410.8516; arXiv 1605.08803, section 3.5.

    >>> import jax, jax.numpy as jnp, jaxgen
    >>> flow = alternating(jaxgen.transforms.scale_and_shift(), lambda out: jaxgen.nets.mlp(out, width=4, depth=1), 2)
    >>> z = jnp.asarray([1.0, -1.0, 0.5])
    >>> params = flow.init(jax.random.key(0), z)
    >>> bool(jnp.allclose(flow.inverse(params, flow.forward(params, z)).z, z, atol=1e-5))
    True
    """
    checks.count("alternating: num", num)
    first = couple(scalar, net, lambda pair: pair, lambda same, rest: (same, rest))
    second = couple(scalar, net, lambda pair: pair[::-1], lambda same, rest: (rest, same))
    options: Any = {"remat": remat, "unroll": unroll}
    pairs = repeat(chain(first, second), num // 2, **options) if num > 1 else first
    whole = chain(pairs, first) if num > 1 and num % 2 else pairs

    def stages(params: Params, z: jax.Array, /, cond: Cond = None) -> jax.Array:
        def step(pair: Event, layers: Params) -> tuple[Event, jax.Array]:
            middle = first.forward(layers[0], pair, cond)
            pair = second.forward(layers[1], middle, cond)
            return pair, jnp.stack([_join(middle), _join(pair)])

        if num == 1:
            return _join(whole.forward(params, _split(z), cond))[None]
        pair, states = jax.lax.scan(step, _split(z), params[0] if num % 2 else params)
        states = states.reshape(-1, *z.shape)
        return jnp.concatenate([states, _join(first.forward(params[1], pair, cond))[None]]) if num % 2 else states

    return lifted(
        lambda change: alternating(scalar, net, num, **options),
        lambda batched, maps: _on_halves(maps),
        lambda key, z, cond=None: whole.init(key, _split(z), cond),
        whole,
        hooks=Hooks(stages, lambda params, z, cond=None: num),
    )


def _on_halves(f: Maps) -> Maps:
    """The maps of `f`, whose event is a pair of halves, over whole events; a batch has its axis in front."""
    inverse, with_log_det = f.inverse, f.forward_and_log_det
    assert inverse is not None and with_log_det is not None

    def from_data(params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        pre = inverse(params, _split(x), cond, key)
        return pre._replace(z=_join(pre.z))

    def to_data(params: Params, z: Noise, /, cond: Cond = None) -> tuple[Event, jax.Array]:
        pair, log_det = with_log_det(params, _split(z), cond)
        return _join(pair), log_det

    return Maps(lambda params, z, cond=None: _join(f.forward(params, _split(z), cond)), from_data, to_data)


def _split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    if x.ndim == 0 or x.shape[-1] < 2:
        raise ValueError(f"alternating: event of shape {x.shape}; accepted: (d,) with at least 2 coordinates, which can take turns.")
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


def _join(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
    return jnp.concatenate(pair, -1)
