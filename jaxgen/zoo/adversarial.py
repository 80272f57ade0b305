"""A free generator, found by a game against a critic that sampling drops, or by a distance between samples."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import Net, mlp
from jaxgen.objectives import adversarial, energy
from jaxgen.training import adam, players
from jaxgen.training.optimizers import Optimizer
from jaxgen.transforms import generator
from jaxgen.zoo.registry import Recipe, register

FAMILY = "adversarial"


@register(FAMILY)
def gan(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, r1: float = 0.1, learning_rate: float = 1e-3) -> Recipe:
    """The non-saturating game (arXiv 1406.2661) with a mild gradient penalty at the data (arXiv 1801.04406)."""
    model = _generator(dim, width, depth)
    objective = adversarial(model, _critic(width, depth), "non_saturating", r1=r1)
    return Recipe({"default": model}, objective, "non-saturating game", two_players(learning_rate))


@register(FAMILY)
def wgan_gp(
    dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, gradient_penalty: float = 0.1, learning_rate: float = 2e-3
) -> Recipe:
    """The Wasserstein game with gradient penalty (arXiv 1704.00028)."""
    model = _generator(dim, width, depth)
    objective = adversarial(model, _critic(width, depth), "wasserstein", gradient_penalty=gradient_penalty)
    return Recipe({"default": model}, objective, "Wasserstein game, gradient penalty", two_players(learning_rate))


@register(FAMILY)
def rpgan(
    dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, r1: float = 0.1, r2: float = 0.1, learning_rate: float = 1e-3
) -> Recipe:
    """The relativistic pairing game with gradient penalties on both sides (arXiv 2501.05441)."""
    model = _generator(dim, width, depth)
    objective = adversarial(model, _critic(width, depth), "relativistic", r1=r1, r2=r2)
    return Recipe({"default": model}, objective, "relativistic game, R1 + R2", two_players(learning_rate))


@register("one objective for all", "energy")
def energy_distance(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, learning_rate: float = 2e-3) -> Recipe:
    """The generator of `gan` trained by the energy distance, which needs no critic and would train any sampler."""
    model = _generator(dim, width, depth)
    return Recipe({"default": model}, energy(model), "energy distance", adam(learning_rate))


def _generator(dim: int, width: int, depth: int) -> Model:
    return Model(normal((max(dim, 2),)), generator(mlp(dim, width=width, depth=depth)))


def _critic(width: int, depth: int) -> Net:
    return mlp(1, width=width, depth=depth, activation="leaky_relu")


def two_players(learning_rate: float) -> Optimizer:
    """Adam without momentum for both players, the critic's steps twice as long."""
    # Momentum makes players chase each other in circles (arXiv 1801.04406, section 2).
    return players(adam(learning_rate, b1=0.0, b2=0.99), adam(2 * learning_rate, b1=0.0, b2=0.99))
