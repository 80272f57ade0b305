"""Schrodinger bridges: a diffusion from a source, here a Gaussian, to the data, which is read as an SDE and as an ODE."""

import jax

from jaxgen import paths
from jaxgen.bases import joint, normal
from jaxgen.model import Base, Model
from jaxgen.nets import Net
from jaxgen.objectives import bridge_matching, couplings, interpolant_matching
from jaxgen.training import Entry, Style, adam
from jaxgen.transform import field_part
from jaxgen.transforms import bridge_sde, ode_flow
from jaxgen.types import Cond, Params
from jaxgen.zoo.forms import vector
from jaxgen.zoo.networks import Nets
from jaxgen.zoo.recipes import read_as
from jaxgen.zoo.registry import Family, register
from jaxgen.zoo.velocity import init_in_time, trace_for

BRIDGES = Family(
    "bridges",
    Style(
        "#5b7fb3",
        "A diffusion from one distribution to another that strays least from pure noise; its two directions are learned together.",
    ),
)


def bridge(net: Net, source: Base, dim: int, sigma: float, num_steps: int) -> dict[str, Model]:
    """Return the readings "sde" and "ode" of a diffusion that starts in `source`.

    Args:
        net: A network in `(x, t, cond)` with `2 dim` outputs, half the difference and half the sum of the two drifts: the velocity, and
            `sigma^2 / 2` times the score.
        source: Any base of events `(dim,)`, such as `bases.data_set(x)`.
        dim: How many numbers an event has.
        sigma: The scale of the diffusion.
        num_steps: Steps of the "sde" reading.
    """
    init = init_in_time(net)

    def velocity(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        return net.apply(params, x, t, cond)[:dim]

    def score(params: Params, x: jax.Array, t: jax.Array, cond: Cond = None) -> jax.Array:
        return 2 / sigma**2 * net.apply(params, x, t, cond)[dim:]

    drift, backward_drift = paths.drifts(velocity, score, sigma)
    parts = {"score": score, "drift": drift, "backward_drift": backward_drift}
    noise = joint({"x0": source, "increments": normal((num_steps, dim))})
    return {
        "sde": Model(noise, bridge_sde(init, drift, backward_drift, sigma, num_steps)),
        "ode": Model(
            source, ode_flow(init, velocity, trace=trace_for(dim), parts={name: field_part(field) for name, field in parts.items()})
        ),
    }


@register(BRIDGES, vector(width=108, depth=3, num_steps=5_000, small={"num_steps": 4}), compared=False)
def sf2m(nets: Nets, *, sigma: float = 0.5, num_steps: int = 100, learning_rate: float = 3e-3) -> Entry:
    """Train [SF]2M: the velocity and the score of Brownian bridges between entropic pairs.

    With conditions, noise is paired among events of equal conditions; if all conditions differ it is paired at random.

    Args:
        sigma: The scale of the diffusion.
        num_steps: Steps of the "sde" reading.

    Source: arXiv 2307.03672.
    """
    readings = _from_gaussian(nets, sigma, num_steps)
    between = paths.interpolant(variance=paths.brownian_variance(sigma**2))
    objective = interpolant_matching(readings["ode"], between, coupling=couplings.entropic(2 * sigma**2, within_conditions=True))
    return read_as(readings, objective, "score and flow matching", adam(learning_rate))


@register(BRIDGES, vector(width=108, depth=3, num_steps=8_000, small={"num_steps": 4}), compared=False)
def dsbm(nets: Nets, *, sigma: float = 0.5, rounds: int = 5, num_steps: int = 100, learning_rate: float = 3e-3) -> Entry:
    """Train DSBM-IMF: bridge matching in rounds, each on the pairs of the diffusion before it; one round is a diffusion mixture.

    Args:
        sigma: The scale of the diffusion.
        rounds: How many rounds the training has.
        num_steps: Steps of the "sde" reading.

    Source: arXiv 2303.16852.
    """
    readings = _from_gaussian(nets, sigma, num_steps)
    return read_as(readings, bridge_matching(readings["ode"], sigma, rounds), "bridge matching", adam(learning_rate))


def _from_gaussian(nets: Nets, sigma: float, num_steps: int) -> dict[str, Model]:
    return bridge(nets.of_event(1, factor=2), normal(nets.event), nets.size, sigma, num_steps)
