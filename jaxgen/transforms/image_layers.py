"""Layers of a flow over images (arXiv 1605.08803, 1807.03039): squeezing, transforms of pixels, couplings and scales of channels."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgen import checks
from jaxgen.lifting import data_init, lifted, nfe
from jaxgen.nets import Net
from jaxgen.refusals import require_transform
from jaxgen.transform import DataInit, Density, Hooks, Maps, Preimage, Transform, bijection, no_params
from jaxgen.transforms.coupling import couple
from jaxgen.transforms.scalars.scalar import Scalar
from jaxgen.types import Cond, Event, Key, Noise, Params, PyTree


def squeeze(block: int = 2) -> Transform:
    """Turn the channels of each pixel into a block of pixels: `(h, w, block^2 c)` becomes `(block h, block w, c)`.

    Noise is on the side of many channels, because a flow computes there.

    Args:
        block: The side of a block, in pixels.

    Returns:
        An EXACT transform without params and with log-determinant 0. It raises ValueError for sizes that `block` does not divide.

    Raises:
        ValueError: `block` is below 1.

    Source: arXiv 1605.08803, figure 3.

    >>> import jax.numpy as jnp
    >>> squeeze().forward((), jnp.zeros((2, 3, 8))).shape
    (4, 6, 2)
    """
    checks.count("squeeze: block", block)

    def forward_and_log_det(params: Params, z: jax.Array, /, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
        if z.ndim != 3 or z.shape[2] % block**2:
            raise ValueError(f"squeeze: noise of shape {z.shape}; accepted: (h, w, channels), channels a multiple of {block**2}.")
        h, w, c = z.shape
        blocks = z.reshape(h, w, block, block, c // block**2)
        return blocks.transpose(0, 2, 1, 3, 4).reshape(h * block, w * block, -1), jnp.zeros((), z.dtype)

    def inverse(params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
        if x.ndim != 3 or x.shape[0] % block or x.shape[1] % block:
            raise ValueError(f"squeeze: event of shape {x.shape}; accepted: height and width that are multiples of {block}.")
        h, w = x.shape[0] // block, x.shape[1] // block
        blocks = x.reshape(h, block, w, block, -1).transpose(0, 2, 1, 3, 4)
        return Preimage(blocks.reshape(h, w, -1), jnp.zeros((), x.dtype))

    return bijection(no_params, forward_and_log_det, inverse)


def pixelwise(f: Transform) -> Transform:
    """Apply `f` to the channels `(c,)` of every pixel with one set of params; of `lu()` it makes the invertible 1 x 1 convolution.

    Args:
        f: An EXACT transform of events `(c,)` that has an inverse and `forward_and_log_det`.

    Returns:
        An EXACT transform of images `(h, w, c)`, whose log-determinants are summed over the pixels. Its params are those of `f`.

    Raises:
        ValueError: `f` is not such a transform.

    Source: arXiv 1807.03039, section 3.2.

    >>> import jax.numpy as jnp, jaxgen
    >>> pixelwise(jaxgen.transforms.affine(0.0, [2.0, 3.0])).forward((), jnp.ones((1, 1, 2))).tolist()
    [[[2.0, 3.0]]]
    """
    require_transform("pixelwise: f", f)
    if f.kind is not Density.EXACT or f.proxy is not None or f.inverse is None or f.forward_and_log_det is None:
        raise ValueError(f"pixelwise: f={f!r}; accepted: an exact transform of its own density with inverse and forward_and_log_det.")

    def lift(batched: bool, g: Maps) -> Maps:
        g_inverse, g_log_det = g.inverse, g.forward_and_log_det
        assert g_inverse is not None and g_log_det is not None

        def everywhere(function: Callable[..., PyTree], params: Params, x: jax.Array, cond: Cond) -> PyTree:
            rows = x.reshape(-1, x.shape[-1])
            if batched:
                return function(params, rows, None if cond is None else jnp.repeat(cond, len(rows) // len(x), 0))
            return jax.vmap(lambda row: function(params, row, cond))(rows)

        def summed(results: tuple[jax.Array, jax.Array], x: jax.Array) -> tuple[jax.Array, jax.Array]:
            y, log_dets = results
            return y.reshape(x.shape), jnp.sum(log_dets.reshape(len(x), -1), 1) if batched else jnp.sum(log_dets)

        return Maps(
            lambda params, z, cond=None: everywhere(g.forward, params, z, cond).reshape(z.shape),
            lambda params, x, cond=None, key=None: Preimage(*summed(everywhere(g_inverse, params, x, cond)[:2], x)),
            lambda params, z, cond=None: summed(everywhere(g_log_det, params, z, cond), z),
        )

    return lifted(
        lambda change: pixelwise(change(f)),
        lift,
        lambda key, z, cond=None: f.init(key, z[0, 0], cond),
        f,
        hooks=Hooks(None, lambda params, z, cond=None: nfe(f)(params, z[0, 0], cond), _of_pixels(f)),
    )


def _of_pixels(f: Transform) -> DataInit | None:
    """Data-dependent initialisation that takes the pixels of all events for one batch."""
    if f.hooks.data_init is None:
        return None

    def from_data(params: Params, x: jax.Array, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Noise]:
        rows = x.reshape(-1, x.shape[3])
        params, z = data_init(f)(params, rows, None if cond is None else jnp.repeat(cond, len(rows) // len(x), 0), None)
        return params, z.reshape(x.shape)

    return from_data


def on_channels(f: Transform, num: int) -> Transform:
    """Apply `f` to the first `num` channels of an image; the other channels pass, because they have been split off as noise of their own.

    Args:
        f: A transform that keeps the shape of its event.
        num: How many channels it sees.

    Returns:
        A transform of images `(h, w, c)` with `c >= num`. Its params and its kind of density are those of `f`. `init` raises ValueError
        for an image of fewer channels.

    Raises:
        ValueError: `num` is below 1.

    Source: arXiv 1605.08803, section 3.6.

    >>> import jax.numpy as jnp, jaxgen
    >>> on_channels(jaxgen.transforms.affine(0.0, 2.0), 1).forward((), jnp.ones((1, 1, 2))).tolist()
    [[[2.0, 1.0]]]
    """
    require_transform("on_channels: f", f)
    checks.count("on_channels: num", num)

    def joined(first: jax.Array, x: jax.Array) -> jax.Array:
        return jnp.concatenate([first, x[..., num:]], -1)

    def init(key: Key, z: jax.Array, /, cond: Cond = None) -> Params:
        if z.ndim != 3 or z.shape[2] < num:
            raise ValueError(f"on_channels: noise of shape {z.shape}; accepted: (h, w, channels), at least {num} of them.")
        return f.init(key, z[..., :num], cond)

    def lift(batched: bool, g: Maps) -> Maps:
        g_inverse, g_log_det = g.inverse, g.forward_and_log_det

        def inverse(params: Params, x: jax.Array, /, cond: Cond = None, key: Key | None = None) -> Preimage:
            assert g_inverse is not None
            pre = g_inverse(params, x[..., :num], cond, key)
            return pre._replace(z=joined(pre.z, x))

        def forward_and_log_det(params: Params, z: jax.Array, /, cond: Cond = None) -> tuple[jax.Array, jax.Array]:
            assert g_log_det is not None
            y, log_det = g_log_det(params, z[..., :num], cond)
            return joined(y, z), log_det

        return Maps(
            lambda params, z, cond=None: joined(g.forward(params, z[..., :num], cond), z),
            inverse if g_inverse else None,
            forward_and_log_det if g_log_det else None,
        )

    def from_data(params: Params, x: jax.Array, /, cond: Cond = None, keys: Key | None = None) -> tuple[Params, Event]:
        params, z = data_init(f)(params, x[..., :num], cond, keys)
        return params, joined(z, x)

    def count(params: Params, z: jax.Array, /, cond: Cond = None) -> jax.Array | int:
        return nfe(f)(params, z[..., :num], cond)

    return lifted(
        lambda change: on_channels(change(f), num),
        lift,
        init,
        f,
        hooks=Hooks(None, count, from_data if f.hooks.data_init else None),
    )


def channel_coupling(scalar: Scalar, net: Callable[[int], Net]) -> Transform:
    """Build a coupling of images: the first `c // 2` channels say how the others are mapped, pixel by pixel.

    After a transform of the first half it is also the learned distribution of what a multi-scale flow splits off.

    Args:
        scalar: The bijection of one number.
        net: `net(num_outputs)` maps an image `(h, w, c // 2)` to `(num_outputs, h, w)` as one vector, as `nets.coupling_cnn` does.

    Returns:
        An EXACT transform of images `(h, w, c)`, whose params are the network's. It raises ValueError for a single channel.

    Source: arXiv 1605.08803, section 3.4; arXiv 1807.03039, section 3.

    >>> import jax, jax.numpy as jnp, jaxgen
    >>> layer = channel_coupling(jaxgen.transforms.scale_and_shift(), lambda out: jaxgen.nets.coupling_cnn(out, width=4, depth=1))
    >>> z = jnp.ones((2, 2, 2))
    >>> layer.forward(layer.init(jax.random.key(0), z), z).shape
    (2, 2, 2)
    """

    def split(x: jax.Array) -> tuple[jax.Array, jax.Array]:
        if x.ndim != 3 or x.shape[2] < 2:
            raise ValueError(f"channel_coupling: event of shape {x.shape}; accepted: (h, w, channels), at least 2 channels.")
        half = x.shape[2] // 2
        return x[..., :half], x[..., half:].transpose(2, 0, 1).ravel()

    def join(same: jax.Array, rest: jax.Array) -> jax.Array:
        return jnp.concatenate([same, rest.reshape(-1, *same.shape[:2]).transpose(1, 2, 0)], -1)

    return couple(scalar, net, split, join)
