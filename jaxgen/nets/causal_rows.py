"""A causal transformer over rows of numbers, such as the patches of an image: what is said of a row depends on the rows before it."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.nets.causal_transformer import CausalBlock
from jaxgen.nets.net import Net, call
from jaxgen.nets.pixels import compute_dtype


def causal_rows(
    outputs: int,
    *,
    width: int = 64,
    depth: int = 2,
    num_heads: int = 4,
    dtype: str = "float32",
    remat: bool = False,
) -> Net:
    """`apply(params, x (n, k), cond (c,) or None) -> (n, k, outputs)`, row i from the rows before i only; the zero function at first.

    Attention among the rows so far (arXiv 2412.06329, section 3.1), in `depth` pre-norm blocks of equal shape that run in one `lax.scan`; a
    row's place is learned and turns queries and keys. `substitute` keeps keys and values, so that it computes each row once. `dtype`
    "bfloat16" computes in it with float32 params; `remat` computes the blocks again in the backward pass.
    Raises ValueError for sizes below 1, another `dtype`, or events of other than two axes.
    """
    checks.count("outputs", outputs)
    for name, size in (("width", width), ("depth", depth), ("num_heads", num_heads)):
        checks.count(name, size)
    computed = compute_dtype(dtype)
    block = CausalBlock(width, num_heads, depth, 0.0, "xla", computed)

    def ends_of(x: jax.Array) -> "_Ends":
        if x.ndim != 2:
            raise ValueError(f"causal_rows: event of shape {x.shape}; accepted: (rows, numbers of a row).")
        return _Ends(x.shape[0], x.shape[1], outputs, width, computed)

    def init(key: jax.Array, x: jax.Array, cond: Any = None) -> Any:
        first, *others = jax.random.split(key, depth + 1)
        tokens, angles = jnp.zeros((len(x), width), x.dtype), _angles(len(x), block.head_width)
        blocks = [block.init(k, tokens, angles)["params"] for k in others]
        return {"ends": ends_of(x).init(first, x, cond)["params"], "blocks": jax.tree.map(lambda *leaves: jnp.stack(leaves), *blocks)}

    def apply(params: Any, x: jax.Array, cond: Any = None) -> jax.Array:
        ends, angles = ends_of(x), _angles(len(x), block.head_width)

        def layer(h: jax.Array, p: Any) -> tuple[jax.Array, None]:
            return call(block, p, h, angles), None

        h = call(ends, params["ends"], x, cond, method="tokens")
        h = jax.lax.scan(jax.checkpoint(layer) if remat else layer, h, params["blocks"])[0]
        return call(ends, params["ends"], h, method="thetas").astype(x.dtype)

    return Net(init, apply, lambda params, f, z, cond=None: _substitute(ends_of(z), block, params, f, z, cond))


def _substitute(ends: "_Ends", block: CausalBlock, params: Any, f: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
    of_ends = params["ends"]
    places = call(ends, of_ends, z.dtype, cond, method="places")
    blocks, caches = block.start(params["blocks"], len(z), places.dtype)

    def step(carry: Any, xs: Any) -> Any:
        previous, caches = carry
        i, z_i, place, angles = xs
        h = call(ends, of_ends, previous, method=lambda m, p: m.embedded(p)) + place
        h, caches = block.through(blocks, h, caches, i, angles)
        x_i, aux = f(call(ends, of_ends, h[None], method="thetas")[0].astype(z.dtype), z_i)
        return (x_i, caches), (x_i, aux)

    xs = (jnp.arange(len(z), dtype=jnp.int32), z, places, jnp.asarray(_angles(len(z), block.head_width)))
    return jax.lax.scan(step, (jnp.zeros_like(z[0]), caches), xs)[1]


class _Ends(nn.Module):
    """From rows to tokens, and from tokens to what is said of each number of a row."""

    num: int
    size: int
    outputs: int
    width: int
    dtype: Any

    def setup(self) -> None:
        self.embedded = nn.Dense(self.width, dtype=self.dtype)
        self.place = self.param("place", nn.initializers.normal(0.02), (self.num, self.width))
        self.condition = nn.Dense(self.width, use_bias=False, dtype=self.dtype)
        self.norm = nn.RMSNorm(dtype=self.dtype)
        self.head = nn.Dense(self.size * self.outputs, dtype=self.dtype, kernel_init=nn.initializers.zeros)

    def __call__(self, x: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        return self.thetas(self.tokens(x, cond))

    def tokens(self, x: jax.Array, cond: jax.Array | None = None) -> jax.Array:
        """`(n, width)`, of the row before each."""
        return self.embedded(jnp.concatenate([jnp.zeros_like(x[:1]), x[:-1]])) + self.places(x.dtype, cond)

    def places(self, dtype: Any, cond: jax.Array | None = None) -> jax.Array:
        """`(n, width)`: what a token has of its place and of the condition."""
        place = self.place.astype(self.dtype or dtype)
        return place if cond is None else place + self.condition(cond.astype(dtype).ravel())[None]

    def thetas(self, h: jax.Array) -> jax.Array:
        """`(n, size, outputs)` of tokens `(n, width)`."""
        return self.head(self.norm(h)).reshape(len(h), self.size, self.outputs)


def _angles(num: int, head_width: int) -> np.ndarray:
    """`(num, head_width / 2)`, from one radian a row to a hundredth of it."""
    return (np.arange(num)[:, None] * 100.0 ** -np.linspace(0, 1, head_width // 2)).astype(np.float32)
