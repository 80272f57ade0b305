"""Autoregressive models of images: whole-numbered pixels, each read off a uniform number given the pixels before it; exact likelihoods."""

from typing import Any

import jax

from jaxgen.bases import uniform
from jaxgen.model import Model
from jaxgen.nets import Net, causal_transformer
from jaxgen.nets import pixelcnn as pixelcnn_net
from jaxgen.objectives import maximum_likelihood
from jaxgen.training import adam
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms import Scalar, autoregressive, categorical
from jaxgen.zoo.registry import Recipe, register_images

FAMILY = "autoregressive"


def _pixels(levels: int) -> Scalar:
    # Each level keeps the mass of a few roundings of a uniform: over 784 pixels of two levels that costs 3e-4 nats.
    return categorical(levels, min_mass=4e-7 * levels)


@register_images(FAMILY, "discrete")
def pixelcnn(
    shape: tuple[int, int, int],
    cond_dim: int | None,
    *,
    levels: int = 2,
    width: int = 32,
    depth: int = 6,
    reach: int = 2,
    dtype: str = "float32",
    remat: bool = False,
    learning_rate: float = 2e-3,
) -> Recipe:
    """Gated PixelCNN (arXiv 1606.05328)."""
    net = pixelcnn_net(levels, width=width, depth=depth, reach=reach, dtype=dtype, remat=remat)
    model = Model(uniform(shape), autoregressive(_pixels(levels), net))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood", adam(learning_rate))


@register_images(FAMILY, "discrete")
def image_transformer(
    shape: tuple[int, int, int],
    cond_dim: int | None,
    *,
    levels: int = 2,
    width: int = 32,
    depth: int = 2,
    num_heads: int = 2,
    reach: int = 3,
    dropout: float = 0.0,
    dtype: str = "float32",
    remat: bool = False,
    attention: str = "xla",
    learning_rate: float = 3e-3,
) -> Recipe:
    """Decoder-only transformer over pixels (after arXiv 1802.05751), sampled with a cache; the default is small enough for a CPU."""
    net = causal_transformer(
        levels,
        width=width,
        depth=depth,
        num_heads=num_heads,
        reach=reach,
        dropout=dropout,
        dtype=dtype,
        remat=remat,
        attention=attention,
    )
    model = Model(uniform(shape), autoregressive(_pixels(levels), net))
    trained = model if dropout == 0 else Model(model.base, _with_key(model.transform, _pixels(levels), net))
    return Recipe({"default": model}, maximum_likelihood(trained), "maximum likelihood", adam(learning_rate))


def _with_key(transform: Transform, scalar: Scalar, net: Net) -> Transform:
    """`transform` whose density drops units by its key: by Jensen's inequality a bound of that of the average over what is dropped."""

    def inverse(params: Any, x: jax.Array, cond: Any = None, key: Any = None) -> Preimage:
        drawn = autoregressive(scalar, Net(net.init, lambda params, x, cond: net.apply(params, x, cond, key))).inverse
        assert drawn is not None
        return drawn(params, x, cond)

    return transform._replace(inverse=inverse, density=Density.LOWER_BOUND)
