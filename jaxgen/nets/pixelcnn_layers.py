"""The layers of the gated PixelCNN: masked linear maps, and one layer of its two stacks."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype

from jaxgen.nets.conv_layer import Conv
from jaxgen.nets.pixel_codes import Codes
from jaxgen.types import Cond, DTypeLike


class Ends(nn.Module):
    """The layers from pixels to the features that enter both stacks, and from the features of the horizontal stack to logits."""

    levels: int
    channels: int
    width: int
    reach: int
    dtype: DTypeLike | None

    def setup(self) -> None:
        features, groups = self.channels * self.width, self.channels
        self.embed = Codes(self.levels, self.dtype)
        self.above = Conv(features, (self.reach, 2 * self.reach + 1), padding="VALID", dtype=self.dtype)
        self.left = Grouped(features, groups, self.reach, True, dtype=self.dtype)
        self.hidden = Grouped(features, groups, dtype=self.dtype)
        self.head = Grouped(groups * self.levels, groups, zero=True, dtype=self.dtype)

    def __call__(self, x: jax.Array) -> jax.Array:
        v, h = self.start(x)
        return self.logits(v + h)

    def code(self, x: jax.Array) -> jax.Array:
        """Embed pixels `(..., C)` as codes `(..., C e)`."""
        codes = self.embed(x)
        return codes.reshape(*x.shape[:-1], -1) if x.ndim else codes

    def start(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Return features `(H, W, C width)` of the rows above, and of the pixels to the left and the earlier channels of the pixel."""
        codes, r = self.code(x), self.reach
        return self.vertical(jnp.pad(codes, ((r, 0), (0, 0), (0, 0)))[:-1]), self.horizontal(jnp.pad(codes, ((0, 0), (r, 0), (0, 0))))

    def vertical(self, codes: jax.Array) -> jax.Array:
        """Map rows of codes `(reach - 1 + n, W, C e)` to `(n, W, C width)`, each row from `reach` rows of codes."""
        return self.above(jnp.pad(codes, ((0, 0), (self.reach, self.reach), (0, 0))))

    def horizontal(self, codes: jax.Array) -> jax.Array:
        """Map codes `(n, reach + m, C e)` to `(n, m, C width)`."""
        return self.left(taps_of(codes, self.reach))

    def logits(self, h: jax.Array) -> jax.Array:
        """Map features `(n, m, C width)` to logits `(n, m, C, levels)`."""
        h = self.head(nn.relu(self.hidden(nn.relu(h))))
        return h.reshape(*h.shape[:-1], self.channels, self.levels)


class Layer(nn.Module):
    """One layer of both stacks (arXiv 1606.05328, figure 2). Its inputs begin with the rows, or pixels, to which its kernel reaches back."""

    channels: int
    width: int
    reach: int
    dtype: DTypeLike | None

    def setup(self) -> None:
        features = self.channels * self.width
        self.down = Conv(2 * features, (self.reach + 1, 2 * self.reach + 1), padding="VALID", dtype=self.dtype)
        self.across = nn.Dense(2 * features, dtype=self.dtype)
        self.along = Grouped(2 * features, self.channels, self.reach, halves=2, dtype=self.dtype)
        self.out = Grouped(features, self.channels, dtype=self.dtype)
        self.conditions = [nn.Dense(2 * features, use_bias=False, dtype=self.dtype) for _ in range(2)]

    def __call__(self, v: jax.Array, h: jax.Array, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        r = self.reach
        v, inject = self.vertical(jnp.pad(v, ((r, 0), (0, 0), (0, 0))), cond)
        return v, self.horizontal(jnp.pad(h, ((0, 0), (r, 0), (0, 0))), inject, cond)

    def vertical(self, v: jax.Array, cond: Cond) -> tuple[jax.Array, jax.Array]:
        """Apply the vertical stack, which sees the rows above.

        Args:
            v: Features of the rows above and of these rows, `(reach + n, W, C width)`.
            cond: A condition, or None.

        Returns:
            Features `(n, W, C width)`, and the input `(n, W, 2 C width)` of the horizontal stack.
        """
        u = self.down(jnp.pad(v, ((0, 0), (self.reach, self.reach), (0, 0))))
        return self._gated(u, cond, 0), self.across(u)

    def horizontal(self, h: jax.Array, inject: jax.Array, cond: Cond) -> jax.Array:
        """Apply the horizontal stack, which sees the places on the left.

        Args:
            h: Features of the places on the left and of these places, `(n, reach + m, C width)`.
            inject: The input from the vertical stack, `(n, m, 2 C width)`.
            cond: A condition, or None.

        Returns:
            Features `(n, m, C width)`.
        """
        u = self.along(taps_of(h, self.reach)) + inject
        return h[:, self.reach :] + self.out(self._gated(u, cond, 1))

    def _gated(self, u: jax.Array, cond: Cond, stack: int) -> jax.Array:
        if cond is not None:
            u = u + self.conditions[stack](cond.astype(u.dtype).ravel())[None, None]
        a, b = jnp.split(u, 2, -1)
        return jnp.tanh(a) * nn.sigmoid(b)


class Grouped(nn.Module):
    """A linear map of `reach` pixels to the left and of the pixel itself, whose outputs read earlier groups and their own group only.

    Attributes:
        features: The number of outputs.
        groups: The number of groups, one for each channel of the image.
        reach: How many pixels to the left are read, with all their groups.
        strict: Outputs do not read their own group of the pixel itself.
        halves: The number of blocks of outputs; each block has all groups.
        zero: Start as the zero function.
        dtype: The dtype of the computation; None computes in that of the input.
    """

    features: int
    groups: int
    reach: int = 0
    strict: bool = False
    halves: int = 1
    zero: bool = False
    dtype: DTypeLike | None = None

    @nn.compact
    def __call__(self, taps: jax.Array) -> jax.Array:
        inputs = taps.shape[-1] // (self.reach + 1)
        group_in = np.repeat(np.arange(self.groups), inputs // self.groups)
        group_out = np.tile(np.repeat(np.arange(self.groups), self.features // (self.groups * self.halves)), self.halves)
        visible = group_in[:, None] < group_out[None, :] + (not self.strict)
        mask = np.concatenate([np.ones((self.reach * inputs, self.features), bool), visible])
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", init, mask.shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        taps, kernel, bias = promote_dtype(taps, kernel, bias, dtype=self.dtype)
        return taps @ jnp.where(mask, kernel, 0) + bias[None, None]


def taps_of(h: jax.Array, reach: int) -> jax.Array:
    """Put each place beside the `reach` places before it.

    Args:
        h: Features `(n, reach + m, k)`.
        reach: The number of places before each.

    Returns:
        Features `(n, m, (reach + 1) k)`.
    """
    size = h.shape[1] - reach
    return jnp.concatenate([h[:, j : j + size] for j in range(reach + 1)], -1)
