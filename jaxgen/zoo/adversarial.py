"""A free generator, trained by a game against a critic that sampling drops, or by a distance between samples."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.objectives import adversarial, energy
from jaxgen.training import Entry, Style, adam, players
from jaxgen.training.optimizers import Optimizer
from jaxgen.transforms import generator
from jaxgen.zoo.forms import image, vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import titled
from jaxgen.zoo.registry import Family, register

ADVERSARIAL = Family(
    "adversarial",
    Style(
        "#c2498f",
        "A generator maps noise to data in one pass; the critic that judged it (grey) is dropped, and there is no density to ask for.",
    ),
)
ALONE = Family(
    "one objective for all",
    Style("#a87556", "The generator of the adversarial row, trained without an opponent: one distance between samples is made small."),
)
CONVOLUTIONS = {"width": 32, "depth": 1, "dtype": None}


@register(
    ADVERSARIAL,
    vector(width=108, depth=3),
    image("continuous", **CONVOLUTIONS, small={"latent_dim": 3}, options={"latent_dim": 64, "r1": 1.0, "learning_rate": 5e-4}),
)
def gan(nets: Nets, *, latent_dim: int | None = None, r1: float = 0.1, learning_rate: float = 1e-3) -> Entry:
    """Play the non-saturating game with a gradient penalty at the data.

    Args:
        latent_dim: Numbers of noise; None takes as many as an event has, and at least two.
        r1: The weight of the gradient penalty.

    Source: arXiv 1406.2661, section 3; arXiv 1801.04406, equation 9.
    """
    return _game(nets, latent_dim, learning_rate, "non_saturating", "non-saturating game", r1=r1)


@register(
    ADVERSARIAL,
    vector(width=108, depth=3),
    image(
        "continuous", **CONVOLUTIONS, small={"latent_dim": 3}, options={"latent_dim": 64, "gradient_penalty": 10.0, "learning_rate": 5e-4}
    ),
)
def wgan_gp(nets: Nets, *, latent_dim: int | None = None, gradient_penalty: float = 0.1, learning_rate: float = 2e-3) -> Entry:
    """Play the Wasserstein game with a gradient penalty between the data and the samples.

    Args:
        latent_dim: As for `gan`.
        gradient_penalty: The weight of the penalty; the paper's is 10.

    Source: arXiv 1704.00028, equation 3.
    """
    title = "Wasserstein game, gradient penalty"
    return _game(nets, latent_dim, learning_rate, "wasserstein", title, gradient_penalty=gradient_penalty)


@register(
    ADVERSARIAL,
    vector(width=108, depth=3),
    image(
        "continuous",
        **CONVOLUTIONS,
        small={"latent_dim": 3},
        name="r3gan",
        options={"latent_dim": 64, "r1": 1.0, "r2": 1.0, "learning_rate": 5e-4},
    ),
)
def rpgan(nets: Nets, *, latent_dim: int | None = None, r1: float = 0.1, r2: float = 0.1, learning_rate: float = 1e-3) -> Entry:
    """Play the relativistic pairing game with gradient penalties on both sides; for images this is R3GAN.

    Args:
        latent_dim: As for `gan`.
        r1: The weight of the gradient penalty at the data.
        r2: The weight of the gradient penalty at the samples.

    Source: arXiv 2501.05441.
    """
    return _game(nets, latent_dim, learning_rate, "relativistic", "relativistic game, R1 + R2", r1=r1, r2=r2)


@register(ALONE, vector(width=108, depth=3, name="energy"))
def energy_distance(nets: Nets, *, learning_rate: float = 2e-3) -> Entry:
    """Train the generator of `gan` by the energy distance, which needs no critic and would train any sampler."""
    model = free_generator(nets)
    return titled(model, energy(model), "energy distance", adam(learning_rate))


def free_generator(nets: Nets, latent_dim: int | None = None) -> Model:
    """Return the model of a network from Gaussian noise to events.

    Args:
        nets: What events are, and the size of networks.
        latent_dim: Numbers of noise; None takes as many as an event has, and at least two.
    """
    return Model(normal((max(nets.size, 2) if latent_dim is None else latent_dim,)), generator(nets.generator()))


def _game(nets: Nets, latent_dim: int | None, learning_rate: float, game: str, title: str, **weights: float) -> Entry:
    model, critic = free_generator(nets, latent_dim), nets.critic()
    entry = titled(model, adversarial(model, critic, game, **weights), title, _two_players(learning_rate))
    return entry._replace(card=entry.card._replace(dropped={"critic": lambda aux, x, cond=None: critic.apply(aux, x, cond)[0]}))


def _two_players(learning_rate: float) -> Optimizer:
    # Momentum makes players chase each other in circles (arXiv 1801.04406, section 2). The critic's steps are twice as long.
    return players(adam(learning_rate, b1=0.0, b2=0.99), adam(2 * learning_rate, b1=0.0, b2=0.99))
