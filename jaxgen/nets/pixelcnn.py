"""The gated PixelCNN: a vertical stack that sees the rows above, and a horizontal one that sees the row to the left of a pixel."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.dtypes import promote_dtype

from jaxgen.nets.conv import Conv
from jaxgen.nets.net import Net, call
from jaxgen.nets.pixels import Codes, check_sizes, compute_dtype, image_shape, num_features


def pixelcnn(levels: int, *, width: int = 64, depth: int = 6, reach: int = 2, dtype: str = "float32", remat: bool = False) -> Net:
    """`apply(params, x (H, W, C), cond (c,) or None) -> logits (H W C, levels)`, in raster order, channel last (arXiv 1606.05328).

    Row i depends on the pixels before i only, and on all within the cone of `depth` layers whose kernels reach `reach` rows and columns.
    Pixels are codes 0.0 ... levels - 1. Both stacks have `width` features for each channel; those of a channel see earlier channels of their
    own pixel. Inputs are shifted by a row and by a pixel, so no layer needs a mask among C = 1 channels. Layers of equal shape run in one
    `lax.scan`; `remat` recomputes them in the backward pass. `dtype` "bfloat16" computes in it, with params and logits in float32. Starts at
    zero, that is at equal probabilities.

    `substitute` computes every feature of the vertical stack once, a row at a time, and those of the horizontal one once for each channel:
    a scan over rows, and in it one over pixels, carry the last `reach` rows and pixels of each layer.
    """
    check_sizes(levels, width=width, depth=depth, reach=reach)
    computed = compute_dtype(dtype)

    def modules(channels: int) -> tuple[_Ends, _Layer]:
        return _Ends(levels, channels, width, reach, computed), _Layer(channels, width, reach, computed)

    def init(key: jax.Array, x: jax.Array, cond: Any = None) -> Any:
        rows, columns, channels = image_shape(x)
        ends, layer = modules(channels)
        first, *others = jax.random.split(key, depth + 1)
        features = jnp.zeros((rows, columns, channels * width), x.dtype)
        layers = [layer.init(k, features, features, cond)["params"] for k in others]
        return {"ends": ends.init(first, x)["params"], "layers": jax.tree.map(lambda *leaves: jnp.stack(leaves), *layers)}

    def apply(params: Any, x: jax.Array, cond: Any = None) -> jax.Array:
        ends, layer = modules(image_shape(x)[2])

        def both(state: Any, layer_params: Any) -> tuple[Any, None]:
            return call(layer, layer_params, *state, cond), None

        state = call(ends, params["ends"], x, method="start")
        state = jax.lax.scan(jax.checkpoint(both) if remat else both, state, params["layers"])[0]
        return call(ends, params["ends"], state[1], method="logits").reshape(x.size, levels).astype(x.dtype)

    def substitute(params: Any, f: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        return _substitute(*modules(image_shape(z)[2]), params, f, z, cond)

    return Net(init, apply, substitute)


def _substitute(ends: "_Ends", layer: "_Layer", params: Any, f: Any, z: jax.Array, cond: Any) -> tuple[jax.Array, jax.Array]:
    width, channels = z.shape[1:]
    of_ends, reach, e = params["ends"], ends.reach, num_features(ends.levels)
    of_layers, depth = params["layers"], len(jax.tree.leaves(params["layers"])[0])
    dtype = jax.eval_shape(lambda x: call(ends, of_ends, x, method="code"), z).dtype

    def whole_row(above: Any, z_row: jax.Array) -> Any:
        codes_above, rows_above = above
        v = call(ends, of_ends, codes_above, method="vertical")

        def down(v: jax.Array, xs: Any) -> Any:
            rows = jnp.concatenate([xs[1], v])
            v, inject = call(layer, xs[0], rows, cond, method="vertical")
            return v, (rows[1:], inject[0])

        _, (rows_above, injects) = jax.lax.scan(down, v, (of_layers, rows_above))
        left = (jnp.zeros((reach, channels * e), dtype), jnp.zeros((depth, reach, channels * ends.width), dtype))
        _, found = jax.lax.scan(pixel, left, (z_row, jnp.moveaxis(injects, 1, 0)))
        return (jnp.concatenate([codes_above[1:], found[2][None]]), rows_above), found[:2]

    def pixel(left: Any, xs: Any) -> Any:
        codes_left, features_left = left
        z_pixel, injects = xs

        def along(h: jax.Array, xs: Any) -> Any:
            of_layer, earlier, inject = xs
            taps = jnp.concatenate([earlier, h])
            h = call(layer, of_layer, taps[None], inject[None, None], cond, method="horizontal")[0]
            return h, taps[1:]

        def channel(carry: Any, xs: Any) -> Any:
            code, _ = carry
            c, z_c = xs
            h = call(ends, of_ends, jnp.concatenate([codes_left, code[None]])[None], method="horizontal")[0]
            h, features = jax.lax.scan(along, h, (of_layers, features_left, injects))
            theta = call(ends, of_ends, h[None], method="logits")[0, 0].astype(z.dtype)
            x_c, aux = f(jax.lax.dynamic_index_in_dim(theta, c, keepdims=False), z_c)
            code = jax.lax.dynamic_update_slice(code, call(ends, of_ends, x_c, method="code"), (c * e,))
            return (code, features), (x_c, aux)

        # Features of the last channel's round are those of the whole pixel: none of them sees the last channel.
        start = (jnp.zeros((channels * e,), dtype), features_left)
        (code, features), (x, aux) = jax.lax.scan(channel, start, (jnp.arange(channels, dtype=jnp.int32), z_pixel))
        return (jnp.concatenate([codes_left[1:], code[None]]), features), (x, aux, code)

    above = (jnp.zeros((reach, width, channels * e), dtype), jnp.zeros((depth, reach, width, channels * ends.width), dtype))
    x, aux = jax.lax.scan(whole_row, above, z)[1]
    return x, aux.ravel()


class _Ends(nn.Module):
    """From pixels to the features that enter the stacks, and from those of the horizontal stack to logits."""

    levels: int
    channels: int
    width: int
    reach: int
    dtype: Any

    def setup(self) -> None:
        features, groups = self.channels * self.width, self.channels
        self.embed = Codes(self.levels, self.dtype)
        self.above = Conv(features, (self.reach, 2 * self.reach + 1), padding="VALID", dtype=self.dtype)
        self.left = _Grouped(features, groups, self.reach, True, dtype=self.dtype)
        self.hidden = _Grouped(features, groups, dtype=self.dtype)
        self.head = _Grouped(groups * self.levels, groups, zero=True, dtype=self.dtype)

    def __call__(self, x: jax.Array) -> jax.Array:
        v, h = self.start(x)
        return self.logits(v + h)

    def code(self, x: jax.Array) -> jax.Array:
        """Pixels `(..., C)` to `(..., C e)`."""
        codes = self.embed(x)
        return codes.reshape(*x.shape[:-1], -1) if x.ndim else codes

    def start(self, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Features `(H, W, C width)` of the rows above and of the pixels to the left, a channel's of earlier channels too."""
        codes, r = self.code(x), self.reach
        return self.vertical(jnp.pad(codes, ((r, 0), (0, 0), (0, 0)))[:-1]), self.horizontal(jnp.pad(codes, ((0, 0), (r, 0), (0, 0))))

    def vertical(self, codes: jax.Array) -> jax.Array:
        """`(n, W, C width)` of rows of codes `(reach - 1 + n, W, C e)`, each row from the `reach` that end in the one before it."""
        return self.above(jnp.pad(codes, ((0, 0), (self.reach, self.reach), (0, 0))))

    def horizontal(self, codes: jax.Array) -> jax.Array:
        """`(n, m, C width)` of codes `(n, reach + m, C e)`."""
        return self.left(_taps(codes, self.reach))

    def logits(self, h: jax.Array) -> jax.Array:
        """`(n, m, C, levels)` of features `(n, m, C width)`."""
        h = self.head(nn.relu(self.hidden(nn.relu(h))))
        return h.reshape(*h.shape[:-1], self.channels, self.levels)


class _Layer(nn.Module):
    """One layer of both stacks (arXiv 1606.05328, figure 2). Its inputs begin with the rows, or pixels, that its kernel reaches back to."""

    channels: int
    width: int
    reach: int
    dtype: Any

    def setup(self) -> None:
        features = self.channels * self.width
        self.down = Conv(2 * features, (self.reach + 1, 2 * self.reach + 1), padding="VALID", dtype=self.dtype)
        self.across = nn.Dense(2 * features, dtype=self.dtype)
        self.along = _Grouped(2 * features, self.channels, self.reach, halves=2, dtype=self.dtype)
        self.out = _Grouped(features, self.channels, dtype=self.dtype)
        self.conditions = [nn.Dense(2 * features, use_bias=False, dtype=self.dtype) for _ in range(2)]

    def __call__(self, v: jax.Array, h: jax.Array, cond: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        r = self.reach
        v, inject = self.vertical(jnp.pad(v, ((r, 0), (0, 0), (0, 0))), cond)
        return v, self.horizontal(jnp.pad(h, ((0, 0), (r, 0), (0, 0))), inject, cond)

    def vertical(self, v: jax.Array, cond: jax.Array | None) -> tuple[jax.Array, jax.Array]:
        """`(reach + n, W, C width)` to `(n, W, C width)`, and what the horizontal stack is given."""
        u = self.down(jnp.pad(v, ((0, 0), (self.reach, self.reach), (0, 0))))
        return self._gated(u, cond, 0), self.across(u)

    def horizontal(self, h: jax.Array, inject: jax.Array, cond: jax.Array | None) -> jax.Array:
        """`(n, reach + m, C width)` to `(n, m, C width)`."""
        u = self.along(_taps(h, self.reach)) + inject
        return h[:, self.reach :] + self.out(self._gated(u, cond, 1))

    def _gated(self, u: jax.Array, cond: jax.Array | None, stack: int) -> jax.Array:
        if cond is not None:
            u = u + self.conditions[stack](cond.astype(u.dtype).ravel())[None, None]
        a, b = jnp.split(u, 2, -1)
        return jnp.tanh(a) * nn.sigmoid(b)


class _Grouped(nn.Module):
    """A linear map of `reach` taps to the left and the pixel itself, of which a group of outputs sees its own and earlier groups only.

    strict: earlier groups only, of the pixel itself.  halves: how many blocks of outputs there are, each of all groups.
    """

    features: int
    groups: int
    reach: int = 0
    strict: bool = False
    halves: int = 1
    zero: bool = False
    dtype: Any = None

    @nn.compact
    def __call__(self, taps: jax.Array) -> jax.Array:
        inputs = taps.shape[-1] // (self.reach + 1)
        group_in = np.repeat(np.arange(self.groups), inputs // self.groups)
        group_out = np.tile(np.repeat(np.arange(self.groups), self.features // (self.groups * self.halves)), self.halves)
        own = group_in[:, None] < group_out[None, :] + (not self.strict)
        mask = np.concatenate([np.ones((self.reach * inputs, self.features), bool), own])
        init = nn.initializers.zeros if self.zero else nn.initializers.lecun_normal()
        kernel = self.param("kernel", init, mask.shape)
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        taps, kernel, bias = promote_dtype(taps, kernel, bias, dtype=self.dtype)
        return taps @ jnp.where(mask, kernel, 0) + bias[None, None]


def _taps(h: jax.Array, reach: int) -> jax.Array:
    """`(n, reach + m, k)` to `(n, m, (reach + 1) k)`: each place beside the `reach` before it."""
    size = h.shape[1] - reach
    return jnp.concatenate([h[:, j : j + size] for j in range(reach + 1)], -1)
