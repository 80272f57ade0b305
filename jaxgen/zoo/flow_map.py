"""Few steps: flow maps from noise to data in one evaluation of a network, each found in its own way. Readings of the same params take more steps."""

from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import time_mlp, times_mlp
from jaxgen.objectives import mean_flow, reflow
from jaxgen.training import adam
from jaxgen.transforms import flow_map
from jaxgen.zoo.registry import Recipe, register
from jaxgen.zoo.velocity import init_in_time, init_in_times, trace_for, velocity_flow

FAMILY = "few steps"


@register(FAMILY, compared=False)
def rectified_flow(
    dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, rounds: int = 2, learning_rate: float = 3e-3
) -> Recipe:
    """Flow matching, then `rounds - 1` times on the flow's own pairs, until one step of Euler's method solves it (arXiv 2209.03003)."""
    net = time_mlp(dim, width=width, depth=depth)
    step = flow_map(
        init_in_time(net), lambda params, x, t, s, cond=None: net.apply(params, x, t, cond), density="ode", trace=trace_for(dim)
    )
    readings = {"one_step": Model(normal((dim,)), step), "ode": Model(normal((dim,)), velocity_flow(net, dim))}
    return Recipe(readings, reflow(readings["ode"], rounds), "flow matching, reflow", adam(learning_rate, cycles=rounds), 8_000)


@register(FAMILY, compared=False)
def meanflow(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    guidance: float = 1.0,
    learning_rate: float = 3e-3,
) -> Recipe:
    """The average velocity of flow matching's ODE, learnt by the MeanFlow identity (arXiv 2505.13447).

    guidance: the scale of classifier-free guidance that is trained in, for data with conditions; an all-zero condition then means none.
    """
    net = times_mlp(dim, width=width, depth=depth)
    init, trace = init_in_times(net), trace_for(dim)
    readings = {name: Model(normal((dim,)), flow_map(init, net.apply, n, density="ode", trace=trace)) for name, n in STEPS.items()}
    steered = {} if guidance == 1 else {"guidance": guidance, "drop": 0.1}
    return Recipe(readings, mean_flow(readings["one_step"], **steered), "MeanFlow", adam(learning_rate), 5_000)


STEPS = {"one_step": 1, "two_steps": 2, "four_steps": 4}
