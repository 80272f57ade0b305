"""Autoregressive models of images: whole-numbered pixels, each read off a uniform number given the pixels before it; exact likelihoods."""

import jax

from jaxgen.bases import uniform
from jaxgen.nets import Net, causal_transformer
from jaxgen.nets import pixelcnn as pixelcnn_net
from jaxgen.training import Entry
from jaxgen.transform import Density, Preimage, Transform
from jaxgen.transforms import Scalar, autoregressive, categorical
from jaxgen.types import Cond, Key, Params
from jaxgen.zoo.autoregressive import AUTOREGRESSIVE
from jaxgen.zoo.forms import image
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import likelihood
from jaxgen.zoo.registry import register


@register(AUTOREGRESSIVE, image("discrete", levels=2, width=64, depth=6, dtype="float32", remat=False))
def pixelcnn(nets: Nets, *, reach: int = 2, learning_rate: float = 2e-3) -> Entry:
    """Train a gated PixelCNN.

    Args:
        reach: How many pixels away a layer reads.

    Source: arXiv 1606.05328.
    """
    net = pixelcnn_net(nets.levels, width=nets.units, depth=nets.depth, reach=reach, dtype=nets.dtype or "float32", remat=nets.remat)
    return likelihood(uniform(nets.event), autoregressive(_pixel(nets.levels), net), learning_rate)


@register(
    AUTOREGRESSIVE,
    image("discrete", levels=2, width=128, depth=4, dtype="float32", remat=False, small={"num_heads": 2}),
)
def image_transformer(
    nets: Nets, *, num_heads: int = 4, reach: int = 3, dropout: float = 0.0, attention: str = "xla", learning_rate: float = 3e-3
) -> Entry:
    """Train a decoder-only transformer over pixels, which is sampled with a cache.

    Args:
        num_heads: Attention heads of a layer.
        reach: How many pixels away the first layer reads.
        dropout: The fraction of units that training drops.
        attention: The implementation of attention, as `nets.causal_transformer` takes it.

    Source: after arXiv 1802.05751.
    """
    net = causal_transformer(
        nets.levels, width=nets.units, depth=nets.depth, num_heads=num_heads, reach=reach, dropout=dropout, dtype=nets.dtype or "float32",
        remat=nets.remat, attention=attention,
    )  # fmt: skip
    transform = autoregressive(_pixel(nets.levels), net)
    trained = None if dropout == 0 else _with_key(transform, _pixel(nets.levels), net)
    return likelihood(uniform(nets.event), transform, learning_rate, trained=trained)


def _pixel(levels: int) -> Scalar:
    # Each level keeps the mass of a few roundings of a uniform: over 784 pixels of two levels that costs 3e-4 nats.
    return categorical(levels, min_mass=4e-7 * levels)


def _with_key(transform: Transform, scalar: Scalar, net: Net) -> Transform:
    """Return `transform` whose density drops units by its key: by Jensen's inequality a bound of the average over what is dropped."""

    def inverse(params: Params, x: jax.Array, cond: Cond = None, key: Key | None = None) -> Preimage:
        dropped = autoregressive(scalar, Net(net.init, lambda params, x, cond: net.apply(params, x, cond, key))).inverse
        assert dropped is not None
        return dropped(params, x, cond)

    return transform._replace(one=transform.one._replace(inverse=inverse), kind=Density.LOWER_BOUND)
