"""Images in one evaluation of a network: MeanFlow and drifting, the recipes of `zoo/flow_map.py` with networks that know neighbours."""

from jaxgen import objectives
from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.numerics import fixed
from jaxgen.training import adam
from jaxgen.transforms import generator
from jaxgen.zoo.flow_map import FAMILY, meanflow_recipe
from jaxgen.zoo.guidance import check_guidance
from jaxgen.zoo.images.networks import image_network
from jaxgen.zoo.registry import Recipe, register_images


@register_images(FAMILY, "continuous")
def meanflow(
    shape: tuple[int, int, int],
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    network: str = "unet",
    dtype: str | None = None,
    remat: bool = False,
    num_steps: int = 25,
    coupling: str = "independent",
    power: float = 1.0,
    guidance: float = 1.0,
    learning_rate: float = 1e-3,
) -> Recipe:
    """The average velocity of flow matching's ODE by the MeanFlow identity (arXiv 2505.13447), rows weighted as there for images.

    num_steps: of the ODE's own reading and of the density. guidance: trained in, for data with conditions; an all-zero one means none.
    """
    check_guidance("meanflow", guidance, cond_dim)
    net = image_network(network, shape[-1], 2, width, depth, dtype, remat)
    recipe = meanflow_recipe(net, shape, coupling, guidance, learning_rate, fixed(num_steps, "midpoint"), power)
    return recipe._replace(num_steps=20_000)


@register_images(FAMILY, "continuous")
def drifting(
    shape: tuple[int, int, int],
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    network: str = "unet",
    dtype: str | None = None,
    remat: bool = False,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Samples drift towards the data (arXiv 2602.04770), here in the space of pixels, from noise of an image's shape."""
    model = Model(normal(shape), generator(image_network(network, shape[-1], 0, width, depth, dtype, remat)))
    return Recipe({"default": model}, objectives.drifting(model), "drifting", adam(learning_rate), 20_000)
