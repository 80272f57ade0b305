"""Normalizing flows of images: exact densities of dequantised pixels, which bound the probabilities of the whole-numbered ones."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import causal_rows
from jaxgen.objectives import maximum_likelihood
from jaxgen.training import adam
from jaxgen.transform import Transform, chain
from jaxgen.transforms import affine, autoregressive_rows, flip, num_patches, patches, repeat, scale_and_shift, uniform_dequantisation
from jaxgen.zoo.registry import Recipe, register_images

FAMILY = "normalizing flow"


def pixels(levels: int) -> tuple[Transform, Transform]:
    """From values of about (-1, 1) to whole numbers 0 ... levels - 1, two transforms."""
    return affine(levels / 2, levels / 2), uniform_dequantisation(levels)


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
