"""Couplings that take turns: each maps one half of the coordinates, given the other (arXiv 1410.8516, 1605.08803)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Batched, Preimage, Transform, chain, over_batch
from jaxgen.transforms.coupling import couple
from jaxgen.transforms.repeat import repeat
from jaxgen.transforms.scalars.scalar import Scalar


def alternating(
    scalar: Scalar,
    net: Callable[[int], Net],
    num: int,
    *,
    remat: bool = False,
    unroll: int = 1,
) -> Transform:
    """`num` couplings on events `(d,)`, d >= 2: the first, third ... map the last `d - d // 2` coordinates, the others the first `d // 2`.

    The halves are split once and joined once, where `repeat(chain(coupling(...), flip()), num)` joins and reverses the event in each layer;
    two layers are one step of the loop. params: of the networks, stacked, `(first, second)` of the pairs of layers, and for an odd `num`
    `((first, second), last)`. remat, unroll: of pairs, as in `repeat`. Raises ValueError for a `num` below 1 and for other
    events.
    """
    checks.count("alternating: num", num)
    first = couple(scalar, net, lambda pair: pair, lambda same, rest: (same, rest))
    second = couple(scalar, net, lambda pair: pair[::-1], lambda same, rest: (rest, same))
    options: dict[str, Any] = {"remat": remat, "unroll": unroll}
    pairs = repeat(chain(first, second), num // 2, **options) if num > 1 else first
    whole = chain(pairs, first) if num > 1 and num % 2 else pairs

    def stages(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        def step(pair: Any, layers: Any) -> Any:
            middle = first.forward(layers[0], pair, cond)
            pair = second.forward(layers[1], middle, cond)
            return pair, jnp.stack([_join(middle), _join(pair)])

        if num == 1:
            return _join(whole.forward(params, _split(z), cond))[None]
        pair, seen = jax.lax.scan(step, _split(z), params[0] if num % 2 else params)
        seen = seen.reshape(-1, *z.shape)
        return jnp.concatenate([seen, _join(first.forward(params[1], pair, cond))[None]]) if num % 2 else seen

    return Transform(
        lambda key, z, cond=None: whole.init(key, _split(z), cond),
        *_on_halves(whole),
        whole.density,
        {"stages": stages, "nfe": lambda params, z, cond=None: num},
        _on_halves(over_batch(whole)),
    )


def _on_halves(f: Transform | Batched) -> Batched:
    """The functions of `f`, whose event is a pair of halves, over whole events; a batch has its axis in front."""
    inverse, with_log_det = f.inverse, f.forward_and_log_det
    assert inverse is not None and with_log_det is not None

    def from_data(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        pre = inverse(params, _split(x), cond, key)
        return pre._replace(z=_join(pre.z))

    def to_data(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        pair, log_det = with_log_det(params, _split(z), cond)
        return _join(pair), log_det

    return Batched(lambda params, z, cond=None: _join(f.forward(params, _split(z), cond)), from_data, to_data)


def _split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    if x.ndim == 0 or x.shape[-1] < 2:
        raise ValueError(f"alternating: event of shape {x.shape}; accepted: (d,) with at least 2 coordinates, which can take turns.")
    half = x.shape[-1] // 2
    return x[..., :half], x[..., half:]


def _join(pair: tuple[jax.Array, jax.Array]) -> jax.Array:
    return jnp.concatenate(pair, -1)
