"""Sampling from the gated PixelCNN: the vertical stack is computed once a row, the horizontal stack once a channel."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgen.nets.net import Solve, call
from jaxgen.nets.pixel_codes import num_features
from jaxgen.nets.pixelcnn_layers import Ends, Layer
from jaxgen.types import Array, Cond, DTypeLike, Params


class _Left(NamedTuple):
    """What the horizontal stack reads of the pixels to the left: `reach` codes, and `reach` features of each layer."""

    codes: Array
    features: Array


class _Scan(NamedTuple):
    """The scans over rows, pixels of a row, channels of a pixel and layers."""

    ends: Ends
    layer: Layer
    params: Params
    f: Solve
    cond: Cond
    dtype: DTypeLike

    def row(self, above: tuple[Array, Array], z_row: Array) -> Any:
        """Solve one row `(W, C)`, given the codes and the features of each layer of the `reach` rows above."""
        codes_above, rows_above = above
        v = call(self.ends, self.params["ends"], codes_above, method="vertical")

        def down(v: Array, xs: tuple[Params, Array]) -> Any:
            rows = jnp.concatenate([xs[1], v])
            v, inject = call(self.layer, xs[0], rows, self.cond, method="vertical")
            return v, (rows[1:], inject[0])

        _, (rows_above, injects) = jax.lax.scan(down, v, (self.params["layers"], rows_above))
        reach, num_layers, features = self.ends.reach, len(rows_above), rows_above.shape[-1]
        left = _Left(jnp.zeros((reach, codes_above.shape[-1]), self.dtype), jnp.zeros((num_layers, reach, features), self.dtype))
        _, (x, aux, codes) = jax.lax.scan(self.pixel, left, (z_row, jnp.moveaxis(injects, 1, 0)))
        return (jnp.concatenate([codes_above[1:], codes[None]]), rows_above), (x, aux)

    def pixel(self, left: _Left, xs: tuple[Array, Array]) -> Any:
        """Solve one pixel `(C,)`, given what the vertical stack injects into each layer."""
        z_pixel, injects = xs
        # Features of the last channel's round are the features of the whole pixel: none of them depends on the last channel.
        start = (jnp.zeros((left.codes.shape[-1],), self.dtype), left.features)
        places = jnp.arange(len(z_pixel), dtype=jnp.int32)
        channel = functools.partial(self.channel, left, injects)
        (code, features), (x, aux) = jax.lax.scan(channel, start, (places, z_pixel))
        return _Left(jnp.concatenate([left.codes[1:], code[None]]), features), (x, aux, code)

    def channel(self, left: _Left, injects: Array, carry: tuple[Array, Array], xs: tuple[Array, Array]) -> Any:
        """Solve channel c of a pixel, given the codes of its earlier channels."""
        (code, _), (c, z_c), of_ends = carry, xs, self.params["ends"]

        def along(h: Array, xs: tuple[Params, Array, Array]) -> Any:
            of_layer, earlier, inject = xs
            taps = jnp.concatenate([earlier, h])
            h = call(self.layer, of_layer, taps[None], inject[None, None], self.cond, method="horizontal")[0]
            return h, taps[1:]

        h = call(self.ends, of_ends, jnp.concatenate([left.codes, code[None]])[None], method="horizontal")[0]
        h, features = jax.lax.scan(along, h, (self.params["layers"], left.features, injects))
        theta = call(self.ends, of_ends, h[None], method="logits")[0, 0].astype(z_c.dtype)
        x_c, aux = self.f(jax.lax.dynamic_index_in_dim(theta, c, keepdims=False), z_c)
        new = call(self.ends, of_ends, x_c, method="code")
        code = jax.lax.dynamic_update_slice(code, new, (c * num_features(self.ends.levels),))
        return (code, features), (x_c, aux)


def substitute(ends: Ends, layer: Layer, params: Params, f: Solve, z: Array, cond: Cond) -> tuple[Array, Array]:
    """Solve `x[i], aux[i] = f(logits(x)[i], z[i])` in raster order, channel last.

    A scan over rows, and in it a scan over pixels, carry the last `reach` rows and pixels of each layer.

    Args:
        ends: The first and the last layer of the network.
        layer: One layer between them.
        params: The params of the network.
        f: `(logits, z) -> (value, aux)` of one channel of one pixel.
        z: Noise `(H, W, C)`.
        cond: A condition, or None.

    Returns:
        The pixels `(H, W, C)` and the second results `(H W C,)`.
    """
    num_columns, channels = z.shape[1:]
    num_layers = len(jax.tree.leaves(params["layers"])[0])
    dtype = jax.eval_shape(lambda x: call(ends, params["ends"], x, method="code"), z).dtype
    codes = jnp.zeros((ends.reach, num_columns, channels * num_features(ends.levels)), dtype)
    features = jnp.zeros((num_layers, ends.reach, num_columns, channels * ends.width), dtype)
    x, aux = jax.lax.scan(_Scan(ends, layer, params, f, cond, dtype).row, (codes, features), z)[1]
    return x, aux.ravel()
