"""The exact density behind a surjection with finitely many preimages: all of them, added up."""

import functools

import jax
import jax.numpy as jnp

from jaxgen.lifting import lifted, zeros_like_shape
from jaxgen.model import Base
from jaxgen.transform import Density, Hooks, Maps, Preimage, Transform
from jaxgen.types import Cond, Event, Key, Noise, Params

MOST = 5_040
"""Preimages beyond which the sum is refused: seven sorted numbers, twelve folded ones."""


def sum_over_preimages(base: Base, inner: Transform, surjection: Transform) -> Transform:
    """Compose `surjection(inner(z))` with the exact density `log p(x) = log sum_k p_inner(r_k(x))` over all preimages r_k(x).

    `inverse` returns the most probable preimage, without a key, and puts the rest of the sum into log_det, so that the one density identity
    gives log p(x). An event costs as many inverses of `inner` as it has preimages: 2^d for `absolute()`, d! for `sorting()`.

    Args:
        base: The model's own base, whose density the sum evaluates.
        inner: An EXACT transform with an inverse.
        surjection: `absolute()` or `sorting()`, whose preimages have unit slope.

    Returns:
        An EXACT transform, with the params of `inner`. `init` raises ValueError for more than 5,040 preimages.

    Raises:
        ValueError: `inner` is not exact, or the surjection has no finite list of preimages.

    Source: arXiv 2007.02731, eq. 5.

    >>> import jax.numpy as jnp, jaxgen
    >>> base = jaxgen.bases.normal((1,))
    >>> folded = sum_over_preimages(base, jaxgen.transforms.affine(1.0, 1.0), jaxgen.transforms.absolute())
    >>> round(float(jaxgen.log_prob(jaxgen.Model(base, folded), (), jnp.asarray([[2.0]])).value[0]), 4)
    -1.4008
    """
    if inner.kind is not Density.EXACT or inner.inverse is None:
        raise ValueError(f"sum_over_preimages: inner={inner!r}; accepted: an exact transform with an inverse.")
    if "preimages" not in surjection.parts:
        raise ValueError(f"sum_over_preimages: surjection={surjection!r}; accepted: absolute(), sorting().")
    preimages, count, inside = (surjection.parts[name] for name in ("preimages", "num_preimages", "inside"))

    def init(key: Key, z: Noise, /, cond: Cond = None) -> Params:
        params = inner.init(key, z, cond)
        num = count((), zeros_like_shape(jax.eval_shape(inner.forward, params, z, cond)))
        if num > MOST:
            raise ValueError(
                f"sum_over_preimages: {num} preimages an event; accepted: at most {MOST}. Use the bound of the surjection alone."
            )
        return params

    def lift(batched: bool, g: Maps) -> Maps:
        g_inverse = g.inverse

        def forward(params: Params, z: Noise, /, cond: Cond = None) -> Event:
            y = g.forward(params, z, cond)
            return jax.vmap(lambda y, c: surjection.forward((), y, c))(y, cond) if batched else surjection.forward((), y, cond)

        def inverse(params: Params, x: Event, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            assert g_inverse is not None
            if not batched:
                pre = jax.vmap(functools.partial(g_inverse, params), in_axes=(0, None))(preimages((), x), cond)
                return most_probable(pre.z, pre.log_det, x)
            candidates = jax.vmap(lambda x: preimages((), x))(x)
            num, count = candidates.shape[:2]
            pre = g_inverse(params, candidates.reshape(-1, *x.shape[1:]), None if cond is None else jnp.repeat(cond, count, 0))
            z, log_det = jax.tree.map(lambda a: a.reshape(num, count, *a.shape[1:]), (pre.z, pre.log_det))
            return jax.vmap(most_probable)(z, log_det, x)

        return Maps(forward, inverse if g_inverse else None)

    def most_probable(z: Noise, log_dets: jax.Array, x: Event) -> Preimage:
        logs = jax.vmap(base.log_prob)(z) + log_dets
        best = jnp.argmax(logs)
        possible = logs[best] > -jnp.inf
        # Relative to the largest term, so that base.log_prob(z) itself never has to be subtracted.
        rest = jax.nn.logsumexp(jnp.where(possible, logs - jnp.where(possible, logs[best], 0), 0))
        log_det = jnp.where(possible & inside((), x), log_dets[best] + rest, -jnp.inf)
        return Preimage(jax.tree.map(lambda a: a[best], z), log_det)

    return lifted(
        lambda change: sum_over_preimages(base, change(inner), surjection),
        lift,
        init,
        inner,
        hooks=Hooks(nfe=inner.hooks.nfe),
    )
