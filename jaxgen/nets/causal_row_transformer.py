"""A causal transformer over rows of numbers, such as the patches of an image: its output for a row depends on the rows before it."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.compiled import traced_once
from jaxgen.nets.causal_attention import Cache, CausalBlock, init_blocks
from jaxgen.nets.net import Net, Solve, call
from jaxgen.nets.precision import compute_dtype
from jaxgen.types import Cond, DTypeLike, Key, Params


def causal_row_transformer(
    outputs: int,
    *,
    width: int = 64,
    depth: int = 2,
    num_heads: int = 4,
    dtype: str | None = None,
    remat: bool = False,
) -> Net:
    """Build a transformer over rows: `apply(params, x (n, k), cond (c,) or None) -> (n, k, outputs)`, row i from the rows before i only.

    The blocks are pre-norm, of equal shape, and run in one `lax.scan`. A row's place is learned, and turns queries and keys. The network
    starts as the zero function. `substitute` keeps keys and values, so that it computes each row once.

    Args:
        outputs: The number of outputs for each number of a row.
        width: Numbers of a token.
        depth: The number of blocks.
        num_heads: Heads of the attention.
        dtype: "bfloat16" or "float32" computes in it; None computes in the dtype of the events. Parameters and outputs keep theirs.
        remat: Compute the blocks again in the backward pass instead of keeping their values.

    Raises:
        ValueError: A size is below 1 or `dtype` is unknown; at evaluation, the event has not two axes.

    Source: arXiv 2412.06329, section 3.1.

    >>> net, x = causal_row_transformer(2, width=4, depth=1, num_heads=1), jnp.ones((2, 3))
    >>> jax.eval_shape(net.apply, jax.eval_shape(net.init, jax.random.key(0), x), x).shape
    (2, 3, 2)
    """
    checks.counts("causal_row_transformer", outputs=outputs, width=width, depth=depth, num_heads=num_heads)
    computed = compute_dtype("causal_row_transformer", dtype)
    block = CausalBlock(width, num_heads, depth, 0.0, "xla", computed)

    def ends_of(x: jax.Array) -> "_Ends":
        if x.ndim != 2:
            raise ValueError(f"causal_row_transformer: event of shape {x.shape}; accepted: (rows, numbers of a row).")
        return _Ends(x.shape[0], x.shape[1], outputs, width, computed)

    def init(key: Key, x: jax.Array, cond: Cond = None) -> Params:
        ends = ends_of(x)
        first, *others = jax.random.split(key, depth + 1)
        blocks = init_blocks(block, others, len(x), _angles(len(x), block.head_width), x.dtype)
        return {"ends": ends.init(first, x, cond)["params"], "blocks": blocks}

    def apply(params: Params, x: jax.Array, cond: Cond = None) -> jax.Array:
        ends, angles = ends_of(x), _angles(len(x), block.head_width)

        def layer(h: jax.Array, of_block: Params) -> tuple[jax.Array, None]:
            return call(block, of_block, h, angles), None

        h = call(ends, params["ends"], x, cond, method="tokens")
        h = jax.lax.scan(jax.checkpoint(layer) if remat else layer, h, params["blocks"])[0]
        return call(ends, params["ends"], h, method="thetas").astype(x.dtype)

    return Net(traced_once(init), traced_once(apply), lambda params, f, z, cond=None: _substitute(ends_of(z), block, params, f, z, cond))


def _substitute(ends: "_Ends", block: CausalBlock, params: Params, f: Solve, z: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
    of_ends = params["ends"]
    places = call(ends, of_ends, z.dtype, cond, method="places")
    blocks, caches = block.start(params["blocks"], len(z), places.dtype)

    def step(carry: tuple[jax.Array, list[Cache]], xs: tuple[jax.Array, jax.Array, jax.Array, jax.Array]) -> Any:
        previous, caches = carry
        i, z_i, place, angles = xs
        h = call(ends, of_ends, previous, method=lambda m, p: m.embedded(p)) + place
        h, caches = block.through(blocks, h, caches, i, angles)
        x_i, aux = f(call(ends, of_ends, h[None], method="thetas")[0].astype(z.dtype), z_i)
        return (x_i, caches), (x_i, aux)

    xs = (jnp.arange(len(z), dtype=jnp.int32), z, places, jnp.asarray(_angles(len(z), block.head_width)))
    return jax.lax.scan(step, (jnp.zeros_like(z[0]), caches), xs)[1]


class _Ends(nn.Module):
    """The layers from rows to tokens, and from tokens to the outputs for each number of a row."""

    num: int
    size: int
    outputs: int
    width: int
    dtype: DTypeLike | None

    def setup(self) -> None:
        self.embedded = nn.Dense(self.width, dtype=self.dtype)
        self.place = self.param("place", nn.initializers.normal(0.02), (self.num, self.width))
        self.condition = nn.Dense(self.width, use_bias=False, dtype=self.dtype)
        self.norm = nn.RMSNorm(dtype=self.dtype)
        self.head = nn.Dense(self.size * self.outputs, dtype=self.dtype, kernel_init=nn.initializers.zeros)

    def __call__(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        return self.thetas(self.tokens(x, cond))

    def tokens(self, x: jax.Array, cond: Cond = None) -> jax.Array:
        """Return tokens `(n, width)`, each from the row before it."""
        return self.embedded(jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]])) + self.places(x.dtype, cond)

    def places(self, dtype: DTypeLike, cond: Cond = None) -> jax.Array:
        """Return `(n, width)`: what a token has from its place and from the condition."""
        place = self.place.astype(self.dtype or dtype)
        return place if cond is None else place + self.condition(cond.astype(dtype).ravel())[None]

    def thetas(self, h: jax.Array) -> jax.Array:
        """Return `(n, size, outputs)` for tokens `(n, width)`."""
        return self.head(self.norm(h)).reshape(len(h), self.size, self.outputs)


def _angles(num: int, head_width: int) -> np.ndarray:
    """Return `(num, head_width / 2)` angles, from one radian a row to a hundredth of it."""
    return (np.arange(num)[:, None] * 100.0 ** -np.linspace(0, 1, head_width // 2)).astype(np.float32)
