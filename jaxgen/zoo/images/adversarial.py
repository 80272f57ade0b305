"""The games of `zoo/adversarial.py` between a convolutional generator and critic."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import image_critic, image_generator
from jaxgen.objectives import adversarial
from jaxgen.transforms import generator
from jaxgen.zoo.adversarial import FAMILY, two_players
from jaxgen.zoo.registry import Recipe, register_images

Shape = tuple[int, int, int]


@register_images(FAMILY, "continuous")
def gan(
    shape: Shape,
    cond_dim: int | None,
    *,
    width: int = 32,
    depth: int = 1,
    latent_dim: int = 64,
    dtype: str | None = None,
    r1: float = 1.0,
    learning_rate: float = 5e-4,
) -> Recipe:
    """The non-saturating game (arXiv 1406.2661) with a gradient penalty at the data (arXiv 1801.04406)."""
    return _game(shape, width, depth, latent_dim, dtype, learning_rate, "non_saturating", "non-saturating game", r1=r1)


@register_images(FAMILY, "continuous")
def wgan_gp(
    shape: Shape,
    cond_dim: int | None,
    *,
    width: int = 32,
    depth: int = 1,
    latent_dim: int = 64,
    dtype: str | None = None,
    gradient_penalty: float = 10.0,
    learning_rate: float = 5e-4,
) -> Recipe:
    """The Wasserstein game with gradient penalty, its weight the paper's (arXiv 1704.00028)."""
    title = "Wasserstein game, gradient penalty"
    return _game(shape, width, depth, latent_dim, dtype, learning_rate, "wasserstein", title, gradient_penalty=gradient_penalty)


@register_images(FAMILY, "continuous")
def r3gan(
    shape: Shape,
    cond_dim: int | None,
    *,
    width: int = 32,
    depth: int = 1,
    latent_dim: int = 64,
    dtype: str | None = None,
    r1: float = 1.0,
    r2: float = 1.0,
    learning_rate: float = 5e-4,
) -> Recipe:
    """R3GAN (arXiv 2501.05441): the relativistic pairing game, gradient penalties on both sides, residual networks without normalisation."""
    return _game(shape, width, depth, latent_dim, dtype, learning_rate, "relativistic", "relativistic game, R1 + R2", r1=r1, r2=r2)


def _game(
    shape: Shape, width: int, depth: int, latent_dim: int, dtype: str | None, learning_rate: float, game: str, title: str, **weights: float
) -> Recipe:
    model = Model(normal((latent_dim,)), generator(image_generator(shape, width=width, depth=depth, dtype=dtype)))
    objective = adversarial(model, image_critic(width=width, depth=depth, dtype=dtype), game, **weights)
    return Recipe({"default": model}, objective, title, two_players(learning_rate), 20_000)
