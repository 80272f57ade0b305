"""A decoder-only transformer over the pixels of an image, whose sampling keeps keys and values instead of computing them again."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.nets.causal_attention import Cache, CausalBlock, init_blocks
from jaxgen.nets.image_blocks import image_shape
from jaxgen.nets.net import Net, Solve, call
from jaxgen.nets.pixel_codes import Codes, num_features
from jaxgen.nets.precision import compute_dtype
from jaxgen.types import Cond, DTypeLike, Key, Params


def causal_transformer(
    levels: int,
    *,
    width: int = 128,
    depth: int = 4,
    num_heads: int = 4,
    reach: int = 3,
    dropout: float = 0.0,
    dtype: str | None = None,
    remat: bool = False,
    attention: str = "xla",
) -> Net:
    """Build a transformer over pixels: `apply(params, x (H, W, C), cond (c,) or None, key=None) -> logits (H W C, levels)`.

    Rows of logits are in raster order, channel last. Row i depends on the pixels before i only: the previous pixel and those within
    `reach` rows and columns enter its token, all others through attention over the tokens up to its own. Pixels are codes 0.0 ...
    levels - 1. Places are learned per row, column and channel, and rotate queries and keys by row and column. The blocks are pre-norm, of
    equal shape, and run in one `lax.scan`. The network starts at equal probabilities. `substitute` computes each token once: it scans
    over the pixels and carries the keys and values of the tokens before.

    Args:
        levels: How many values a pixel has, at least 2.
        width: Numbers of a token.
        depth: The number of blocks.
        num_heads: Heads of the attention.
        reach: How many rows and columns away a pixel enters a token directly.
        dropout: The share of each block's two outputs that is zeroed, in [0, 1), where `apply` is given a `key`.
        dtype: "bfloat16" or "float32" computes in it, with softmax in float32 at least; None computes in the dtype of the events.
        remat: Compute the blocks again in the backward pass instead of keeping their values.
        attention: "xla", or on a GPU in bfloat16 "cudnn", as for `jax.nn.dot_product_attention`.

    Raises:
        ValueError: A size, `dropout`, `dtype` or `attention` cannot be used; at evaluation, the event is no image.

    Source: arXiv 1706.03762 with the masks of arXiv 1802.05751; rotations by arXiv 2104.09864.

    >>> net, x = causal_transformer(2, width=4, depth=1, num_heads=1, reach=1), jnp.zeros((1, 2, 1))
    >>> jax.eval_shape(net.apply, jax.eval_shape(net.init, jax.random.key(0), x), x).shape
    (2, 2)
    """
    checks.count("causal_transformer: levels", levels, 2)
    checks.counts("causal_transformer", width=width, depth=depth, num_heads=num_heads, reach=reach)
    checks.number("causal_transformer: dropout", dropout, least=0, below=1)
    if attention not in ("xla", "cudnn"):
        raise ValueError(f"causal_transformer: attention={attention!r}; accepted: 'xla', 'cudnn'.")
    computed = compute_dtype("causal_transformer", dtype)
    block = CausalBlock(width, num_heads, depth, dropout, attention, computed)

    def ends_of(x: jax.Array) -> _Ends:
        return _Ends(levels, image_shape("causal_transformer", x), width, reach, computed)

    def init(key: Key, x: jax.Array, cond: Cond = None) -> Params:
        first, *others = jax.random.split(key, depth + 1)
        ends = ends_of(x)
        blocks = init_blocks(block, others, x.size, _angles(ends.shape, block.head_width), x.dtype)
        return {"ends": ends.init(first, x, cond)["params"], "blocks": blocks}

    def apply(params: Params, x: jax.Array, cond: Cond = None, key: Key | None = None) -> jax.Array:
        ends = ends_of(x)
        angles = _angles(ends.shape, block.head_width)

        def layer(h: jax.Array, xs: tuple[Params, Key | None]) -> tuple[jax.Array, None]:
            return call(block, xs[0], h, angles, xs[1]), None

        keys = None if key is None else jax.random.split(key, depth)
        h = call(ends, params["ends"], x, cond, method="tokens")
        h = jax.lax.scan(jax.checkpoint(layer) if remat else layer, h, (params["blocks"], keys))[0]
        return call(ends, params["ends"], h, method="logits").astype(x.dtype)

    return Net(traced_once(init), traced_once(apply), lambda params, f, z, cond=None: _substitute(ends_of(z), block, params, f, z, cond))


def _substitute(ends: "_Ends", block: CausalBlock, params: Params, f: Solve, z: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
    height, width, channels = ends.shape
    of_ends, margin, e = params["ends"], ends.reach, num_features(ends.levels)
    places = call(ends, of_ends, z.dtype, cond, method="places")
    dtype = places.dtype
    blocks, caches = block.start(params["blocks"], z.size, dtype)
    codes = jnp.zeros((height + margin, width + 2 * margin, channels * e), dtype)

    def step(carry: tuple[jax.Array, jax.Array, list[Cache]], xs: tuple[jax.Array, jax.Array, jax.Array, jax.Array]) -> Any:
        codes, previous, caches = carry
        i, z_i, place, angles = xs
        row, column, channel = i // (width * channels), i // channels % width, i % channels
        around = jax.lax.dynamic_slice(codes, (row, column, jnp.zeros_like(i)), (margin + 1, 2 * margin + 1, channels * e))
        near = call(ends, of_ends, around, method="nearby")[0, 0]
        near = jax.lax.dynamic_index_in_dim(near, channel, keepdims=False)
        h = near + call(ends, of_ends, previous, method=lambda m, p: m.previous(p)) + place
        h, caches = block.through(blocks, h, caches, i, angles)
        theta = call(ends, of_ends, h[None], method="logits")[0].astype(z.dtype)
        x_i, aux = f(theta, z_i)
        code = call(ends, of_ends, x_i, method=lambda m, x: m.code(x))
        codes = jax.lax.dynamic_update_slice(codes, code[None, None], (row + margin, column + margin, channel * e))
        return (codes, code, caches), (x_i, aux)

    start = (codes, jnp.zeros((e,), dtype), caches)
    xs = (jnp.arange(z.size, dtype=jnp.int32), z.ravel(), places, jnp.asarray(_angles(ends.shape, block.head_width)))
    x, aux = jax.lax.scan(step, start, xs)[1]
    return x.reshape(ends.shape), aux


class _Ends(nn.Module):
    """The layers from pixels to tokens, and from tokens to logits."""

    levels: int
    shape: tuple[int, int, int]
    width: int
    reach: int
    dtype: DTypeLike | None

    def setup(self) -> None:
        self.code = Codes(self.levels, self.dtype)
        self.near = nn.Dense(self.shape[2] * self.width, use_bias=False, dtype=self.dtype)
        self.previous = nn.Dense(self.width, dtype=self.dtype)
        axes = zip(("row", "column", "channel"), self.shape, strict=True)
        self.place = [self.param(name, nn.initializers.normal(0.02), (n, self.width)) for name, n in axes]
        self.condition = nn.Dense(self.width, use_bias=False, dtype=self.dtype)
        self.norm = nn.RMSNorm(dtype=self.dtype)
        self.head = nn.Dense(self.levels, dtype=self.dtype, kernel_init=nn.initializers.zeros)

    def __call__(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        return self.logits(self.tokens(x, cond))

    def tokens(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        """Return tokens `(H W C, width)`."""
        codes, m = self.code(x), self.reach
        e = codes.shape[-1]
        around = jnp.pad(codes.reshape(*x.shape[:2], -1), ((m, 0), (m, m), (0, 0)))
        previous = jnp.concatenate([jnp.zeros((1, e), codes.dtype), codes.reshape(-1, e)[:-1]])
        near = self.nearby(around).reshape(x.size, self.width)
        return near + self.previous(previous) + self.places(x.dtype, cond)

    def nearby(self, around: jax.Array) -> jax.Array:
        """Return `(h, w, C, width)` from the codes `(h + reach, w + 2 reach, C e)` around h x w places, reading earlier places only."""
        m = self.reach
        h, w = around.shape[0] - m, around.shape[1] - 2 * m
        earlier = [(i, j) for i in range(m + 1) for j in range(2 * m + 1) if (i, j) < (m, m)]
        return self.near(jnp.concatenate([around[i : i + h, j : j + w] for i, j in earlier], -1)).reshape(h, w, -1, self.width)

    def places(self, dtype: DTypeLike, cond: Cond = None) -> jax.Array:
        """Return `(H W C, width)`: what a token has from its place and from the condition."""
        row, column, channel = (p.astype(self.dtype or dtype) for p in self.place)
        h = (row[:, None, None] + column[None, :, None] + channel[None, None]).reshape(-1, self.width)
        return h if cond is None else h + self.condition(cond.astype(dtype).ravel())[None]

    def logits(self, h: jax.Array) -> jax.Array:
        """Return `(n, levels)` for tokens `(n, width)`."""
        return self.head(self.norm(h))


def _angles(shape: tuple[int, int, int], head_width: int) -> np.ndarray:
    """Return `(H W C, head_width / 2)` angles by row and by column, from one radian a pixel to a hundredth of it."""
    rows, columns, _ = np.indices(shape, np.float32).reshape(3, -1)
    frequencies = 100.0 ** -np.linspace(0, 1, head_width // 4, dtype=np.float32)
    return np.concatenate([place[:, None] * frequencies for place in (rows, columns)], 1).astype(np.float32)
