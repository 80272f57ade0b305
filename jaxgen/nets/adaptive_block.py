"""The block of transformers in time: attention among all tokens, moved by an embedding of time and condition (adaLN-zero)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from jaxgen.nets.image_blocks import Attention
from jaxgen.nets.row_product import row_product
from jaxgen.types import DTypeLike

MOST_WRITTEN_OUT = 4
"""Up to so many blocks are compiled one by one, in the time that a scan of them takes."""


class AdaptiveBlock(nn.Module):
    """Add attention and a perceptron to tokens `(n, c)`, each moved and gated by an embedding; the block starts as the identity.

    The second input is the pair of the embedding and of the rotary angles `(n, c / num_heads / 2)`, which are None for tokens whose places
    are in them already.
    """

    num_heads: int
    dtype: DTypeLike | None

    @nn.compact
    def __call__(self, h: jax.Array, shared: tuple[jax.Array, jax.Array | None]) -> tuple[jax.Array, None]:
        embedding, angles = shared
        c = h.shape[-1]
        moved = nn.Dense(6 * c, kernel_init=nn.initializers.zeros, dtype=self.dtype)(embedding)
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = jnp.split(moved, 6)
        h = h + gate * Attention(self.num_heads, self.dtype, zero=False)(normed(h) * (1 + scale) + shift, angles)
        a = nn.Dense(4 * c, dtype=self.dtype, dot_general=row_product)(normed(h) * (1 + scale_mlp) + shift_mlp)
        return h + gate_mlp * nn.Dense(c, dtype=self.dtype, dot_general=row_product)(nn.gelu(a)), None


def adaptive_stack(
    h: jax.Array,
    embedding: jax.Array,
    angles: jax.Array | None,
    *,
    out: int,
    depth: int,
    num_heads: int,
    dtype: DTypeLike | None,
    remat: bool,
) -> jax.Array:
    """Send tokens through equal adaptive blocks and read them off; more than four run in one scan, whose compile time does not grow.

    It is a part of the module in whose compact method it is called, whose params it makes.

    Args:
        h: Tokens `(n, c)`.
        embedding: The embedding of time and condition.
        angles: Rotary angles `(n, c / num_heads / 2)`, or None.
        out: Numbers that each token becomes.
        depth: The number of blocks.
        num_heads: Heads of the attention.
        dtype: The dtype of the computation, or None.
        remat: Compute the blocks again in the backward pass.

    Returns:
        Numbers `(n, out)`, zeros at first.
    """
    # Within a scan the barrier against common subexpressions is not needed.
    block: Any = nn.remat(AdaptiveBlock, prevent_cse=False) if remat else AdaptiveBlock
    shared: Any = nn.broadcast
    # A scan copies what the backward pass needs in and out of stacks, which costs a CPU as much as a third of a step.
    options: Any = {"in_axes": shared, "length": depth, "unroll": depth if depth <= MOST_WRITTEN_OUT else 1}
    stack = nn.scan(block, variable_axes={"params": 0}, split_rngs={"params": True}, **options)
    h, _ = stack(num_heads, dtype, name="blocks")(h, (embedding, angles))
    shift, scale = jnp.split(nn.Dense(2 * h.shape[-1], kernel_init=nn.initializers.zeros, dtype=dtype)(embedding), 2)
    return nn.Dense(out, kernel_init=nn.initializers.zeros, dtype=dtype)(normed(h) * (1 + scale) + shift)


def normed(h: jax.Array) -> jax.Array:
    """Return tokens `(n, c)` with mean 0 and variance 1 each, by moments in float32 at least."""
    a = h.astype(jnp.promote_types(h.dtype, jnp.float32))
    a = a - jnp.mean(a, -1, keepdims=True)
    return (a * jax.lax.rsqrt(jnp.mean(a**2, -1, keepdims=True) + 1e-6)).astype(h.dtype)
