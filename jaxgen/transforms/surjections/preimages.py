"""The exact density behind a surjection with finitely many preimages: all of them, added up."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgen.model import Base
from jaxgen.transform import Density, Preimage, Transform, zeros_like_shape

MOST = 5_040
"""Preimages beyond which the sum is refused: seven sorted numbers, twelve folded ones."""


def sum_over_preimages(base: Base, inner: Transform, surjection: Transform) -> Transform:
    """`surjection(inner(z))` with the exact density `log p(x) = log sum_k p_inner(r_k(x))` over all preimages r_k(x) (arXiv 2007.02731, eq. 5).

    `surjection` is `absolute()` or `sorting()`, whose preimages have unit slope; `inner` is EXACT and `base` the model's own base, which the sum
    has to evaluate. `inverse` returns the most probable preimage, without a key, and puts the rest of the sum into log_det, so that the one
    density identity gives log p(x): EXACT, at 2^d or d! inverses of `inner` an event. params: `inner`'s.

    Raises ValueError for an inner transform that is not exact, a surjection without finitely many preimages, or more than 5,040 of them.
    """
    if inner.density is not Density.EXACT or inner.inverse is None:
        raise ValueError(f"sum_over_preimages: inner has density {inner.density!s}; accepted: exact.")
    if "preimages" not in surjection.parts:
        raise ValueError("sum_over_preimages: this surjection has no finite list of preimages; accepted: absolute(), sorting().")
    preimages, count, inside = (surjection.parts[name] for name in ("preimages", "num_preimages", "inside"))
    inner_inverse = inner.inverse

    def init(key: jax.Array, z: Any, cond: Any = None) -> Any:
        params = inner.init(key, z, cond)
        num = count((), zeros_like_shape(jax.eval_shape(inner.forward, params, z, cond)), cond)
        if num > MOST:
            raise ValueError(
                f"sum_over_preimages: {num} preimages an event; accepted: at most {MOST}. Use the bound of the surjection alone."
            )
        return params

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        pre = jax.vmap(lambda y: inner_inverse(params, y, cond))(preimages((), x, cond))
        logs = jax.vmap(base.log_prob)(pre.z) + pre.log_det
        best = jnp.argmax(logs)
        found = logs[best] > -jnp.inf
        # Relative to the largest term, so that base.log_prob(z) itself never has to be subtracted.
        rest = jax.nn.logsumexp(jnp.where(found, logs - jnp.where(found, logs[best], 0), 0))
        log_det = jnp.where(found & inside((), x, cond), pre.log_det[best] + rest, -jnp.inf)
        return Preimage(jax.tree.map(lambda a: a[best], pre.z), log_det)

    return Transform(
        init,
        lambda params, z, cond=None: surjection.forward((), inner.forward(params, z, cond), cond),
        inverse,
        None,
        Density.EXACT,
        {name: part for name, part in inner.parts.items() if name == "nfe"},
    )
