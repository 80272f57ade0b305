"""Schrodinger bridges: a diffusion from any source to the data that is read forward, backward and as an ODE; here the source is a Gaussian."""

from collections.abc import Callable
from typing import Any

import jax

from jaxgen import paths
from jaxgen.bases import joint, normal
from jaxgen.model import Base, Model
from jaxgen.nets import Net, time_mlp
from jaxgen.objectives import bridge_matching, couplings, interpolant_matching
from jaxgen.training import adam
from jaxgen.transforms import bridge_sde, ode_flow
from jaxgen.zoo.registry import Recipe, register
from jaxgen.zoo.velocity import init_in_time, trace_for

FAMILY = "bridges"
Field = Callable[..., jax.Array]


def score_and_flow(net: Net, source: Base, dim: int, sigma: float, num_steps: int) -> dict[str, Model]:
    """The readings "sde" and "ode" of a network of `2 dim` outputs, velocity and score, as `interpolant_matching` trains it.

    source: where the process starts, any base of events of `dim` numbers, such as `bases.data_set(x)`.
    """
    velocity, score = _halves(net, dim)
    return _readings(net, source, dim, paths.drifts(velocity, score, sigma), velocity, {"score": score}, sigma, num_steps)


def two_drifts(net: Net, source: Base, dim: int, sigma: float, num_steps: int) -> dict[str, Model]:
    """The same for a network whose outputs are the two drifts, as `bridge_matching` trains it."""
    drift, backward_drift = _halves(net, dim)
    velocity, score = paths.velocity_and_score(drift, backward_drift, sigma)
    parts = {"drift": drift, "backward_drift": backward_drift, "score": score}
    return _readings(net, source, dim, (drift, backward_drift), velocity, parts, sigma, num_steps)


@register(FAMILY, compared=False)
def sf2m(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    sigma: float = 0.5,
    num_steps: int = 100,
    learning_rate: float = 3e-3,
) -> Recipe:
    """[SF]2M: velocity and score of Brownian bridges between entropic pairs (arXiv 2307.03672).

    With conditions, noise is paired within those that are equal; where all differ it is paired at random.
    """
    readings = score_and_flow(time_mlp(2 * dim, width=width, depth=depth), normal((dim,)), dim, sigma, num_steps)
    between = paths.interpolant(variance=paths.brownian_variance(sigma**2))
    objective = interpolant_matching(readings["ode"], between, coupling=couplings.entropic(2 * sigma**2, within_conditions=True))
    return Recipe(readings, objective, "score and flow matching", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def dsbm(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    sigma: float = 0.5,
    rounds: int = 5,
    num_steps: int = 100,
    learning_rate: float = 3e-3,
) -> Recipe:
    """DSBM-IMF: bridge matching in rounds, each on the pairs of the diffusion before it (arXiv 2303.16852); one round is a diffusion mixture."""
    readings = two_drifts(time_mlp(2 * dim, width=width, depth=depth), normal((dim,)), dim, sigma, num_steps)
    return Recipe(readings, bridge_matching(readings["ode"], sigma, rounds), "bridge matching", adam(learning_rate), 8_000)


def _halves(net: Net, dim: int) -> tuple[Field, Field]:
    return (
        lambda params, x, t, cond=None: net.apply(params, x, t, cond)[:dim],
        lambda params, x, t, cond=None: net.apply(params, x, t, cond)[dim:],
    )


def _readings(
    net: Net, source: Base, dim: int, drifts: tuple[Field, Field], velocity: Field, parts: Any, sigma: float, num_steps: int
) -> dict[str, Model]:
    init = init_in_time(net)
    noise = joint({"x0": source, "increments": normal((num_steps, dim))})
    return {
        "sde": Model(noise, bridge_sde(init, *drifts, sigma, num_steps)),
        "ode": Model(source, ode_flow(init, velocity, trace=trace_for(dim), parts=parts)),
    }
