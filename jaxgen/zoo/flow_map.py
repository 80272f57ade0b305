"""Few steps: flow maps from noise to data in one evaluation of a network, each found in its own way. Readings of the same params take more steps."""

import math
from collections.abc import Callable, Sequence

import jax

from jaxgen import objectives
from jaxgen.bases import normal
from jaxgen.model import Model
from jaxgen.nets import Net, mlp, time_mlp, times_mlp
from jaxgen.numerics import Solver, fixed
from jaxgen.training import adam
from jaxgen.transforms import flow_map, generator, ode_flow
from jaxgen.zoo.guidance import DROPPED
from jaxgen.zoo.registry import Recipe, register
from jaxgen.zoo.velocity import init_in_time, init_in_times, trace_for, velocity_flow

FAMILY = "few steps"


@register(FAMILY, compared=False)
def rectified_flow(
    dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, rounds: int = 2, learning_rate: float = 3e-3
) -> Recipe:
    """Flow matching, then `rounds - 1` times on the flow's own pairs, until one step of Euler's method solves it (arXiv 2209.03003)."""
    net = time_mlp(dim, width=width, depth=depth)
    step = flow_map(init_in_time(net), _to_end(net), density="ode", trace=trace_for(dim))
    readings = {"one_step": Model(normal((dim,)), step), "ode": Model(normal((dim,)), velocity_flow(net, dim))}
    return Recipe(readings, objectives.reflow(readings["ode"], rounds), "flow matching, reflow", adam(learning_rate, cycles=rounds), 8_000)


@register(FAMILY, compared=False)
def meanflow(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    coupling: str = "conditional_optimal_transport",
    guidance: float = 1.0,
    learning_rate: float = 3e-3,
) -> Recipe:
    """The average velocity of flow matching's ODE, learnt by the MeanFlow identity (arXiv 2505.13447).

    coupling: of noise and data. Optimal transport (within classes, where there are conditions) takes most of the variance out of the
        identity's right side; the paper's is "independent".
    guidance: the scale of classifier-free guidance that is trained in, for data with conditions; an all-zero condition then means none.
    """
    return meanflow_recipe(times_mlp(dim, width=width, depth=depth), (dim,), coupling, guidance, learning_rate)


def meanflow_recipe(
    net: Net,
    shape: Sequence[int],
    coupling: str,
    guidance: float,
    learning_rate: float,
    solver: Solver | None = None,
    power: float = 0.0,
) -> Recipe:
    """`meanflow` of any network in `(x, t, s, cond)` for events of `shape`; power: as in `objectives.mean_flow`."""
    init, trace = init_in_times(net), trace_for(math.prod(shape))
    step = flow_map(init, net.apply, density="ode", solver=solver, trace=trace)
    ode = ode_flow(init, step.parts["velocity"], solver=solver, trace=trace)
    readings = {"one_step": Model(normal(shape), step), "ode": Model(normal(shape), ode)}
    drop = 0.0 if guidance == 1 else DROPPED
    objective = objectives.mean_flow(readings["one_step"], coupling=coupling, power=power, guidance=guidance, drop=drop)
    return Recipe(readings, objective, "MeanFlow", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def consistency(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    coupling: str = "conditional_optimal_transport",
    learning_rate: float = 3e-3,
) -> Recipe:
    """A consistency model trained from data alone (arXiv 2303.01469, 2310.14189).

    coupling: of noise and data, as in `meanflow`; the papers' is "independent". Two steps keep the noise and go on from half way between it
        and the first guess. New noise there, as `renoised_flow_map` puts it, has the law of the path for independent pairs alone.
    """
    net = time_mlp(dim, width=width, depth=depth)
    steps = {"one_step": 1, "two_steps": 2}
    readings = {name: Model(normal((dim,)), flow_map(init_in_time(net), _to_end(net), n)) for name, n in steps.items()}
    objective = objectives.consistency(readings["one_step"], levels=(10, 40), coupling=coupling)
    return Recipe(readings, objective, "consistency training", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def imm(
    dim: int,
    cond_dim: int | None,
    *,
    width: int = 108,
    depth: int = 3,
    coupling: str = "conditional_optimal_transport",
    learning_rate: float = 3e-3,
) -> Recipe:
    """Inductive moment matching (arXiv 2503.07565). coupling: of noise and data, as in `meanflow`; the paper's is "independent"."""
    net = times_mlp(dim, width=width, depth=depth)
    steps = {"one_step": 1, "four_steps": 4}
    readings = {name: Model(normal((dim,)), flow_map(init_in_times(net), net.apply, n)) for name, n in steps.items()}
    objective = objectives.inductive_moment_matching(readings["one_step"], coupling=coupling)
    return Recipe(readings, objective, "inductive moment matching", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def drifting(dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, learning_rate: float = 2e-3) -> Recipe:
    """The generator of a GAN without its critic: samples drift towards the data (arXiv 2602.04770)."""
    model = Model(normal((max(dim, 2),)), generator(mlp(dim, width=width, depth=depth)))
    return Recipe({"default": model}, objectives.drifting(model), "drifting", adam(learning_rate), 5_000)


@register(FAMILY, compared=False)
def distilled(
    dim: int, cond_dim: int | None, *, width: int = 108, depth: int = 3, num_steps: int = 32, learning_rate: float = 3e-3
) -> Recipe:
    """A generator of one evaluation that learns what flow matching's ODE makes of each noise in `num_steps` evaluations (arXiv 2101.02388)."""
    net = time_mlp(dim, width=width, depth=depth)
    model = Model(normal((dim,)), flow_map(init_in_time(net), _to_end(net)))
    teacher = Model(normal((dim,)), velocity_flow(net, dim, fixed(max(1, num_steps // 2), "midpoint")))
    objective = objectives.distillation(model, teacher, objectives.flow_matching(teacher))
    return Recipe({"default": model}, objective, "flow matching, distilled", adam(learning_rate, cycles=2), 8_000)


def _to_end(net: Net) -> Callable[..., jax.Array]:
    """A network in `(x, t, cond)` as a mean velocity, the same for every end s of the step."""
    return lambda params, x, t, s, cond=None: net.apply(params, x, t, cond)
