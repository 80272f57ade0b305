"""Normalizing flows of images: exact densities of dequantised pixels, which bound the probabilities of the whole-numbered ones."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import causal_rows, image_parameters
from jaxgen.objectives import data_initialised, maximum_likelihood
from jaxgen.training import adam
from jaxgen.transform import Transform, chain
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
from jaxgen.zoo.registry import Recipe, register_images

FAMILY = "normalizing flow"


def pixels(levels: int) -> tuple[Transform, Transform]:
    """From values of about (-1, 1) to whole numbers 0 ... levels - 1, two transforms."""
    return affine(levels / 2, levels / 2), uniform_dequantisation(levels)


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

    model = Model(normal(shape), chain(scale(*shape, num_scales), *pixels(levels)))
    objective = data_initialised(maximum_likelihood(model), model)
    return Recipe({"default": model}, objective, "maximum likelihood of dequantised pixels", adam(learning_rate))


@register_images(FAMILY, "discrete")
def tarflow(
    shape: tuple[int, int, int],
    cond_dim: int | None,
    *,
    levels: int = 256,
    patch: int = 4,
    num_layers: int = 4,
    width: int = 64,
    depth: int = 2,
    num_heads: int = 4,
    dtype: str = "float32",
    remat: bool = False,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Affine autoregressive layers over patches, in turns from the first and from the last, by causal transformers (arXiv 2412.06329)."""
    scalar = scale_and_shift()
    net = causal_rows(scalar.num_params, width=width, depth=depth, num_heads=num_heads, dtype=dtype, remat=remat)
    layers = repeat(chain(autoregressive_rows(scalar, net), flip()), num_layers, remat=remat)
    model = Model(normal(num_patches(shape, patch)), chain(layers, patches(shape, patch), *pixels(levels)))
    return Recipe({"default": model}, maximum_likelihood(model), "maximum likelihood of dequantised pixels", adam(learning_rate))
