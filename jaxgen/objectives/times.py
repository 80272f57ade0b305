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
