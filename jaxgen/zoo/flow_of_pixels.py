"""Normalizing flows of images: exact densities of dequantised pixels, which bound the probabilities of the whole-numbered ones."""

from jaxgen.bases import normal
from jaxgen.combinators import chain
from jaxgen.model import Model
from jaxgen.nets import causal_row_transformer, coupling_cnn
from jaxgen.objectives import data_initialised, maximum_likelihood
from jaxgen.training import Entry, adam
from jaxgen.transform import Transform
from jaxgen.transforms import (
    actnorm,
    affine,
    autoregressive_rows,
    channel_coupling,
    flip,
    invert,
    lu,
    num_patches,
    on_channels,
    patches,
    pixelwise,
    repeat,
    scale_and_shift,
    squeeze,
    uniform_dequantisation,
)
from jaxgen.zoo.flow import FLOW
from jaxgen.zoo.forms import image
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import titled
from jaxgen.zoo.registry import register

TITLE = "maximum likelihood of dequantised pixels"


@register(
    FLOW,
    image("discrete", levels=256, width=128, depth=1, dtype="float32", remat=False, small={"num_scales": 2, "num_layers": 2}),
)
def glow(nets: Nets, *, num_scales: int = 3, num_layers: int = 8, learning_rate: float = 1e-3) -> Entry:
    """Stack activation norm, LU 1 x 1 convolution and affine coupling; half the channels are split off between scales.

    Args:
        num_scales: Scales at most; there are as many as the height and the width can be halved.
        num_layers: Layers of a scale.

    Source: arXiv 1807.03039.
    """
    height, breadth, channels = nets.picture
    if height % 2 or breadth % 2:
        raise ValueError(f"glow: event_shape={nets.event}; accepted: an even height and width.")

    def coupled() -> Transform:
        options = {"width": nets.units, "depth": nets.depth, "dtype": nets.dtype}
        return channel_coupling(scale_and_shift(), lambda out: coupling_cnn(out, **options))

    def scale(height: int, breadth: int, channels: int, left: int) -> Transform:
        """From noise of the image's own shape: deeper scales on half the channels, their effect on the other half, then this scale's layers."""
        height, breadth, half = height // 2, breadth // 2, 2 * channels
        layer = chain(coupled(), pixelwise(lu()), pixelwise(actnorm()))
        parts = [repeat(layer, num_layers, remat=nets.remat), squeeze()]
        if left > 1 and height % 2 == 0 and breadth % 2 == 0:
            parts = [on_channels(scale(height, breadth, half, left - 1), half), coupled(), *parts]
        return chain(invert(squeeze()), *parts)

    model = Model(normal(nets.event), chain(scale(height, breadth, channels, num_scales), *pixels(nets.levels)))
    return titled(model, data_initialised(maximum_likelihood(model), model), TITLE, adam(learning_rate))


@register(
    FLOW,
    image(
        "discrete",
        levels=256,
        width=128,
        depth=4,
        dtype="float32",
        remat=False,
        small={"patch": 2, "num_layers": 2, "num_heads": 2},
    ),
)
def tarflow(nets: Nets, *, patch: int = 4, num_layers: int = 8, num_heads: int = 4, learning_rate: float = 1e-3) -> Entry:
    """Stack affine autoregressive layers over patches, in turns from the first patch and from the last, by causal transformers.

    Args:
        patch: The side of a patch in pixels.
        num_layers: How many layers there are.
        num_heads: Attention heads of a transformer.

    Source: arXiv 2412.06329.
    """
    scalar = scale_and_shift()
    net = causal_row_transformer(
        scalar.num_params, width=nets.units, depth=nets.depth, num_heads=num_heads, dtype=nets.dtype or "float32", remat=nets.remat
    )
    layers = repeat(chain(autoregressive_rows(scalar, net), flip()), num_layers, remat=nets.remat)
    transform = chain(layers, patches(nets.picture, patch), *pixels(nets.levels))
    model = Model(normal(num_patches(nets.picture, patch)), transform)
    return titled(model, maximum_likelihood(model), TITLE, adam(learning_rate))


def pixels(levels: int) -> tuple[Transform, Transform]:
    """Return the two transforms from values of about (-1, 1) to whole numbers 0 ... levels - 1."""
    return affine(levels / 2, levels / 2), uniform_dequantisation(levels)
