"""Schrodinger bridges: a diffusion from any source to the data that is read forward, backward and as an ODE; here the source is a Gaussian."""

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


def bridge(net: Net, source: Base, dim: int, sigma: float, num_steps: int) -> dict[str, Model]:
    """The readings "sde" and "ode" of a diffusion of scale `sigma` that starts in `source`, any base of events such as `bases.data_set(x)`.

    net: in (x, t, cond) with `2 dim` outputs, half the difference and half the sum of the two drifts: the velocity, and `sigma^2 / 2 score`.
    """
    init = init_in_time(net)

    def velocity(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return net.apply(params, x, t, cond)[:dim]

    def score(params: Any, x: jax.Array, t: jax.Array, cond: Any = None) -> jax.Array:
        return 2 / sigma**2 * net.apply(params, x, t, cond)[dim:]

    drift, backward_drift = paths.drifts(velocity, score, sigma)
    parts = {"score": score, "drift": drift, "backward_drift": backward_drift}
    return {
        "sde": Model(
            joint({"x0": source, "increments": normal((num_steps, dim))}), bridge_sde(init, drift, backward_drift, sigma, num_steps)
        ),
        "ode": Model(source, ode_flow(init, velocity, trace=trace_for(dim), parts=parts)),
    }


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
    readings = bridge(time_mlp(2 * dim, width=width, depth=depth), normal((dim,)), dim, sigma, num_steps)
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
    readings = bridge(time_mlp(2 * dim, width=width, depth=depth), normal((dim,)), dim, sigma, num_steps)
    return Recipe(readings, bridge_matching(readings["ode"], sigma, rounds), "bridge matching", adam(learning_rate), 8_000)
