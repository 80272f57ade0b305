"""Glow: a multi-scale flow of couplings between channels and invertible 1 x 1 convolutions, on dequantised pixels."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import image_parameters
from jaxgen.objectives import data_initialised, maximum_likelihood
from jaxgen.training import adam
from jaxgen.transform import Transform, chain
from jaxgen.transforms import (
    actnorm,
    affine,
    channel_coupling,
    invert,
    lu,
    on_channels,
    pixelwise,
    repeat,
    scale_and_shift,
    squeeze,
    uniform_dequantisation,
)
from jaxgen.zoo.registry import Recipe, register_images

FAMILY = "normalizing flow"


@register_images(FAMILY, "discrete")
def glow(
    shape: tuple[int, int, int],
    cond_dim: int | None,
    *,
    levels: int = 256,
    num_scales: int = 3,
    num_layers: int = 8,
    width: int = 64,
    depth: int = 1,
    dtype: str = "float32",
    remat: bool = False,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Activation norm, LU 1 x 1 convolution and affine coupling, `num_layers` a scale, half the channels split off between (arXiv 1807.03039).

    As many scales as height and width can be halved, `num_scales` at most. Reading the density of whole-numbered pixels, a bound.
    """
    if shape[0] % 2 or shape[1] % 2:
        raise ValueError(f"glow: event_shape={shape}; accepted: an even height and width.")

    def coupled() -> Transform:
        return channel_coupling(scale_and_shift(), lambda out: image_parameters(out, width=width, depth=depth, dtype=dtype))

    def scale(height: int, breadth: int, channels: int, left: int) -> Transform:
        """From noise of the image's own shape: deeper scales on half the channels, their say in the other half, then this scale's layers."""
        height, breadth, half = height // 2, breadth // 2, 2 * channels
        layer = chain(coupled(), pixelwise(lu()), pixelwise(actnorm()))
        parts = [repeat(layer, num_layers, remat=remat), squeeze()]
        if left > 1 and height % 2 == 0 and breadth % 2 == 0:
            parts = [on_channels(scale(height, breadth, half, left - 1), half), coupled(), *parts]
        return chain(invert(squeeze()), *parts)

    to_pixels = (affine(levels / 2, levels / 2), uniform_dequantisation(levels))
    model = Model(normal(shape), chain(scale(*shape, num_scales), *to_pixels))
    objective = data_initialised(maximum_likelihood(model), model)
    return Recipe({"default": model}, objective, "maximum likelihood of dequantised pixels", adam(learning_rate))
