"""A decoder-only transformer over the pixels of an image, whose sampling keeps keys and values instead of computing them again."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.nets.net import Net, call
from jaxgen.nets.pixels import Codes, check_sizes, compute_dtype, image_shape, num_features


def causal_transformer(
    levels: int,
    *,
    width: int = 128,
    depth: int = 4,
    num_heads: int = 4,
    reach: int = 3,
    dropout: float = 0.0,
    dtype: str = "float32",
    remat: bool = False,
    attention: str = "xla",
) -> Net:
    """`apply(params, x (H, W, C), cond (c,) or None, key=None) -> logits (H W C, levels)`, in raster order, channel last.

    Row i sees the pixels before i only (arXiv 1706.03762 with the masks of 1802.05751): the previous one and those within `reach` rows
    and columns enter its token, all others through attention over the tokens up to its own. Pixels are codes 0.0 ... levels - 1. Places are
    learned per row, column and channel, and rotate queries and keys by row and column (arXiv 2104.09864). `depth` pre-norm blocks of equal
    shape run in one `lax.scan`; `remat` recomputes them in the backward pass. `dtype` "bfloat16" computes in it, with params, softmax and
    logits in float32. `attention` is "xla" or, on a GPU in bfloat16, "cudnn", that of `jax.nn.dot_product_attention`.
    With a `key`, a share `dropout` of each block's two outputs is zeroed. Starts at zero, that is at equal probabilities.

    `substitute` computes each token once: a scan over pixels, with the keys and values of the tokens before as its carry.
    Raises ValueError for sizes it cannot use, a `dropout` outside [0, 1), another `dtype` or `attention`, or an event that is no image.
    """
    check_sizes(levels, width=width, depth=depth, num_heads=num_heads, reach=reach)
    checks.number("dropout", dropout, least=0, below=1)
    if attention not in ("xla", "cudnn"):
        raise ValueError(f'attention={attention!r}; accepted: "xla", "cudnn".')
    computed = compute_dtype(dtype)

    def ends_of(x: jax.Array) -> _Ends:
        return _Ends(levels, image_shape(x), width, reach, computed)

    block = CausalBlock(width, num_heads, depth, dropout, attention, computed)

    def init(key: jax.Array, x: jax.Array, cond: Any = None) -> Any:
        first, *others = jax.random.split(key, depth + 1)
        tokens, angles = jnp.zeros((x.size, width), x.dtype), _angles(image_shape(x), block.head_width)
        of_ends = ends_of(x).init(first, x, cond)["params"]
        blocks = [block.init(k, tokens, angles)["params"] for k in others]
        return {"ends": of_ends, "blocks": jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks)}

    def apply(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> jax.Array:
        angles = _angles(image_shape(x), block.head_width)

        def layer(h: jax.Array, xs: Any) -> tuple[jax.Array, None]:
            return call(block, xs[0], h, angles, xs[1]), None

        keys, ends = None if key is None else jax.random.split(key, depth), ends_of(x)
        h = call(ends, params["ends"], x, cond, method="tokens")
        h = jax.lax.scan(jax.checkpoint(layer) if remat else layer, h, (params["blocks"], keys))[0]
        return call(ends, params["ends"], h, method="logits").astype(x.dtype)

    return Net(init, apply, lambda params, f, z, cond=None: _substitute(ends_of(z), block, params, f, z, cond))


def _substitute(ends: "_Ends", block: "CausalBlock", params: Any, f: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
    height, width, channels = ends.shape
    of_ends, margin, e = params["ends"], ends.reach, num_features(ends.levels)
    places = call(ends, of_ends, z.dtype, cond, method="places")
    dtype = places.dtype
    blocks, caches = block.start(params["blocks"], z.size, dtype)
    seen = jnp.zeros((height + margin, width + 2 * margin, channels * e), dtype)

    def step(carry: Any, xs: Any) -> Any:
        seen, previous, caches = carry
        i, z_i, place, angles = xs
        row, column, channel = i // (width * channels), i // channels % width, i % channels
        around = jax.lax.dynamic_slice(seen, (row, column, jnp.zeros_like(i)), (margin + 1, 2 * margin + 1, channels * e))
        near = call(ends, of_ends, around, method="nearby")[0, 0]
        near = jax.lax.dynamic_index_in_dim(near, channel, keepdims=False)
        h = near + call(ends, of_ends, previous, method=lambda m, p: m.previous(p)) + place
        h, caches = block.through(blocks, h, caches, i, angles)
        theta = call(ends, of_ends, h[None], method="logits")[0].astype(z.dtype)
        x_i, aux = f(theta, z_i)
        code = call(ends, of_ends, x_i, method=lambda m, x: m.code(x))
        seen = jax.lax.dynamic_update_slice(seen, code[None, None], (row + margin, column + margin, channel * e))
        return (seen, code, caches), (x_i, aux)

    start = (seen, jnp.zeros((e,), dtype), caches)
    xs = (jnp.arange(z.size, dtype=jnp.int32), z.ravel(), places, jnp.asarray(_angles(ends.shape, block.head_width)))
    x, aux = jax.lax.scan(step, start, xs)[1]
    return x.reshape(ends.shape), aux


class _Ends(nn.Module):
    """From pixels to tokens, and from tokens to logits."""

    levels: int
    shape: tuple[int, int, int]
    width: int
    reach: int
    dtype: Any

    def setup(self) -> None:
        self.code = Codes(self.levels, self.dtype)
        self.near = nn.Dense(self.shape[2] * self.width, use_bias=False, dtype=self.dtype)
        self.previous = nn.Dense(self.width, dtype=self.dtype)
        axes = zip(("row", "column", "channel"), self.shape, strict=True)
        self.place = [self.param(name, nn.initializers.normal(0.02), (n, self.width)) for name, n in axes]
        self.condition = nn.Dense(self.width, use_bias=False, dtype=self.dtype)
        self.norm = nn.RMSNorm(dtype=self.dtype)
        self.head = nn.Dense(self.levels, dtype=self.dtype, kernel_init=nn.initializers.zeros)

    def __call__(self, x: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        return self.logits(self.tokens(x, cond))

    def tokens(self, x: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        """`(H W C, width)`."""
        codes, m = self.code(x), self.reach
        e = codes.shape[-1]
        around = jnp.pad(codes.reshape(*x.shape[:2], -1), ((m, 0), (m, m), (0, 0)))
        previous = jnp.concatenate([jnp.zeros((1, e), codes.dtype), codes.reshape(-1, e)[:-1]])
        near = self.nearby(around).reshape(x.size, self.width)
        return near + self.previous(previous) + self.places(x.dtype, cond)

    def nearby(self, around: jax.Array) -> jax.Array:
        """`(h, w, C, width)` from the codes `(h + reach, w + 2 reach, C e)` around h x w places, of which only earlier ones are seen."""
        m = self.reach
        h, w = around.shape[0] - m, around.shape[1] - 2 * m
        earlier = [(i, j) for i in range(m + 1) for j in range(2 * m + 1) if (i, j) < (m, m)]
        return self.near(jnp.concatenate([around[i : i + h, j : j + w] for i, j in earlier], -1)).reshape(h, w, -1, self.width)

    def places(self, dtype: Any, cond: jax.Array | None = None) -> jax.Array:
        """`(H W C, width)`: what a token has of its place and of the condition."""
        row, column, channel = (p.astype(self.dtype or dtype) for p in self.place)
        h = (row[:, None, None] + column[None, :, None] + channel[None, None]).reshape(-1, self.width)
        return h if cond is None else h + self.condition(cond.astype(dtype).ravel())[None]

    def logits(self, h: jax.Array) -> jax.Array:
        """`(n, levels)` of tokens `(n, width)`."""
        return self.head(self.norm(h))


class CausalBlock(nn.Module):
    """Attention over the tokens up to one's own, then a perceptron, each added to its input (pre-norm)."""

    width: int
    num_heads: int
    depth: int
    dropout: float
    attention: str
    dtype: Any

    @property
    def head_width(self) -> int:
        # Rows and columns rotate pairs of their own, so a head's width is a multiple of four.
        return 4 * -(-self.width // (4 * self.num_heads))

    def setup(self) -> None:
        small = nn.initializers.variance_scaling(1 / (2 * self.depth), "fan_in", "truncated_normal")
        self.norms = [nn.RMSNorm(dtype=self.dtype) for _ in range(2)]
        self.qkv = nn.Dense(3 * self.num_heads * self.head_width, use_bias=False, dtype=self.dtype)
        self.out = nn.Dense(self.width, use_bias=False, dtype=self.dtype, kernel_init=small)
        self.up = nn.Dense(4 * self.width, dtype=self.dtype)
        self.down = nn.Dense(self.width, dtype=self.dtype, kernel_init=small)

    def __call__(self, h: jax.Array, angles: np.ndarray, key: Any = None) -> jax.Array:
        """Tokens `(d, width)` to tokens."""
        q, k, v = self._queries_keys_values(h, jnp.asarray(angles))
        # JAX's own "xla" form rounds the shares to float32, also in double precision.
        cudnn = self.attention == "cudnn"
        attended = jax.nn.dot_product_attention(q, k, v, is_causal=True, implementation="cudnn") if cudnn else _attended(q, k, v)
        return self._add(h, attended, key)

    def start(self, params: Any, num: int, dtype: Any) -> tuple[Any, Any]:
        """The params of each block, and a cache for `num` tokens of each, before the first."""
        # Written out: a scan over layers would lay out the caches of a batch anew in every step, which costs more than reading them.
        blocks = [jax.tree.map(lambda a, j=j: a[j], params) for j in range(self.depth)]
        empty = jnp.zeros((self.num_heads, num, self.head_width), dtype)
        return blocks, [(empty, empty)] * self.depth

    def through(self, blocks: Any, h: jax.Array, caches: Any, i: jax.Array, angles: jax.Array) -> tuple[jax.Array, Any]:
        """Token i `(width,)` after all blocks, and their caches with it in them."""
        kept = []
        for params, cache in zip(blocks, caches, strict=True):
            h, cache = call(self, params, h, cache, i, angles, method="step")
            kept.append(cache)
        return h, kept

    def step(self, h: jax.Array, cache: tuple[jax.Array, jax.Array], i: jax.Array, angles: jax.Array) -> Any:
        """Token i `(width,)`, and the `cache` of keys and values `(num_heads, d, head)` of the tokens up to it."""
        q, *own = (u[0] for u in self._queries_keys_values(h[None], angles[None]))
        # Written before they are read, so that the caches are updated in place and not copied.
        keys, values = (jax.lax.dynamic_update_slice_in_dim(old, new[:, None], i, 1) for old, new in zip(cache, own, strict=True))
        scores = _dot("nh,ndh->nd", q, keys) * self.head_width**-0.5
        known = jnp.arange(keys.shape[1], dtype=jnp.int32) <= i
        shares = jax.nn.softmax(jnp.where(known[None], scores, -jnp.inf)).astype(values.dtype)
        attended = _dot("nd,ndh->nh", shares, values).astype(values.dtype)
        return self._add(h[None], attended[None], None)[0], (keys, values)

    def _queries_keys_values(self, h: jax.Array, angles: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        q, k, v = jnp.moveaxis(self.qkv(self.norms[0](h)).reshape(len(h), 3, self.num_heads, self.head_width), 1, 0)
        return _rotated(q, angles), _rotated(k, angles), v

    def _add(self, h: jax.Array, attended: jax.Array, key: Any) -> jax.Array:
        keys = (None, None) if key is None else jax.random.split(key)
        h = h + self._dropped(self.out(attended.reshape(len(h), -1)), keys[0])
        return h + self._dropped(self.down(nn.gelu(self.up(self.norms[1](h)))), keys[1])

    def _dropped(self, h: jax.Array, key: Any) -> jax.Array:
        if key is None or self.dropout == 0:
            return h
        return jnp.where(jax.random.bernoulli(key, 1 - self.dropout, h.shape), h / (1 - self.dropout), 0)


def _attended(q: jax.Array, k: jax.Array, v: jax.Array) -> jax.Array:
    """Of queries, keys and values `(d, num_heads, head)`: each token's mean of the values up to its own."""
    scores = _dot("qnh,knh->nqk", q, k) * q.shape[-1] ** -0.5
    shares = jax.nn.softmax(jnp.where(np.tri(len(q), dtype=bool), scores, -jnp.inf))
    return _dot("nqk,knh->qnh", shares.astype(v.dtype), v).astype(v.dtype)


def _dot(subscripts: str, a: jax.Array, b: jax.Array) -> jax.Array:
    return jnp.einsum(subscripts, a, b, preferred_element_type=jnp.promote_types(a.dtype, jnp.float32))


def _angles(shape: tuple[int, int, int], head_width: int) -> np.ndarray:
    """`(H W C, head_width / 2)`: by row and by column, from one radian a pixel to a hundredth of it."""
    rows, columns, _ = np.indices(shape, np.float32).reshape(3, -1)
    frequencies = 100.0 ** -np.linspace(0, 1, head_width // 4, dtype=np.float32)
    return np.concatenate([place[:, None] * frequencies for place in (rows, columns)], 1).astype(np.float32)


def _rotated(u: jax.Array, angles: jax.Array) -> jax.Array:
    """Pairs of numbers of each head of `u` `(n, heads, head)`, turned by `angles` `(n, head / 2)`."""
    wide = jnp.promote_types(u.dtype, jnp.float32)
    a, b = jnp.split(u.astype(wide), 2, -1)
    cos, sin = (g(angles.astype(wide))[:, None] for g in (jnp.cos, jnp.sin))
    return jnp.concatenate([a * cos - b * sin, a * sin + b * cos], -1).astype(u.dtype)
