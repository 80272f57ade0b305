"""Times for losses that average over t, beside `stratified_times`: independent ones and antithetic pairs."""

from typing import Any

import jax
import jax.numpy as jnp


def uniform_times(key: jax.Array, num: int, dtype: Any) -> jax.Array:
    """`num` independent times, uniform on [0, 1)."""
    return jax.random.uniform(key, (num,), dtype)


def antithetic_times(key: jax.Array, num: int, dtype: Any) -> jax.Array:
    """`num` uniform times on [0, 1], independent in pairs `(t, 1 - t)`: what is odd around t = 1/2 in the loss cancels."""
    half = jax.random.uniform(key, ((num + 1) // 2,), dtype)
    return jnp.concatenate([half, 1 - half])[:num]


def ordered_pairs(key: jax.Array, num: int, dtype: Any, to_end: float = 0.0) -> tuple[jax.Array, jax.Array]:
    """`num` pairs of times `t <= s`, uniform over that triangle; a share `to_end` of them has s = 1 instead, where the data are, and any t."""
    key_s, key_u = jax.random.split(key)
    first = round(to_end * num)
    # The larger of two uniform times is the root of one, which can be stratified.
    rest = (jnp.arange(num - first, dtype=dtype) + jax.random.uniform(key_s, (), dtype)) / max(num - first, 1)
    s = jnp.concatenate([jnp.ones(first, dtype), jnp.sqrt(rest)])
    return s * jax.random.uniform(key_u, (num,), dtype), s
