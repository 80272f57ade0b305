"""Diffusion of images: the recipes of `zoo/diffusion.py` with networks that know neighbours, and class conditions with guidance."""

from jaxgen.numerics import fixed
from jaxgen.zoo.diffusion import FAMILY, ddpm_recipe, edm_recipe, vdm_recipe
from jaxgen.zoo.guidance import check_guidance
from jaxgen.zoo.images.networks import image_network
from jaxgen.zoo.registry import Recipe, register_images

Shape = tuple[int, int, int]


@register_images(FAMILY, "continuous")
def ddpm(
    shape: Shape,
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    network: str = "unet",
    dtype: str | None = None,
    remat: bool = False,
    num_steps: int = 250,
    num_ddim_steps: int = 50,
    num_ode_steps: int = 50,
    guidance: float = 1.0,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Noise prediction (arXiv 2006.11239). guidance: scale of classifier-free guidance; other than 1 it drops a tenth of the conditions."""
    check_guidance("ddpm", guidance, cond_dim)
    net, solver = image_network(network, shape[-1], 1, width, depth, dtype, remat), fixed(num_ode_steps, "heun")
    return _kept(ddpm_recipe(net, shape, cond_dim, num_steps, num_ddim_steps, learning_rate, solver, guidance))


@register_images(FAMILY, "continuous")
def edm(
    shape: Shape,
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    network: str = "unet",
    dtype: str | None = None,
    remat: bool = False,
    num_steps: int = 18,
    num_ode_steps: int = 50,
    sigma_data: float = 0.5,
    guidance: float = 1.0,
    learning_rate: float = 1e-3,
) -> Recipe:
    """Preconditioned denoiser, log-normal noise levels, Heun's method (arXiv 2206.00364). guidance: as for `ddpm`."""
    check_guidance("edm", guidance, cond_dim)
    net, solver = image_network(network, shape[-1], 1, width, depth, dtype, remat), fixed(num_ode_steps, "heun")
    return _kept(edm_recipe(net, shape, cond_dim, num_steps, sigma_data, learning_rate, solver, guidance))


@register_images(FAMILY, "continuous")
def vdm(
    shape: Shape,
    cond_dim: int | None,
    *,
    width: int = 64,
    depth: int = 2,
    network: str = "unet",
    dtype: str | None = None,
    remat: bool = False,
    num_steps: int = 250,
    learning_rate: float = 1e-3,
) -> Recipe:
    """The variational bound in bits per dimension, the ends of the noise schedule learnt (arXiv 2107.00630).

    The metric is of events in (-1, 1); bits of their pixels are `log2(levels / 2)` more, and `zoo.in_units` counts them.
    """
    net = image_network(network, shape[-1], 1, width, depth, dtype, remat)
    return vdm_recipe(net, shape, num_steps, {"low": -5.0, "gap": 15.0}, learning_rate)


def _kept(recipe: Recipe) -> Recipe:
    # The sampler of few steps has the ODE's density already.
    return recipe._replace(readings={name: model for name, model in recipe.readings.items() if name != "ode"}, num_steps=20_000)
