"""What a flow over images is built of (arXiv 1605.08803, 1807.03039): squeeze, one transform at every pixel, couplings and scales of channels."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.nets import Net
from jaxgen.transform import Density, Preimage, Transform, data_init, refined_through
from jaxgen.transforms.coupling import couple
from jaxgen.transforms.scalars.scalar import Scalar


def squeeze(block: int = 2) -> Transform:
    """`(h, w, block^2 c)` to `(block h, block w, c)`: the channels of a pixel become a block of pixels (arXiv 1605.08803, figure 3).

    Noise is on the side of many channels, as a flow computes there. No params, log_det 0. ValueError for sizes that `block` does not divide.
    """
    checks.count("squeeze: block", block)

    def forward(params: Any, z: jax.Array, cond: Any = None) -> jax.Array:
        if z.ndim != 3 or z.shape[2] % block**2:
            raise ValueError(f"squeeze({block}): noise of shape {z.shape}; accepted: (h, w, channels), channels a multiple of {block**2}.")
        h, w, c = z.shape
        parts = z.reshape(h, w, block, block, c // block**2)
        return parts.transpose(0, 2, 1, 3, 4).reshape(h * block, w * block, -1)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        if x.ndim != 3 or x.shape[0] % block or x.shape[1] % block:
            raise ValueError(f"squeeze({block}): event of shape {x.shape}; accepted: height and width that are multiples of {block}.")
        h, w = x.shape[0] // block, x.shape[1] // block
        parts = x.reshape(h, block, w, block, -1).transpose(0, 2, 1, 3, 4)
        return Preimage(parts.reshape(h, w, -1), jnp.zeros((), x.dtype))

    return Transform(
        lambda key, z, cond=None: (),
        forward,
        inverse,
        lambda params, z, cond=None: (forward(params, z), jnp.zeros((), z.dtype)),
        Density.EXACT,
    )


def pixelwise(f: Transform) -> Transform:
    """`f` on the channels `(c,)` of every pixel, with one set of params: of `lu()` the invertible 1 x 1 convolution (arXiv 1807.03039).

    log-dets are summed over the pixels. `f` is EXACT and has an inverse and `forward_and_log_det`; ValueError otherwise. params: `f`'s.
    """
    f_inverse, f_log_det = f.inverse, f.forward_and_log_det
    if f.density is not Density.EXACT or f_inverse is None or f_log_det is None:
        raise ValueError(f"pixelwise: f of density {f.density!s}; accepted: an exact one with inverse and forward_and_log_det.")

    def everywhere(function: Any, x: jax.Array) -> tuple[jax.Array, jax.Array]:
        y, log_dets = jax.vmap(lambda row: function(row))(x.reshape(-1, x.shape[2]))
        return y.reshape(x.shape), jnp.sum(log_dets)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        return Preimage(*everywhere(lambda row: f_inverse(params, row, cond)[:2], x))

    def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        return everywhere(lambda row: f_log_det(params, row, cond), z)

    def from_data(params: Any, x: jax.Array, cond: Any = None, keys: Any = None) -> tuple[Any, jax.Array]:
        # Pixels of all events are one batch.
        each = None if cond is None else jnp.repeat(cond, x.shape[1] * x.shape[2], 0)
        params, z = data_init(f)(params, x.reshape(-1, x.shape[3]), each, None)
        return params, z.reshape(x.shape)

    return Transform(
        lambda key, z, cond=None: f.init(key, z[0, 0], cond),
        lambda params, z, cond=None: forward_and_log_det(params, z, cond)[0],
        inverse,
        forward_and_log_det,
        Density.EXACT,
        {"data_init": from_data} if "data_init" in f.parts else {},
        note=f.note,
        refine=refined_through(pixelwise, f),
    )


def on_channels(f: Transform, num: int) -> Transform:
    """`f` on the first `num` channels of an image; the others pass: what has been split off is noise of its own (arXiv 1605.08803, section 3.6).

    `f` keeps the shape of its event and needs no key; params are its own. ValueError for an image of fewer channels.
    """
    checks.count("on_channels: num", num)
    f_inverse, f_log_det = f.inverse, f.forward_and_log_det

    def joined(first: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.concatenate([first, x[..., num:]], -1)

    def init(key: jax.Array, z: jax.Array, cond: Any = None) -> Any:
        if z.ndim != 3 or z.shape[2] < num:
            raise ValueError(f"on_channels(num={num}): noise of shape {z.shape}; accepted: (h, w, channels), at least {num} of them.")
        return f.init(key, z[..., :num], cond)

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        assert f_inverse is not None
        pre = f_inverse(params, x[..., :num], cond, key)
        return pre._replace(z=joined(pre.z, x))

    def forward_and_log_det(params: Any, z: jax.Array, cond: Any = None) -> tuple[jax.Array, jax.Array]:
        assert f_log_det is not None
        y, log_det = f_log_det(params, z[..., :num], cond)
        return joined(y, z), log_det

    def from_data(params: Any, x: jax.Array, cond: Any = None, keys: Any = None) -> tuple[Any, jax.Array]:
        params, z = data_init(f)(params, x[..., :num], cond, keys)
        return params, joined(z, x)

    return Transform(
        init,
        lambda params, z, cond=None: joined(f.forward(params, z[..., :num], cond), z),
        inverse if f_inverse is not None else None,
        forward_and_log_det if f_log_det is not None else None,
        f.density,
        {"data_init": from_data} if "data_init" in f.parts else {},
        note=f.note,
        refine=refined_through(lambda g: on_channels(g, num), f),
    )


def channel_coupling(scalar: Scalar, net: Callable[[int], Net]) -> Transform:
    """`coupling` of images `(h, w, c)`: the first `c // 2` channels say how the others are mapped, pixel by pixel.

    net: `net(num_outputs)` sees `(h, w, c // 2)` and gives `(num_outputs, h, w)` as one vector, as `nets.image_parameters` does. After a
    transform of the first half it is also the learned distribution of what a multi-scale flow splits off (arXiv 1807.03039, section 3).
    ValueError for a single channel. params: the network's.
    """

    def split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        if x.ndim != 3 or x.shape[2] < 2:
            raise ValueError(f"channel_coupling: event of shape {x.shape}; accepted: (h, w, channels), at least 2 channels.")
        half = x.shape[2] // 2
        return x[..., :half], x[..., half:].transpose(2, 0, 1).ravel()

    def join(same: jax.Array, rest: jax.Array) -> jax.Array:
        return jnp.concatenate([same, rest.reshape(-1, *same.shape[:2]).transpose(1, 2, 0)], -1)

    return couple(scalar, net, split, join)
