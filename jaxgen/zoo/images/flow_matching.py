"""Flow matching of images: the recipe of `zoo/flow_matching.py` with networks that know neighbours, and class conditions with guidance."""

from jaxgen.numerics import fixed
from jaxgen.zoo.flow_matching import FAMILY, cfm_recipe
from jaxgen.zoo.guidance import check_guidance
from jaxgen.zoo.images.networks import image_network
from jaxgen.zoo.registry import Recipe, register_images


@register_images(FAMILY, "continuous")
def cfm(
    shape: tuple[int, int, int],
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    network: str = "unet",
    dtype: str | None = None,
    remat: bool = False,
    num_steps: int = 25,
    guidance: float = 1.0,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Conditional flow matching with independent pairs (arXiv 2210.02747), sampled and evaluated in `num_steps` steps of the midpoint rule.

    guidance: scale of classifier-free guidance; other than 1 it drops a tenth of the conditions in training.
    """
    check_guidance("cfm", guidance, cond_dim)
    net = image_network(network, shape[-1], 1, width, depth, dtype, remat)
    recipe = cfm_recipe(net, shape, cond_dim, learning_rate, fixed(num_steps, "midpoint"), guidance)
    return recipe._replace(num_steps=20_000)
