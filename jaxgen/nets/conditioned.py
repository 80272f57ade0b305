"""What networks on images share: times and a condition as one embedding, attention over places, normalisation of one event."""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets.mlp import silu, time_features
from jaxgen.nets.net import Net, from_linen

DTYPES = {None: None, "float32": jnp.float32, "bfloat16": jnp.bfloat16}


class _Conditioned(nn.Module):
    body: nn.Module
    width: int
    num_times: int
    num_frequencies: int

    @nn.compact
    def __call__(self, x: jax.Array, *inputs: Any) -> jax.Array:
        if x.ndim != 3:
            raise ValueError(f"an event of shape {x.shape}; accepted: an image (height, width, channels).")
        times, cond = inputs[: self.num_times], (*inputs[self.num_times :], None)[0]
        embedding = jnp.zeros(self.width, x.dtype)
        if times:
            t, *later = (time.astype(x.dtype) for time in times)
            # The step left to go beside the time, as in `times_mlp`.
            features = [time_features(a, self.num_frequencies) for a in (t, *(s - t for s in later))]
            embedding = nn.Dense(self.width)(silu(nn.Dense(self.width)(jnp.concatenate(features))))
        if cond is not None:
            # Without a bias: the condition 0 and no condition are the same, which guidance needs.
            embedding = embedding + nn.Dense(self.width, use_bias=False)(cond.astype(x.dtype).ravel())
        return self.body(x, silu(embedding)).astype(x.dtype)


def conditioned(body: nn.Module, width: int, num_times: int, num_frequencies: int = 4) -> Net:
    """`body(x (H, W, C), embedding (width,))` as a `Net` in `(x, *times, cond=None)` with `num_times` times in [0, 1], none, t, or t and s."""
    checks.count("num_frequencies", num_frequencies, 0)
    return from_linen(_Conditioned(body, width, num_times, num_frequencies))


class Attention(nn.Module):
    """Attention of all places of `h` `(n, c)` to all others in heads of `c / num_heads` channels; starts at zero unless told not to."""

    num_heads: int
    dtype: Any = None
    zero: bool = True

    @nn.compact
    def __call__(self, h: jax.Array) -> jax.Array:
        n, c = h.shape
        q, k, v = jnp.split(nn.Dense(3 * c, dtype=self.dtype)(h).reshape(n, 3 * self.num_heads, -1), 3, 1)
        # Weights are found in float32 at least: a sum over hundreds of places has no digits left in bfloat16.
        logits = jnp.einsum("qhd,khd->hqk", q, k).astype(jnp.promote_types(q.dtype, jnp.float32)) / math.sqrt(q.shape[-1])
        mixed = jnp.einsum("hqk,khd->qhd", jax.nn.softmax(logits, -1).astype(v.dtype), v).reshape(n, c)
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        return nn.Dense(c, kernel_init=init, dtype=self.dtype)(mixed)


class GroupNorm(nn.Module):
    """Group normalisation of one `(H, W, C)` (arXiv 1803.08494), groups of at least four channels where C allows; moments in float32."""

    affine: bool = True

    @nn.compact
    def __call__(self, h: jax.Array) -> jax.Array:
        height, width, c = h.shape
        groups = max(g for g in range(1, min(32, max(1, c // 4)) + 1) if c % g == 0)
        a = h.astype(jnp.promote_types(h.dtype, jnp.float32)).reshape(height, width, groups, -1)
        a = a - jnp.mean(a, (0, 1, 3), keepdims=True)
        a = (a * jax.lax.rsqrt(jnp.mean(a**2, (0, 1, 3), keepdims=True) + 1e-5)).reshape(h.shape).astype(h.dtype)
        if not self.affine:
            return a
        scale, bias = self.param("scale", nn.initializers.ones, (c,)), self.param("bias", nn.initializers.zeros, (c,))
        return a * scale.astype(h.dtype) + bias.astype(h.dtype)


def up_to(h: jax.Array, height: int, width: int) -> jax.Array:
    """`h` `(H, W, C)` twice as large by repetition, cut to `(height, width, C)`: undoes halving that rounds up."""
    return jnp.repeat(jnp.repeat(h, 2, 0), 2, 1)[:height, :width]


def num_levels_for(height: int, width: int, most: int) -> int:
    """How many resolutions a network goes through, `most` at most: a picture is halved as long as both sides keep at least four places."""
    levels = 1
    while levels < most and min(height, width) >= 7:
        height, width, levels = -(-height // 2), -(-width // 2), levels + 1
    return levels


def dtype_of(dtype: str | None) -> Any:
    """The compute dtype of that name; None: the events' own. ValueError for another name."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype={dtype!r}; accepted: None, 'float32', 'bfloat16'.")
    return DTYPES[dtype]
