"""A transformer over sequences of codes with attention in both directions, in time or without it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from jaxgen import checks
from jaxgen.nets.adaptive_block import adaptive_stack
from jaxgen.nets.conditioning import conditioned
from jaxgen.nets.net import Net
from jaxgen.nets.pixel_codes import Codes
from jaxgen.nets.precision import compute_dtype
from jaxgen.nets.row_product import row_product
from jaxgen.types import DTypeLike


def code_transformer(
    num_codes: int,
    out: int,
    *,
    num_times: int = 1,
    width: int = 96,
    depth: int = 4,
    num_heads: int = 4,
    reach: int = 3,
    num_frequencies: int = 4,
    dtype: str | None = None,
    remat: bool = False,
) -> Net:
    """Build a transformer over codes: `apply(params, x (n,), *times, cond (c,) or None) -> (n, out)`, in which every site sees all sites.

    A site's token holds its code and those within `reach` places, all others enter through attention: what neighbours say of each other
    is then learned in the first steps, and not after attention has found them. Places are learned, and rotate queries and keys. Times
    and condition enter every block by adaLN-zero, as in `dit`, whose blocks these are. The network starts as the zero function: equal
    probabilities.

    Args:
        num_codes: How many codes 0.0, 1.0, ... a site has, the mask among them; another number is read as none.
        out: Numbers that each site becomes, such as logits of its categories.
        num_times: 0, 1 (the input t in [0, 1]) or 2 (the inputs t and s, which enter as t and s - t).
        width: Numbers of a token, a multiple of twice `num_heads`.
        depth: The number of blocks.
        num_heads: Heads of the attention.
        reach: How many places away a code enters a token directly; 0 for sites without an order.
        num_frequencies: Fourier pairs of each time.
        dtype: "bfloat16" or "float32" computes in it, with moments and softmax in float32 at least; None computes in the dtype of the
            events.
        remat: Compute the blocks again in the backward pass instead of keeping their values.

    Raises:
        ValueError: A size or `dtype` cannot be used; at evaluation, the event is no vector.

    Source: arXiv 2212.09748, section 3.2; arXiv 2310.16834, appendix C.2; rotations by arXiv 2104.09864.

    >>> net, x, t = code_transformer(3, 2, width=4, depth=1, num_heads=1), jnp.zeros(5), jnp.asarray(0.5)
    >>> jax.eval_shape(lambda: net.apply(net.init(jax.random.key(0), x, t), x, t)).shape
    (5, 2)
    """
    checks.count("code_transformer: num_codes", num_codes, 2)
    checks.counts("code_transformer", out=out, width=width, depth=depth, num_heads=num_heads)
    checks.count("code_transformer: reach", reach, 0)
    if width % (2 * num_heads):
        raise ValueError(f"code_transformer: width={width!r} with num_heads={num_heads!r}; accepted: a multiple of twice num_heads.")
    body = _Tokens(num_codes, out, width, depth, num_heads, reach, compute_dtype("code_transformer", dtype), remat)
    return conditioned("code_transformer", body, width, num_times, num_frequencies, rank=1)


class _Tokens(nn.Module):
    num_codes: int
    out: int
    width: int
    depth: int
    num_heads: int
    reach: int
    dtype: DTypeLike | None
    remat: bool

    @nn.compact
    def __call__(self, x: jax.Array, embedding: jax.Array) -> jax.Array:
        hot = x[:, None] == jnp.arange(self.num_codes, dtype=x.dtype)[None]
        h = nn.Dense(self.width, dtype=self.dtype, kernel_init=nn.initializers.normal(1.0))(hot.astype(self.dtype or x.dtype))
        h = h + self.param("place", nn.initializers.normal(0.1), (x.shape[0], self.width)).astype(h.dtype)
        if self.reach:
            h = h + self.nearby(Codes(self.num_codes, self.dtype)(x))
        head = self.width // self.num_heads
        frequencies = 1000.0 ** -np.linspace(0, 1, head // 2)
        angles = jnp.asarray(np.arange(x.shape[0])[:, None] * frequencies, jnp.promote_types(h.dtype, jnp.float32))
        sizes = {"out": self.out, "depth": self.depth, "num_heads": self.num_heads}
        return adaptive_stack(h, embedding, angles, **sizes, dtype=self.dtype, remat=self.remat)

    def nearby(self, codes: jax.Array) -> jax.Array:
        """Return `(n, width)` from the features of codes `(n, e)` within reach of each site, zeros beyond the ends."""
        n, window = len(codes), 2 * self.reach + 1
        padded = jnp.pad(codes, ((self.reach, self.reach), (0, 0)))
        around = jnp.concatenate([padded[i : i + n] for i in range(window)], -1)
        # The features of a code have about length 1, so that a token of zero mean has a variance of 1.
        init = nn.initializers.normal(window**-0.5)
        return nn.Dense(self.width, use_bias=False, dtype=self.dtype, kernel_init=init, dot_general=row_product, name="near")(around)
