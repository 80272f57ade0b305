"""The block of the causal transformers: attention over the tokens before, whose keys and values sampling keeps."""

import itertools
from typing import TypeAlias

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen.nets.net import call
from jaxgen.types import DTypeLike, Key, Params

Cache: TypeAlias = tuple[jax.Array, jax.Array]
"""Keys and values `(num_heads, n, head_width)` of the tokens of one block; zeros for a token that is yet to come."""


MOST_BLOCKS, FEWEST_TOKENS = 8, 96
"""Attention takes its queries in at most so many blocks of at least so many tokens; each block is compiled by itself."""


class CausalBlock(nn.Module):
    """Add attention over the tokens up to each token, then a perceptron, each to its normalised input (pre-norm)."""

    width: int
    num_heads: int
    depth: int
    dropout: float
    attention: str
    dtype: DTypeLike | None

    @property
    def head_width(self) -> int:
        """Return how many numbers of a token a head has."""
        # Rows and columns rotate pairs each, so a head's width is a multiple of four.
        return 4 * -(-self.width // (4 * self.num_heads))

    def setup(self) -> None:
        small = nn.initializers.variance_scaling(1 / (2 * self.depth), "fan_in", "truncated_normal")
        self.norms = [nn.RMSNorm(dtype=self.dtype) for _ in range(2)]
        self.qkv = nn.Dense(3 * self.num_heads * self.head_width, use_bias=False, dtype=self.dtype)
        self.out = nn.Dense(self.width, use_bias=False, dtype=self.dtype, kernel_init=small)
        self.up = nn.Dense(4 * self.width, dtype=self.dtype)
        self.down = nn.Dense(self.width, dtype=self.dtype, kernel_init=small)

    def __call__(self, h: jax.Array, angles: jax.Array | np.ndarray, key: Key | None = None) -> jax.Array:
        """Map tokens `(n, width)` to tokens; with a `key`, drop a share `dropout` of both outputs."""
        q, k, v = self._queries_keys_values(h, jnp.asarray(angles))
        # JAX's "xla" form rounds the attention weights to float32, also in double precision.
        cudnn = self.attention == "cudnn"
        means = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation="cudnn") if cudnn else attended(q, k, v)
        return self._add(h, means, key)

    def start(self, params: Params, num: int, dtype: DTypeLike) -> tuple[list[Params], list[Cache]]:
        """Return the params of each block, and an empty cache of each block.

        Args:
            params: The params of all blocks, stacked along the first axis.
            num: The number of tokens.
            dtype: The dtype of the caches.

        Returns:
            One pytree of params and one empty cache for each block.
        """
        # Written out: a scan over layers would lay out the caches of a batch anew in every step, which costs more than reading them.
        blocks = [jax.tree.map(lambda a, j=j: a[j], params) for j in range(self.depth)]
        empty = jnp.zeros((self.num_heads, num, self.head_width), dtype)
        return blocks, [(empty, empty)] * self.depth

    def through(
        self, blocks: list[Params], h: jax.Array, caches: list[Cache], i: jax.Array, angles: jax.Array
    ) -> tuple[jax.Array, list[Cache]]:
        """Send one token through all blocks.

        Args:
            blocks: The params of each block.
            h: Token i `(width,)` before the first block.
            caches: The caches of all blocks, which hold the tokens before i.
            i: The token's place, an int32 scalar.
            angles: Its rotary angles `(head / 2,)`.

        Returns:
            Token i `(width,)` and the caches, which now hold it too.
        """
        updated = []
        for params, cache in zip(blocks, caches, strict=True):
            h, cache = call(self, params, h, cache, i, angles, method="step")
            updated.append(cache)
        return h, updated

    def step(self, h: jax.Array, cache: Cache, i: jax.Array, angles: jax.Array) -> tuple[jax.Array, Cache]:
        """Send one token through this block.

        Args:
            h: Token i `(width,)` before this block.
            cache: Keys and values of the tokens before i, `(num_heads, num, head)` each.
            i: The token's place, an int32 scalar.
            angles: Its rotary angles `(head / 2,)`.

        Returns:
            Token i `(width,)` after this block, and the cache with its key and value in it.
        """
        q, *new = (u[0] for u in self._queries_keys_values(h[None], angles[None]))
        # Written before they are read, so that the caches are updated in place and not copied.
        keys, values = (jax.lax.dynamic_update_slice_in_dim(old, u[:, None], i, 1) for old, u in zip(cache, new, strict=True))
        scores = _dot("nh,ndh->nd", q, keys) * self.head_width**-0.5
        known = jnp.arange(keys.shape[1], dtype=jnp.int32) <= i
        weights = jax.nn.softmax(jnp.where(known[None], scores, -jnp.inf)).astype(values.dtype)
        mean = _dot("nd,ndh->nh", weights, values).astype(values.dtype)
        return self._add(h[None], mean[None], None)[0], (keys, values)

    def _queries_keys_values(self, h: jax.Array, angles: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        q, k, v = jnp.moveaxis(self.qkv(self.norms[0](h)).reshape(len(h), 3, self.num_heads, self.head_width), 1, 0)
        return rotated(q, angles), rotated(k, angles), v

    def _add(self, h: jax.Array, means: jax.Array, key: Key | None) -> jax.Array:
        keys = (None, None) if key is None else jax.random.split(key)
        h = h + self._dropped(self.out(means.reshape(len(h), -1)), keys[0])
        return h + self._dropped(self.down(nn.gelu(self.up(self.norms[1](h)))), keys[1])

    def _dropped(self, h: jax.Array, key: Key | None) -> jax.Array:
        if key is None or self.dropout == 0:
            return h
        return jnp.where(jax.random.bernoulli(key, 1 - self.dropout, h.shape), h / (1 - self.dropout), 0)


def init_blocks(block: CausalBlock, keys: list[Key], num: int, angles: np.ndarray, dtype: DTypeLike) -> Params:
    """Draw the params of one block for each of `keys`.

    Args:
        block: The block, a flax.linen module.
        keys: Random keys, one for each block.
        num: The number of tokens.
        angles: The rotary angles of all tokens `(num, head / 2)`.
        dtype: The dtype of the tokens.

    Returns:
        Params, stacked along a new first axis.
    """
    tokens = jnp.zeros((num, block.width), dtype)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *(block.init(k, tokens, angles)["params"] for k in keys))


def rotated(u: jax.Array, angles: jax.Array) -> jax.Array:
    """Turn pairs of numbers of each head by angles, so that products of two tokens depend on their distance.

    Args:
        u: Queries or keys `(n, num_heads, head)`.
        angles: One angle for each pair of numbers, `(n, head / 2)`.

    Returns:
        An array shaped as `u`.

    Source: arXiv 2104.09864.
    """
    wide = jnp.promote_types(u.dtype, jnp.float32)
    a, b = jnp.split(u.astype(wide), 2, -1)
    cos, sin = (g(angles.astype(wide))[:, None] for g in (jnp.cos, jnp.sin))
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1).astype(u.dtype)


def attended(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """Return each token's mean of the values up to its own, weighted by the softmax of scores.

    Many tokens are taken in blocks of queries, each with the keys that it may see: half of the scores are then not computed, and those of a
    block are computed again in the backward pass, so that no array has as many numbers as there are pairs of tokens.

    Args:
        q: Queries `(n, num_heads, head)`.
        k: Keys, shaped as the queries.
        v: Values, shaped as the queries.

    Returns:
        Means `(n, num_heads, head)` in the dtype of `v`.

    >>> attended(jnp.zeros((2, 1, 1)), jnp.zeros((2, 1, 1)), jnp.asarray([[[1.0]], [[3.0]]])).ravel().tolist()
    [1.0, 2.0]
    """
    num = len(q)
    count = min(MOST_BLOCKS, num // FEWEST_TOKENS)
    if count < 2:
        return _attended(0, q, k, v)
    edges = [round(i * num / count) for i in range(count + 1)]
    block = jax.checkpoint(_attended, static_argnums=0)
    return jnp.concatenate([block(i, q[i:j], k[:j], v[:j]) for i, j in itertools.pairwise(edges)])


def _attended(first: int, q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """The means of the queries `first`, `first + 1`, ..., the last of which sees all keys."""
    scores = _dot("qnh,knh->nqk", q, k) * q.shape[-1] ** -0.5
    scores = jnp.where(np.tri(len(q), len(k), first, dtype=bool), scores, -jnp.inf)
    weights = jnp.exp(scores - jax.lax.stop_gradient(jnp.max(scores, -1, keepdims=True)))
    # The means are divided and not the weights, of which there are as many as pairs of tokens.
    sums = jnp.sum(weights, -1).T[..., None]
    return (_dot("nqk,knh->qnh", weights.astype(v.dtype), v) / sums).astype(v.dtype)


def _dot(subscripts: str, a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.einsum(subscripts, a, b, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))
